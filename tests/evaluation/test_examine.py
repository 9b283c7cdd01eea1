"""The figures of an examination, by hand."""

from stages.evaluation.examine import Graded, breakdown, examine
from stages.grading import Grade
from stages.problems.problem import Problem
from stages.problems.sample import Sample


def graded(problem: str, index: int, right: bool, tokens: int, rating: float, greedy: bool = False) -> Graded:
    asked = Problem(problem, problem, ("1",), "sums", 1, "", "heldout", rating, None)
    truncated = tokens == 20
    grade = Grade(0, None, "truncated") if truncated else Grade(int(right), "1", "correct" if right else "wrong")
    return Graded(Sample(problem, index, greedy, "", tokens, truncated), asked, grade)


ROWS = [
    graded("a", 0, True, 5, 3), graded("a", 1, True, 12, 3),
    graded("b", 0, False, 8, 4), graded("b", 1, True, 20, 4),
    graded("a", 0, True, 11, 3, greedy=True), graded("b", 0, True, 4, 4, greedy=True),
]  # fmt: skip


def test_at_the_full_context() -> None:
    full = examine(ROWS, {"full": 20})["full"]
    assert {key: full[key] for key in ("problems", "sampled", "greedy", "truncated", "mean_length")} == {
        "problems": 2, "sampled": 0.5, "greedy": 1.0, "truncated": 0.25, "mean_length": 45 / 4,
    }  # fmt: skip
    by_rating = breakdown(ROWS, {"full": 20})["full"]["by_rating"]
    assert {rating: part["sampled"] for rating, part in by_rating.items()} == {"3": 1.0, "4": 0.0}


def test_at_a_shorter_context_longer_answers_are_cut_and_wrong() -> None:
    own = examine(ROWS, {"own": 10})["own"]
    assert own["sampled"] == 0.25
    assert own["greedy"] == 0.5
    assert own["truncated"] == 0.5
    assert own["mean_length"] == (5 + 10 + 8 + 10) / 4
