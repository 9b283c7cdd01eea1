"""The stages beside the rungs: they take what they took when they last finished, or what one of their kind took."""

from collections.abc import Sequence

import numpy as np

from stages.accounting.projection.futures import OTHER_SPREAD, Ladder, RungFutures
from stages.accounting.projection.measured import OtherStage

NAME = "other stages"


def futures_of_others(ladder: Ladder, others: Sequence[OtherStage]) -> list[RungFutures]:
    """A row a device: seconds (F,) of those still to be made, and as `spent_s` what the others took."""
    by_device: dict[tuple[str, int], list[OtherStage]] = {}
    for other in others:
        if other.seconds is not None:
            by_device.setdefault((other.device, other.devices), []).append(other)
    rows = []
    for (device, count), stages in by_device.items():
        to_come = [stage for stage in stages if not stage.made]
        total_F = np.zeros(ladder.futures)
        for stage in to_come:
            normal_F = ladder.random("other stage", stage.stage).standard_normal(ladder.futures)
            total_F = total_F + (stage.seconds or 0.0) * np.exp(OTHER_SPREAD * normal_F)
        spent_s = sum(stage.seconds or 0.0 for stage in stages if stage.made)
        # The dearest: one figure for all, on the safe side.
        watts = max((stage.watts for stage in stages if stage.watts is not None), default=None)
        rows.append(RungFutures(NAME, len(to_come), 0, device, count, {"other": total_F}, None, spent_s, watts))
    return rows


def of_the_others(others: Sequence[OtherStage]) -> list[str]:
    """What is supposed of them, in words; without any of them, that the training is alone."""
    if not others:
        return ["the training alone: examinations and all other stages are not in it"]
    to_come = [other for other in others if not other.made]
    known = [other for other in to_come if other.seconds is not None]
    said = []
    if known:
        alike = [f"{other.stage} as {other.alike}" for other in known if other.alike]
        said.append(
            f"other stages ({len(known)} to come): each as its newest finished attempt took, examinations too, whatever the "
            f"lengths (sd {OTHER_SPREAD:g} of the logarithm)"
            + (f"; never finished: {', '.join(alike)}" if alike else "")
        )
    unknown = [other.stage for other in to_come if other.seconds is None]
    if unknown:
        said.append(f"not in the estimate, because none of their kind ever finished: {', '.join(unknown)}")
    return said
