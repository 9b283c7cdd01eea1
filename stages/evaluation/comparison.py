"""Whether one checkpoint beats another: paired differences on the same problems, with an interval and a p-value.

Every pair of checkpoints on every benchmark is a question, and of twenty questions one comes out at p < 0.05 by luck: a
difference is said only where its p-value, adjusted by Holm over all questions of its metric, is small enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby

from stages.errors import LadderError
from stages.evaluation.examination import Examination
from stages.evaluation.figures import accuracies
from stages.evaluation.intervals import Bootstrap, Interval, Numbers, Resampling, holm, sign_flip_p


@dataclass(frozen=True, slots=True)
class Difference:
    """`checkpoint`'s accuracy less that of `against`; `shown`: better or worse beyond chance, all questions considered."""

    benchmark: str
    metric: str
    checkpoint: str
    against: str
    difference: float
    interval: Interval
    p_value: float
    p_adjusted: float
    shown: bool
    problems: int


def differences(examined: Mapping[str, Examination], ks: Sequence[int], resampling: Resampling) -> list[Difference]:
    """All pairs of checkpoints (name -> examination, in the order of the climb), the later one against the earlier.

    Raises LadderError where two were examined on other problems: they can't be compared.
    """
    parts = {name: examination.by_benchmark() for name, examination in examined.items()}
    first, *others = examined
    for name in others:
        if examined[name].problems != examined[first].problems:
            raise LadderError(
                f"grades: {name} and {first} were examined on other problems; `dvc repro` examines them on the same"
            )
    asked = [
        difference
        for benchmark in parts[first]
        for difference in _on_benchmark(
            benchmark, {name: accuracies(part[benchmark], ks) for name, part in parts.items()}, resampling
        )
    ]
    asked.sort(key=lambda difference: difference.metric)
    return [
        judged
        for _, family in groupby(asked, key=lambda difference: difference.metric)
        for judged in _judged(list(family), 1 - resampling.confidence)
    ]


def _on_benchmark(
    benchmark: str, values: Mapping[str, Mapping[str, Numbers]], resampling: Resampling
) -> Iterator[Difference]:
    """All pairs on one benchmark; `values`: checkpoint -> metric -> its value for every problem."""
    problems = len(next(iter(next(iter(values.values())).values())))
    bootstrap = Bootstrap(problems, resampling, benchmark)
    for against, checkpoint in combinations(values, 2):
        for metric, later_P in values[checkpoint].items():
            change_P = later_P - values[against][metric]
            yield Difference(
                benchmark=benchmark,
                metric=metric,
                checkpoint=checkpoint,
                against=against,
                difference=float(change_P.mean()),
                interval=bootstrap.difference(change_P),
                p_value=sign_flip_p(change_P, resampling, benchmark),
                p_adjusted=1.0,
                shown=False,
                problems=problems,
            )


def _judged(family: list[Difference], level: float) -> list[Difference]:
    adjusted = holm([difference.p_value for difference in family])
    return [
        replace(difference, p_adjusted=p_value, shown=p_value <= level)
        for difference, p_value in zip(family, adjusted, strict=True)
    ]
