"""What a problem is, and how problems are asked."""

import hashlib
import unicodedata
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from stages.errors import LadderError
from stages.params import GENERATORS, filled
from stages.store.files import read_jsonl, write_jsonl

TWINS = "_twins"  # how such a source's name ends
Split = Literal["train", "heldout"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question. Each of `answers` is accepted.

    `id` is a hash of the normalised text, the same in every source; `record` its place in the source, from 1 (a generated one's
    among those of its rating); `rating` its difficulty and `year` the one that it was set in, if known. A twin has its original's
    id in `twin_of`, and in `change` what is another: "numbers", "renamed", "reordered" or "clause" (stages/problems/twins/).
    `columns` are what its source keeps of the record besides (`columns.extra`): a prompt may show them, and a reward function is
    given them.
    """

    id: str
    problem: str
    answers: tuple[str, ...]
    source: str
    record: int
    licence: str
    split: Split
    rating: float | None
    year: int | None
    twin_of: str | None = None
    change: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)


def problem_id(text: str) -> str:
    """A hash of the text without its case and white space (3² is not 32: nothing is said of the forms of characters).

    Random numbers and caches go by it, so it knows no more than that: a better reading of LaTeX must not rename problems.
    """
    normalised = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def question(problem: Problem, template: str) -> str:
    """What is asked: the prompt's template with the problem's columns in it. Raises LadderError where it has not all of them."""
    row = {"problem": problem.problem, **{name: its for name, its in problem.columns.items() if its is not None}}
    try:
        return filled(template, row)
    except KeyError as missing:
        place = f"{problem.source} {problem.record}" if problem.source else "a problem of one's own"
        raise LadderError(
            f"params.yaml: task.prompt: {template!r} has {{{missing.args[0]}}}, but {place} has only {', '.join(row)}; "
            "correct the prompt"
        ) from None


def rule_of(problem: Problem) -> str | None:
    """The rule by which it and its like are made here; None for what others wrote, and for its twins."""
    rule = problem.source.removesuffix(TWINS)
    return rule if rule in GENERATORS else None


def is_generated(problem: Problem) -> bool:
    """Made by a rule here, and by no one else."""
    return rule_of(problem) is not None


def is_of_twins(problem: Problem) -> bool:
    """Of a source of twins: a changed problem, or an original that is there for its twins' sake."""
    return problem.source.endswith(TWINS)


def write_problems(path: Path, problems: list[Problem], table: str) -> None:
    """Every row says which `table` it is in: two tables of the same problems have their own bytes.

    Without that DVC, which knows content by its hash, would take the one from its cache for the other, unmade and unbilled.
    """
    write_jsonl(path, ({"table": table, **asdict(problem)} for problem in problems))


def read_problems(path: Path) -> list[Problem]:
    """The problems of a table. Raises LadderError that names the line where one is not a problem."""
    problems = []
    for number, row in enumerate(read_jsonl(path), 1):
        try:
            del row["table"]
            problems.append(Problem(**row | {"answers": tuple(row["answers"])}))
        except (TypeError, KeyError) as error:
            raise LadderError(f"{path}, line {number}: not a problem ({error}); `dvc repro` makes it anew") from None
    return problems
