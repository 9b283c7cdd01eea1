"""One of a cluster stays, the same whatever the order; other numbers are another problem."""

import random

import pytest

from stages.problems.duplicates import Deduplicated, deduplicate
from stages.problems.problem import Problem

LONG = (
    "A rectangular garden that is {n} metres long and 12 metres wide is surrounded by a path of the same width everywhere."
    " The area of the path is equal to the area of the garden. How wide is the path, in metres?"
)


def problem(id: str, text: str, answer: str = "3", rating: float | None = None) -> Problem:
    return Problem(id, text, (answer,), "own", 1, "MIT", "train", rating, None)


def run(problems: list[Problem], **settings: bool) -> Deduplicated:
    return deduplicate(problems, 0.7, **{"variants_are_copies": False, "drop_conflicts": False} | settings)


def test_exact_copies() -> None:
    problems = [
        problem("a", r"Compute $\dfrac{1}{2}+x^2$."),
        problem("b", "Problem 4. Compute ½ + x²"),
        problem("c", "Compute 1/2+x^3"),
    ]
    found = run(problems)
    assert [one.id for one in found.problems] == ["a", "c"]
    assert [(one.kind, one.similarity) for one in found.duplicates] == [("exact", 1.0)]


def test_near_copies_and_variants() -> None:
    near = LONG.replace("everywhere", "on all sides")
    problems = [
        problem("a", LONG.format(n=16)),
        problem("b", near.format(n=16)),
        problem("v", LONG.format(n=18), "3.5"),
    ]
    found = run(problems)
    assert {one.id for one in found.problems} == {"b", "v"}  # the longer one
    assert [(one.kept.id, one.dropped.id, one.kind) for one in found.duplicates] == [("b", "a", "near")]
    assert len(run(problems, variants_are_copies=True).problems) == 1


@pytest.mark.parametrize("seed", range(8))
def test_what_stays_does_not_depend_on_the_order(seed: int) -> None:
    text = LONG.format(n=16)
    cluster = [
        problem("d", text),
        problem("c", text, rating=2.0),
        problem("b", text + " ", rating=2.0),
        problem("e", text.replace("How wide is the path", "How wide is this path"), rating=None),
        problem("a", "Something else entirely: how many primes are below 30?", "10"),
    ]
    random.Random(seed).shuffle(cluster)
    found = run(cluster)
    assert {one.id for one in found.problems} == {"b", "a"}  # rated, then longer, then the smaller id
    assert {one.kept.id for one in found.duplicates} == {"b"}
    assert [one for one in cluster if one in found.problems] == found.problems


def test_one_text_with_two_answers() -> None:
    text = LONG.format(n=16)
    same = [problem("a", text, r"\frac{1}{2}"), problem("b", text, "0.5")]
    assert run(same).conflicts == []
    other = [*same, problem("c", text, "0.6")]
    (conflict,) = run(other).conflicts
    assert (conflict.kept.id, [one.id for one in conflict.others]) == ("a", ["c"])
    assert [one.id for one in run(other).problems] == ["a"]
    assert run(other, drop_conflicts=True).problems == []


def test_nearly_one_text_with_two_answers() -> None:
    text = LONG.format(n=16)
    problems = [problem("a", text), problem("b", text.replace("How wide is the path", "How long is the path"), "64")]
    found = run(problems)
    assert found.problems == problems and found.duplicates == []
    assert [(conflict.kept.id, [one.id for one in conflict.others]) for conflict in found.conflicts] == [("a", ["b"])]
    assert run(problems, drop_conflicts=True).problems == []


LIKE = [
    LONG.format(n=16).replace("How wide is the path", ending)
    for ending in ("How wide is this paved path", "How wide is this path", "How long is this paved path")
]


def kept_and_others(found: Deduplicated) -> list[tuple[str, list[str]]]:
    return [(conflict.kept.id, [other.id for other in conflict.others]) for conflict in found.conflicts]


@pytest.mark.parametrize("seed", range(4))
def test_a_near_copy_with_two_answers_contradicts_what_stays(seed: int) -> None:
    """y stays of y and x, one text nearly; x2 has x's text."""
    problems = [problem("y", LIKE[0], "6"), problem("x", LIKE[1], "6"), problem("x2", LIKE[1], "7")]
    random.Random(seed).shuffle(problems)
    found = run(problems)
    assert [one.id for one in found.problems] == ["y"]
    assert {(one.kept.id, one.dropped.id) for one in found.duplicates} == {("y", "x"), ("y", "x2")}
    assert kept_and_others(found) == [("y", ["x2"])]
    assert run(problems, drop_conflicts=True).problems == []


def test_conflicts_of_a_near_copy_join_those_of_what_stays() -> None:
    problems = [
        problem("y", LIKE[0], "6"),
        problem("y2", LIKE[0], "8"),
        problem("x", LIKE[1], "6"),
        problem("x2", LIKE[1], "7"),
    ]
    assert kept_and_others(run(problems)) == [("y", ["y2", "x2"])]


def test_what_stays_may_accept_both_answers() -> None:
    wide = Problem("y", LIKE[0], ("6", "7"), "own", 1, "MIT", "train", None, None)
    found = run([wide, problem("x", LIKE[1], "6"), problem("x2", LIKE[1], "7")])
    assert found.problems == [wide] and found.conflicts == []


def test_two_near_copies_of_each_other_that_contradict_a_third() -> None:
    """c is more like a than like b, but b has its answer."""
    problems = [problem("a", LIKE[0], "6"), problem("b", LIKE[2], "64"), problem("c", LIKE[1], "64")]
    for order in (problems, problems[::-1]):
        found = run(order)
        assert {one.id for one in found.problems} == {"a", "b"}
        assert [(one.kept.id, one.dropped.id, one.kind) for one in found.duplicates] == [("b", "c", "near")]
        assert kept_and_others(found) == [("a", ["b"])]
        assert run(order, drop_conflicts=True).problems == []


def test_a_near_copy_is_of_the_most_similar() -> None:
    """The first of the two is not: it is "long" there."""
    both = Problem("c", LIKE[1], ("6", "64"), "own", 1, "MIT", "train", None, None)
    (duplicate,) = run([problem("a", LIKE[2], "64"), problem("b", LIKE[0], "6"), both]).duplicates
    assert (duplicate.kept.id, duplicate.dropped.id, duplicate.similarity) == ("b", "c", 0.878)  # 36 of 41 runs


def test_what_is_less_alike_than_the_threshold_stays() -> None:
    other = LONG.format(n=16).replace("How wide is the path", "How long may the way around it be")
    problems = [problem("a", LIKE[1]), problem("b", other)]
    assert run(problems) == Deduplicated(problems, [], [])
    assert len(deduplicate(problems, 0.65, variants_are_copies=False, drop_conflicts=False).problems) == 1


def test_a_figure_is_part_of_a_problem() -> None:
    figures = ["[asy]draw((0,0)--(1,2));[/asy]", "[asy]draw((0,0)--(5,7));[/asy]", ""]
    problems = [problem(str(n), f"Find the angle $x$ in the figure. {figure}") for n, figure in enumerate(figures)]
    assert len(run(problems).problems) == 3


def test_no_problems() -> None:
    assert run([]) == Deduplicated([], [], [])
