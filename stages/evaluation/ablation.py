"""Whether a part of the recipe does what is said of it: variants of an experiment, each run with several seeds.

A run that diverged has no result. Leaving it out of a variant's mean flatters the variant that loses its worst seeds, and
counting it makes a mean of accuracies and accidents; so there are two figures, as clinical trials have them, side by side:

- `finished`: the mean accuracy of the runs that finished, how good a run is that goes through;
- `all_runs` (intention to treat): a run that diverged counts with the last accuracy that it had, or 0 where it had none: how
  good it is to start such a run.

Variants are compared with the reference on the seeds that both have run, a difference a seed: two runs of one seed begin alike.
The interval of a mean difference is Student's; its p-value is that of all sign flips of the differences, adjusted by Holm over
the variants. With R seeds no such p-value is below 2 / 2^R (0.0625 of five), whatever the difference: few seeds can't show much,
and `least_p` says so. How much oftener a variant diverged has McNemar's exact p-value (sign flips, of runs that differ), and an
interval from both shares' own at half the doubt each (Bonferroni), which holds however a seed's two runs depend on each other.

R: runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

import numpy as np

from stages.errors import LadderError
from stages.evaluation.few_runs import mean_interval, share_interval
from stages.evaluation.intervals import Interval, Resampling, holm, sign_flip_p

Metric = Literal["finished", "all_runs", "diverged"]
METRICS: tuple[Metric, ...] = ("finished", "all_runs", "diverged")

_MOST_FLIPS = 2**16  # all are counted up to 16 seeds that differ; of more, so many are drawn


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: a variant with a seed. `accuracy`: at its end, or the last one before it diverged, None where there was none.

    `usd` and `sampled_tokens`: what it took, None where nobody counted.
    """

    accuracy: float | None
    diverged: bool
    usd: float | None
    sampled_tokens: int | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over `runs` runs with its interval; None where there are none."""

    value: float | None
    interval: Interval
    runs: int


@dataclass(frozen=True, slots=True)
class Average:
    """A mean over the `runs` runs whose figure is known, diverged ones too; None where there are none."""

    value: float | None
    runs: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant's figures over its `seeds`."""

    name: str
    seeds: tuple[int, ...]
    finished: Figure
    all_runs: Figure
    diverged: Figure
    usd: Average
    sampled_tokens: Average


@dataclass(frozen=True, slots=True)
class Contrast:
    """`variant`'s figure less that of `against`, on the `seeds` that count for both; None where there are none.

    `least_p`: the smallest p-value that so many seeds can have, Holm's adjustment left aside. `shown`: apart beyond chance, all
    variants considered.
    """

    metric: Metric
    variant: str
    against: str
    seeds: tuple[int, ...]
    difference: float | None
    interval: Interval
    p_value: float
    p_adjusted: float
    least_p: float
    shown: bool


@dataclass(frozen=True, slots=True)
class Ablation:
    """Variants in the order given, and every other one against the `reference`, metric by metric."""

    reference: str
    confidence: float
    variants: tuple[Variant, ...]
    contrasts: tuple[Contrast, ...]


Outcomes = Mapping[int, Outcome]
"""By seed."""


def ablation(outcomes: Mapping[str, Outcomes], reference: str, confidence: float) -> Ablation:
    """The comparison of all variants (name -> seed -> outcome).

    Raises LadderError for a reference that is no variant, a variant without runs, and a run without a result.
    """
    _check(outcomes, reference)
    return Ablation(
        reference,
        confidence,
        tuple(_variant(name, runs, confidence) for name, runs in outcomes.items()),
        tuple(contrast for metric in METRICS for contrast in _family(metric, outcomes, reference, confidence)),
    )


def _check(outcomes: Mapping[str, Outcomes], reference: str) -> None:
    if reference not in outcomes:
        raise LadderError(f"ablation: reference {reference!r} is no variant; choose one of {', '.join(outcomes)}")
    for name, runs in outcomes.items():
        if not runs:
            raise LadderError(f"ablation: variant {name!r} has no runs; run it with a seed, or leave it out")
        for seed, run in runs.items():
            if run.accuracy is None and not run.diverged:
                raise LadderError(
                    f"ablation: variant {name!r}, seed {seed}: no accuracy, though it did not diverge; finish that run"
                )
            if run.accuracy is not None and not 0 <= run.accuracy <= 1:
                raise LadderError(
                    f"ablation: variant {name!r}, seed {seed}: accuracy {run.accuracy} is no share; give one from 0 to 1"
                )


def _variant(name: str, runs: Outcomes, confidence: float) -> Variant:
    hits = sum(run.diverged for run in runs.values())
    return Variant(
        name=name,
        seeds=tuple(sorted(runs)),
        finished=_mean(list(_values("finished", runs).values()), confidence),
        all_runs=_mean(list(_values("all_runs", runs).values()), confidence),
        diverged=Figure(hits / len(runs), share_interval(hits, len(runs), confidence), len(runs)),
        usd=_average([run.usd for run in runs.values()]),
        sampled_tokens=_average([run.sampled_tokens for run in runs.values()]),
    )


def _values(metric: Metric, runs: Outcomes) -> dict[int, float]:
    """What `metric` is a mean of, by seed."""
    if metric == "diverged":
        return {seed: float(run.diverged) for seed, run in runs.items()}
    counted = {seed: run for seed, run in runs.items() if metric == "all_runs" or not run.diverged}
    return {seed: 0.0 if run.accuracy is None else run.accuracy for seed, run in counted.items()}


def _mean(values_R: Sequence[float], confidence: float) -> Figure:
    if not values_R:
        return Figure(None, Interval(None, None), 0)
    return Figure(fmean(values_R), mean_interval(values_R, confidence, (0.0, 1.0)), len(values_R))


def _average(values_R: Sequence[float | None]) -> Average:
    known = [value for value in values_R if value is not None]
    return Average(fmean(known) if known else None, len(known))


def _family(metric: Metric, outcomes: Mapping[str, Outcomes], reference: str, confidence: float) -> list[Contrast]:
    """All variants against the reference: the questions that Holm adjusts for."""
    against = _values(metric, outcomes[reference])
    asked = [
        _contrast(metric, name, _values(metric, runs), reference, against, confidence)
        for name, runs in outcomes.items()
        if name != reference
    ]
    adjusted = holm([contrast.p_value for contrast in asked])
    return [
        replace(contrast, p_adjusted=p_value, shown=p_value <= 1 - confidence)
        for contrast, p_value in zip(asked, adjusted, strict=True)
    ]


def _contrast(
    metric: Metric,
    name: str,
    values: Mapping[int, float],
    reference: str,
    against: Mapping[int, float],
    confidence: float,
) -> Contrast:
    seeds = sorted(values.keys() & against.keys())
    change_R = [values[seed] - against[seed] for seed in seeds]
    flips = Resampling(seed=0, draws=_MOST_FLIPS, confidence=confidence)
    return Contrast(
        metric=metric,
        variant=name,
        against=reference,
        seeds=tuple(seeds),
        difference=fmean(change_R) if seeds else None,
        interval=_share_difference([values[seed] for seed in seeds], [against[seed] for seed in seeds], confidence)
        if metric == "diverged"
        else mean_interval(change_R, confidence, (-1.0, 1.0)),
        p_value=sign_flip_p(np.array(change_R, dtype=np.float64), flips, metric, name),
        p_adjusted=1.0,
        least_p=max(min(1.0, 2.0 ** (1 - len(seeds))), 1 / (1 + _MOST_FLIPS)),
        shown=False,
    )


def _share_difference(values_R: Sequence[float], against_R: Sequence[float], confidence: float) -> Interval:
    """Of the difference of two shares of the same runs: each one's own interval at half the doubt."""
    runs, each = len(values_R), 1 - (1 - confidence) / 2
    if not runs:
        return Interval(None, None)
    one, other = (share_interval(int(sum(hits_R)), runs, each) for hits_R in (values_R, against_R))
    assert one.low is not None and one.high is not None and other.low is not None and other.high is not None
    return Interval(one.low - other.high, one.high - other.low)
