"""A run's answers, to be found: the graded ones of its checkpoints, and those that its training logged.

A file may have gigabytes of answers: their texts stay out of these frames; dashboards/load/responses.py reads those of one
problem and searches them in a stream.
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from dashboards.load.files import Files, by_content
from dashboards.load.responses import LISTED, reading_graded, rows_with
from dashboards.readable import visible
from stages.errors import LadderError
from stages.params import CHECKPOINTS, RUNGS
from stages.problems.problem import read_problems
from stages.store.files import read_jsonl

CLOSE_BY, CLOSE_SHARE = 1.0, 0.05
LOGGED = {
    "step": int, "problem_id": str, "prompt": str, "completion": str, "reward": int | float, "tokens": int, "truncated": bool,
}  # fmt: skip
PROBLEM = ["benchmark", "problem_id"]
NO_PROBLEMS = pd.DataFrame(columns=[*PROBLEM, "problem", "known"])
GRADES, HELDOUT, LEAKS = "grades/{}.parquet", "data/heldout.jsonl", "data/leaks.jsonl"
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?|[-+]?\.\d+")
_FRACTION = re.compile(r"([-+]?)\\?[dt]?frac\{([-+]?\d+)\}\{([-+]?\d+)\}|([-+]?)(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers to find; None, "" or False where it doesn't matter. Lengths are in tokens, both ends included."""

    checkpoint: str | None = None
    benchmark: str | None = None
    why: str | None = None
    right: bool | None = None
    truncated: bool = False
    close: bool = False
    leaked: bool = False
    shortest: int = 0
    longest: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What several files say together: the rows of those that can be read, and by path what is wrong with the others."""

    rows: pd.DataFrame
    broken: Mapping[str, str]


def examined(files: Files) -> list[str]:
    """The checkpoints whose answers are here, in the order of the climb."""
    return [name for name in CHECKPOINTS if files.place(GRADES.format(name))]


def answers_of(files: Files) -> Gathered:
    """A row an answer of every examined checkpoint: `checkpoint`, `row` (its place in the file), the columns of the file but its
    text, `known` (the right answers), `leaked` and `close`.

    leaked: its problem is a benchmark's side of a pair in data/leaks.jsonl. close: wrong, but as a number no farther from a known
    answer than 1 or 5 % of it, whichever is more. Where one of these tables is broken, as where it is not here.
    """
    graded = ((name, _state(files, GRADES.format(name))) for name in CHECKPOINTS)
    return _gathered(
        tuple((name, state) for name, state in graded if state), _state(files, HELDOUT), _state(files, LEAKS)
    )


def problems_of(files: Files) -> pd.DataFrame:
    """The problems that were asked: `benchmark`, `problem_id`, `problem`, `known`; empty where their table is not here, or broken
    (which `answers_of` says).
    """
    place = files.place(HELDOUT)
    with suppress(LadderError):
        if place:
            return _problems(place)
    return NO_PROBLEMS


def matching(files: Files, answers: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    """Those of `answers` that are `wanted`; their texts are searched last, and only where the rest is right."""
    keep = answers["tokens"] >= wanted.shortest
    if wanted.longest is not None:
        keep &= answers["tokens"] <= wanted.longest
    for column, value in (("checkpoint", wanted.checkpoint), ("benchmark", wanted.benchmark), ("why", wanted.why)):
        if value is not None:
            keep &= answers[column] == value
    if wanted.right is not None:
        keep &= (answers["reward"] > 0) == wanted.right
    for column in ("truncated", "close", "leaked"):
        if getattr(wanted, column):
            keep &= answers[column]
    found = answers[keep]
    if not wanted.text:
        return found
    parts = []
    for name, mine in found.groupby("checkpoint", sort=False):
        if place := files.place(GRADES.format(name)):
            parts.append(mine[mine["row"].isin(rows_with(place, wanted.text, tuple(mine["row"])))])
    return pd.concat(parts) if parts else found.iloc[:0]


def by_problem(answers: pd.DataFrame, found: pd.DataFrame, problems: pd.DataFrame) -> pd.DataFrame:
    """A row for each problem of which an answer was found, in the order of the benchmark.

    `benchmark`, `problem_id`, `problem`, `known`, `leaked`, `matches` (answers that were found); and of every checkpoint, over
    all that it sampled (greedy answers only where it sampled none): `right NAME` (share), `tokens NAME` (mean).
    """
    counted = found.groupby(PROBLEM, sort=False).agg(matches=("row", "size"), leaked=("leaked", "first"))
    sampled = answers[~answers["greedy"]] if (~answers["greedy"]).any() else answers
    told = sampled.assign(right=sampled["reward"] > 0).groupby([*PROBLEM, "checkpoint"], sort=False)
    shares, lengths = told["right"].mean().unstack(), told["tokens"].mean().unstack()
    names = [name for name in CHECKPOINTS if name in shares]
    counted = counted.join(shares[names].add_prefix("right ")).join(lengths[names].add_prefix("tokens "))
    rows = counted.reset_index().merge(problems, on=PROBLEM, how="left")
    rows["problem"] = rows["problem"].fillna(rows["problem_id"])
    first = ["benchmark", "problem_id", "problem", "known", "leaked", "matches"]
    return rows[[*first, *(column for column in rows if column not in first)]]


def logged(files: Files) -> Gathered:
    """What the training logged of the same few prompts at several steps: `rung` and the columns of samples/train/RUNG.jsonl."""
    parts, broken = [], {}
    for rung in RUNGS:
        path = f"samples/train/{rung}.jsonl"
        if place := files.place(path):
            with _noted(path, broken):
                parts.append(_logged(place).assign(rung=rung))
    return Gathered(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*LOGGED, "rung"]), broken)


@lru_cache(1 << 16)
def number(text: object) -> float | None:
    """The number that an answer is: an integer, a decimal, a fraction; None where it is anything else."""
    plain = re.sub(r"\\[,!;]|[$\s]|(?<=\d),(?=\d{3})", "", str(text))
    if _NUMBER.fullmatch(plain):
        return float(plain)
    if (met := _FRACTION.fullmatch(plain)) is None:
        return None
    sign, over, under = met.group(1, 2, 3) if met[2] else met.group(4, 5, 6)
    return (-1 if sign == "-" else 1) * float(over) / float(under) if float(under) else None


def is_close(given: object, known: Sequence[str]) -> bool:
    """Whether `given` is a number no farther from one of `known` than 1 or 5 % of it."""
    said = number(given)
    if said is None:
        return False
    numbers = [value for answer in known if (value := number(answer)) is not None]
    return any(abs(said - value) <= max(CLOSE_BY, CLOSE_SHARE * abs(value)) for value in numbers)


State = tuple[Path, int, int]


def _state(files: Files, path: str) -> State | None:
    if (place := files.place(path)) is None:
        return None
    stat = place.stat()
    return place, stat.st_mtime_ns, stat.st_size


@contextmanager
def _noted(path: str, broken: dict[str, str]) -> Iterator[None]:
    """Into `broken` goes what is wrong with `path`, instead of up."""
    try:
        yield
    except (LadderError, OSError) as error:
        broken[path] = str(error)


@lru_cache(8)  # of a run each: the table of a large examination has tens of megabytes
def _gathered(graded: tuple[tuple[str, State], ...], heldout: State | None, leaks: State | None) -> Gathered:
    parts: list[pd.DataFrame] = []
    broken: dict[str, str] = {}
    for name, (place, *_) in graded:
        with _noted(GRADES.format(name), broken):
            parts.append(_listed(place).assign(checkpoint=name))
    problems, leaked = NO_PROBLEMS, frozenset[tuple[str, str]]()
    if heldout:
        with _noted(HELDOUT, broken):
            problems = _problems(heldout[0])
    if leaks:
        with _noted(LEAKS, broken):
            leaked = _leaked(leaks[0])
    return Gathered(_with_known(parts, problems, leaked), broken)


def _with_known(parts: Sequence[pd.DataFrame], problems: pd.DataFrame, leaked: Set[tuple[str, str]]) -> pd.DataFrame:
    columns = ["checkpoint", "row", *LISTED, "known", "leaked", "close"]
    if not parts:
        return pd.DataFrame(columns=columns)
    answers = pd.concat(parts, ignore_index=True)
    known = dict(zip(*_keys_and_answers(problems), strict=True))
    pairs = list(zip(answers["benchmark"], answers["problem_id"], strict=True))
    answers["known"] = [known.get(pair, ()) for pair in pairs]
    answers["leaked"] = [pair in leaked for pair in pairs]
    wrong = answers["why"] == "wrong"
    told = zip(wrong, answers["extracted"], answers["known"], strict=True)
    answers["close"] = [bool(is_wrong and is_close(given, right)) for is_wrong, given, right in told]
    return answers[columns]


def _keys_and_answers(problems: pd.DataFrame) -> tuple[list[tuple[str, str]], list[tuple[str, ...]]]:
    return list(zip(problems["benchmark"], problems["problem_id"], strict=True)), list(problems["known"])


def _listed(place: Path) -> pd.DataFrame:
    """The columns of a file of graded answers but the texts."""
    with reading_graded(place):
        table = pq.read_table(place, columns=list(LISTED))
    return table.to_pandas().assign(row=range(len(table)))


@by_content(32)
def _problems(place: Path) -> pd.DataFrame:
    rows = [(one.source, one.id, visible(str(one.problem)), one.answers) for one in read_problems(place)]
    return pd.DataFrame(rows, columns=[*PROBLEM, "problem", "known"])


@by_content(32)
def _leaked(place: Path) -> frozenset[tuple[str, str]]:
    try:
        return frozenset((row["benchmark"]["source"], row["benchmark"]["id"]) for row in read_jsonl(place))
    except (KeyError, TypeError) as error:
        raise LadderError(f"{place}: a line is not a leak ({error!r}); `dvc checkout {place}` restores it") from None


@by_content(32)
def _logged(place: Path) -> pd.DataFrame:
    rows = []
    for line, row in enumerate(read_jsonl(place), 1):
        if not isinstance(row, dict) or any(not isinstance(row.get(name), kind) for name, kind in LOGGED.items()):
            raise LadderError(f"{place}, line {line}: not a logged answer; `dvc checkout {place}` restores it")
        rows.append([visible(row[name]) if kind is str else row[name] for name, kind in LOGGED.items()])
    return pd.DataFrame(rows, columns=list(LOGGED))
