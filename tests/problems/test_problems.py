"""Generated problems have right answers, are split for good, and a rung sees what its ratings let in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import curriculum, prepare
from stages.errors import LadderError
from stages.grading import grade
from stages.params import Generated, Problems, Rung
from stages.problems import digit_sums, word_arithmetic
from stages.problems.problem import Problem
from stages.problems.sources import load_source
from stages.randomness import rng

WORDS = Generated(kind="word_arithmetic", ratings=[2, 5], train_per_rating=30, heldout_per_rating=10)
SUMS = Generated(kind="digit_sums", ratings=[3, 8], train_per_rating=50, heldout_per_rating=20)


def counted(text: str) -> int:
    """The answer of a word problem, read sentence by sentence with rules of the test's own."""
    first, *changes, _question = text.split(". ")
    count = int(re.findall(r"\d+", first)[0])
    for sentence in changes:
        (number,) = (int(found) for found in re.findall(r"\d+", sentence))
        if " times " in sentence:
            count *= number
        elif re.search(r"more", sentence):
            count += number
        else:
            assert re.search(r"away|loses|sells", sentence), sentence
            count -= number
    return count


def test_word_problems_have_their_answer() -> None:
    for problem in load_source(WORDS, seed=1).problems:
        assert counted(problem.problem) == int(problem.answers[0]), problem.problem
        assert 0 <= int(problem.answers[0]) < 1000


@given(st.lists(st.integers(0, 9), min_size=2, max_size=12))
def test_a_worked_sum_is_graded_right_and_a_slip_wrong(digits: list[int]) -> None:
    expected = str(sum(digits) % 10)
    assert grade(digit_sums.worked_response(digits), expected, require_closed_thinking=True).reward == 1
    slipped = digit_sums.worked_response(digits, slips=[3])
    assert grade(slipped, expected, require_closed_thinking=True).reward == 0
    assert eval(digit_sums.text(digits).removesuffix("=")) % 10 == int(expected)  # our own text, not a model's


def test_more_training_problems_change_no_examination() -> None:
    def heldout(train: int) -> list[Problem]:
        source = SUMS.model_copy(update={"train_per_rating": train})
        return [problem for problem in load_source(source, seed=0).problems if problem.split == "heldout"]

    assert heldout(50) == heldout(100)
    assert heldout(50) != [p for p in load_source(SUMS, seed=1).problems if p.split == "heldout"]


def test_no_problem_is_in_both_tables_and_none_twice() -> None:
    prepared = prepare.run(Problems(instruction="", sources=[SUMS, WORDS, SUMS]), seed=0)
    texts = [problem.problem for problem in prepared.train + prepared.heldout]
    assert len(texts) == len(set(texts)) == 140 + 80


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(LadderError, match=r"rating 2 has too few distinct problems for 99 \+ 20"):
        load_source(Generated(kind="digit_sums", ratings=[2], train_per_rating=99, heldout_per_rating=20), 0)


def test_a_rung_sees_its_ratings() -> None:
    rung = Rung(max_response_tokens=8, rollouts_per_prompt=2, steps=1, min_rating=3, max_rating=4, unrated=False)

    def rated(rating: float | None) -> Problem:
        return Problem("id", "text", ("1",), "source", "MIT", "train", rating)

    assert [curriculum.lets_in(rung, rated(r)) for r in (2.9, 3.0, 4.0, 4.1, None)] == [False, True, True, False, False]
    assert curriculum.lets_in(rung.model_copy(update={"unrated": True}), rated(None))


def test_word_problems_come_from_their_stream_alone() -> None:
    assert word_arithmetic.draw(4, rng(0, "x")) == word_arithmetic.draw(4, rng(0, "x"))
    assert word_arithmetic.draw(4, rng(0, "x")) != word_arithmetic.draw(4, rng(0, "y"))
