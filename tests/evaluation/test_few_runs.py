"""Intervals of a few runs against scipy's own, and how often they cover the truth."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stages.evaluation.few_runs import beta_quantile, mean_interval, share_interval, t_quantile
from stages.evaluation.intervals import Interval


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 99])
def test_students_quantile_is_scipys(confidence: float, freedom: int) -> None:
    assert t_quantile(confidence, freedom) == pytest.approx(stats.t.ppf((1 + confidence) / 2, freedom), rel=1e-9)


def test_students_quantile_of_two_runs_by_hand() -> None:
    """With one degree of freedom it is Cauchy's: tan(pi * confidence / 2)."""
    assert t_quantile(0.95, 1) == pytest.approx(math.tan(math.pi * 0.475), rel=1e-12)  # 12.706
    with mpmath.workdps(4):  # somebody else's precision is no matter
        assert t_quantile(0.9, 1) == pytest.approx(math.tan(math.pi * 0.45), rel=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_shares_are_clopper_and_pearsons(runs: int, data: st.DataObject, confidence: float) -> None:
    hits = data.draw(st.integers(0, runs))
    found = share_interval(hits, runs, confidence)
    expected = stats.binomtest(hits, runs).proportion_ci(confidence, method="exact")
    assert (found.low, found.high) == (
        pytest.approx(float(expected.low), abs=1e-9),
        pytest.approx(float(expected.high), abs=1e-9),
    )


def test_shares_of_five_by_hand() -> None:
    """None of five: the upper end is 1 - 0.025^(1/5)."""
    assert share_interval(0, 5, 0.95) == Interval(0.0, pytest.approx(1 - 0.025**0.2))
    assert share_interval(5, 5, 0.95) == Interval(pytest.approx(0.025**0.2), 1.0)
    assert beta_quantile(0.36, 1, 2) == pytest.approx(0.2)  # 1 - (1 - x)^2 = 0.36


def test_a_mean_by_hand() -> None:
    # mean 0.5, s = sqrt((0.04 + 0.04) / 2) = 0.2, t of two degrees of freedom 4.302653
    assert mean_interval([0.3, 0.5, 0.7], 0.95, (-9, 9)) == Interval(
        pytest.approx(0.5 - 4.302653 * 0.2 / 3**0.5, abs=1e-6), pytest.approx(0.5 + 4.302653 * 0.2 / 3**0.5, abs=1e-6)
    )
    assert mean_interval([0.3, 0.5, 0.7], 0.95, (0.1, 0.9)) == Interval(0.1, 0.9)  # 0.0032 and 0.9968, cut off
    assert mean_interval([0.3], 0.95, (0, 1)) == mean_interval([], 0.95, (0, 1)) == Interval(None, None)
    assert mean_interval([0.25] * 4, 0.95, (0, 1)) == Interval(0.25, 0.25)


@pytest.mark.parametrize("runs", [2, 5])
def test_intervals_of_a_mean_cover_the_truth(runs: int) -> None:
    """Of normal accuracies as often as they say; a bootstrap's of five runs in 84 % of rounds, of two in 50 %."""
    rounds, hits, narrow = 2000, 0, 0
    chance = np.random.default_rng(5)
    for values in chance.normal(0.6, 0.05, (rounds, runs)):
        found = mean_interval(values.tolist(), 0.95, (0.0, 1.0))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.6 <= found.high
        resampled = np.quantile(chance.choice(values, (200, runs)).mean(axis=1), [0.025, 0.975])
        narrow += resampled[0] <= 0.6 <= resampled[1]
    assert hits / rounds == pytest.approx(0.95, abs=0.015)
    assert narrow / rounds < 0.87


@pytest.mark.parametrize("truth", [0.05, 0.2, 0.5])
def test_intervals_of_a_share_cover_the_truth(truth: float) -> None:
    """Exactly, over all that five runs can show: never less often than they say."""
    runs, covered = 5, 0.0
    for hits in range(runs + 1):
        found = share_interval(hits, runs, 0.95)
        assert found.low is not None
        assert found.high is not None
        if found.low <= truth <= found.high:
            covered += math.comb(runs, hits) * truth**hits * (1 - truth) ** (runs - hits)
    assert covered >= 0.95
