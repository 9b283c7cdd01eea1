"""What is learned from and examined on (stage `prepare`), and what each rung sees of it (stage `curriculum`)."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.params.section import Count, Pin, Section
from stages.params.task import REWARD_ARGUMENTS

GENERATORS = ("digit_sums", "word_arithmetic", "countdown")


class Generated(Section):
    """Problems made by a rule: the same settings and seed give the same problems."""

    kind: Literal["digit_sums", "word_arithmetic", "countdown"]
    ratings: Annotated[list[Annotated[int, Field(ge=1, le=12)]], Field(min_length=1)]
    """Difficulties to make: how many numbers are added (digit_sums, countdown), or as stages/problems/word_arithmetic.py says."""
    train_per_rating: Count
    heldout_per_rating: Count

    @model_validator(mode="after")
    def _a_sum_has_two_operands(self) -> Self:
        if self.kind != "word_arithmetic" and min(self.ratings) < 2:
            raise ValueError(f"ratings {self.ratings}: one number is no sum; {self.kind} begins at 2")
        return self


class Twins(Section):
    """Problems of an examination again, with other numbers and with other words (stages/problems/twins/): held out.

    Their originals are asked too, here where no other held-out source has them.
    """

    kind: Literal["twins"]
    templates: Literal["symbolic", "digit_sums"]
    """`symbolic`: of MATH-500, AIME 2024, AMC 2023 and some of our own; `digit_sums`: the miniature's."""
    per_template: Annotated[int, Field(ge=1, le=7)]
    """Twins with other numbers of each original; besides them it has one for each change of words that it allows."""


class Columns(Section):
    """Which of a table's columns say what; null where it has none."""

    problem: str
    answer: str | None
    """One answer, or a list of accepted ones. null only where a reward function judges, which needs none."""
    rating: str | None
    """How hard it is, as its source says."""
    year: str | None
    """When it was set: a year, or a text with one in it (an address, say)."""
    extra: list[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]] = Field(default=[])
    """Further columns that are kept: the prompt may show them, and a reward function is given them by these names."""

    @field_validator("extra")
    @classmethod
    def _has_names_of_its_own(cls, extra: list[str]) -> list[str]:
        for name in extra:
            if name in REWARD_ARGUMENTS or extra.count(name) > 1:
                raise ValueError(
                    f"{name!r} is the name of something else that a reward is given, or stands twice; rename the column"
                )
        return extra


class OthersProblems(Section):
    """What every table of others is told with."""

    name: Annotated[str, Field(pattern=r"^[\w.()-][\w .()-]*$")]
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


class Benchmark(Section):
    """An examination of the field by its name: stages/params/benchmarks.py knows the rest."""

    kind: Literal["benchmark"]
    name: Literal["aime-2024", "aime-2025", "amc-2023", "math-500", "minerva", "olympiad-bench"]
    pin: Pin | None = None
    """Instead of ours, or where we have none."""
    highest_rating: float | None = None
    """Ask only its problems of a known difficulty up to this one: an easy band of it; null asks all."""


class HubDataset(OthersProblems):
    """A data set of the hub, by name and pinned revision."""

    kind: Literal["hub"]
    dataset: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    config: str | None
    hub_split: str
    """The data set's own name for the part that is read."""


def kept_columns(source: Generated | Twins | ProblemFile | HubDataset | Benchmark) -> list[str]:
    """The columns that a source's problems have besides `problem` and `answer`."""
    if isinstance(source, Generated) and source.kind == "countdown":
        return ["numbers", "target"]
    return source.columns.extra if isinstance(source, OthersProblems) else []


class Duplicates(Section):
    """When a training problem is another one again. See stages/problems/duplicates.py."""

    threshold: Annotated[float, Field(ge=0.3, le=1)]
    """Jaccard similarity of their runs of three words from which two texts are nearly the same."""
    variants_are_copies: bool
    """Whether the same text with other numbers is the same problem."""
    drop_conflicts: bool
    """Leave out all of one text whose answers disagree; they are reported either way."""


class Leaks(Section):
    """Which training problems are problems of an examination: they are left out. See stages/problems/leaks.py."""

    threshold: Annotated[float, Field(ge=-10, le=10)]
    """Evidence z from which a pair with the same answer is a paraphrase; 0 is what the weights were fitted for."""
    remove_variants: bool
    """Leave out as well what is an examination's problem with other numbers."""
    precision: Literal["fp32", "int8"]
    """Of the sentence model: int8 is about three times as fast, and finds a little less."""
    judge_model: str | None
    """The language model that decides doubtful pairs, at `operations.judge_url`; null decides them by rule and lists them."""


class Problems(Section):
    """What is learned from and examined on (stage `prepare`)."""

    sources: Annotated[
        list[Annotated[Generated | Twins | ProblemFile | HubDataset | Benchmark, Field(discriminator="kind")]],
        Field(min_length=1),
    ]
    duplicates: Duplicates
    leaks: Leaks

    @model_validator(mode="after")
    def _names_tell_sources_apart(self) -> Self:
        taken = {*GENERATORS, "digit_sums_twins", "symbolic_twins"}
        for index, source in enumerate(self.sources):
            if isinstance(source, OthersProblems | Benchmark):
                if source.name in taken:
                    raise ValueError(
                        f"sources.{index}.name: {source.name!r} is another source's name; choose one of its own"
                    )
                if source.name.endswith("_twins"):
                    raise ValueError(
                        f"sources.{index}.name: {source.name!r} ends as a source of twins does; choose another"
                    )
                taken.add(source.name)
        return self


class ByRating(Section):
    """A problem is as hard as its source says."""

    difficulty: Literal["rating"]


class ByPassRate(Section):
    """A problem is as hard as the checkpoint that the rung starts from finds it: 1 less the share of right samples, 0 to 1."""

    difficulty: Literal["pass_rate"]
    samples: Annotated[int, Field(ge=1, le=64)]
    """Answers to each problem, at the rung's context and the training temperature."""
    leave_out_always_solved: bool
    leave_out_never_solved: bool


class ByJudge(Section):
    """A problem is as hard as a language model says, the mean of several ratings from 1 to 10 (the release's was of 8)."""

    difficulty: Literal["judge"]
    model: str
    """Asked at `operations.judge_url`."""
    ratings: Annotated[int, Field(ge=1, le=64)]


class Band(Section):
    """Part of a rung's problems: those of a difficulty from `low` to `high`, both included."""

    low: float
    high: float
    share: Annotated[float, Field(gt=0, le=1)]
    """Of the rung's rated problems. The scarcest band is used up, the others are cut down to their shares by lot."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}; swap them")
        return self
