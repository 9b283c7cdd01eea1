"""The published recipe's cost on one device from whole steps that were timed there, each by itself: no rung of it was climbed.

`python -m benchmarks.gpu_step` times them on random weights of the recipe's shape, whose answers have lengths that were drawn,
and writes benchmarks/results/gpu_step.json. A step of more answers than the timed one takes as much more of each phase as it has
more answers: longer than it would, since a sampler is faster the more answers are under way. Measured are seconds a token; how
long the real model's answers are is not known from a benchmark, and their mean is drawn around the timed one's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.accounting.projection.futures import EXTRAPOLATION, FUTURES, RungFutures
from stages.accounting.projection.measured import DeviceFacts, Floats, PlannedRung
from stages.accounting.projection.pace import DRIFT
from stages.accounting.projection.questions import Change, question_of
from stages.accounting.projection.release import as_released, with_its_own_price
from stages.accounting.projection.results import Projection, projected
from stages.errors import LadderError
from stages.randomness import rng
from stages.store.files import read_json

LENGTHS_SPREAD = 0.2
"""Of the mean answer of a rung around that of its timed step (standard deviation of the logarithm): a judgement."""
PHASES = ("sample", "grade", "reference", "update")


@dataclass(frozen=True, slots=True)
class TimedStep:
    """One step with the KL term on one device: `seconds` by phase, `tokens` in all its `rollouts` answers."""

    rung: str
    seconds: Mapping[str, float]
    tokens: int
    rollouts: int

    @property
    def mean_tokens(self) -> float:
        return self.tokens / self.rollouts


def read_timed(path: Path, device: str) -> dict[str, TimedStep]:
    """Of each rung the step with most answers that was timed on `device`. Raises LadderError for another kind of file."""
    found: dict[str, TimedStep] = {}
    devices = set()
    try:
        for part in read_json(path)["figures"]["parts"]:
            options = part["options"]
            alone = options.get("devices", 1) == 1
            if part["peer"] != "ours" or options["part"] != "step" or not options["beta"] or not alone:
                continue
            devices.add(part["device"])
            step = _timed(options["limit"], part["figures"], options["prompts"] * options["group"])
            if part["device"] == device and (step.rung not in found or step.rollouts > found[step.rung].rollouts):
                found[step.rung] = step
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise LadderError(
            f"--timed-steps {path}: not a result of benchmarks/gpu_step.py ({type(error).__name__}: {error}); name one, as "
            "benchmarks/results/gpu_step.json is"
        ) from None
    if not found:
        known = ", ".join(sorted(devices)) or "none"
        raise LadderError(
            f"--timed-steps {path}: no step was timed on {device!r}, known are {known}; choose one of them by --device, or time "
            "some there (`python -m benchmarks.gpu_step`)"
        )
    return found


def _timed(rung: str, figures: Mapping[str, Any], rollouts: int) -> TimedStep:
    step = figures["steps"][-1]
    seconds = {phase: float(step[f"{phase}_s"]) for phase in PHASES}
    seconds["idle"] = max(0.0, float(step["step_s"]) - sum(seconds.values()))
    return TimedStep(rung, seconds, int(figures["tokens"]), rollouts)


def what_if_timed(
    plan: tuple[PlannedRung, ...],
    change: Change,
    path: Path,
    facts: Mapping[str, DeviceFacts],
    seed: int = 0,
) -> Projection:
    """The whole of `plan` on the change's device. Raises LadderError for what wasn't timed there."""
    if change.device is None or change.longest_first:
        raise LadderError(
            f"--timed-steps {path}: it tells of single steps on one device; name that by --device, and leave --longest-first out"
        )
    timed = read_timed(path, change.device)
    changed = change.plan_of(plan)
    futures = [
        _futures(planned, _step_of(planned, timed, path, change.device), change.device, seed) for planned in changed
    ]
    released, said = as_released(plan, seed)
    return projected(
        question_of(change, "the published recipe"),
        "timed steps",
        futures,
        with_its_own_price(facts),
        [*_assumptions(changed, timed, path), *said],
        ("the recipe as it was released", released),
    )


def _step_of(planned: PlannedRung, timed: Mapping[str, TimedStep], path: Path, device: str) -> TimedStep:
    if planned.name not in timed:
        raise LadderError(
            f"--timed-steps {path}: no step of rung {planned.name} was timed on {device}, only of {', '.join(timed)}; time one "
            "(`python -m benchmarks.gpu_step`)"
        )
    return timed[planned.name]


def _futures(planned: PlannedRung, step: TimedStep, device: str, seed: int) -> RungFutures:
    random = rng("projection", seed, "timed", planned.name)
    grown = planned.rollouts / step.rollouts
    longer_F = np.exp(LENGTHS_SPREAD * random.standard_normal(FUTURES))
    spread = np.hypot(DRIFT, EXTRAPOLATION * np.log(grown))
    pace_F = np.exp(spread * random.standard_normal(FUTURES))
    seconds: dict[str, Floats] = {
        phase: planned.steps * grown * taken * longer_F * pace_F for phase, taken in step.seconds.items()
    }
    return RungFutures(
        planned.name, 1, planned.steps, device, 1, seconds, planned.steps * grown * step.tokens * longer_F
    )


def _assumptions(plan: Sequence[PlannedRung], timed: Mapping[str, TimedStep], path: Path) -> list[str]:
    told = ", ".join(
        f"{planned.name}: {timed[planned.name].rollouts} answers of {timed[planned.name].mean_tokens:,.0f} tokens in "
        f"{sum(timed[planned.name].seconds.values()):.0f} s"
        for planned in plan
    )
    return [
        f"timed, a step a rung, on random weights of the recipe's shape and one device ({path}): {told}",
        f"the recipe's steps have {', '.join(f'{planned.name}: {planned.rollouts}' for planned in plan)} answers: every phase in "
        f"proportion (sd {EXTRAPOLATION:g} of the logarithm for each e-fold of answers)",
        f"how long the real model's answers are on average is a judgement (sd {LENGTHS_SPREAD:g} of the logarithm around those)",
        "one device: what several lose to one another is not in it, nor are starts, checkpoints and evaluations",
    ]
