"""Projections of ladders whose law is known, against that law; and what is refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.accounting.projection import (
    Change,
    DeviceFacts,
    MeasuredRung,
    MeasuredStep,
    PlannedRung,
    Projection,
    rest_of_run,
    what_if,
)
from stages.accounting.projection.futures import Ladder
from stages.accounting.projection.lengths import future_lengths_FS
from stages.accounting.projection.seconds import warmed
from stages.accounting.records import BookedPrice
from stages.errors import LadderError

CONTEXTS = {"8k": 100, "16k": 200, "24k": 300}


def priced(usd_per_hour: float, usd_per_kwh: float | None = None) -> BookedPrice:
    return BookedPrice(usd_per_hour, usd_per_kwh, "on-demand", "2026-01-01", "a test")


FACTS = {
    "A": DeviceFacts(priced(2.0), 300.0, 2000.0),
    "B": DeviceFacts(priced(3.0), 900.0, 4000.0),
    "C": DeviceFacts(priced(1.0), 900.0),
    "cpu-core": DeviceFacts(priced(0.04), None),
}
DRIFT_90 = 0.16  # 1.645 standard deviations of a machine's drift, and a little


def law(tokens: float) -> dict[str, float]:
    """Seconds by phase: of sampling a fixed part of 1 s, all else in proportion to tokens."""
    return {"sample": 1.0 + 2e-3 * tokens, "grade": 1e-4 * tokens, "update": 3e-3 * tokens}


def rung(
    name: str,
    steps: int,
    length: Callable[[int], float],
    taking: Callable[[float], dict[str, float]] = law,
    device: str = "A",
    other: float = 5.0,
) -> MeasuredRung:
    """4 prompts x 2 rollouts a step, on 2 devices; `length` gives mean tokens a response of a step."""
    measured = []
    for step in range(1, steps + 1):
        tokens = round(8 * length(step))
        measured.append(MeasuredStep(step, taking(tokens), tokens, tokens, 8))
    return MeasuredRung(name, CONTEXTS[name], 2, 4, device, 2, tuple(measured), other)


def swinging(mean: float) -> Callable[[int], float]:
    """Lengths about a mean, by up to a tenth: what tells a fixed part from one that grows."""
    return lambda step: mean * (1 + 0.1 * np.sin(2.4 * step))


def plan(steps: int = 20) -> tuple[PlannedRung, ...]:
    return tuple(PlannedRung(name, context, 2, 4, steps) for name, context in CONTEXTS.items())


def ladder(measured_steps: int, device: str = "A") -> Ladder:
    means = {"8k": 50.0, "16k": 100.0, "24k": 120.0}
    return Ladder(
        tuple(rung(name, measured_steps, swinging(mean), device=device) for name, mean in means.items()), plan()
    )


def seconds_by_law(names: list[str], steps: range, rollouts: int = 2) -> float:
    means = {"8k": 50.0, "16k": 100.0, "24k": 120.0}
    tokens = [round(8 * swinging(means[name])(step)) * rollouts / 2 for name in names for step in steps]
    return sum(sum(law(each).values()) for each in tokens)


def test_the_rest_of_a_run_is_what_its_law_says() -> None:
    projection = rest_of_run(ladder(10), FACTS)
    truth = seconds_by_law(list(CONTEXTS), range(11, 21))
    assert projection.seconds.value == pytest.approx(truth, rel=0.03)
    assert projection.seconds.low < truth < projection.seconds.high
    assert projection.seconds.high < truth * (1 + DRIFT_90)
    assert projection.usd.value == pytest.approx(projection.seconds.value * 2 * 2.0 / 3600)
    assert projection.device_hours.value == pytest.approx(projection.seconds.value * 2 / 3600)
    assert [(part.name, part.measured_steps, part.steps) for part in projection.by_rung] == [
        (name, 10, 10) for name in CONTEXTS
    ]
    spent = seconds_by_law(list(CONTEXTS), range(1, 11)) + 3 * 5.0
    assert projection.spent_seconds == pytest.approx(spent)
    assert projection.spent_usd == pytest.approx(spent * 2 * 2.0 / 3600)
    assert any("8k: 10, 16k: 10, 24k: 10" in said for said in projection.assumptions)


def test_a_finished_run_has_no_rest_and_is_as_it_was() -> None:
    finished = ladder(20)
    assert rest_of_run(finished, FACTS).seconds.high == 0
    unchanged = what_if(finished, Change(rollouts=2), FACTS)
    truth = seconds_by_law(list(CONTEXTS), range(1, 21)) + 3 * 5.0
    assert [unchanged.seconds.low, unchanged.seconds.value, unchanged.seconds.high] == pytest.approx([truth] * 3)
    assert unchanged.compared is not None
    assert unchanged.compared.usd_ratio.value == pytest.approx(1)


def test_a_rung_that_has_not_begun_is_foreseen_widely_and_said_so() -> None:
    whole = ladder(20)
    begun = replace(whole, measured=whole.measured[:2])
    rung_24k = rest_of_run(begun, FACTS).by_rung[2]
    truth = seconds_by_law(["24k"], range(1, 21)) + 5
    assert rung_24k.seconds.low < truth < rung_24k.seconds.high
    assert (rung_24k.seconds.high - rung_24k.seconds.low) / rung_24k.seconds.value > 0.2
    said = rest_of_run(begun, FACTS).assumptions
    assert any("rung 24k (300 tokens) was not measured" in line and "from 16k" in line for line in said)


def test_the_start_and_end_of_an_attempt_are_foreseen_from_those_that_ended() -> None:
    ended, under_way = rung("8k", 20, swinging(50.0), other=8.0), rung("16k", 10, swinging(100.0), other=3.0)
    rungs = rest_of_run(Ladder((ended, under_way), plan()), FACTS).by_rung
    without = rest_of_run(
        Ladder((replace(ended, other_seconds=0.0), replace(under_way, other_seconds=0.0)), plan()), FACTS
    )
    assert rungs[0].seconds.high == 0
    assert rungs[1].seconds.low > 0.8 * without.by_rung[1].seconds.low
    long_start = replace(under_way, other_seconds=100.0)
    rest = rest_of_run(Ladder((ended, long_start), plan()), FACTS).by_rung[1]
    assert rest.seconds.value == pytest.approx(without.by_rung[1].seconds.value)  # not less for having taken long
    # Its start took 3 s: of the 8 s 5 are to come. One that has not begun has all of them.
    for part, plain, to_come in zip(rungs[1:], without.by_rung[1:], (5.0, 8.0), strict=True):
        assert part.seconds.value - plain.seconds.value == pytest.approx(to_come, abs=1.0)


def test_warming_up_is_cut_and_a_busy_spell_is_not() -> None:
    def steps_left(paces: list[float]) -> list[int]:
        pace = iter(paces)
        return [
            step.step for step in warmed(rung("8k", len(paces), lambda _: 50.0, lambda _: {"sample": next(pace)})).steps
        ]

    assert steps_left([9.0, 5.0, 3.0, 2.0, 1.0, 1.0, 1.1, 0.9, 1.0, 1.1]) == [5, 6, 7, 8, 9, 10]
    assert steps_left([9.0, 1.0, 1.1, 1.0, 1.0, 1.1, 1.0, 1.1, 1.0, 1.1]) == list(range(2, 11))
    assert steps_left([9.0, 1.0, 1.0, 1.1, 2.0, 2.1, 2.0, 2.1, 2.0, 2.1]) == list(range(2, 11))


def test_a_machine_whose_steps_scatter_is_foreseen_more_widely() -> None:
    def measured(factors: list[float]) -> Projection:
        busy = iter(factors)

        def taking(tokens: float) -> dict[str, float]:
            factor = next(busy)
            return {phase: seconds * factor for phase, seconds in law(tokens).items()}

        only = rung("8k", 24, lambda step: 50.0, taking)
        return rest_of_run(Ladder((only,), (PlannedRung("8k", 100, 2, 4, 240),)), FACTS)

    steady, busy = measured([1.25] * 24), measured([1.0, 1.5] * 12)
    for projection in (steady, busy):
        assert projection.seconds.low < 216 * 1.25 * sum(law(400).values()) < projection.seconds.high
    # By hand: drift 0.05 alone, and with it a scatter of ln(1.5) / 2 = 0.203 over 23 steps measured and 216 to come.
    spread = np.sqrt(0.05**2 + 0.203**2 * (24 / 23) * (23**-0.3 + 216**-0.3))
    assert np.log(steady.seconds.high / steady.seconds.low) == pytest.approx(2 * 1.645 * 0.05, rel=0.1)
    assert np.log(busy.seconds.high / busy.seconds.low) == pytest.approx(2 * 1.645 * spread, rel=0.15)


def test_twice_the_rollouts_double_what_grows_with_tokens() -> None:
    projection = what_if(ladder(20), Change(rollouts=4), FACTS)
    truth = seconds_by_law(list(CONTEXTS), range(1, 21), rollouts=4) + 3 * 5.0
    assert projection.seconds.low <= truth <= projection.seconds.high
    assert _width(projection) > 0.2  # nobody measured such a step
    proportional = 2 * (seconds_by_law(list(CONTEXTS), range(1, 21))) + 3 * 5.0
    assert projection.seconds.value < proportional
    assert projection.by_rung[0].sampled_tokens is not None
    assert projection.by_rung[0].sampled_tokens.value == pytest.approx(2 * 20 * 8 * 50, rel=0.02)


def test_the_last_context_from_the_first_day() -> None:
    projection = what_if(ladder(20), Change(longest_first=True), FACTS)
    truth = 3 * seconds_by_law(["24k"], range(1, 21)) + 5  # as many steps, in one attempt
    assert projection.seconds.value == pytest.approx(truth, rel=0.05)
    assert projection.seconds.low < truth < projection.seconds.high
    assert projection.compared is not None
    present = seconds_by_law(list(CONTEXTS), range(1, 21)) + 15
    assert projection.compared.seconds.value == pytest.approx(present)
    assert projection.compared.seconds_ratio.value == pytest.approx(truth / present, rel=0.05)
    (only,) = projection.by_rung
    assert (only.name, only.steps) == ("24k", 60)
    assert any("as many steps as the ladder (60)" in said for said in projection.assumptions)
    with pytest.raises(LadderError, match="train@24k: no measured step at 300 tokens"):
        what_if(replace(ladder(20), measured=ladder(20).measured[:2]), Change(longest_first=True), FACTS)


def test_another_device_by_what_was_measured_on_it() -> None:
    def faster(tokens: float) -> dict[str, float]:
        return {phase: seconds / 4 for phase, seconds in law(tokens).items()}

    there = rung("16k", 12, swinging(100.0), faster, device="B")
    projection = what_if(ladder(20), Change(device="B"), FACTS, [there])
    steps, other = seconds_by_law(list(CONTEXTS), range(1, 21)), 15.0
    assert projection.basis == "measured on B"
    assert projection.seconds.value == pytest.approx(steps / 4 + other, rel=0.05)
    assert projection.usd.value == pytest.approx(projection.seconds.value * 2 * 3.0 / 3600)
    assert projection.seconds.low < projection.seconds.value < projection.seconds.high
    # On one device instead of two it was as fast: each of them does twice as much.
    alone = what_if(ladder(20), Change(device="B"), FACTS, [replace(there, devices=1)])
    assert alone.seconds.value == pytest.approx(steps / 8 + other, rel=0.05)


def test_another_device_by_published_peaks_is_marked_and_wide() -> None:
    by_measurement = what_if(ladder(20), Change(device="B"), FACTS, [rung("16k", 12, swinging(100.0), device="B")])
    for device in ("B", "C"):
        projection = what_if(ladder(20), Change(device=device), FACTS)
        assert projection.basis == "published peaks"
        assert any(f"{device}: not measured; by published peaks" in said for said in projection.assumptions)
        assert _width(projection) > 2 * _width(by_measurement)
        present = projection.compared
        assert present is not None
        assert present.seconds_ratio.value < 1
    blind, known = (what_if(ladder(20), Change(device=device), FACTS) for device in ("C", "B"))
    assert _width(blind) > _width(known)  # C's memory bandwidth is not known


def _width(projection: Projection) -> float:
    return (projection.seconds.high - projection.seconds.low) / projection.seconds.value


def test_what_is_refused() -> None:
    with pytest.raises(LadderError, match=r"train@8k: 4 measured step\(s\) are too few .* 5 of a rung are needed"):
        rest_of_run(ladder(4), FACTS)
    with pytest.raises(LadderError, match="no step of a rung was measured yet"):
        rest_of_run(ladder(0), FACTS)
    with pytest.raises(LadderError, match="no price for 'D', known are A, B, C, cpu-core"):
        rest_of_run(ladder(10, device="D"), FACTS)
    with pytest.raises(LadderError, match=r"prices\.yaml has no peak_tflops_bf16 of it"):
        what_if(ladder(10), Change(device="cpu-core"), FACTS)
    with pytest.raises(LadderError, match=r"measured on 'cpu-core', which has no published peak .* on a GPU first"):
        what_if(ladder(10, "cpu-core"), Change(device="B"), FACTS)
    with pytest.raises(LadderError, match="no price for 'D', known are A, B, C, cpu-core"):
        what_if(ladder(10, "cpu-core"), Change(device="D"), FACTS)
    with pytest.raises(LadderError, match="--rollouts 1: a group has at least 2"):
        what_if(ladder(10), Change(rollouts=1), FACTS)
    with pytest.raises(LadderError, match=r"train@8k: step 1 .* a context of 30 holds"):
        rest_of_run(Ladder((replace(ladder(10).measured[0], context=30),), plan()), FACTS)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.floats(1, 100), min_size=5, max_size=40),
    pace=st.floats(1e-6, 1e2),
    steps=st.integers(1, 60),
    seed=st.integers(0, 10),
)
def test_an_interval_is_one_and_follows_the_pace(lengths: list[float], pace: float, steps: int, seed: int) -> None:
    def taking(tokens: float, times: float = 1.0) -> dict[str, float]:
        return {phase: seconds * pace * times for phase, seconds in law(tokens).items()}

    def projected(times: float) -> Projection:
        measured = rung(
            "8k", len(lengths), lambda step: lengths[step - 1], lambda tokens: taking(tokens, times), other=0
        )
        coming = PlannedRung("8k", 100, 2, 4, len(lengths) + steps)
        return rest_of_run(Ladder((measured,), (coming,), 200, seed), FACTS)

    once, thrice = projected(1.0), projected(3.0)
    assert 0 < once.seconds.low <= once.seconds.value <= once.seconds.high < np.inf
    assert thrice.seconds.value == pytest.approx(3 * once.seconds.value)
    tokens = once.by_rung[0].sampled_tokens
    assert tokens is not None
    assert 0 < tokens.low <= tokens.high <= steps * 8 * 100


def test_lengths_level_off_within_the_context_and_stay_where_they_are_level() -> None:
    random = np.random.default_rng(0)
    level_FS = future_lengths_FS(np.full(12, 40.0), 100, 30, 500, random)
    assert level_FS == pytest.approx(np.full((500, 30), 40.0))
    rising_N = 100 / (1 + np.exp(1.0 - 0.1 * np.arange(12)))  # a straight line as logits
    rising_FS = future_lengths_FS(rising_N, 100, 200, 500, random)
    assert rising_FS.max() < 100
    assert (np.diff(rising_FS, axis=1) >= -1e-9).all()
    # Followed for 0.25 to 1 of the window of 6 steps: logit 0.1 x 6 x (0.25 .. 1) above the last one's.
    end_F = np.log(rising_FS[:, -1] / (100 - rising_FS[:, -1])) - 0.1
    assert end_F.min() > 0.14
    assert end_F.max() < 0.61


def test_the_same_question_has_the_same_answer() -> None:
    assert what_if(ladder(10), Change(rollouts=4), FACTS) == what_if(ladder(10), Change(rollouts=4), FACTS)
