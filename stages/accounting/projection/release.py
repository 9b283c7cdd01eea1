"""The published recipe's cost from its own published totals: what is left where no rung of its model was measured.

The release (README of github.com/agentica-project/deepscaler at 95ef74f) tells 3,800 A100-80GB hours, about $4,500, for three
rungs on 8, 32 and 32 GPUs; the steps are those of its curves (1,040, to 1,520, to 1,750). It tells no rung's own seconds: all
that can be said is the mean over all steps, ``hours * 3600 / sum(steps * GPUs)``. A rung's own mean is drawn around it
(RUNG_SPREAD), so that the release's total comes out as told, to its rounding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.accounting.projection.devices import by_peaks
from stages.accounting.projection.futures import FUTURES, RungFutures
from stages.accounting.projection.measured import DeviceFacts, Floats, PlannedRung
from stages.accounting.projection.questions import Change, question_of
from stages.accounting.projection.results import Projection, projected
from stages.accounting.records import BookedPrice
from stages.errors import LadderError
from stages.randomness import rng

MODEL = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
DEVICE = "NVIDIA A100-SXM4-80GB"
DEVICE_HOURS = 3800.0
USD = 4500.0


@dataclass(frozen=True, slots=True)
class ReleasedRung:
    context: int
    rollouts_per_prompt: int
    prompts_per_step: int
    steps: int
    devices: int


RUNGS: Mapping[str, ReleasedRung] = {
    "8k": ReleasedRung(8192, 8, 128, 1040, 8),
    "16k": ReleasedRung(16384, 16, 128, 480, 32),
    "24k": ReleasedRung(24576, 16, 128, 230, 32),
}
RUNG_SPREAD = 0.3
"""Of a rung's mean step around the mean of all (standard deviation of the logarithm)."""
FIRST_DAY_SPREAD = 0.4
"""Of the mean step with the last context from the first day (standard deviation of the logarithm): a judgement."""
ROUNDING = 0.03
SAMPLING_SHARE = (0.3, 0.8)
"""Of a step's seconds, where only its total is known: anything in between is as likely."""
ROLLOUTS_POWER = (0.7, 1.0)
"""Of the responses of a step, by which its seconds grow."""


def mean_step_seconds(device_hours: float, steps_and_devices: Sequence[tuple[int, int]]) -> float:
    """Seconds of a step, on average over all: every step occupies its rung's devices for so long."""
    return device_hours * 3600 / sum(steps * devices for steps, devices in steps_and_devices)


def what_if_released(
    plan: tuple[PlannedRung, ...], change: Change, facts: Mapping[str, DeviceFacts], seed: int = 0
) -> Projection:
    """The whole of `plan`, from the release's totals. Raises LadderError for what they don't tell."""
    changed = change.plan_of(plan)
    priced = with_its_own_price(facts)
    steps_F = _step_seconds_F(seed)
    present, assumptions = as_released(plan, seed)
    if change.longest_first:
        steps = sum(planned.steps for planned in changed)
        futures = [_first_day(changed[-1], steps, steps_F, seed)]
        assumptions.append(f"the last rung's context from the first day: as many steps ({steps}) of its mean seconds")
        assumptions.append(_of_devices_alone(steps))
    else:
        futures = [_futures(planned, planned.steps, steps_F, seed) for planned in changed]
    if change.rollouts is not None:
        low, high = ROLLOUTS_POWER
        assumptions.append(
            f"a step's seconds grow with its responses to a power of {low:g} to {high:g}; lengths as they are"
        )
    basis = "published totals"
    if change.device is not None and change.device != DEVICE:
        factor_F, said = _device_factor_F(change.device, priced, seed)
        watts = priced[change.device].watts
        futures = [_on(rung, change.device, factor_F, watts) for rung in futures]
        assumptions.append(said)
        if DEVICE in facts:
            assumptions.append(f"{DEVICE}, too, is priced on this workspace's market, not as the release paid")
        basis += ", published peaks"
    against = None if change == Change() else ("the recipe as it is", present)
    return projected(question_of(change, "the published recipe"), basis, futures, priced, assumptions, against)


def with_its_own_price(facts: Mapping[str, DeviceFacts]) -> dict[str, DeviceFacts]:
    """`facts`, and where they have none of the release's device, what it paid."""
    told = BookedPrice(round(USD / DEVICE_HOURS, 2), None, "release", "2025-02-10", "its own totals")
    return {DEVICE: DeviceFacts(told, None), **facts}


def as_released(plan: Sequence[PlannedRung], seed: int = 0) -> tuple[list[RungFutures], list[str]]:
    """`plan` on the release's devices at its mean seconds, and what that supposes. Raises LadderError for a rung not its own."""
    steps_F = _step_seconds_F(seed)
    return [_futures(planned, planned.steps, steps_F, seed) for planned in plan], [
        f"published, not measured: {DEVICE_HOURS:,.0f} hours of {DEVICE}, about ${USD:,.0f}, over "
        f"{', '.join(f'{name}: {rung.steps} steps x {rung.devices} GPUs' for name, rung in RUNGS.items())}; "
        f"{_mean():.0f} s a step on average",
        f"how a rung's steps differ from that average is not published: drawn (sd {RUNG_SPREAD:g} of the logarithm)",
    ]


def _mean() -> float:
    return mean_step_seconds(DEVICE_HOURS, [(rung.steps, rung.devices) for rung in RUNGS.values()])


def _step_seconds_F(seed: int) -> dict[str, Floats]:
    """Of each released rung, such that the futures' totals are the release's but for its rounding."""
    random = rng("projection", seed, "release")
    weights = {name: rung.steps * rung.devices for name, rung in RUNGS.items()}
    drawn = {name: np.exp(RUNG_SPREAD * random.standard_normal(FUTURES)) for name in RUNGS}
    mean_F = sum(weights[name] * drawn[name] for name in RUNGS) / sum(weights.values())
    total_F = _mean() * np.exp(ROUNDING * random.standard_normal(FUTURES))
    return {name: drawn[name] / mean_F * total_F for name in RUNGS}


def _futures(planned: PlannedRung, steps: int, steps_F: Mapping[str, Floats], seed: int) -> RungFutures:
    released = RUNGS.get(planned.name)
    if released is None or released.context != planned.context:
        told = ", ".join(f"{name}: {rung.context}" for name, rung in RUNGS.items())
        raise LadderError(
            f"rung {planned.name}: a context of {planned.context} tokens is none of the release's ({told}), and nothing was "
            "measured; measure some steps of it first"
        )
    grown = planned.rollouts / (released.rollouts_per_prompt * released.prompts_per_step)
    power_F = rng("projection", seed, "release", "rollouts").uniform(*ROLLOUTS_POWER, FUTURES)
    seconds = {"step": steps * steps_F[planned.name] * grown**power_F}
    return RungFutures(planned.name, 0, steps, DEVICE, released.devices, seconds, None)


def _first_day(last: PlannedRung, steps: int, steps_F: Mapping[str, Floats], seed: int) -> RungFutures:
    """`steps` steps of the last rung, made wide: nobody published how long an answer is there on the first day."""
    futures = _futures(last, steps, steps_F, seed)
    factor_F = np.exp(FIRST_DAY_SPREAD * rng("projection", seed, "release", "first day").standard_normal(FUTURES))
    return replace(futures, seconds_F={phase: taken * factor_F for phase, taken in futures.seconds_F.items()})


def _of_devices_alone(steps: int) -> str:
    first, last = RUNGS["8k"], RUNGS["24k"]
    present = sum(rung.steps * rung.devices for rung in RUNGS.values())
    return (
        f"its ratio to the recipe comes from the GPUs alone ({first.steps} steps go from {first.devices} to {last.devices} of "
        f"them: {steps * last.devices:,} step-GPUs instead of {present:,}), not from longer answers: no rung's own seconds are "
        f"published; how much shorter a first-day step is, or longer, is a judgement (sd {FIRST_DAY_SPREAD:g} of the logarithm)"
    )


def _device_factor_F(device: str, facts: Mapping[str, DeviceFacts], seed: int) -> tuple[Floats, str]:
    random = rng("projection", seed, "release", device)
    conversion = by_peaks(DEVICE, device, facts, FUTURES, random)
    share_F = random.uniform(*SAMPLING_SHARE, FUTURES)
    factor_F = share_F * conversion.factors_F["sample"] + (1 - share_F) * conversion.factors_F["update"]
    low, high = SAMPLING_SHARE
    return factor_F, f"{conversion.assumption}; sampling is {low:.0%} to {high:.0%} of a step"


def _on(rung: RungFutures, device: str, factor_F: Floats, watts: float | None) -> RungFutures:
    """`watts` are those of one device."""
    seconds = {phase: taken * factor_F for phase, taken in rung.seconds_F.items()}
    return replace(rung, device=device, seconds_F=seconds, watts=None if watts is None else watts * rung.devices)
