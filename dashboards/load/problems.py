"""A run's problems: where each went from its source to the rungs, what was set aside and why, what leaked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboards.load.files import Files, by_content, missing
from dashboards.load.lines import Lines, Reading, Row, lines_of, with_text
from stages.errors import LadderError

REPORT, FLOW, DIFFICULTY = "reports/problems.json", "metrics/problems/flow.csv", "metrics/problems/difficulty.csv"
UNKNOWN = "unknown"

List = Literal["leaks", "set aside", "repeated", "conflicting answers"]
DOUBTFUL = {True: "for a person to read", False: "sure"}
BECAME = {True: "removed", False: "kept"}


@dataclass(frozen=True, slots=True)
class Side:
    """A problem as it is shown beside another."""

    title: str
    text: str
    answers: str


def _leak(row: Row) -> dict[str, Any]:
    told = {
        "kind": row["kind"],
        "found by": row["step"],
        "became": BECAME[row["removed"]],
        "doubt": DOUBTFUL[row["grey"]],
    }
    return told | {"score": row["score"]}


def _aside(row: Row) -> dict[str, Any]:
    return {"reason": row["reason"], "source": row["source"], "record": row["record"], "because of": row["because_of"]}


def _repeated(row: Row) -> dict[str, Any]:
    return {"kind": row["kind"], "source": row["dropped"]["source"], "similarity": row["similarity"]}


def _conflict(row: Row) -> dict[str, Any]:
    return {"source": row["kept"]["source"], "others": len(row["others"])}


def _sides(row: Row) -> list[tuple[str, Row]]:
    if "train" in row:
        return [("to learn from", row["train"]), ("examined", row["benchmark"])]
    if "dropped" in row:
        return [("dropped", row["dropped"]), ("kept", row["kept"])]
    if "others" in row:
        return [("kept", row["kept"]), *(("another", other) for other in row["others"])]
    return [("", row)]


def _texts(row: Row) -> list[str]:
    return [problem["problem"] for _, problem in _sides(row)]


READINGS: Mapping[List, Reading] = {
    "leaks": Reading("data/leaks.jsonl", _leak, _texts),
    "set aside": Reading("data/quarantine.jsonl", _aside, _texts),
    "repeated": Reading("data/duplicates.jsonl", _repeated, _texts),
    "conflicting answers": Reading("data/conflicts.jsonl", _conflict, _texts),
}
FILTERS: Mapping[List, Sequence[str]] = {
    "leaks": ("kind", "found by", "became", "doubt"),
    "set aside": ("reason", "source"),
    "repeated": ("kind", "source"),
    "conflicting answers": ("source",),
}


def made(files: Files) -> bool:
    """Whether the run has prepared any problem."""
    return any(files.place(path) for path in (REPORT, FLOW, *(one.name for one in READINGS.values())))


def flow_of(files: Files) -> pd.DataFrame:
    """Columns source, step, problems: from a source's records to the rungs. Raises LadderError where it is missing or broken."""
    return _table(_placed(files, FLOW), FLOW, ("source", "step", "problems"))


def difficulty_of(files: Files) -> pd.DataFrame:
    """Columns rung, difficulty (a bin, as text), problems, order. Raises LadderError where it is missing or broken."""
    read = _table(_placed(files, DIFFICULTY), DIFFICULTY, ("rung", "difficulty", "problems"))
    begins = sorted(read["difficulty"].dropna().unique())
    width = begins[1] - begins[0] if len(begins) > 1 else 0.0
    told = {begin: f"{begin:.3g} to {begin + width:.3g}" if width else f"{begin:.3g}" for begin in begins}
    place = {begin: order for order, begin in enumerate(begins)}
    return read.assign(
        difficulty=read["difficulty"].map(told).fillna(UNKNOWN), order=read["difficulty"].map(place).fillna(len(begins))
    )


def report_of(files: Files) -> Mapping[str, Any]:
    """reports/problems.json without the texts. Raises LadderError where it is missing or broken."""
    return _report(_placed(files, REPORT))


def set_aside(report: Mapping[str, Any]) -> pd.DataFrame:
    """Columns source, reason, problems."""
    rows = [
        (source, reason, count)
        for source, entry in report["sources"].items()
        for reason, count in entry["set_aside"].items()
    ]
    return pd.DataFrame(rows, columns=["source", "reason", "problems"])


def sources(report: Mapping[str, Any]) -> pd.DataFrame:
    """A row a source: split, licence, records, used, set aside, first and last year."""
    years = report["years"]
    rows = [
        {
            "source": source,
            "split": ", ".join(entry["split"]),
            "licence": ", ".join(entry["licence"]),
            "records": entry["records"],
            "used": entry["used"],
            "set aside": sum(entry["set_aside"].values()),
            "years": f"{years[source]['from']} to {years[source]['to']}" if source in years else "",
        }
        for source, entry in report["sources"].items()
    ]
    return pd.DataFrame(rows)


def rungs(report: Mapping[str, Any]) -> pd.DataFrame:
    """A row a rung: problems, spreads of difficulty and prompt tokens, what was left out and why."""
    rows = []
    for name, entry in report["rungs"].items():
        hard, tokens = entry["difficulty"] or {}, entry["prompt_tokens"] or {}
        rows.append({
            "rung": name,
            "problems": entry["problems"],
            **{f"difficulty, {key}": hard.get(key) for key in ("min", "median", "max")},
            **{f"prompt tokens, {key}": tokens.get(key) for key in ("median", "p95", "max")},
            "left out": ", ".join(f"{count}: {reason}" for reason, count in entry["left_out"].items()),
        })  # fmt: skip
    return pd.DataFrame(rows).sort_values("rung", key=lambda names: names.str.rstrip("k").astype(int))


def counted(counts: Mapping[str, int], name: str) -> pd.DataFrame:
    return pd.DataFrame(list(counts.items()), columns=[name, "problems"])


def listed(files: Files, which: List) -> Lines:
    """One of the four lists. Raises LadderError where it is missing or broken."""
    reading = READINGS[which]
    return lines_of(_placed(files, reading.name), reading)


def chosen(lines: Lines, wanted: Mapping[str, Sequence[str]], text: str = "") -> NDArray[np.int64]:
    """The places of the rows that have one of the `wanted` values in each of these fields (none named: any) and `text`."""
    keep = np.ones(len(lines.starts), dtype=bool)
    for field, values in wanted.items():
        if values and len(keep):
            keep &= lines.fields[field].isin(list(values)).to_numpy()
    if text.strip():
        keep &= with_text(lines, text.strip())
    return np.flatnonzero(keep)


def sides(row: Row) -> list[Side]:
    """The problems of a row, to be read beside one another."""
    return [
        Side(
            f"{title}: {problem['source']} {problem['record']}",
            problem["problem"],
            " or ".join(problem.get("answers", ())),
        )
        for title, problem in _sides(row)
    ]


def told(row: Row) -> str:
    """What was found of a row's problems, in words."""
    if "train" in row:
        doubt = f"; {DOUBTFUL[True]}" if row["grey"] else ""
        return f"{row['kind']}, found by {row['step']} (score {row['score']:g}), {BECAME[row['removed']]}{doubt}"
    if "dropped" in row:
        return f"{row['kind']} (similarity {row['similarity']:g})"
    return "one text, different answers"


def _placed(files: Files, path: str) -> Path:
    if (found := files.place(path)) is None:
        raise missing(path)
    return found


@by_content(32)
def _read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


def _table(path: Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    try:
        read = _read_table(path)
    except ValueError as error:
        raise LadderError(
            f"{name}: not CSV ({' '.join(str(error).split())}); `dvc checkout {name}` restores it"
        ) from None
    if lacking := [column for column in columns if column not in read.columns]:
        raise LadderError(f"{name}: no column {lacking[0]!r}; `dvc checkout {name}` restores it")
    return read


@by_content(32)
def _report(path: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(path.read_bytes())
        return {
            key: read[key] for key in ("sources", "duplicates", "difficulty", "rungs", "answers", "licences", "years")
        }
    except (ValueError, KeyError, TypeError) as error:
        said = " ".join(str(error).split())
        raise LadderError(
            f"{REPORT}: damaged ({type(error).__name__}: {said}); `dvc checkout {REPORT}` restores it"
        ) from None
