"""What a checkpoint is examined on besides its own domain (stage `elsewhere`)."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.params.section import Count, Pin, Section
from stages.params.task import columns_in


class FileSet(Section):
    """A file of JSON lines that is asked about."""

    name: Annotated[str, Field(pattern=r"^[\w.()-][\w .()-]*$")]
    """By which reports call it."""
    path: Annotated[str, Field(pattern=r"\.jsonl$")]
    pin: Pin
    """Other bytes are another examination, and are refused."""
    licence: str


class TextSet(FileSet):
    """Texts to be measured in bits per byte: JSON lines with `id` and `text`."""

    kind: Literal["text"]


class QuestionSet(FileSet):
    """Questions with known answers: JSON lines with `id`, `problem` and `answer`. Each greedy answer is graded."""

    kind: Literal["questions"]
    prompt: str
    """As `task.prompt`, of `{problem}` alone."""
    reward: Literal["math", "choice", "exact"]
    """As `task.reward`."""

    @field_validator("prompt")
    @classmethod
    def _asks_the_problem(cls, prompt: str) -> str:
        if columns_in(prompt) != ["problem"]:
            raise ValueError(f"{prompt!r} has to hold {{problem}}, and no other column: the file has none; correct it")
        return prompt


class HarnessTask(Section):
    """A task, or a group of them, of lm-evaluation-harness: by its name there, its documents from the hub."""

    kind: Literal["harness"]
    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    limit: Count | None
    """So many documents of each task, the first; null asks all."""


class OffDomain(Section):
    """What the climb cost elsewhere: bits per byte, right answers, others' tasks, and how far the policy is from the base's."""

    sets: list[Annotated[TextSet | QuestionSet | HarnessTask, Field(discriminator="kind")]]
    answers: Count
    """Held-out problems on whose answers the policy's KL divergence from the base is measured; all, where there are fewer."""

    @property
    def texts(self) -> list[TextSet]:
        return [one for one in self.sets if isinstance(one, TextSet)]

    @property
    def questions(self) -> list[QuestionSet]:
        return [one for one in self.sets if isinstance(one, QuestionSet)]

    @property
    def tasks(self) -> list[HarnessTask]:
        return [one for one in self.sets if isinstance(one, HarnessTask)]

    @model_validator(mode="after")
    def _names_are_told_apart(self) -> Self:
        names = [one.name for one in self.sets]
        for name in names:
            if names.count(name) > 1 or name == "answers":
                raise ValueError(f"sets: the name {name!r} is taken; give each set one of its own, none 'answers'")
        return self
