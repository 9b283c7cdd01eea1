"""The known answers of the real problem sets: each is right against itself and wrong against another problem's."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from stages.grading import GradeItem, Grader

SPELLINGS = {(r"\dfrac{5}{11}", r"\frac{5}{11}")}  # the pairs of the draw below that are one number in two spellings
DATA = Path("../shared/data/deepscaler")
pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason=f"{DATA} is not here: clone with the shared data beside the checkout"
)


def _answers() -> Iterator[str]:
    for path in sorted(DATA.glob("*/*.json")):
        yield from (str(row["answer"]) for row in json.loads(path.read_text(encoding="utf-8")) if row["answer"])


def test_every_known_answer_is_right_against_itself(grader: Grader) -> None:
    answers = sorted(set(_answers()))
    grades = grader.grade_batch([GradeItem(f"</think> \\boxed{{{answer}}}", answer) for answer in answers])
    assert len(answers) > 3_000
    assert [answer for answer, grade in zip(answers, grades, strict=True) if grade.reward != 1] == []


def test_every_known_answer_is_wrong_against_another(grader: Grader) -> None:
    answers = sorted(set(_answers()))
    random = Random(7)
    pairs = [(answer, random.choice(answers)) for answer in answers for _ in range(5)]
    grades = grader.grade_batch([GradeItem(f"\\boxed{{{other}}}", answer) for answer, other in pairs])
    equal = {pair for pair, grade in zip(pairs, grades, strict=True) if grade.reward == 1 and pair[0] != pair[1]}
    assert equal == SPELLINGS
