"""How sure a figure of a few runs is: Student's t for a mean, Clopper and Pearson for a share.

A run's seed is what is drawn at random here, and there are five of them, not hundreds as of problems: a bootstrap over five
values is far too narrow. Student's interval takes the runs' figures for normally distributed, which so few can't show:

    mean -+ t * s / sqrt(R), t the quantile of Student's t with R - 1 degrees of freedom, s with Bessel's correction

A share of runs is binomial, whatever the runs are (Clopper and Pearson 1934): its ends are quantiles of beta distributions,

    low = B(a / 2; k, R - k + 1), high = B(1 - a / 2; k + 1, R - k), 0 where k = 0 and 1 where k = R

and cover the truth with at least the confidence asked for, 1 - a. Both go by one quantile: t^2 = f (1 - x) / x, where
x = B(p; f / 2, 1 / 2) and p is the probability beyond -+t (Abramowitz and Stegun 26.7.1), solved by bisection on mpmath's
incomplete beta function.

R: runs.
"""

import math
from collections.abc import Sequence
from functools import cache
from statistics import fmean, stdev

import mpmath

from stages.evaluation.intervals import Interval

_DIGITS = 20  # of the incomplete beta function
_HALVINGS = 80


def mean_interval(values_R: Sequence[float], confidence: float, bounds: tuple[float, float]) -> Interval:
    """Of the mean of `values_R`, by Student's t, cut off at `bounds`. Nothing bounds a single run; equal ones leave no width."""
    runs = len(values_R)
    if runs < 2:
        return Interval(None, None)
    mean, half = fmean(values_R), t_quantile(confidence, runs - 1) * stdev(values_R) / math.sqrt(runs)
    return Interval(max(bounds[0], mean - half), min(bounds[1], mean + half))


def share_interval(hits: int, runs: int, confidence: float) -> Interval:
    """Of the share of all runs that a hit befalls, by Clopper and Pearson; `hits` of `runs` were seen."""
    tail = (1 - confidence) / 2
    return Interval(
        beta_quantile(tail, hits, runs - hits + 1) if hits else 0.0,
        beta_quantile(1 - tail, hits + 1, runs - hits) if hits < runs else 1.0,
    )


def t_quantile(confidence: float, freedom: int) -> float:
    """The t that Student's distribution with `freedom` degrees of freedom lies within -+t of with `confidence`."""
    x = beta_quantile(1 - confidence, freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - x) / x)


@cache  # few runs have few quantiles
def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x within 0 and 1 that a beta(a, b) variable stays below with `probability`."""
    with mpmath.workdps(_DIGITS):
        low, high = mpmath.mpf(0), mpmath.mpf(1)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = mpmath.betainc(a, b, 0, middle, regularized=True) < probability
            low, high = (middle, high) if below else (low, middle)
        return float((low + high) / 2)
