"""What a projection starts from: the measured steps of a ladder's rungs, what is planned, and what a device is known for.

Letters of shapes here and in the rest of the room: F futures, S steps to come, N measured steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.accounting.records import BookedPrice
from stages.errors import LadderError

Floats = NDArray[np.float64]
WORKING = ("sample", "grade", "reference", "update", "idle")
"""Phases that every step has; `save` comes with a checkpoint alone."""
PHASES = (*WORKING, "save")
FEWEST_STEPS = 5
"""Of a rung, for a level, a trend and how much both scatter."""


@dataclass(frozen=True, slots=True)
class MeasuredStep:
    """What a step took: `seconds` by phase (one that is absent took none), tokens in all its responses, `rollouts` responses."""

    step: int
    seconds: Mapping[str, float]
    sampled_tokens: int
    trained_tokens: int
    rollouts: int

    @property
    def wall_s(self) -> float:
        return sum(self.seconds.values())

    @property
    def mean_length(self) -> float:
        """In tokens a response."""
        return self.sampled_tokens / self.rollouts


@dataclass(frozen=True, slots=True)
class MeasuredRung:
    """A rung as far as it was measured: `context` in tokens a response, `other_seconds` of the attempt's start and end.

    The steps of a `present` one are done; those of another (made from something else than the workspace would make it from now,
    or `elsewhere`, in another workspace) tell paces and lengths alone. `assumed`: its context is not booked, but taken for that
    of the settings. `watts` are those of all its devices; None where no meter measured them.
    """

    name: str
    context: int
    rollouts_per_prompt: int
    prompts_per_step: int
    device: str
    devices: int
    steps: tuple[MeasuredStep, ...]
    other_seconds: float
    present: bool = True
    elsewhere: bool = False
    assumed: bool = False
    watts: float | None = None

    @property
    def enough(self) -> bool:
        """Whether it has steps enough to project from."""
        return len(self.steps) >= FEWEST_STEPS

    @property
    def rollouts(self) -> int:
        """Responses that a step asks for; where prompts are refilled it samples more."""
        return self.rollouts_per_prompt * self.prompts_per_step

    @property
    def step_seconds(self) -> float:
        return sum(step.wall_s for step in self.steps)

    def first(self, steps: int) -> "MeasuredRung":
        """The rung as it was after so many steps; `other_seconds` stay."""
        return replace(self, steps=self.steps[:steps])

    def lengths_N(self) -> Floats:
        """Mean tokens a response, by step."""
        return np.array([step.mean_length for step in self.steps])

    def tokens_N(self) -> Floats:
        return np.array([step.sampled_tokens for step in self.steps], dtype=np.float64)

    def working_N(self) -> Floats:
        """Seconds of each step without `save`."""
        return np.array([step.wall_s - step.seconds.get("save", 0.0) for step in self.steps])

    def seconds_N(self, phase: str) -> Floats:
        return np.array([step.seconds.get(phase, 0.0) for step in self.steps])


@dataclass(frozen=True, slots=True)
class PlannedRung:
    """A rung as it is asked for. `context` in tokens a response."""

    name: str
    context: int
    rollouts_per_prompt: int
    prompts_per_step: int
    steps: int

    @property
    def rollouts(self) -> int:
        return self.rollouts_per_prompt * self.prompts_per_step


@dataclass(frozen=True, slots=True)
class OtherStage:
    """A stage that is no rung. `seconds` it took when it last finished, or one of its kind did (`alike`); None: none ever did.

    One that is `made` as it would be made now is done.
    """

    stage: str
    made: bool
    seconds: float | None
    device: str
    devices: int
    alike: str | None = None
    watts: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is known of a device without a measurement: its price, its published peak of dense bfloat16, its memory bandwidth, and
    the most it is built to draw."""

    price: BookedPrice
    peak_tflops_bf16: float | None
    memory_gb_per_s: float | None = None
    watts: float | None = None


def check_measured(rungs: Sequence[MeasuredRung]) -> None:
    """Raise LadderError where nothing, or too little, was measured, or where it can't have been."""
    with_steps = [rung for rung in rungs if rung.steps]
    if not with_steps:
        raise LadderError(
            "the ledger: no step of a rung was measured yet; start the ladder (`make run`), then ask again"
        )
    if not any(rung.enough for rung in with_steps):
        most = max(with_steps, key=lambda rung: len(rung.steps))
        raise LadderError(
            f"train@{most.name}: {len(most.steps)} measured step(s) are too few to project from; {FEWEST_STEPS} of a rung are "
            "needed: wait for them"
        )
    for rung in with_steps:
        for step in rung.steps:
            _check_step(rung, step)


def _check_step(rung: MeasuredRung, step: MeasuredStep) -> None:
    if not 0 < step.mean_length <= rung.context:
        raise LadderError(
            f"train@{rung.name}: step {step.step} sampled {step.sampled_tokens} tokens in {step.rollouts} responses, none or "
            f"more than a context of {rung.context} holds; leave its attempt out"
        )
    if step.wall_s <= 0 or any(seconds < 0 for seconds in step.seconds.values()):
        raise LadderError(
            f"train@{rung.name}: step {step.step} took {step.wall_s:g} s; a step takes more than none: leave it out"
        )
