"""What a run under way has still to cost, and what it would cost otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.accounting.projection.devices import conversion_to
from stages.accounting.projection.futures import EXTRAPOLATION, Ladder, RungFutures, at_the_last_context, rest, whole
from stages.accounting.projection.measured import DeviceFacts, MeasuredRung, PlannedRung, check_measured
from stages.accounting.projection.results import Projection, projected
from stages.errors import LadderError

FIRST_DAY_SPREAD = 0.25
"""Of the power that moves first-day lengths between the ladder's own (0) and the last rung's (1): a judgement, no measurement."""


@dataclass(frozen=True, slots=True)
class Change:
    """What would be otherwise; whatever is set is changed, together. `plan` holds another profile's rungs."""

    longest_first: bool = False
    rollouts: int | None = None
    device: str | None = None
    plan: tuple[PlannedRung, ...] | None = None

    def plan_of(self, plan: tuple[PlannedRung, ...]) -> tuple[PlannedRung, ...]:
        changed = self.plan or plan
        if self.rollouts is None:
            return changed
        if self.rollouts < 2:
            raise LadderError(f"--rollouts {self.rollouts}: a group has at least 2; choose 2 or more")
        return tuple(replace(rung, rollouts_per_prompt=self.rollouts) for rung in changed)


def rest_of_run(ladder: Ladder, facts: Mapping[str, DeviceFacts]) -> Projection:
    """What the planned steps that have not run yet will take; rungs that have not begun too. Raises LadderError."""
    check_measured(ladder.measured)
    futures = [rest(ladder, planned) for planned in ladder.plan]
    return projected("the rest of the run", "measured", futures, facts, _of_the_measurement(ladder))


def what_if(
    ladder: Ladder, change: Change, facts: Mapping[str, DeviceFacts], elsewhere: Sequence[MeasuredRung] = ()
) -> Projection:
    """What the whole run would take if it were otherwise, beside what it takes as it is. Raises LadderError.

    `elsewhere` holds rungs that were measured on other devices.
    """
    check_measured(ladder.measured)
    changed = replace(ladder, plan=change.plan_of(ladder.plan))
    assumptions, basis = _of_the_measurement(changed), "measured"
    if change.rollouts is not None:
        assumptions.append(
            "other rollouts a prompt: lengths as they are; by phase, a share of the seconds grows with the rollouts and "
            "the other does not, as the measured steps of all rungs tell (drawn from the fit); that nobody measured such a step "
            f"widens the interval (sd {EXTRAPOLATION:g} of the logarithm for each e-fold)"
        )
    if change.longest_first:
        futures, said = _longest_first(changed)
        assumptions.append(said)
    else:
        futures = [whole(changed, planned) for planned in changed.plan]
    if change.device is not None and change.device != changed.with_steps[0].device:
        conversion = conversion_to(change.device, ladder, facts, elsewhere)
        futures = [conversion.of(rung, change.device) for rung in futures]
        assumptions.append(conversion.assumption)
        basis = conversion.basis
    present = [whole(ladder, planned) for planned in ladder.plan]
    return projected(question_of(change), basis, futures, facts, assumptions, ("the run as it is", present))


def _longest_first(ladder: Ladder) -> tuple[list[RungFutures], str]:
    last = ladder.plan[-1]
    own = ladder.own(last)
    if own is None:
        raise LadderError(
            f"train@{last.name}: no measured step at {last.context} tokens, whose lengths and pace a run with them from the "
            "first day would have; let that rung begin, then ask again"
        )
    steps = sum(planned.steps for planned in ladder.plan)
    power_F = 1 + FIRST_DAY_SPREAD * ladder.random("first-day lengths").standard_normal(ladder.futures)
    said = (
        f"{last.context} tokens from the first day: as many steps as the ladder ({steps}), lengths as in rung {last.name} "
        f"({len(own.steps)} measured steps); how far from them, to the ladder's own or beyond, is a judgement (sd "
        f"{FIRST_DAY_SPREAD:g} of that way), no measurement; {last.rollouts_per_prompt} rollouts a prompt throughout"
    )
    return [at_the_last_context(ladder, steps, power_F)], said


def _of_the_measurement(ladder: Ladder) -> list[str]:
    """What every projection from measured steps supposes."""
    counts = ", ".join(f"{rung.name}: {len(rung.steps)}" for rung in ladder.with_steps)
    said = [
        f"from measured steps ({counts}) on {ladder.with_steps[0].device}; the pace of what is to come is theirs; "
        "that the machine's wanders widens the interval, by what its steps and rungs scattered",
        "lengths follow the trend of the later measured steps, dying away, within the context",
    ]
    if not any(np.any(rung.seconds_N("save")) for rung in ladder.with_steps):
        said.append("no checkpoint was written in the measured steps: those to come are not in the estimate")
    for planned in ladder.plan:
        if ladder.own(planned) is None:
            near = ladder.template(planned)
            said.append(
                f"rung {planned.name} ({planned.context} tokens) was not measured: pace and lengths from {near.name}, lengths "
                f"grown by anything between nothing and the contexts' ratio ({planned.context / near.context:.2f})"
            )
    return said


def question_of(change: Change, run: str = "the whole run") -> str:
    parts = [run]
    if change.plan is not None:
        parts.append("with another profile's rungs")
    if change.longest_first:
        parts.append("with the last rung's context from the first day")
    if change.rollouts is not None:
        parts.append(f"with {change.rollouts} rollouts a prompt")
    if change.device is not None:
        parts.append(f"on {change.device}")
    return " ".join(parts)
