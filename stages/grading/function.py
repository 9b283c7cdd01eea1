"""A reward that is a function of the user's, called as TRL calls one: `reward(completions, prompts, **columns)`.

Every argument is a list with one value a completion: `completions` and `prompts` are texts, `problem` and `answer` (a text; a
list of texts where several are accepted) and the columns that the source keeps come by their names. It returns a list of 0 and
1, bool and float too. Unlike TRL's it can't return None: a group's rewards are compared with one another.

It runs in the grader's bounded workers, a batch at a time, within the time of one answer: what makes a batch raise, hang or die
is found by asking its completions one by one, and costs itself alone. It must judge each completion by itself, and the same way
each time. A truncated response, or one whose thinking had to be closed and was not, earns 0 without being shown to it.
"""

import json
from collections.abc import Sequence
from typing import Any, Self

from stages.errors import LadderError
from stages.grading.failures import check_failures
from stages.grading.grade import FAILURES, Answer, Grade, GradeItem, accepted_answers, grade_of_response
from stages.grading.pool import Lost, Pool
from stages.grading.texts import final_text
from stages.grading.verdict import MAX_ANSWER_CHARACTERS

BATCH = 16
WAVE = 16 * BATCH  # how many are asked before the failures are counted
MAX_FAILED_STARTS = 2  # its import may die or hang
TRIES = 2  # of one completion: another process may have taken the memory
FEW = 100  # below so many completions a failure or two are no share


class FunctionGrader:
    """Grades by `reward`; open for as long as a rung lasts. Its workers start when they are first needed, and stay.

    `max_failed_share` is of the answers of as many `parts` as this one: other ranks grade theirs.
    """

    def __init__(
        self,
        reward: str,
        timeout_s: float,
        require_closed_thinking: bool,
        max_failed_share: float,
        workers: int,
        parts: int = 1,
    ) -> None:
        self._reward = reward
        self._limit_s = timeout_s
        self._require_closed_thinking = require_closed_thinking
        self._max_failed_share = max_failed_share
        self._parts = parts
        self._pool = Pool(["stages.grading.own_worker", reward], workers, MAX_FAILED_STARTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()

    @property
    def worker_pids(self) -> list[int]:
        """The processes that run now: none, until a completion needs one."""
        return self._pool.pids

    def grade_batch(self, items: Sequence[GradeItem]) -> list[Grade]:
        """The grades of `items`, in order.

        Raises LadderError where the function can't be imported, or returns what is no reward; GuardFired as soon as more fail
        than may (of less than a hundred as many as of a hundred), so that nobody waits for a function that hangs on everything.
        """
        all_parts = max(FEW, self._parts * len(items))
        grades = [grade_of_response(item, self._require_closed_thinking, final_text) for item in items]
        shown = [at for at, grade in enumerate(grades) if grade.why not in ("truncated", "unclosed_thinking")]
        for wave in _parts(shown, WAVE):
            alone: list[int] = []
            batches = _parts(wave, BATCH)
            for places, answer in zip(
                batches, self._ask([[items[at] for at in one] for one in batches], 1), strict=True
            ):
                if "values" not in answer:
                    alone += places
                for at, value in zip(places, answer.get("values", ()), strict=False):  # none of a failed batch
                    grades[at] = _valued(items[at], value)
            for few in _parts(alone, BATCH):
                for at, answer in zip(few, self._ask([[items[at]] for at in few], TRIES), strict=True):
                    grades[at] = _graded(items[at], answer)
                check_failures(grades, self._max_failed_share, "grading: stopped", of_at_least=all_parts)
        return grades

    def _ask(self, batches: Sequence[Sequence[GradeItem]], tries: int) -> list[dict[str, Any]]:
        questions = [json.dumps([_arguments(batch), self._limit_s]) for batch in batches]
        answers = [
            _lost(said) if isinstance(said, Lost) else json.loads(said)
            for said in self._pool.ask(questions, self._limit_s, tries)
        ]
        for batch, answer in zip(batches, answers, strict=True):
            if "refused" in answer:
                row = batch[answer.get("place", 0)].row
                raise LadderError(
                    f"params.yaml: task.reward: {self._reward!r} {answer['refused']} (it was asked about {row.place}, "
                    f"{row.prompt[:60]!r})"
                )
        return answers


def _parts(places: Sequence[int], size: int) -> list[Sequence[int]]:
    return [places[start : start + size] for start in range(0, len(places), size)]


def _arguments(batch: Sequence[GradeItem]) -> dict[str, list[Any]]:
    """What the function is called with."""
    names = dict.fromkeys(name for item in batch for name in item.row.columns)
    return {
        "completions": [item.response for item in batch],
        "prompts": [item.row.prompt for item in batch],
        "answer": [_known(item.answer) for item in batch],
        **{name: [item.row.columns.get(name) for item in batch] for name in names},
    }


def _known(answer: Answer) -> Any:
    """The one accepted answer, or the list of them; None where there is none."""
    known = accepted_answers(answer)
    return known if len(known) > 1 else known[0] if known else None


def _lost(how: Lost) -> dict[str, Any]:
    return {"failed": "timeout" if how is Lost.LATE else "reward_died", "note": f"its worker process was {how.value}"}


def _graded(item: GradeItem, answer: dict[str, Any]) -> Grade:
    if "values" in answer:
        return _valued(item, answer["values"][0])
    why = next(one for one in FAILURES if one == answer["failed"])
    return Grade(0, _extracted(item), why, f"{item.row.place}: {answer['note']}")


def _valued(item: GradeItem, value: int) -> Grade:
    extracted = _extracted(item)
    return Grade(value, extracted, "correct" if value else "no_answer" if extracted is None else "wrong")


def _extracted(item: GradeItem) -> str | None:
    """For who reads the answer, and for the vote: the function has its own way."""
    extracted = grade_of_response(item, False, final_text).extracted
    return None if extracted is None else extracted[:MAX_ANSWER_CHARACTERS]
