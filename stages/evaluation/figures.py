"""The figures of an examination, each with its interval.

`truncated` is the share of answers that the context cut, `no_answer` that of answers which ended without one;
`tokens_per_correct` all sampled tokens over the number of right answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.evaluation.estimators import avg, maj_at_k, pass_at_k
from stages.evaluation.examination import Examination
from stages.evaluation.intervals import Bootstrap, Interval, Numbers, Resampling


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` is None where there is nothing to divide by; the interval's ends are None where nothing bounds them."""

    metric: str
    value: float | None
    interval: Interval
    problems: int
    samples: int


def accuracies(examination: Examination, ks: Sequence[int]) -> dict[str, Numbers]:
    """Every measure of accuracy, by name, for every problem. Each value is (P,)."""
    sampled = examination.sampled
    values = {f"avg@{sampled.samples}": avg(sampled.right_PN)}
    values |= {f"pass@{k}": pass_at_k(sampled.right_PN, k) for k in ks}
    values |= {f"maj@{k}": maj_at_k(sampled.class_PN, k) for k in ks}
    if examination.greedy is not None:
        values["greedy"] = avg(examination.greedy.right_PN)
    return values


def figures(examination: Examination, ks: Sequence[int], resampling: Resampling, name: str) -> list[Figure]:
    """All figures of an examination on one benchmark; `name` is what its resampling goes by."""
    sampled = examination.sampled
    bootstrap = Bootstrap(len(examination.problems), resampling, name)
    shares = accuracies(examination, ks) | {"truncated": avg(sampled.cut_PN), "no_answer": avg(sampled.silent_PN)}
    tokens_P = sampled.tokens_PN.mean(axis=1)
    right_P = avg(sampled.right_PN)
    found = {metric: (float(values.mean()), bootstrap.share(values)) for metric, values in shares.items()}
    rows = [_figure(examination, metric, value, interval) for metric, (value, interval) in found.items()]
    per_correct = float(tokens_P.sum() / right_P.sum()) if right_P.any() else None
    return [
        *rows,
        _figure(examination, "mean_length", float(tokens_P.mean()), bootstrap.mean(tokens_P)),
        _figure(examination, "tokens_per_correct", per_correct, bootstrap.ratio(tokens_P, right_P)),
    ]


def _figure(examination: Examination, metric: str, value: float | None, interval: Interval) -> Figure:
    samples = 1 if metric == "greedy" else examination.sampled.samples
    return Figure(metric, value, interval, len(examination.problems), samples)


def overview(examination: Examination) -> dict[str, float]:
    """The figures at a glance, over all problems alike; `sampled` is avg@n."""
    sampled = examination.sampled
    glance = {
        "max_response_tokens": float(examination.context),
        "problems": float(len(examination.problems)),
        "sampled": float(sampled.right_PN.mean()),
        "truncated": float(sampled.cut_PN.mean()),
        "no_answer": float(sampled.silent_PN.mean()),
        "mean_length": float(sampled.tokens_PN.mean()),
    }
    if examination.greedy is not None:
        glance["greedy"] = float(np.mean(examination.greedy.right_PN))
    return glance


def summary(examination: Examination, ks: Sequence[int]) -> dict[str, Any]:
    """The figures at a glance, over all problems of benchmarks alike, and the accuracies by benchmark."""
    by_benchmark = {
        name: {metric: float(values.mean()) for metric, values in accuracies(part, ks).items()}
        for name, part in examination.by_benchmark().items()
    }
    return overview(examination.of_benchmarks()) | {"benchmarks": by_benchmark}


def curve(examination: Examination) -> list[dict[str, float]]:
    """What to plot: pass@k and maj@k over all problems of benchmarks alike, for k of 1, 2, 4, ... and all samples."""
    sampled = examination.of_benchmarks().sampled
    return [
        {
            "k": k,
            "pass": float(pass_at_k(sampled.right_PN, k).mean()),
            "maj": float(maj_at_k(sampled.class_PN, k).mean()),
        }
        for k in sorted({*(2**power for power in range(sampled.samples.bit_length())), sampled.samples})
    ]


def rounded(value: Any) -> Any:
    """Floats to six places: the last bits of a sum are no figure, and differ between processors."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value
