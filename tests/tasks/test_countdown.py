"""Countdown: the reader against Python's own arithmetic, the reward against hand-made answers, the lesson against both."""

from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.engines.lessons import LESSONS
from stages.engines.tiny_qwen2 import build_tokenizer
from stages.params import Generated, load_params
from stages.problems import countdown
from stages.problems.generated import generate
from tasks.countdown import Reader, Unreadable, reaches, reward
from tests.conftest import CHECKOUT

NUMBERS = st.integers(0, 99).map(str)
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", " + ", " - "]), inner).map("".join),
        inner.map("({})".format),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_the_reader_knows_arithmetic_as_python_does(text: str) -> None:
    exact = "".join(f"Fraction({part})" if part.isdigit() else part for part in _parts(text))
    try:
        expected = eval(exact, {"Fraction": Fraction})  # the reference: what the reader itself never does
    except ZeroDivisionError:
        with pytest.raises(Unreadable):
            Reader(text).whole()
        return
    reader = Reader(text)
    assert reader.whole() == expected
    assert reader.numbers == [int(part) for part in _parts(text) if part.isdigit()]


def _parts(text: str) -> list[str]:
    spaced = "".join(f" {sign} " if sign in "+-*/()" else sign for sign in text)
    return spaced.split()


@given(st.text(st.characters(codec="utf-8"), max_size=30) | st.text("0123456789+-*/() ", max_size=30))
def test_any_text_is_a_value_or_unreadable(text: str) -> None:
    with suppress(Unreadable):
        assert isinstance(Reader(text).whole(), Fraction)


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("</think>\\boxed{3+5-2}", True),
        ("</think>so \\boxed{ (5 - 2) + 3 }", True),
        ("\\boxed{(3*5-3)/2}", False),  # 3 twice
        ("\\boxed{3*2}", False),  # no 5
        ("\\boxed{6}", False),
        ("\\boxed{3+5-2=6}", False),
        ("\\boxed{5−2+3}", True),
        ("\\boxed{5+3-2", False),
        ("3+5-2", False),
        ("<think>\\boxed{3+5-2}", False),
        ("\\boxed{__import__('os').abort()}", False),
        ("\\boxed{3+5-2" + "+0" * 200 + "}", False),
        ("\\boxed{" + "(" * 150 + "3+5-2" + ")" * 150 + "}", False),
        ("\\boxed{3/(5-5)}", False),
        ("", False),
    ],
)
def test_all_numbers_once_and_the_target(said: str, right: bool) -> None:
    assert reaches(said, 6, [3, 5, 2]) is right
    assert reward([said, "\\boxed{1+1}"], [6, 2], [[3, 5, 2], [1, 1]], prompts=["", ""]) == [right, True]


def test_every_generated_problem_has_its_answer_and_is_made_again_alike() -> None:
    params = load_params(CHECKOUT / "profiles/countdown.yaml")
    for source in params.problems.sources:
        assert isinstance(source, Generated)
        problems = generate(source, 0)
        for one in problems:
            assert reaches(f"\\boxed{{{one.answers[0]}}}", one.columns["target"], one.columns["numbers"])
            assert one.problem == f"{','.join(map(str, one.columns['numbers']))}={one.columns['target']}"
        assert problems == generate(source, 0) and len({one.problem for one in problems}) == len(problems)


def test_what_the_miniature_is_taught_is_right_fits_and_is_all_in_its_symbols() -> None:
    lesson, tokenizer = LESSONS["countdown"], build_tokenizer("countdown")
    context = load_params(CHECKOUT / "profiles/countdown.yaml").rungs.r24k.max_response_tokens
    random = np.random.default_rng(0)
    right = []
    for count in (2, 3) * 300:
        puzzle = lesson.draw(count, random)
        worked, slipped = lesson.work(puzzle, random, 0.0), lesson.work(puzzle, random, 0.5)
        assert reaches(worked, puzzle.target, puzzle.numbers)
        for said in (worked, slipped, lesson.guess(puzzle, random)):
            for text in (lesson.text(puzzle), said):
                ids = tokenizer.encode(text)
                assert tokenizer.decode(ids) == text and tokenizer.pad_token_id not in ids
        assert len(tokenizer.encode(worked)) + 1 <= context
        right.append(reaches(lesson.guess(puzzle, random), puzzle.target, puzzle.numbers))
    assert 0.3 < np.mean(right) < 0.45  # (1/2 + 1/4) / 2


def test_a_worked_answer_shows_its_tries() -> None:
    puzzle = countdown.Puzzle((4, 2, 5), (-1, 1))
    assert countdown.worked_response(puzzle) == "4+2=6+5=11,4+2=6-5=1,4-2=2+5=7</think>\\boxed{4-2+5}"
    assert countdown.worked_response(puzzle, [0, -4]) == "4+2=6+5=7</think>\\boxed{4+2+5}"
