"""Intervals cover what they say they cover, p-values are as small as they say, in seeded simulations."""

from itertools import product

import numpy as np
import pytest

from stages.evaluation.intervals import (
    Bootstrap,
    Interval,
    Resampling,
    expanded_tail,
    holm,
    sign_flip_p,
)

RESAMPLING = Resampling(seed=1, draws=1000, confidence=0.95)


def covered(interval: Interval, truth: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize(("problems", "right"), [(30, 0.5), (30, 0.3), (200, 0.9), (500, 0.05)])
def test_intervals_of_a_mean_cover_the_truth(problems: int, right: float) -> None:
    """Problems of Beta-distributed difficulty, 4 samples each: the truth is the mean over all such problems."""
    chance, hits, rounds = np.random.default_rng(7), 0, 1000
    bootstrap = Bootstrap(problems, RESAMPLING, "coverage")
    for _ in range(rounds):
        easy_P = chance.beta(2 * right, 2 * (1 - right), problems)
        hits += covered(bootstrap.share(chance.binomial(4, easy_P) / 4), right)
    assert 0.93 <= hits / rounds <= 0.97


def test_intervals_of_a_ratio_and_of_a_difference_cover_the_truth() -> None:
    chance, problems, rounds = np.random.default_rng(8), 60, 1000
    bootstrap = Bootstrap(problems, RESAMPLING, "coverage")
    ratios = differences = 0
    for _ in range(rounds):
        right_P = chance.binomial(8, chance.beta(2, 2, problems)) / 8
        tokens_P = chance.gamma(5, 20, problems)  # 100 on average, over 0.5 right
        ratios += covered(bootstrap.ratio(tokens_P, right_P), 200)
        better_P = chance.binomial(8, chance.beta(3, 2, problems)) / 8
        differences += covered(bootstrap.difference(better_P - right_P), 0.1)
    assert 0.93 <= ratios / rounds <= 0.97
    assert 0.93 <= differences / rounds <= 0.97


@pytest.mark.parametrize("problems", [8, 40])
def test_p_values_are_uniform_where_there_is_no_difference(problems: int) -> None:
    """8 problems' flips are counted, 40 problems' drawn. (Few problems have few p-values: below, not at, each level.)"""
    chance, rounds = np.random.default_rng(9), 1000
    p_values = np.array(
        [sign_flip_p(chance.normal(size=problems), RESAMPLING, f"null {number}") for number in range(rounds)]
    )
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        assert (p_values <= level).mean() == pytest.approx(
            level, abs=3.5 * (level * (1 - level) / rounds) ** 0.5 + 1e-3
        )


def test_p_values_count_all_sign_flips() -> None:
    differences = np.array([0.5, 0.25, -0.25, 0.75, 0.0, 0.5])
    moved = [one for one in differences if one]
    flips = [abs(sum(s * one for s, one in zip(signs, moved, strict=True))) for signs in product((1, -1), repeat=5)]
    assert sign_flip_p(differences, RESAMPLING, "x") == np.mean([one >= abs(sum(moved)) for one in flips])
    # McNemar's exact test: 6 of 6 problems that differ say the same.
    assert sign_flip_p(np.array([1.0] * 6 + [0.0] * 50), RESAMPLING, "x") == 2 / 2**6
    assert sign_flip_p(np.zeros(9), RESAMPLING, "x") == 1.0
    assert sign_flip_p(np.full(60, 0.1), RESAMPLING, "x") == 1 / 1001  # no draw is as extreme: never 0


def test_a_difference_has_the_same_p_value_both_ways() -> None:
    change_P = np.random.default_rng(3).normal(0.2, 1, 50)
    assert sign_flip_p(change_P, RESAMPLING, "x") == sign_flip_p(-change_P, RESAMPLING, "x")


def test_the_tail_is_expanded_as_students_t_says() -> None:
    # t quantiles at 0.975 with 9 and 29 degrees of freedom: 2.262157 and 2.045230 (any table).
    assert expanded_tail(0.95, 10) == pytest.approx(0.0085510, abs=1e-6)  # Phi(-2.262157 * sqrt(10 / 9))
    assert expanded_tail(0.95, 30) == pytest.approx(0.0187539, abs=1e-6)
    assert expanded_tail(0.95, 100_000) == pytest.approx(0.025, abs=1e-5)


def test_problems_that_the_sample_lacks_are_reckoned_with() -> None:
    """Of 30 of 30 it is Clopper and Pearson's bound, (0.025)^(1/30); of 29 never narrower than that."""
    bootstrap = Bootstrap(30, RESAMPLING, "x")
    sure = 0.025 ** (1 / 30)
    assert bootstrap.share(np.ones(30)) == Interval(pytest.approx(sure), 1.0)
    assert bootstrap.share(np.zeros(30)) == Interval(0.0, pytest.approx(1 - sure))
    assert bootstrap.share(np.array([1.0] * 29 + [0.0])).low == pytest.approx(29 / 30 * sure)
    half_P = np.array([1.0, 0.0] * 15)
    assert bootstrap.share(half_P) == bootstrap.mean(half_P)  # in the middle resampling is the wider one
    assert bootstrap.difference(np.zeros(30)) == Interval(pytest.approx(sure - 1), pytest.approx(1 - sure))
    assert bootstrap.difference(half_P - 0.4) == bootstrap.mean(half_P - 0.4)
    moved_P = np.array([0.5] * 4 + [0.0] * 26)  # four problems alone: p is 1/8, and 0 stays in the interval
    widened, resampled = bootstrap.difference(moved_P), bootstrap.mean(moved_P)
    assert widened == Interval(pytest.approx(2 / 30 * sure - 0.5 * (1 - sure)), resampled.high)
    part_P, whole_P = np.zeros(30), np.array([1.0] * 6 + [0.0] * 24)
    assert bootstrap.share_of(part_P, whole_P) == Interval(0.0, pytest.approx(1 - 0.025 ** (1 / 6)))
    assert bootstrap.mean(np.full(30, 7.0)) == Interval(7.0, 7.0)


def test_a_sure_base_of_rare_errors_is_covered() -> None:
    """1 wrong problem in 100, of 60: percentiles alone cover it in 45 % of rounds."""
    chance, rounds, hits, percentiles = np.random.default_rng(11), 1000, 0, 0
    bootstrap = Bootstrap(60, RESAMPLING, "x")
    for _ in range(rounds):
        right_P = (chance.random(60) < 0.99).astype(float)
        hits += covered(bootstrap.share(right_P), 0.99)
        percentiles += covered(bootstrap.mean(right_P), 0.99)
    assert hits / rounds >= 0.95
    assert percentiles / rounds < 0.5


def test_nothing_bounds_a_single_problem_or_a_ratio_without_right_answers() -> None:
    assert Bootstrap(1, RESAMPLING, "x").share(np.ones(1)) == Interval(None, None)
    bootstrap = Bootstrap(20, RESAMPLING, "x")
    assert bootstrap.ratio(np.ones(20), np.zeros(20)) == Interval(None, None)
    rarely = bootstrap.ratio(np.ones(20), np.array([1.0] + [0.0] * 19))
    assert rarely.low is not None
    assert rarely.high is None


def test_the_same_names_give_the_same_interval_and_figures_are_resampled_alike() -> None:
    values_P = np.random.default_rng(4).random(50)
    first, again, other = (Bootstrap(50, RESAMPLING, name).mean(values_P) for name in ("a", "a", "b"))
    assert first == again
    assert first != other
    shifted = Bootstrap(50, RESAMPLING, "a").mean(values_P - 0.5)
    assert (shifted.low, shifted.high) == (pytest.approx(first.low - 0.5), pytest.approx(first.high - 0.5))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
