"""What every projection from measured steps supposes, in words."""

import numpy as np

from stages.accounting.projection.futures import Ladder
from stages.accounting.projection.lengths import ANOTHER_RUN
from stages.accounting.projection.measured import MeasuredRung, PlannedRung


def of_the_measurement(ladder: Ladder) -> list[str]:
    counts = ", ".join(f"{rung.name}: {len(rung.steps)}" for rung in ladder.telling)
    said = [
        f"from measured steps ({counts}) on {ladder.device}; the pace of what is to come is theirs; "
        "that the machine's wanders widens the interval, by what its steps and rungs scattered",
        "lengths follow the trend of the later measured steps, dying away, within the context",
    ]
    if not any(np.any(rung.seconds_N("save")) for rung in ladder.telling):
        said.append("no checkpoint was written in the measured steps: those to come are not in the estimate")
    said += [
        _borrowed(planned, ladder.template(planned))
        for planned in ladder.plan
        if ladder.own(planned) is not ladder.template(planned)
    ]
    assumed = [rung for rung in ladder.telling if rung.assumed]
    said += [
        f"rung {rung.name}: no context is booked with its steps, it is taken for {rung.context}" for rung in assumed
    ]
    return said


def _borrowed(planned: PlannedRung, template: MeasuredRung) -> str:
    """Of a rung whose pace and lengths are those of steps that are not its own."""
    where = "in another workspace" if template.elsewhere else "under other settings, data or code"
    asked = f"{template.rollouts_per_prompt} rollouts x {template.prompts_per_step} prompts a step"
    origin = "" if template.present else f", measured {where} ({asked}, {template.context} tokens)"
    if (template.name, template.context) == (planned.name, planned.context):
        return (
            f"rung {planned.name}: pace and lengths from {len(template.steps)} steps of it{origin}, which are not done; lengths "
            f"are theirs, all longer or all shorter (sd {ANOTHER_RUN:g} of the logarithm)"
        )
    return (
        f"rung {planned.name} ({planned.context} tokens) was not measured: pace and lengths from {template.name}{origin}, "
        f"lengths grown by anything between nothing and the contexts' ratio ({planned.context / template.context:.2f})"
    )
