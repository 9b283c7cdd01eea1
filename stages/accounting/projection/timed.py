"""The published recipe's cost on one device from whole steps that were timed there, each by itself: no rung of it was climbed.

`python -m benchmarks.gpu_step` times them on random weights of the recipe's shape, whose answers have lengths that were drawn,
and writes benchmarks/results/gpu_step.json. A step of more answers than the timed one takes as much more of each phase as it has
more answers: longer than it would, since a sampler is faster the more answers are under way. Measured are a phase's seconds; how
long the real model's answers are is not known from a benchmark, and their mean is drawn around the timed one's.

Which part of a phase grows with tokens times length is computed, not measured: of sampling what reading keys and values takes at
the card's memory rate (nothing where the file has none), of reference and update attention's share of the nominal operations
(stages/accounting/flops.py) if every answer had the mean length. The rest grows with the tokens. That errs both ways: memory is
read more slowly, and answers that differ in length see more than equal ones; but prompts, under a tenth of what is read, don't
grow, and the longest answers are cut at the context.

Where the recipe makes several updates a step and the timed step made one, the pass for the old log-probabilities is added, which
only the former needs, over the rows of all updates but the first (stages/grpo/batches.py). It was not timed: it is judged to take
as long for a row as the reference's, which is a forward pass by the same scorer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.accounting.flops import ModelShape, forward_flops
from stages.accounting.projection.futures import EXTRAPOLATION, FUTURES, RungFutures
from stages.accounting.projection.measured import DeviceFacts, Floats, PlannedRung
from stages.accounting.projection.pace import DRIFT
from stages.accounting.projection.questions import Change, question_of
from stages.accounting.projection.release import as_released, with_its_own_price
from stages.accounting.projection.results import Projection, projected
from stages.errors import LadderError
from stages.params import Grpo
from stages.randomness import rng
from stages.store.files import read_json

LENGTHS_SPREAD = 0.2
"""Of the mean answer of a rung around that of its timed step (standard deviation of the logarithm): a judgement."""
PHASES = ("sample", "grade", "reference", "update")
OLD_LOG_PROBS = "old_log_probs"
PASSES = ("reference", OLD_LOG_PROBS, "update")
SHAPE = ModelShape(matmul_parameters=1_543_569_408, layers=28, attention_width=1536)
"""Of the recipe's model, DeepSeek-R1-Distill-Qwen-1.5B."""


@dataclass(frozen=True, slots=True)
class TimedStep:
    """One step with the KL term on one device: `seconds` by phase, `tokens` in all its `rollouts` answers, optimizer `updates`.

    `cache_floor_s` of its sampling are what reading keys and values takes at the card's memory rate; 0 where that is not known.
    """

    rung: str
    seconds: Mapping[str, float]
    tokens: int
    rollouts: int
    cache_floor_s: float = 0.0
    updates: int = 1

    @property
    def mean_tokens(self) -> float:
        return self.tokens / self.rollouts

    @property
    def attention_share(self) -> float:
        """Of a pass's nominal operations, all answers being of the mean length."""
        lengths = [round(self.mean_tokens)]
        return forward_flops(replace(SHAPE, matmul_parameters=0), lengths) / forward_flops(SHAPE, lengths)

    def quadratic_s(self, phase: str) -> float:
        """Those of a phase's seconds that grow with tokens times length."""
        if phase == "sample":
            return self.cache_floor_s
        return self.attention_share * self.seconds[phase] if phase in PASSES else 0.0

    def lengthened_F(self, longer_F: Floats) -> dict[str, Floats]:
        """Seconds by phase if the answers were so many times as long."""
        return {
            phase: (taken - self.quadratic_s(phase)) * longer_F + self.quadratic_s(phase) * longer_F**2
            for phase, taken in self.seconds.items()
        }

    def of_updates(self, grpo: Grpo) -> "TimedStep":
        """With the pass that a step of the recipe's updates makes and one of a single update does not."""
        if grpo.updates_per_step == 1 or self.updates > 1:
            return self
        seconds = {**self.seconds, OLD_LOG_PROBS: grpo.share_scored_before * self.seconds["reference"]}
        return replace(self, seconds=seconds, updates=grpo.updates_per_step)


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
            step = _timed(options, part["figures"])
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


def _timed(options: Mapping[str, Any], figures: Mapping[str, Any]) -> TimedStep:
    step = figures["steps"][-1]
    seconds = {phase: float(step[f"{phase}_s"]) for phase in PHASES}
    seconds["idle"] = max(0.0, float(step["step_s"]) - sum(seconds.values()))
    return TimedStep(
        options["limit"],
        seconds,
        int(figures["tokens"]),
        options["prompts"] * options["group"],
        float(step.get("cache_floor_s") or 0.0),
        options.get("updates", 1),
    )


def what_if_timed(
    plan: tuple[PlannedRung, ...],
    grpo: Grpo,
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
    steps = [_step_of(planned, timed, path, change.device) for planned in changed]
    futures = [
        _futures(planned, step.of_updates(grpo), change.device, seed)
        for planned, step in zip(changed, steps, strict=True)
    ]
    released, said = as_released(plan, seed)
    return projected(
        question_of(change, "the published recipe"),
        "timed steps",
        futures,
        with_its_own_price(facts),
        [*_assumptions(changed, steps, grpo, path), *said],
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
    seconds = {
        phase: planned.steps * grown * taken_F * pace_F for phase, taken_F in step.lengthened_F(longer_F).items()
    }
    return RungFutures(
        planned.name, 1, planned.steps, device, 1, seconds, planned.steps * grown * step.tokens * longer_F
    )


def _assumptions(plan: Sequence[PlannedRung], steps: Sequence[TimedStep], grpo: Grpo, path: Path) -> list[str]:
    """`steps` as they were timed."""
    told = ", ".join(
        f"{step.rung}: {step.rollouts} answers of {step.mean_tokens:,.0f} tokens in {sum(step.seconds.values()):.0f} s"
        for step in steps
    )
    shares = ", ".join(
        f"{step.rung}: {step.cache_floor_s / step.seconds['sample']:.0%} and {step.attention_share:.0%}"
        for step in steps
    )
    said = [
        f"timed, a step a rung, on random weights of the recipe's shape and one device ({path}): {told}",
        f"the recipe's steps have {', '.join(f'{planned.name}: {planned.rollouts}' for planned in plan)} answers: every phase in "
        f"proportion (sd {EXTRAPOLATION:g} of the logarithm for each e-fold of answers)",
        f"how long the real model's answers are on average is a judgement (sd {LENGTHS_SPREAD:g} of the logarithm around those)",
        "with tokens times length grows, of sampling, what reading keys and values takes at the card's memory rate and, of "
        f"reference and update, attention's share of the nominal operations ({shares}); all else with the tokens",
        "one device: what several lose to one another is not in it, nor are starts, checkpoints and evaluations",
    ]
    added = [step.of_updates(grpo) for step in steps if grpo.updates_per_step > 1 and step.updates == 1]
    if added:
        passes = ", ".join(f"{step.rung}: {step.seconds[OLD_LOG_PROBS]:.0f} s" for step in added)
        said.insert(
            2,
            f"the recipe makes {grpo.updates_per_step} updates a step, these timed steps made one: a pass over "
            f"{grpo.share_scored_before:.0%} of the rows for their old log-probabilities is added to each, at the pace of its "
            f"timed reference pass ({passes})",
        )
    return said
