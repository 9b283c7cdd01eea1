"""The published recipe from its published totals: the sums are those of a calculator."""

import pytest

from stages.accounting.projection import Change, DeviceFacts, what_if_released
from stages.accounting.projection.reading import planned_rungs
from stages.accounting.projection.release import DEVICE, DEVICE_HOURS, USD, mean_step_seconds
from stages.accounting.records import BookedPrice
from stages.errors import LadderError
from stages.params import load_params
from tests.conftest import CHECKOUT

PLAN = planned_rungs(load_params(CHECKOUT / "profiles/deepscaler.yaml"))
H100 = "NVIDIA H100 80GB HBM3"


def priced(usd_per_hour: float) -> BookedPrice:
    return BookedPrice(usd_per_hour, None, "on-demand", "2026-01-01", "a test")


def test_the_release_by_hand() -> None:
    assert round(USD / DEVICE_HOURS, 2) == 1.18
    assert mean_step_seconds(3800, [(1040, 8), (480, 32), (270, 32)]) == pytest.approx(423.3, abs=0.05)
    # With the 230 steps that its last curve goes on for (1,520 to 1,750), as in profiles/deepscaler.yaml.
    assert mean_step_seconds(DEVICE_HOURS, [(1040, 8), (480, 32), (230, 32)]) == pytest.approx(440.7, abs=0.05)


def test_the_recipe_costs_what_the_release_tells() -> None:
    projection = what_if_released(PLAN, Change(), {})
    assert (projection.question, projection.basis) == ("the published recipe", "published totals")
    assert projection.compared is None
    assert projection.device_hours.value == pytest.approx(3800, rel=0.01)
    assert projection.usd.value == pytest.approx(4500, rel=0.01)
    assert projection.usd.low < 4500 < projection.usd.high < 4500 * 1.1
    assert [(rung.name, rung.steps, rung.devices, rung.measured_steps) for rung in projection.by_rung] == [
        ("8k", 1040, 8, 0), ("16k", 480, 32, 0), ("24k", 230, 32, 0),
    ]  # fmt: skip
    assert projection.by_rung[1].device_hours.value == pytest.approx(480 * 32 * 440.7 / 3600, rel=0.05)
    assert any(
        "published, not measured: 3,800 hours" in said and "441 s a step" in said for said in projection.assumptions
    )


def test_the_release_at_its_last_context_from_the_first_day() -> None:
    projection = what_if_released(PLAN, Change(longest_first=True), {})
    assert projection.device_hours.value == pytest.approx(1750 * 32 * 440.7 / 3600, rel=0.1)
    assert projection.compared is not None
    ratio = projection.compared.usd_ratio
    assert ratio.low < 1750 * 32 / 31040 < ratio.high
    assert ratio.high / ratio.low > 3  # no rung's own seconds are published
    (said,) = [line for line in projection.assumptions if "comes from the GPUs alone" in line]
    assert "1040 steps go from 8 to 32 of them: 56,000 step-GPUs instead of 31,040" in said


def test_the_release_with_other_rollouts_and_on_another_device() -> None:
    more = what_if_released(PLAN, Change(rollouts=16), {})
    assert more.compared is not None
    # 8k alone has more than it had: twice, at 8,320 of 31,040 step-GPUs.
    assert 1 < more.compared.usd_ratio.low < more.compared.usd_ratio.high < 1.5
    facts = {DEVICE: DeviceFacts(priced(1.18), 312.0), H100: DeviceFacts(priced(2.5), 989.0)}
    faster = what_if_released(PLAN, Change(device=H100), facts)
    assert faster.basis == "published totals, published peaks"
    assert faster.compared is not None
    assert not any("bandwidth (" in said for said in faster.assumptions)
    known = {DEVICE: DeviceFacts(priced(1.18), 312.0, 2000.0), H100: DeviceFacts(priced(2.5), 989.0, 2000.0)}
    same_memory = what_if_released(PLAN, Change(device=H100), known)  # sampling, 30 to 80 % of a step, gains nothing
    assert same_memory.compared is not None
    update = (312 / 989) ** 0.8
    assert same_memory.compared.seconds_ratio.value == pytest.approx(0.55 + 0.45 * update, rel=0.1)
    assert 312 / 989 < faster.compared.seconds_ratio.value < 1
    assert faster.usd.value == pytest.approx(faster.device_hours.value * 2.5)


def test_what_the_release_does_not_tell_is_refused() -> None:
    mini = planned_rungs(load_params(CHECKOUT / "profiles/mini.yaml"))
    with pytest.raises(LadderError, match="rung 8k: a context of 22 tokens is none of the release's"):
        what_if_released(mini, Change(), {})
    with pytest.raises(LadderError, match=f"'{DEVICE}', which has no published peak"):
        what_if_released(PLAN, Change(device=H100), {H100: DeviceFacts(priced(2.5), None)})
