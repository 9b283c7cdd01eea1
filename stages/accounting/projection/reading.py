"""The measured rungs of this workspace, from its ledger; the only place here that knows how it is kept."""

from collections.abc import Mapping

from stages.accounting.prices import read_prices
from stages.accounting.projection.measured import DeviceFacts, MeasuredRung, MeasuredStep, PlannedRung
from stages.accounting.reading import LedgerReader
from stages.accounting.records import PHASES, Attempt, StepCost
from stages.params import RUNGS, Params


def planned_rungs(params: Params) -> tuple[PlannedRung, ...]:
    prompts = params.grpo.prompts_per_step
    rungs = [(name, params.rungs.of(name)) for name in RUNGS]
    return tuple(
        PlannedRung(name, rung.max_response_tokens, rung.rollouts_per_prompt, prompts, rung.steps)
        for name, rung in rungs
    )


def device_facts(params: Params) -> dict[str, DeviceFacts]:
    """Of every device that has a price on the settings' market."""
    operations = params.operations
    prices = read_prices().on_market(operations.market, operations.prices)
    return {
        device: DeviceFacts(price.usd_per_hour, price.peak_tflops_bf16, price.memory_gb_per_s)
        for device, price in prices.items()
    }


def read_measured(params: Params, ledger: LedgerReader) -> tuple[list[MeasuredRung], list[MeasuredRung]]:
    """The rungs of the run at hand (the newest attempt's steps, over those of the attempts that it resumed), and all others that
    were measured under the same settings on another device."""
    attempts = [attempt for attempt in ledger.attempts() if attempt.identity]
    here: list[MeasuredRung] = []
    elsewhere: list[MeasuredRung] = []
    for planned in planned_rungs(params):
        own = [attempt for attempt in attempts if attempt.stage == f"train@{planned.name}"]
        steps = {attempt.id: ledger.steps(attempt.id) for attempt in own}
        own = [attempt for attempt in own if steps[attempt.id]]
        if not own:
            continue
        newest = own[-1]
        same = [attempt for attempt in own if attempt.identity == newest.identity]
        for device in {attempt.device.name for attempt in same}:
            chosen = _last_making([attempt for attempt in same if attempt.device.name == device])
            rung = _measured(planned, chosen, steps)
            (here if device == newest.device.name else elsewhere).append(rung)
    return here, elsewhere


def _last_making(attempts: list[Attempt]) -> list[Attempt]:
    """The newest attempt and those that it resumed: after a finished one nothing is left to resume."""
    done = [index for index, attempt in enumerate(attempts[:-1]) if attempt.status == "done"]
    return attempts[done[-1] + 1 :] if done else attempts


def _measured(planned: PlannedRung, attempts: list[Attempt], steps: Mapping[int, list[StepCost]]) -> MeasuredRung:
    """A step that was taken again counts as it was the last time. Start and end are the newest attempt's."""
    newest = attempts[-1]
    taken = {step.step: step for attempt in attempts for step in steps[attempt.id]}
    return MeasuredRung(
        name=planned.name,
        context=planned.context,
        rollouts_per_prompt=planned.rollouts_per_prompt,
        prompts_per_step=planned.prompts_per_step,
        device=newest.device.name,
        devices=newest.device.count,
        steps=tuple(_step(taken[number], planned.rollouts) for number in sorted(taken)),
        other_seconds=max(0.0, newest.wall_s - sum(step.wall_s for step in steps[newest.id])),
    )


def _step(cost: StepCost, rollouts: int) -> MeasuredStep:
    seconds = {phase: getattr(cost, f"{phase}_s") for phase in PHASES}
    # Before schema 4 a step's rollouts were not booked.
    return MeasuredStep(cost.step, seconds, cost.sampled_tokens, cost.trained_tokens, cost.rollouts or rollouts)
