"""How sure a figure is: bootstrap over problems, and a test of paired differences.

The problems are what is drawn at random: another AIME would have other ones. A problem's own figure already carries the
noise of its samples. Intervals are percentiles of the resampled means, taken further out as Hesterberg does for few problems
(arXiv 1411.5279: expanded percentile intervals):

    level' / 2 = Phi(-sqrt(P / (P - 1)) * t), t the quantile of Student's t with P - 1 degrees of freedom at level / 2

Resampling knows nothing of problems that the sample lacks, and says 100 % where 30 of 30 are right. A share of all problems can
be missing among P of them by chance, up to 1 - (level / 2)^(1 / P); an interval holds what these could change, too. (Of 30 of 30
it is Clopper and Pearson's.)

The test flips the signs of the problems' differences (Fisher's randomisation): without an effect both signs are as likely.
Of right and wrong alone it is McNemar's exact test. Exact where all flips can be counted, else p = (1 + hits) / (1 + draws)
(Phipson and Smyth 2010), never 0.

P: problems, B: draws.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from stages.randomness import rng

Numbers = npt.NDArray[np.float64]

AT_ONCE = 1_000  # draws in memory
_NEARLY = 1e-12  # sums of the same numbers in another order


@dataclass(frozen=True, slots=True)
class Resampling:
    """How figures are resampled: `draws` times, for intervals that cover the truth with `confidence`."""

    seed: int
    draws: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends; None where nothing bounds it (a single problem, or no right answer to divide by)."""

    low: float | None
    high: float | None


class Bootstrap:
    """One set of draws of `problems` problems; every figure of them is resampled alike, so that figures can be compared."""

    def __init__(self, problems: int, resampling: Resampling, *names: str) -> None:
        self._confidence = resampling.confidence
        self._counts_BP = _draw_counts(problems, resampling, names)

    def mean(self, values_P: Numbers) -> Interval:
        """Of the mean of `values_P`."""
        return self._percentiles(self._resampled(values_P), len(values_P))

    def share(self, values_P: Numbers) -> Interval:
        """Of the mean of values between 0 and 1."""
        return self.share_of(values_P, np.ones_like(values_P))

    def share_of(self, part_P: Numbers, whole_P: Numbers) -> Interval:
        """Of sum(part) / sum(whole), where a part is never more than its whole."""
        share, problems = float(part_P.sum() / whole_P.sum()), int((whole_P > 0).sum())
        return self._widened(self.ratio(part_P, whole_P), share, problems, (0.0, 1.0))

    def difference(self, values_P: Numbers) -> Interval:
        """Of the mean of values between -1 and 1. What is unseen lies no further from 0 than what is seen, unless all is 0."""
        most = float(np.abs(values_P).max()) or 1.0
        return self._widened(self.mean(values_P), float(values_P.mean()), len(values_P), (-most, most))

    def _widened(self, resampled: Interval, value: float, problems: int, bounds: tuple[float, float]) -> Interval:
        """With what the problems could change that the sample lacks; their values lie within `bounds`."""
        if self._counts_BP.shape[1] < 2:
            return resampled
        unseen = 1 - math.pow((1 - self._confidence) / 2, 1 / problems)
        lowest, highest = (value * (1 - unseen) + bound * unseen for bound in bounds)
        low = bounds[0] if resampled.low is None else min(resampled.low, lowest)
        high = bounds[1] if resampled.high is None else max(resampled.high, highest)
        return Interval(low, high)

    def ratio(self, above_P: Numbers, below_P: Numbers) -> Interval:
        """Of sum(above) / sum(below). Draws without any `below` have no ratio, and leave that end open."""
        above_B, below_B = self._resampled(above_P), self._resampled(below_P)
        ratios_B = np.divide(above_B, below_B, out=np.full_like(above_B, np.inf), where=below_B > 0)
        return self._percentiles(ratios_B, len(above_P))

    def _resampled(self, values_P: Numbers) -> Numbers:
        parts = [
            self._counts_BP[start : start + AT_ONCE] @ values_P for start in range(0, len(self._counts_BP), AT_ONCE)
        ]
        return np.asarray(np.concatenate(parts) / len(values_P), dtype=np.float64)

    def _percentiles(self, means_B: Numbers, problems: int) -> Interval:
        if problems < 2:
            return Interval(None, None)
        tail = expanded_tail(self._confidence, problems)
        # By order statistics: between a number and an infinity there is nothing to interpolate.
        low, high = np.quantile(means_B, [tail, 1 - tail], method="inverted_cdf")
        return Interval(*(float(end) if np.isfinite(end) else None for end in (low, high)))


def _draw_counts(problems: int, resampling: Resampling, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """How often every problem is in every draw."""
    random = rng(resampling.seed, "bootstrap", *names)
    counts_BP = np.empty((resampling.draws, problems), dtype=np.float32)
    for start in range(0, resampling.draws, AT_ONCE):
        part = counts_BP[start : start + AT_ONCE]
        drawn = random.integers(0, problems, size=part.shape) + problems * np.arange(len(part))[:, None]
        part[:] = np.bincount(drawn.ravel(), minlength=part.size).reshape(part.shape)
    return counts_BP


def expanded_tail(confidence: float, problems: int) -> float:
    """The share of draws to leave out at either end."""
    normal = NormalDist()
    t = _t_quantile(normal.inv_cdf((1 + confidence) / 2), problems - 1)
    return normal.cdf(-t * math.sqrt(problems / (problems - 1)))


def _t_quantile(z: float, freedom: int) -> float:
    """Student's t at the normal quantile `z` (Abramowitz and Stegun 26.7.5): within 0.001 from 4 degrees of freedom on."""
    return z + sum(
        term / float(freedom) ** power
        for power, term in enumerate(
            (
                (z**3 + z) / 4,
                (5 * z**5 + 16 * z**3 + 3 * z) / 96,
                (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
                (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
            ),
            1,
        )
    )


def sign_flip_p(differences_P: Numbers, resampling: Resampling, *names: str) -> float:
    """The two-sided p-value of a mean difference of 0, over problems."""
    moved = differences_P[differences_P != 0]
    observed = abs(moved.sum()) - _NEARLY
    if 2 ** len(moved) <= resampling.draws:
        flips = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
        return float((np.abs((1 - 2 * flips) @ moved) >= observed).mean())
    random, hits = rng(resampling.seed, "sign flips", *names), 0
    for start in range(0, resampling.draws, AT_ONCE):
        count = min(AT_ONCE, resampling.draws - start)
        signs = 1 - 2 * random.integers(0, 2, size=(count, len(moved)), dtype=np.int8)
        hits += int((np.abs(signs @ moved) >= observed).sum())
    return (1 + hits) / (1 + resampling.draws)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, adjusted for being several (Holm 1979): one false finding among them is as unlikely as each said."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted
