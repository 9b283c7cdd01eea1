"""What a projection starts from: the measured steps of a ladder's rungs, what is planned, and what a device is known for.

Letters of shapes here and in the rest of the room: F futures, S steps to come, N measured steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

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
    """A rung as far as it was measured: `context` in tokens a response, `other_seconds` of the attempt's start and end."""

    name: str
    context: int
    rollouts_per_prompt: int
    prompts_per_step: int
    device: str
    devices: int
    steps: tuple[MeasuredStep, ...]
    other_seconds: float

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
class DeviceFacts:
    """What is known of a device without a measurement: its price, its published peak of dense bfloat16, its memory bandwidth."""

    usd_per_hour: float
    peak_tflops_bf16: float | None
    memory_gb_per_s: float | None = None


def check_measured(rungs: Sequence[MeasuredRung]) -> None:
    """Raise LadderError where nothing, or too little, was measured, or where it can't have been."""
    if not any(rung.steps for rung in rungs):
        raise LadderError(
            "the ledger: no step of a rung was measured yet; start the ladder (`make run`), then ask again"
        )
    for rung in rungs:
        if rung.steps and len(rung.steps) < FEWEST_STEPS:
            raise LadderError(
                f"train@{rung.name}: {len(rung.steps)} measured step(s) are too few to project from; {FEWEST_STEPS} are "
                "needed: wait for them"
            )
        for step in rung.steps:
            if not 0 < step.mean_length <= rung.context:
                raise LadderError(
                    f"train@{rung.name}: step {step.step} sampled {step.sampled_tokens} tokens in {step.rollouts} responses, "
                    f"none or more than a context of {rung.context} holds; it was measured under other settings: put those back "
                    "in params.yaml"
                )
            if step.wall_s <= 0 or any(seconds < 0 for seconds in step.seconds.values()):
                raise LadderError(
                    f"train@{rung.name}: step {step.step} took {step.wall_s:g} s; a step takes more than none: leave it out"
                )
