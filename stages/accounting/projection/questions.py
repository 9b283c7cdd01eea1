"""What a run under way has still to cost, and what it would cost otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stages.accounting.projection.devices import conversion_to
from stages.accounting.projection.futures import EXTRAPOLATION, Ladder, RungFutures, at_the_last_context, rest, whole
from stages.accounting.projection.measured import (
    DeviceFacts,
    MeasuredRung,
    OtherStage,
    PlannedRung,
    check_measured,
)
from stages.accounting.projection.others import futures_of_others, of_the_others
from stages.accounting.projection.results import Projection, projected
from stages.accounting.projection.supposed import of_the_measurement
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


def rest_of_run(ladder: Ladder, facts: Mapping[str, DeviceFacts], others: Sequence[OtherStage] = ()) -> Projection:
    """What the planned steps that have not run yet will take, rungs that have not begun too, and the `others` not made yet.

    Raises LadderError.
    """
    check_measured(ladder.measured)
    futures = [rest(ladder, planned) for planned in ladder.plan] + futures_of_others(ladder, others)
    assumptions = [*of_the_measurement(ladder), *of_the_others(others)]
    return projected("the rest of the run", "measured", futures, facts, assumptions)


def what_if(
    ladder: Ladder, change: Change, facts: Mapping[str, DeviceFacts], elsewhere: Sequence[MeasuredRung] = ()
) -> Projection:
    """What the whole run would take if it were otherwise, beside what it takes as it is. Raises LadderError.

    `elsewhere` holds rungs that were measured on other devices.
    """
    check_measured(ladder.measured)
    changed = replace(ladder, plan=change.plan_of(ladder.plan))
    assumptions, basis = [*of_the_measurement(changed), *of_the_others(())], "measured"
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
    if change.device is not None and change.device != changed.device:
        conversion = conversion_to(change.device, ladder, facts, elsewhere)
        futures = [conversion.of(rung, change.device) for rung in futures]
        assumptions.append(conversion.assumption)
        basis = conversion.basis
    present = [whole(ladder, planned) for planned in ladder.plan]
    return projected(question_of(change), basis, futures, facts, assumptions, ("the run as it is", present))


def _longest_first(ladder: Ladder) -> tuple[list[RungFutures], str]:
    last = ladder.plan[-1]
    own = ladder.template(last)
    if own.context != last.context:
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


def question_of(change: Change, run: str = "the training of the whole run") -> str:
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
