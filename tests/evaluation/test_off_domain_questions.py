"""Questions of one's own: a model whose answers are known beforehand, the kept file, and what is no question."""

import json
from pathlib import Path

import pytest

from stages.engines.checkpoint import save_checkpoint
from stages.errors import LadderError
from stages.evaluation.off_domain.asked import read_questions
from stages.evaluation.off_domain.examined import Examined, summary
from stages.evaluation.off_domain.questions import question_scores
from stages.params import Params, QuestionSet
from stages.store.digest import md5
from tests.conftest import CHECKOUT, small_params
from tests.evaluation.tiny_bytes import bigram

ROWS = [("1", "xa", "B"), ("2", "ya", ["c", "b"]), ("3", "xa", "A"), ("4", "ab", "b"), ("5", "zz", "h")]


def asked(folder: Path, rows: list[tuple[str, str, object]] = ROWS, **changes: str) -> QuestionSet:
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps({"id": i, "problem": p, "answer": a}) + "\n" for i, p, a in rows))
    settings = {"kind": "questions", "name": "own", "path": str(path), "pin": f"md5:{md5(path)}", "licence": "own"}
    return QuestionSet.model_validate(settings | {"prompt": "{problem}", "reward": "exact"} | changes)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """After a it says b, after b it ends; z is said again and again."""
    after = {"a": {"b": 1.0}, "b": {"<eos>": 1.0}, "z": {"z": 1.0}}
    made = bigram(after)
    made.tokenizer.chat_template = "{{ messages[0]['content'] }}"
    save_checkpoint(made, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    for name in ("stages", "compute.txt"):
        (tmp_path / name).symlink_to(CHECKOUT / name)  # what decides an answer's bytes
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("reward", "right"),
    [
        ("exact", [0, 1, 0, 0, 0]),  # not as a letter: b is no B; ab is answered by nothing, zz without an end
        ("choice", [0, 0, 0, 0, 0]),  # there is no box, and nobody says "answer is"
    ],
)
def test_right_answers_count(checkpoint: Path, tmp_path: Path, reward: str, right: list[int]) -> None:
    values = small_params()
    values["grading"]["require_closed_thinking"] = False
    settings, params = asked(tmp_path, reward=reward), Params.model_validate(values)
    examined = question_scores(settings, read_questions(settings), checkpoint, params)
    assert examined == [
        Examined("own", name, 0, None, None, None, float(score)) for (name, *_), score in zip(ROWS, right, strict=True)
    ]
    assert summary(examined, []) == {"own": {"documents": 5, "score": sum(right) / 5}}


def test_what_is_no_question_is_named(tmp_path: Path) -> None:
    for rows, message in (
        (ROWS[:1], "1 question: an interval is over questions"),
        ([*ROWS, ("6", "c", None)], "the question '6' has no answer that 'exact' could grade by"),
        ([*ROWS, ("6", "\ud800", "d")], "the question '6' is not Unicode text"),
        ([*ROWS, ("1", "c", "d")], "line 6: the id '1' stands in line 1 already"),
    ):
        with pytest.raises(LadderError, match=message):
            read_questions(asked(tmp_path, rows))
    with pytest.raises(LadderError, match=r"own\.jsonl: its bytes are md5:"):
        read_questions(asked(tmp_path, pin="md5:" + "0" * 32))
    for prompt in ("What?", "{problem} {hint}"):
        with pytest.raises(ValueError, match=r"has to hold \{problem\}, and no other column"):
            asked(tmp_path, prompt=prompt)
