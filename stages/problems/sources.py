"""Where problems come from: a rule (stages/problems/generated.py), or records of others in a pinned file or on the hub."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from stages.errors import LadderError
from stages.grading.grade import accepted_answers
from stages.grading.readable import is_no_answer, is_readable
from stages.grading.texts import letter_of
from stages.params import Benchmark, Generated, HubDataset, ProblemFile, Twins
from stages.params.benchmarks import BENCHMARKS, YEARS, problem_file
from stages.problems.generated import generate, make_twins
from stages.problems.normalise import tokens
from stages.problems.problem import TWINS, Problem, problem_id
from stages.problems.tables import Record, read_hub, read_table
from stages.store.digest import check_pin

Reason = Literal[
    "not Unicode text", "empty problem", "missing picture", "empty answer", "not an answer", "unreadable answer",
    "unreadable difficulty or year", "above the highest rating", "repeated", "nearly repeated", "conflicting answers",
    "leak: copy", "leak: near", "leak: paraphrase", "leak: variant",
]  # fmt: skip
_PICTURE = re.compile(
    r"\\includegraphics|!\[[^\]]{0,500}+\]\(|<img\b|"
    r"\b(figure|diagram|picture|graph|drawing|image)s?\s+(is\s+|are\s+)?"
    r"(below|above|shown|to the (right|left)|at (the )?(right|left))",
    re.IGNORECASE,
)
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")  # JSON can write one (\ud800); UTF-8, and so a tokenizer, can't
_DRAWN = re.compile(r"\[asy\]|\\begin\{(tikzpicture|asy)\}")  # the picture is in the text, as a program that draws it


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that is not used, and why: it is set aside in a table of its own, never dropped silently.

    `because_of`: the problem that it repeats, contradicts or leaks, as ``source record``.
    """

    source: str
    record: int
    reason: Reason
    problem: str
    because_of: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A source's records in order, each a problem or the reason why it is none."""

    source: str
    records: list[Problem | Quarantined]

    @property
    def problems(self) -> list[Problem]:
        return [record for record in self.records if isinstance(record, Problem)]


Source = Generated | Twins | ProblemFile | HubDataset | Benchmark


def load_sources(sources: Sequence[Source], seed: int, reward: str = "math") -> list[Loaded]:
    """All sources, their answers as `reward` can read them.

    An original of twins is left out where another one examines it: it is asked there.
    """
    loaded = with_all_columns([load_source(source, seed, reward) for source in sources])
    made = [isinstance(source, Twins) for source in sources]
    examined = {
        problem.id
        for part, is_made in zip(loaded, made, strict=True)
        if not is_made
        for problem in part.problems
        if problem.split == "heldout"
    }
    return [
        Loaded(part.source, [problem for problem in part.problems if problem.twin_of or problem.id not in examined])
        if is_made
        else part
        for part, is_made in zip(loaded, made, strict=True)
    ]


def with_all_columns(loaded: Sequence[Loaded]) -> list[Loaded]:
    """Every problem with the columns that any of the sources keeps, None where its own does not: a function is given them all."""
    names = dict.fromkeys(name for part in loaded for problem in part.problems for name in problem.columns)
    return [
        Loaded(
            part.source,
            [
                replace(one, columns={name: one.columns.get(name) for name in names})
                if isinstance(one, Problem)
                else one
                for one in part.records
            ],
        )
        for part in loaded
    ]


def load_source(source: Source, seed: int, reward: str = "math", most: int | None = None) -> Loaded:
    """All of a source, or its first `most` records.

    Raises LadderError where a file is missing, changed or not a list of records.
    """
    match source:
        case Generated():
            return Loaded(source.kind, [*generate(source, seed)[:most]])
        case Twins():
            return Loaded(f"{source.templates}{TWINS}", [*make_twins(source, seed)[:most]])
        case Benchmark():
            file = problem_file(source)
            if not Path(file.path).exists():
                raise LadderError(
                    f"{file.path}: missing; `python -m stages.store fetch --from FOLDER` brings it, "
                    f"FOLDER being {BENCHMARKS[source.name].home}"
                )
            return _up_to(source.highest_rating, _read(file, reward, most, YEARS.get(source.name)))
        case _:
            return _read(source, reward, most)


def _read(source: ProblemFile | HubDataset, reward: str, most: int | None, year: int | None = None) -> Loaded:
    """`year` is that of problems whose table tells none."""
    if isinstance(source, ProblemFile):
        check_pin(Path(source.path), source.pin)
    rows = read_hub(source) if isinstance(source, HubDataset) else read_table(Path(source.path))
    records = [_problem(source, reward, number, *row) for number, row in enumerate(islice(rows, most), 1)]
    return Loaded(
        source.name,
        [
            replace(one, year=year) if isinstance(one, Problem) and one.year is None and year is not None else one
            for one in records
        ],
    )


def _up_to(highest: float | None, loaded: Loaded) -> Loaded:
    """What is harder than `highest`, or of no known difficulty, is set aside."""
    if highest is None:
        return loaded
    return Loaded(
        loaded.source,
        [
            Quarantined(one.source, one.record, "above the highest rating", one.problem)
            if isinstance(one, Problem) and (one.rating is None or one.rating > highest)
            else one
            for one in loaded.records
        ],
    )


def _problem(
    source: ProblemFile | HubDataset, reward: str, number: int, place: str, record: Record
) -> Problem | Quarantined:
    columns = source.columns
    text = _column(record, columns.problem, place)
    answer = _column(record, columns.answer, place)
    rating = _column(record, columns.rating, place)
    year = _column(record, columns.year, place)
    text = text.strip() if isinstance(text, str) else ""
    given = [] if columns.answer is None else answer if isinstance(answer, list) else [answer]
    reason = _unusable(text, None if columns.answer is None else given, rating, year, reward)
    if source.split == "train" and _PICTURE.search(text) and not _DRAWN.search(text):
        reason = "missing picture"  # an examination is asked as it is published
    if reason:
        return Quarantined(source.name, number, reason, text)
    return Problem(
        id=problem_id(text),
        problem=text,
        answers=tuple(_answer(one) for one in given),
        source=source.name,
        record=number,
        licence=source.licence,
        split=source.split,
        rating=_number(rating),
        year=_year(year),
        columns={name: _json(_column(record, name, place), f"{place}: {name}") for name in columns.extra},
    )


def _json(value: Any, place: str) -> Any:
    """`value`, if JSON can hold it (Parquet has dates and bytes). Raises LadderError."""
    try:
        kept = json.dumps(value, allow_nan=False, ensure_ascii=False)
        if _HALF_CHARACTER.search(kept):
            raise ValueError("not Unicode text")
        return json.loads(kept)
    except (TypeError, ValueError, RecursionError) as error:
        raise LadderError(f"{place}: {value!r:.80} can't be kept ({error}); write it as text, number or list") from None


def _column(record: Record, column: str | None, place: str) -> Any:
    """What `record` has in `column`; None where the source has no such column."""
    if column is None:
        return None
    if column not in record:
        raise LadderError(
            f"{place}: no column {column!r} (it has {', '.join(map(str, record))}); correct the source's `columns` in params.yaml"
        )
    return record[column]


def _unusable(text: str, answers: list[Any] | None, rating: Any, year: Any, reward: str) -> Reason | None:
    """Why a record with these fields is no problem; None for one that is. `answers` are None where none is asked for."""
    if any(_HALF_CHARACTER.search(one) for one in (text, *(answers or ())) if isinstance(one, str)):
        return "not Unicode text"
    if not any(character.isalnum() for token in tokens(text) for character in token):
        return "empty problem"  # or one of signs alone, or of characters that nobody sees
    if answers is not None and (reason := _unusable_answers(answers, reward)):
        return reason
    if any(value not in (None, "") and read(value) is None for read, value in ((_number, rating), (_year, year))):
        return "unreadable difficulty or year"
    return None


def _unusable_answers(answers: list[Any], reward: str) -> Reason | None:
    if not answers or any(one is None or (isinstance(one, str) and not one.strip()) for one in answers):
        return "empty answer"
    if not all(isinstance(one, str) or _number(one) is not None for one in answers):
        return "unreadable answer"
    if reward == "math" and any(is_no_answer(_answer(one)) for one in answers):
        return "not an answer"
    readable = {"math": is_readable, "choice": letter_of}.get(reward, bool)  # else any text is an answer
    if not all(readable(known) for one in answers for known in accepted_answers(_answer(one)) or [""]):
        return "unreadable answer"
    return None


def _number(value: Any) -> float | None:
    """A finite number, or its text (CSV has no other); Python's True is an int, its JSON reads NaN, its ints have no bound."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= sys.float_info.max else None


def _year(value: Any) -> int | None:
    """1987, 1987.0 or a text with one such number in it."""
    found = re.findall(
        r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)", str(_answer(value)) if isinstance(value, str | int | float) else ""
    )
    return int(found[0]) if len(set(found)) == 1 else None


def _answer(value: str | int | float) -> str:
    """142.0 in a table of numbers is the answer 142."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
