"""The checkpoint that the ladder starts from (stage `base`)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stages.params.section import Count, Pin, Section, Share

Month = Annotated[str, Field(pattern=r"^[12]\d{3}-(0[1-9]|1[0-2])$")]


class Base(Section):
    training_cutoff: Month | None
    """YYYY-MM that its training data goes up to, as its makers state or at the latest its publication: what was set in a later
    year it can't have seen. null where it has seen nothing of anybody's."""


class MiniatureBase(Base):
    """A tiny Qwen2, taught to work answers out, and then to guess most of them at once."""

    kind: Literal["miniature"]
    teaches: Literal["digit_sums", "countdown"]
    """The problems that it is taught: stages/engines/lessons.py."""
    hidden_size: Annotated[int, Field(ge=16, le=512)]
    layers: Annotated[int, Field(ge=1, le=12)]
    heads: Annotated[int, Field(ge=1, le=16)]
    intermediate_size: Annotated[int, Field(ge=16, le=4096)]
    taught_ratings: Annotated[list[Annotated[int, Field(ge=2, le=12)]], Field(min_length=1)]
    """Numbers of operands that it is taught; of countdown at most 4."""
    lesson_steps: Annotated[int, Field(ge=0)]
    """Supervised steps on right, worked answers alone."""
    mixture_steps: Count
    """Supervised steps on the mixture that the base is left with."""
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=0.1)]
    worked_share: Share
    """Share of the mixture's answers that are worked out step by step; the others are guessed at once."""
    slip_share: Share
    """Share of wrong steps in the mixture's worked answers: the longer the work, the likelier a slip spoils it."""

    @model_validator(mode="after")
    def _heads_are_even(self) -> Self:
        """Rotary positions turn a head's numbers in pairs."""
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} is not an even number for each of {self.heads} heads; choose a hidden_size "
                f"that {2 * self.heads} divides, or other heads"
            )
        return self


class HubBase(Base):
    """A model of the hub, by name and pinned revision."""

    kind: Literal["hub"]
    name: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    parameters_billion: Annotated[float, Field(gt=0)]
    """For the estimate of memory and disk before anything is downloaded."""


class GgufBase(Base):
    """A model in a GGUF file on disk, brought by `python -m stages.store fetch`."""

    kind: Literal["gguf"]
    path: str
    pin: Pin
    parameters_billion: Annotated[float, Field(gt=0)]
