"""On which problems, and with which answers, a checkpoint is right: by source, difficulty, year and length of the answer.

A benchmark older than the base's training data may have been read in training (AIME 1987), a younger one can't (AIME 2025):
`by_cutoff` keeps them apart. A year is all that is known of a problem, so that of the cut-off itself tells nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from stages.evaluation.estimators import avg
from stages.evaluation.examination import Examination
from stages.evaluation.figures import overview
from stages.evaluation.intervals import Bootstrap, Resampling
from stages.problems.problem import Problem


def breakdown(examination: Examination, training_cutoff: str | None, resampling: Resampling) -> dict[str, Any]:
    """The figures at a glance and the interval of sampled accuracy, by group: `by_rating` -> its name -> figures.

    `training_cutoff`: the month ("YYYY-MM") that the base's training data end with, None where it has read nothing.
    """
    examination = examination.of_benchmarks()
    return {
        "by_source": by_group(examination, lambda problem: problem.source, resampling, "source"),
        "by_rating": by_group(examination, rating_name, resampling, "rating"),
        "by_year": by_group(examination, lambda problem: str(problem.year or "unknown"), resampling, "year"),
        "by_cutoff": by_group(examination, lambda problem: seen(problem, training_cutoff), resampling, "cutoff"),
        "by_length": by_length(examination, resampling),
    }


def seen(problem: Problem, training_cutoff: str | None) -> str:
    """Whether the base can have read the problem in training: "before" its cut-off (it can), "after" (it can't), or "unknown"."""
    if problem.year is None or training_cutoff is None:
        return "unknown"
    year = int(training_cutoff[:4])
    return "before" if problem.year < year else "after" if problem.year > year else "unknown"


def by_group(
    examination: Examination, name_of: Callable[[Problem], str], resampling: Resampling, kind: str
) -> dict[str, Any]:
    """The figures of every group of problems; `kind` of group and its name are what the resampling goes by."""
    return {name: _glance(part, resampling, f"{kind} {name}") for name, part in examination.by(name_of).items()}


def _glance(part: Examination, resampling: Resampling, name: str) -> dict[str, Any]:
    interval = Bootstrap(len(part.problems), resampling, name).share(avg(part.sampled.right_PN))
    return overview(part) | {"low": interval.low, "high": interval.high}


def by_length(examination: Examination, resampling: Resampling) -> dict[str, Any]:
    """Sampled accuracy by the answer's length in tokens, in bins that double: "9-16" -> figures. Empty bins are left out.

    An interval of a bin is that of a ratio: right answers of this length over answers of this length.
    """
    sampled = examination.sampled
    bootstrap = Bootstrap(len(examination.problems), resampling, "length")
    bin_PN = np.ceil(np.log2(np.maximum(sampled.tokens_PN, 1))).astype(int)
    found = {}
    for power in range(int(bin_PN.max()) + 1):
        inside_PN = bin_PN == power
        if not inside_PN.any():
            continue
        answers_P = inside_PN.sum(axis=1).astype(float)
        right_P = (inside_PN & sampled.right_PN).sum(axis=1).astype(float)
        interval = bootstrap.share_of(right_P, answers_P)
        found[f"{2**power // 2 + 1}-{2**power}"] = {
            "answers": int(answers_P.sum()),
            "sampled": float(right_P.sum() / answers_P.sum()),
            "truncated": float((inside_PN & sampled.cut_PN).sum() / answers_P.sum()),
            "low": interval.low,
            "high": interval.high,
        }
    return found


def rating_name(problem: Problem) -> str:
    return "unrated" if problem.rating is None else f"{problem.rating:g}"
