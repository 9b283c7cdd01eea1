"""What a sweep tries (`python -m flows.sweep`). In no stage's params: it changes no byte of any result."""

from math import isclose
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stages.params.section import Count, Section

Number = int | float
Choice = bool | int | float | str | None


class Dimension(Section):
    """The values that one setting may take: a range, or a list of choices."""

    low: Number | None = None
    high: Number | None = None
    """Both ends belong to the range."""
    log: bool = False
    """Draw evenly over the logarithm: for what is compared by its factor, as a learning rate is."""
    step: Annotated[Number, Field(gt=0)] | None = None
    """From `low` on in steps of this; null: any value (of a setting that is a whole number: any whole number)."""
    choices: Annotated[list[Choice], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Self:
        if self.choices is not None:
            if any(given is not None for given in (self.low, self.high, self.step)) or self.log:
                raise ValueError("it has choices and a range; give {choices: [...]} or {low: ..., high: ...}")
            if len({repr(choice) for choice in self.choices}) < len(self.choices):
                raise ValueError(f"choices: {self.choices} names one twice; name each once")
            return self
        if self.low is None or self.high is None:
            raise ValueError("it has neither a range nor choices; give {low: ..., high: ...} or {choices: [...]}")
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}; make low the smaller one")
        if self.log and self.low <= 0:
            raise ValueError(
                f"log: low {self.low} has no logarithm; set low above 0 (1e-6 of high, say), or log to false"
            )
        if self.log and self.step is not None:
            raise ValueError(f"step {self.step} divides no logarithmic range; remove step or log")
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if not isclose(steps, round(steps), rel_tol=1e-9):
                raise ValueError(
                    f"step {self.step} does not lead from low {self.low} to high {self.high}; set high to a multiple of it"
                )
        return self

    @property
    def whole(self) -> bool:
        """Whether the ends and the step are whole numbers."""
        return all(isinstance(given, int) for given in (self.low, self.high, self.step or 1))


class Constraints(Section):
    """What a trial must keep to, whatever its accuracy. One that a guard has stopped never does."""

    max_kl: Annotated[float, Field(gt=0)] | None
    """No step of any rung has a KL above it, in nats a token."""


class Pruner(Section):
    """When a trial is given up before its end, by its rewards at the same steps as others'. It needs one objective."""

    kind: Literal["none", "median", "patient"]
    """`median`: its best so far is below the median of the finished ones; `patient`: so it is, and it no longer improves."""
    startup_trials: Annotated[int, Field(ge=1)]
    """Trials that have to finish before the first is pruned."""
    warmup_steps: Annotated[int, Field(ge=0)]
    """Steps of a trial, counted from its first rung's, before which it is not judged."""
    every_steps: Count
    """A trial is judged at every so many steps of a rung, by the mean reward since the last time."""
    patience: Annotated[int, Field(ge=0)]
    """Of `patient`: judgements without a better mean that it bears."""


class Sweep(Section):
    """Which settings a sweep searches, how, and what it takes for better."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]
    """Its study's; its trials are the DVC experiments NAME-0000, NAME-0001, ... Another search has another name."""
    sampler: Literal["tpe", "random", "grid"]
    """`tpe` learns from the trials before (Bergstra et al. 2011; Optuna's TPESampler); `grid` takes each combination once."""
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    """Of the sampler: one trial after the other, the same sweep tries the same; in parallel it depends on who ends first."""
    trials: Count
    """How many it makes in all, the pruned ones among them; those that failed don't count."""
    parallel: Annotated[int, Field(ge=1, le=16)]
    """Trials under way at once; the stages that run at once stay `operations.parallel_stages`."""
    space: Annotated[dict[str, Dimension], Field(min_length=1)]
    """By the setting's dotted key."""
    objectives: Annotated[list[Literal["accuracy", "usd"]], Field(min_length=1, max_length=2)]
    """`accuracy`: sampled, of the 24k rung at the full context; with `usd` (what the results took to make) the best of both."""
    constraints: Constraints
    pruner: Pruner
    storage: Annotated[str, Field(pattern=r"^(sqlite|postgresql)(\+[a-z0-9_]+)?://")] | None
    """Where the study is kept: an address as SQLAlchemy has it; null: sqlite:///runs/sweeps.db."""

    @model_validator(mode="after")
    def _objectives_fit(self) -> Self:
        if self.objectives not in (["accuracy"], ["accuracy", "usd"]):
            raise ValueError(f"objectives {self.objectives}; choose [accuracy] or [accuracy, usd]")
        if len(self.objectives) > 1 and self.pruner.kind != "none":
            raise ValueError(
                f"pruner.kind {self.pruner.kind!r} judges by one objective, and there are two; set it to none, or objectives to "
                "[accuracy]"
            )
        return self
