"""The measured rungs of this workspace, from its ledger; the only place here that knows how it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.accounting.prices import read_prices
from stages.accounting.projection.measured import DeviceFacts, MeasuredRung, MeasuredStep, OtherStage, PlannedRung
from stages.accounting.projection.present import Present
from stages.accounting.reading import LedgerReader, Scope
from stages.accounting.records import CPU_CORE, PHASES, Attempt, StepCost
from stages.estimate import parameters
from stages.params import RUNGS, Params


def planned_rungs(params: Params) -> tuple[PlannedRung, ...]:
    prompts = params.grpo.prompts_per_step
    rungs = [(name, params.rungs.of(name)) for name in RUNGS]
    return tuple(
        PlannedRung(name, rung.max_response_tokens, rung.rollouts_per_prompt, prompts, rung.steps)
        for name, rung in rungs
    )


def still_planned(params: Params, present: Present, measured: Sequence[MeasuredRung]) -> tuple[PlannedRung, ...]:
    """Without the rungs that are made, but that this ledger never saw: nothing of them is to come, nor known."""
    seen = {rung.name for rung in measured if rung.present}
    return tuple(
        rung for rung in planned_rungs(params) if rung.name in seen or f"train@{rung.name}" not in present.made
    )


def device_facts(params: Params) -> dict[str, DeviceFacts]:
    """Of every device that has a price on the settings' market."""
    operations = params.operations
    prices = read_prices().on_market(operations.market, operations.prices)
    return {
        device: DeviceFacts(price.booked(), price.peak_tflops_bf16, price.memory_gb_per_s, price.watts)
        for device, price in prices.items()
    }


@dataclass(frozen=True, slots=True)
class _Making:
    """The newest making of a rung from one identity on one device, in this workspace or in others; `last` its newest attempt."""

    identity: str
    last: int
    rung: MeasuredRung


def read_measured(
    params: Params, ledger: LedgerReader, present: Present, scope: Scope
) -> tuple[list[MeasuredRung], list[MeasuredRung]]:
    """The rungs of the run at hand, and what of the same identities was measured on another device.

    Done are the steps in `scope` at the stage's present identity (the newest attempt's, over those of the attempts that it
    resumed). Where these are too few, or none, the newest of another identity on the same device join them, for pace and lengths
    alone; where this workspace has none at all, those of another workspace.
    """
    ours = {attempt.id for attempt in ledger.attempts(scope)}
    # What DVC records as made here counts as ours, wherever it was taken from.
    ours |= {one.id for one in ledger.attempts_at({present.identities[stage] for stage in present.made})}
    size = round(parameters(params))
    makings = {rung.name: _makings(rung, size, ledger, ours, present.identities) for rung in planned_rungs(params)}
    device = _device([making for made in makings.values() for making in made])
    taken = [(making, made) for made in makings.values() for making in _chosen(made, device)]
    there = [
        other.rung
        for making, made in taken
        for other in made
        if other.identity == making.identity and other.rung.device != making.rung.device
    ]
    return [making.rung for making, _ in taken], there


def _device(makings: Sequence[_Making]) -> str | None:
    """On which the run at hand runs: that of its newest attempt, else of this workspace's, else of anybody's."""
    present = [making for making in makings if making.rung.present]
    ours = [making for making in makings if not making.rung.elsewhere]
    newest = max(present or ours or makings, key=lambda making: making.last, default=None)
    return None if newest is None else newest.rung.device


def _chosen(makings: Sequence[_Making], device: str | None) -> list[_Making]:
    """Of one rung: what is done of it, and where that is too little to project from, what else tells its pace on `device`."""
    present = [making for making in makings if making.rung.present][-1:]
    if present and present[0].rung.enough:
        return present
    others = [making for making in makings if not making.rung.present and making.rung.device == device]
    ours = [making for making in others if not making.rung.elsewhere]
    telling = ours or ([] if present else others)
    return present + ([making for making in telling if making.rung.enough] or telling)[-1:]


def _makings(
    planned: PlannedRung, size: int, ledger: LedgerReader, ours: set[int], identities: Mapping[str, str]
) -> list[_Making]:
    """Of a rung, by identity, device and whether it was here; the newest last. A model of another `size` has another pace."""
    stage = f"train@{planned.name}"
    groups: dict[tuple[str, str, bool], list[Attempt]] = {}
    steps: dict[int, list[StepCost]] = {}
    for attempt in ledger.attempts():
        if attempt.stage != stage or not attempt.identity or attempt.plan.get("parameters", size) != size:
            continue
        if taken := ledger.steps(attempt.id):
            steps[attempt.id] = taken
            groups.setdefault((attempt.identity, attempt.device.name, attempt.id in ours), []).append(attempt)
    makings = []
    for (identity, _, here), attempts in groups.items():
        present = here and identity == identities.get(stage)
        rung = _measured(planned, _last_making(attempts), steps, present, not here)
        if rung is not None:
            makings.append(_Making(identity, attempts[-1].id, rung))
    return sorted(makings, key=lambda making: making.last)


def _last_making(attempts: list[Attempt]) -> list[Attempt]:
    """The newest attempt and those that it resumed: after a finished one nothing is left to resume."""
    done = [index for index, attempt in enumerate(attempts[:-1]) if attempt.status == "done"]
    return attempts[done[-1] + 1 :] if done else attempts


def _measured(
    planned: PlannedRung,
    attempts: list[Attempt],
    steps: Mapping[int, list[StepCost]],
    present: bool,
    elsewhere: bool,
) -> MeasuredRung | None:
    """A step that was taken again counts as it was the last time. Start and end are the newest attempt's.

    None where the steps can't have been taken within the settings' context, and no other is booked.
    """
    newest = attempts[-1]
    taken = {step.step: step for attempt in attempts for step in steps[attempt.id]}
    context = newest.plan.get("context")
    rollouts, prompts = _asked(planned, newest, list(taken.values()))
    measured = tuple(_step(taken[number], rollouts * prompts) for number in sorted(taken))
    if context is None and any(step.mean_length > planned.context for step in measured):
        return None
    joules = [attempt.energy.joules for attempt in attempts if attempt.energy]
    metered_s = sum(attempt.wall_s for attempt in attempts if attempt.energy)
    return MeasuredRung(
        name=planned.name,
        context=planned.context if context is None else int(context),
        rollouts_per_prompt=rollouts,
        prompts_per_step=prompts,
        device=newest.device.name,
        devices=newest.device.count,
        steps=measured,
        other_seconds=max(0.0, newest.wall_s - sum(step.wall_s for step in steps[newest.id])),
        present=present,
        elsewhere=elsewhere,
        assumed=context is None and not present,
        watts=sum(joules) / metered_s if metered_s else None,
    )


def _asked(planned: PlannedRung, attempt: Attempt, steps: Sequence[StepCost]) -> tuple[int, int]:
    """Rollouts a prompt and prompts a step, as booked; of an older attempt by what its steps sampled (refills come on top)."""
    if "rollouts_per_prompt" in attempt.plan:
        return int(attempt.plan["rollouts_per_prompt"]), int(attempt.plan["prompts_per_step"])
    sampled = min(step.rollouts for step in steps)
    if sampled == 0:  # before schema 4 a step's rollouts were not booked
        return planned.rollouts_per_prompt, planned.prompts_per_step
    prompts = planned.prompts_per_step
    return (sampled // prompts, prompts) if sampled % prompts == 0 else (sampled, 1)


def _step(cost: StepCost, rollouts: int) -> MeasuredStep:
    seconds = {phase: getattr(cost, f"{phase}_s") for phase in PHASES}
    return MeasuredStep(cost.step, seconds, cost.sampled_tokens, cost.trained_tokens, cost.rollouts or rollouts)


def read_other_stages(ledger: LedgerReader, present: Present, scope: Scope) -> list[OtherStage]:
    """Every stage of the graph that is no rung, by its newest finished attempt: in `scope`, or else anywhere."""
    newest: dict[str, Attempt] = {}
    for within in (None, scope):  # what is ours comes last, and counts
        for attempt in ledger.attempts() if within is None else ledger.attempts(within):
            if attempt.status == "done":
                newest[attempt.stage] = attempt
    kinds = {stage.partition("@")[0]: attempt for stage, attempt in newest.items()}
    return [
        _other(stage, stage in present.made, newest.get(stage) or kinds.get(stage.partition("@")[0]))
        for stage in present.stages
        if not stage.startswith("train@")
    ]


def _other(stage: str, made: bool, attempt: Attempt | None) -> OtherStage:
    if attempt is None:
        return OtherStage(stage, made, None, CPU_CORE, 1)
    watts = attempt.energy.joules / attempt.wall_s if attempt.energy and attempt.wall_s else None
    alike = None if attempt.stage == stage else attempt.stage
    return OtherStage(stage, made, attempt.wall_s, attempt.device.name, attempt.device.count, alike, watts)
