"""What is learned from and examined on (stage `prepare`), and what each rung sees of it (stage `curriculum`)."""

from typing import Annotated, Literal

from pydantic import Field

from stages.params.section import Count, Pin, Section


class Generated(Section):
    """Problems made by a rule: the same settings and seed give the same problems."""

    kind: Literal["digit_sums", "word_arithmetic"]
    ratings: Annotated[list[Annotated[int, Field(ge=2, le=12)]], Field(min_length=1)]
    """Difficulties to make: the number of operands (digit_sums) or of steps (word_arithmetic)."""
    train_per_rating: Count
    heldout_per_rating: Count


class Columns(Section):
    """Which of a table's columns say what; null where it has none."""

    problem: str
    answer: str
    """One answer, or a list of accepted ones."""
    rating: str | None
    """How hard it is, as its source says."""
    year: str | None


class OthersProblems(Section):
    """What every table of others is told with."""

    name: str
    """Name of the source: it stands in every problem's row and in the report."""
    split: Literal["train", "heldout"]
    licence: str
    columns: Columns


class ProblemFile(OthersProblems):
    """A file of records: a JSON list, JSON lines, CSV or Parquet, as its name ends."""

    kind: Literal["file"]
    path: Annotated[str, Field(pattern=r"\.(json|jsonl|csv|parquet)$")]
    pin: Pin
    """Other bytes are another experiment, and are refused."""
    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+@[0-9a-f]{40}:.+$")] | None
    """Where the hub has it: `owner/dataset@revision:file`; null where it hasn't. See `python -m stages.store fetch`."""


class HubDataset(OthersProblems):
    """A data set of the hub, by name and pinned revision."""

    kind: Literal["hub"]
    dataset: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    config: str | None
    hub_split: str
    """The data set's own name for the part that is read."""


class Problems(Section):
    """What is learned from and examined on (stage `prepare`)."""

    instruction: str
    """Appended to every problem, as the recipe does; may be empty."""
    sources: Annotated[
        list[Annotated[Generated | ProblemFile | HubDataset, Field(discriminator="kind")]], Field(min_length=1)
    ]
