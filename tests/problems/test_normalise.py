"""Respellings make no other problem, other numbers do, and no text takes long."""

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.problems.normalise import answer_key, canonical, identity, numbers, readable, tokens
from tests.problems.copies import COPIES
from tests.problems.planted import PLANTS

TEXT = st.text(max_size=120) | st.text(r"ab12 .,$\{}^_()/+-=&;#x<>²½√×°*!", max_size=120)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"$\dfrac{1}{2}$", r"\(\frac12\)"),
        (r"\tfrac 1 2", "½"),
        (r"$x^{2}$", "x²"),
        (r"$a_{1}$", "a₁"),
        (r"\left( x+1 \right)", "(x + 1)"),
        (r"$3 \cdot 4$", "3 × 4"),
        (r"$x \leqslant 5$", "x ≤ 5"),
        (r"$x \neq 5$", "x ≠ 5"),
        (r"$\sqrt{2}$", "√2"),
        (r"$\sqrt 2$", "sqrt(2)"),
        (r"$90^\circ$", "90°"),
        (r"$90^{\circ}$", "90 degrees"),
        (r"costs \$5", "costs $5"),
        (r"$5\%$", "5 percent"),
        (r"$\text{if } x$", "if x"),
        (r"$2\pi$", "2π"),
        ("1,000,000 ants", "1{,}000{,}000 ants"),
        (r"1,000 ants", r"$1\,000$ ants"),
        (r"$x\,y$", "xy"),
        ("a &lt; b &amp;amp; c", "a < b & c"),
        ("ﬁnd x", "find x"),
        ("Fi\u200bnd\u00a0x\ufeff", "find x"),
        ("cafe\u0301", "café"),
        ("naïve", "naive"),
        ("１２", "12"),
        ("Problem 3. Find $x$.", "Find $x$."),
        ("**Problem 12:** Find $x$.", "Find $x$."),
        ("Question: Find $x$.", "Find $x$"),
        ("Solve the following: Find $x$.", "Find x"),
        ("Please solve the following math problem: Find $x$.", "Find x"),
        ("(AIME 1983) Find $x$.", "find x"),
        ("Find x. Let's think step by step and put the final answer in \\boxed{}.", "Find x."),
        (r"{n \choose 2}", r"\binom{n}{2}"),
        ("1, 2, \\ldots, n", "1, 2, …, n"),
    ],
)
def test_spellings_of_one_text(one: str, other: str) -> None:
    assert identity(one) == identity(other), (canonical(one), canonical(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x^2", "x^3"),
        ("f(1, 2)", "f(12)"),
        (r"\frac{12}{3}", r"\frac{1}{23}"),
        ("n!", "n"),
        ("x < 5", "x > 5"),
        ("0.5 + 1", "05 + 1"),
        ("-5", "5"),
        ("Problem 3.", "Problem 4."),
        ("a" * 20_000 + "b", "a" * 20_000 + "c"),
    ],
)
def test_other_texts(one: str, other: str) -> None:
    assert identity(one) != identity(other)


@given(TEXT)
def test_the_canonical_text_is_its_own(text: str) -> None:
    once = canonical(text)
    assert canonical(canonical(once)) == canonical(once)  # "& lt ;" may become an entity once


@given(st.sampled_from(PLANTS), st.sampled_from([name for name in COPIES if name != "last_sentence_cut"]))
def test_copies_of_a_problem_have_its_identity(plant, copy) -> None:  # type: ignore[no-untyped-def]
    text = COPIES[copy](plant.problem)
    if text:
        assert identity(text) == identity(plant.problem), (canonical(text), canonical(plant.problem))


@given(TEXT)
def test_nothing_raises(text: str) -> None:
    numbers(tokens(text))
    answer_key(text)
    readable(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("twelve boys and 12 girls", {"12": 2}),
        ("twenty-one or twenty one of 21.0", {"21": 3}),
        ("three hundred", {"300": 1}),
        (r"$\frac{1}{2}$ and 0.5 and ½", {"1/2": 3}),
        (r"$1{,}000$ of 1,000", {"1000": 2}),
        (r"$x^2+2x_{10}$", {"2": 2, "10": 1}),
        ("nobody", {}),
    ],
)
def test_numbers(text: str, found: dict[str, int]) -> None:
    assert numbers(tokens(text)) == Counter(found)


@pytest.mark.parametrize(
    "spellings",
    [
        ["80", "080", "80.0", "$80$", r"80^\circ", "x = 80", r"\text{80}", "80%"],
        [r"\dfrac12", "1/2", "0.5", r"\frac{1}{2}", "½", ".5"],
        [r"-\frac{24}{25}", "-24/25", "−24/25"],
        [r"\$1,\!250", "1250", "1,250", "1{,}250"],
        [r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})"],
        [r"\text{(C)}", "(C)", "(c)"],
    ],
)
def test_answers_that_are_plainly_the_same(spellings: list[str]) -> None:
    assert len({answer_key(spelling) for spelling in spellings}) == 1, [answer_key(spelling) for spelling in spellings]


def test_answers_that_are_not_the_same() -> None:
    answers = ["5", "-5", "1/5", "5 6", "56", r"\sqrt{5}", "5x", "(5,6)", r"5\pi", "0"]
    assert len({answer_key(answer) for answer in answers}) == len(answers)


@pytest.mark.parametrize(
    "piece",
    [
        "{",
        "\\frac",
        "$",
        "&amp;",
        "1,000",
        "problem 1.",
        "[asy]",
        " ",
        "**",
        "^{\\circ",
        "1",
        "(aime ",
        "\\left",
        "\\",
        "²",
        "e\u0301",
    ],
)
def test_hostile_texts_take_no_time(piece: str) -> None:
    start_s = time.perf_counter()
    identity(piece * 40_000)
    numbers(tokens(piece * 40_000))
    assert time.perf_counter() - start_s < 1.0
