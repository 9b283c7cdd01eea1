"""Variants over seeds: every figure by hand, and that runs which diverged can't flatter."""

import re
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from stages.errors import LadderError
from stages.evaluation.ablation import Ablation, Contrast, Outcome, Variant, ablation
from stages.evaluation.ablation_report import ablation_report
from stages.evaluation.few_runs import share_interval
from stages.evaluation.intervals import Interval


def ran(accuracy: float, usd: float | None = 0.002, tokens: int | None = 1000) -> Outcome:
    return Outcome(accuracy, False, usd, tokens)


def crashed(accuracy: float | None = None) -> Outcome:
    return Outcome(accuracy, True, 0.001, 500)


OUTCOMES = {
    "fixed": {0: ran(0.5), 1: ran(0.6), 2: ran(0.7), 3: ran(0.8), 4: ran(0.9)},
    "none": {0: ran(0.8), 1: crashed(0.25), 2: ran(0.9), 3: crashed(), 4: ran(1.0)},
    "adaptive": {0: ran(0.6), 1: ran(0.65), 2: ran(0.75), 3: ran(0.82), 4: ran(0.98), 5: ran(0.1, None, None)},
}


def of(found: Ablation, name: str) -> Variant:
    return next(variant for variant in found.variants if variant.name == name)


def against(found: Ablation, metric: str, name: str) -> Contrast:
    return next(one for one in found.contrasts if (one.metric, one.variant) == (metric, name))


FOUND = ablation(OUTCOMES, "fixed", 0.95)


def scipys(values: list[float]) -> Interval:
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return Interval(pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_a_variants_figures_by_hand() -> None:
    fixed = of(FOUND, "fixed")
    assert fixed.seeds == (0, 1, 2, 3, 4)
    assert fixed.finished == fixed.all_runs
    # mean 0.7, s = sqrt(0.1 / 4), t of four degrees of freedom 2.776445
    half = 2.776445 * (0.1 / 4) ** 0.5 / 5**0.5
    assert fixed.finished.value == pytest.approx(0.7)
    assert fixed.finished.interval == Interval(pytest.approx(0.7 - half, abs=1e-6), pytest.approx(0.7 + half, abs=1e-6))
    assert (fixed.diverged.value, fixed.diverged.interval) == (0.0, Interval(0.0, pytest.approx(1 - 0.025**0.2)))
    assert (fixed.usd.value, fixed.usd.runs) == (pytest.approx(0.002), 5)
    adaptive = of(FOUND, "adaptive")
    assert adaptive.finished.interval == scipys([0.6, 0.65, 0.75, 0.82, 0.98, 0.1])
    assert (adaptive.usd.runs, adaptive.sampled_tokens.value) == (5, 1000.0)  # nobody counted the sixth's


def test_leaving_out_what_diverged_does_not_flatter() -> None:
    """Of the runs that finished this variant looks best; of all runs it is worst."""
    none = of(FOUND, "none")
    assert (none.finished.value, none.finished.runs) == (pytest.approx(0.9), 3)
    assert (none.all_runs.value, none.all_runs.runs) == (pytest.approx((0.8 + 0.25 + 0.9 + 0 + 1) / 5), 5)
    assert none.diverged.value == 0.4
    assert none.diverged.interval == Interval(pytest.approx(0.0527450), pytest.approx(0.8533672))  # any table
    assert none.usd.value == pytest.approx((3 * 0.002 + 2 * 0.001) / 5)  # what diverged was paid for
    assert against(FOUND, "finished", "none").difference == pytest.approx(0.2)
    assert against(FOUND, "all_runs", "none").difference == pytest.approx(0.59 - 0.7)


def test_differences_are_paired_by_seed() -> None:
    found = against(FOUND, "finished", "adaptive")
    changes = [0.1, 0.05, 0.05, 0.02, 0.08]
    assert found.seeds == (0, 1, 2, 3, 4)  # the reference has no sixth
    assert found.difference == pytest.approx(0.06)
    assert found.interval == scipys(changes)
    assert against(FOUND, "finished", "none").seeds == (0, 2, 4)
    paired = stats.ttest_rel([0.6, 0.65, 0.75, 0.82, 0.98], [0.5, 0.6, 0.7, 0.8, 0.9]).confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == (pytest.approx(paired.low), pytest.approx(paired.high))


def test_p_values_count_all_flips_and_are_adjusted_in_their_family() -> None:
    changes = [0.1, 0.05, 0.05, 0.02, 0.08]
    test = stats.permutation_test((np.array(changes),), np.mean, permutation_type="samples", n_resamples=np.inf)
    adaptive, none = (against(FOUND, "finished", name) for name in ("adaptive", "none"))
    assert adaptive.p_value == pytest.approx(test.pvalue) == 2 / 2**5
    assert none.p_value == 2 / 2**3
    assert (adaptive.p_adjusted, none.p_adjusted) == (2 * 2 / 2**5, 2 / 2**3)
    assert (adaptive.least_p, none.least_p) == (2 / 2**5, 2 / 2**3)
    mixed = [0.3, -0.35, 0.2, -0.7, 0.1]  # `none` less `fixed`, of all runs
    flips = [abs(np.dot(signs, mixed)) for signs in product((1, -1), repeat=5)]
    assert against(FOUND, "all_runs", "none").p_value == np.mean([flip >= abs(sum(mixed)) - 1e-12 for flip in flips])


def test_five_seeds_show_no_accuracy_apart_and_seven_can() -> None:
    for seeds, shown in ((5, False), (6, True), (7, True)):
        better = {"a": {s: ran(0.1 * s) for s in range(seeds)}, "b": {s: ran(0.1 * s + 0.2) for s in range(seeds)}}
        found = against(ablation(better, "a", 0.95), "finished", "b")
        assert (found.p_value, found.shown) == (2.0 ** (1 - seeds), shown)
        assert found.p_value == found.least_p


def test_divergence_is_compared_by_mcnemar() -> None:
    runs = 10
    found = ablation(
        {
            "none": {s: crashed() if s < 8 else ran(0.5) for s in range(runs)},
            "adaptive": {s: crashed() if s == 9 else ran(0.5) for s in range(runs)},
        },
        "none",
        0.95,
    )
    change = against(found, "diverged", "adaptive")
    assert change.difference == pytest.approx(-0.7)
    assert change.p_value == pytest.approx(stats.binomtest(1, 9).pvalue)  # 8 pairs say one thing, 1 the other
    assert change.shown
    one, other = share_interval(1, runs, 0.975), share_interval(8, runs, 0.975)
    assert other.low is not None and other.high is not None and one.low is not None and one.high is not None
    assert change.interval == Interval(one.low - other.high, one.high - other.low)
    assert against(found, "finished", "adaptive").seeds == (8,)


def test_intervals_of_differences_cover_the_truth() -> None:
    """Five seeds whose luck both variants share. (Shares have few values: above, not at, the level.)"""
    chance, rounds = np.random.default_rng(6), 1000
    covered = {"all_runs": 0, "diverged": 0}
    for _ in range(rounds):
        luck = chance.normal(0, 0.08, 5)
        accuracies = {name: 0.5 + shift + luck + chance.normal(0, 0.02, 5) for name, shift in (("a", 0.0), ("b", 0.05))}
        dies = chance.random(5) < 0.5
        diverged = {"a": dies, "b": dies | (chance.random(5) < 0.1)}  # in 50 and 55 of 100
        outcomes = {
            name: {
                seed: Outcome(float(accuracies[name][seed]), bool(diverged[name][seed]), None, None)
                for seed in range(5)
            }
            for name in ("a", "b")
        }
        found = ablation(outcomes, "a", 0.95)
        for metric in covered:
            interval = against(found, metric, "b").interval
            assert interval.low is not None and interval.high is not None
            covered[metric] += interval.low <= 0.05 <= interval.high
    assert covered["all_runs"] / rounds == pytest.approx(0.95, abs=0.02)
    assert covered["diverged"] / rounds >= 0.95


def test_a_variant_none_of_whose_runs_finished_and_a_single_seed() -> None:
    found = ablation(
        {"a": {0: ran(0.5), 1: ran(0.6)}, "b": {0: crashed(), 1: crashed(0.2)}, "c": {7: ran(0.9)}}, "a", 0.9
    )
    assert (of(found, "b").finished.value, of(found, "b").all_runs.value) == (None, 0.1)
    nothing = against(found, "finished", "b")
    assert (nothing.difference, nothing.seeds, nothing.p_value, nothing.shown) == (None, (), 1.0, False)
    assert against(found, "all_runs", "c").difference is None
    assert of(found, "c").finished.interval == Interval(None, None)
    said = ablation_report(found, "x")
    assert "| b | 2 | none | 0 of 2 | 10.0 [0.0, " in said
    assert "| c | 1 | 90.0 [?, ?] | 1 of 1 |" in said
    assert "| c has no seed in common with a | none | 0 | 1.0000 | 1.0000 | 1.0000 |" in said


def test_the_report_says_all_of_it() -> None:
    said = ablation_report(FOUND, "The KL term")
    assert said.startswith("# The KL term\n\nBrackets hold 95% intervals over seeds")
    assert (
        "| fixed (reference) | 5 | 70.0 [50.4, 89.6] | 5 of 5 | 70.0 [50.4, 89.6] | 0.0 [0.0, 52.2] | 0.0020 | 1,000 |"
        in said
    )
    assert "| none | 5 | 90.0 [65.2, 100.0] | 3 of 5 |" in said
    assert "| 40.0 [5.3, 85.3] | 0.0016 | 800 |" in said
    assert "| 0.0020 (5 of 6 known) | 1,000 (5 of 6 known) |" in said
    assert "| adaptive is not shown to differ from fixed | +6.0 [+2.2, +9.8] | 5 | 0.0625 | 0.1250 | 0.0625 |" in said
    widths = [re.sub(r"[^|]", "", line) for line in said.splitlines() if line.startswith("|")]
    assert set(widths) == {"|" * 9, "|" * 7}
    alone = ablation_report(ablation({"a|b": {0: ran(0.5)}}, "a|b", 0.95), "One")
    assert "| a\\|b (reference) | 1 |" in alone
    assert "Against" not in alone


@pytest.mark.parametrize(
    ("outcomes", "reference", "said"),
    [
        ({"a": {0: ran(0.5)}}, "b", ["reference 'b'", "choose one of a"]),
        ({"a": {0: ran(0.5)}, "b": {}}, "a", ["variant 'b' has no runs", "leave it out"]),
        ({"a": {3: Outcome(None, False, None, None)}}, "a", ["variant 'a', seed 3", "no accuracy", "finish that run"]),
        ({"a": {3: ran(1.5)}}, "a", ["variant 'a', seed 3", "1.5", "from 0 to 1"]),
        ({"a": {3: ran(float("nan"))}}, "a", ["variant 'a', seed 3", "nan"]),
    ],
)
def test_what_can_not_be_compared_is_named(outcomes: Any, reference: str, said: list[str]) -> None:
    with pytest.raises(LadderError) as error:
        ablation(outcomes, reference, 0.95)
    assert all(part in str(error.value) for part in said), error.value
