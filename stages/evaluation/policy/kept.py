"""A policy's answers, kept as they come: who is killed goes on where that was, and nothing is asked twice."""

from dataclasses import asdict, dataclass
from typing import Any

from stages.evaluation.policy.questions import Question
from stages.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` has the thinking in it; `tokens` counts the response's, `prompt_tokens` the prompt's, as the endpoint says."""

    text: str
    truncated: bool
    prompt_tokens: int
    tokens: int


class KeptAnswers:
    """By the questions' keys; `model` is who answers."""

    def __init__(self, journal: Journal, model: str) -> None:
        self._journal = journal
        self._model = model
        self._answers = {row["key"]: _answer(row) for row in journal.rows() if _valid(row)}

    def __contains__(self, question: Question) -> bool:
        return question.key(self._model) in self._answers

    def __getitem__(self, question: Question) -> Answer:
        return self._answers[question.key(self._model)]

    def add(self, question: Question, answer: Answer) -> None:
        key = question.key(self._model)
        self._journal.add({"key": key, "problem_id": question.problem_id, "index": question.index} | asdict(answer))
        self._answers[key] = answer


_FIELDS = {"key": str, "text": str, "truncated": bool, "prompt_tokens": int, "tokens": int}


def _valid(row: dict[str, Any]) -> bool:
    return all(type(row.get(name)) is kind for name, kind in _FIELDS.items())


def _answer(row: dict[str, Any]) -> Answer:
    return Answer(row["text"], row["truncated"], row["prompt_tokens"], row["tokens"])
