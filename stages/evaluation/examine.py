"""Accuracy of a checkpoint on the held-out problems, from graded samples.

Sampled accuracy is avg@k: the mean over problems of the share of right samples (the release's pass@1, "the mean of 16
samples"). It is given at the full context and at the checkpoint's own, where a longer answer counts as cut and wrong.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.grading import Grade
from stages.problems.problem import Problem
from stages.problems.sample import Sample


@dataclass(frozen=True, slots=True)
class Graded:
    sample: Sample
    problem: Problem
    grade: Grade


def examine(graded: Sequence[Graded], contexts: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """The figures over all problems at every context (name -> response tokens)."""
    return {name: {"max_response_tokens": limit, **_figures(graded, limit)} for name, limit in contexts.items()}


def breakdown(graded: Sequence[Graded], contexts: Mapping[str, int]) -> dict[str, Any]:
    """The same figures by source and by rating: context -> `by_source` or `by_rating` -> its name -> figures."""
    return {
        name: {
            "by_source": _by(graded, limit, lambda problem: problem.source),
            "by_rating": _by(graded, limit, lambda problem: _rating_name(problem.rating)),
        }
        for name, limit in contexts.items()
    }


def _by(graded: Sequence[Graded], limit: int, name_of: Callable[[Problem], str]) -> dict[str, Any]:
    parts: dict[str, list[Graded]] = {}
    for row in graded:
        parts.setdefault(name_of(row.problem), []).append(row)
    return {name: _figures(part, limit) for name, part in parts.items()}


def _figures(graded: Sequence[Graded], limit: int) -> dict[str, float]:
    sampled = [row for row in graded if not row.sample.greedy]
    greedy = [row for row in graded if row.sample.greedy]
    figures = {
        "problems": float(len({row.problem.id for row in graded})),
        # Every problem has as many samples, so that the mean over samples is the mean over problems.
        "sampled": _mean(_right(row, limit) for row in sampled),
        "truncated": _mean(_cut(row.sample, limit) for row in sampled),
        "mean_length": _mean(min(row.sample.tokens, limit) for row in sampled),
    }
    return figures | ({"greedy": _mean(_right(row, limit) for row in greedy)} if greedy else {})


def _cut(sample: Sample, limit: int) -> bool:
    return sample.truncated or sample.tokens > limit


def _right(row: Graded, limit: int) -> bool:
    return row.grade.reward == 1 and not _cut(row.sample, limit)


def _rating_name(rating: float | None) -> str:
    return "unrated" if rating is None else f"{rating:g}"


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
