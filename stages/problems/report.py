"""The report on an experiment's problems: where each went from its source to the rungs, and what a reader has to know of them."""

import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.problems.problem import Problem

Row = Mapping[str, Any]

_KINDS = (  # of answers, the first that fits; LaTeX's dollars and boxes aside
    ("whole number", re.compile(r"[+-]?\d{1,3}(?:(?:\{?,\}?\\?!?)\d{3})+|[+-]?\d+")),
    ("decimal or fraction", re.compile(r"[+-]?(?:\d*\.\d+|\d+\s*/\s*\d+|\\[dt]?frac\s*\{?-?\d+\}?\s*\{?\d+\}?)")),
    ("choice or word", re.compile(r"(?:\\text\s*\{)?\(?[A-Za-z][A-Za-z .'-]*\)?\}?")),
    ("tuple, set or interval", re.compile(r"\\?[\[({].*,.*\\?[\])}]", re.DOTALL)),
)


@dataclass(frozen=True, slots=True)
class Tables:
    """What `prepare` and `curriculum` wrote: rows of problems, and of a rung's table those within and those left out."""

    train: Sequence[Problem]
    heldout: Sequence[Problem]
    quarantined: Sequence[Row]
    duplicates: Sequence[Row]
    conflicts: Sequence[Row]
    leaks: Sequence[Row]
    within: Mapping[str, Sequence[Row]]
    left_out: Mapping[str, Sequence[Row]]


def report(tables: Tables, difficulty: str) -> dict[str, Any]:
    """`difficulty` is how it was measured. Leaks and variants with both texts; everything in the order of the tables."""
    called = [row for row in tables.leaks if row["kind"] != "variant" and (row["removed"] or not row["grey"])]
    return {
        "sources": _sources(tables),
        "duplicates": dict(sorted(Counter(row["kind"] for row in tables.duplicates).items())),
        "conflicts": [_conflict(row) for row in tables.conflicts],
        "leaks": {
            "found": [_pair(row) for row in called],
            "to_read": [_pair(row) for row in tables.leaks if row["grey"]],
            "variants": [_pair(row) for row in tables.leaks if row["kind"] == "variant"],
        },
        "difficulty": difficulty,
        "rungs": {name: _rung(rows, tables.left_out[name]) for name, rows in tables.within.items()},
        "answers": {
            split: _counts(answer_kind(*problem.answers[:1]) for problem in part)
            for split, part in (("train", tables.train), ("heldout", tables.heldout))
        },
        "licences": _counts(problem.licence for problem in (*tables.train, *tables.heldout)),
        "years": {
            source: {"from": min(years), "to": max(years)} for source, years in _years(tables).items()
        },
    }  # fmt: skip


def flow(tables: Tables) -> list[dict[str, Any]]:
    """Counts by source and step, from its records to the rungs; a held-out source ends in the examination."""
    rows = []
    for name, entry in _sources(tables).items():
        aside = entry["set_aside"]
        repeated = sum(count for reason, count in aside.items() if reason in ("repeated", "nearly repeated"))
        leaked = sum(count for reason, count in aside.items() if reason.startswith("leak"))
        readable = entry["used"] + repeated + leaked + aside.get("conflicting answers", 0)
        steps = {"records": entry["records"], "readable": readable, "once": readable - repeated, "used": entry["used"]}
        rows += [{"source": name, "step": step, "problems": count} for step, count in (steps | entry["rungs"]).items()]
    return rows


def difficulties(tables: Tables) -> list[dict[str, Any]]:
    """How many problems a rung has of each difficulty, in tenths of the scale from the easiest to the hardest of all.

    Those of no known difficulty are counted where `difficulty` is None.
    """
    known = {name: [row["difficulty"] for row in rows] for name, rows in tables.within.items()}
    everything = [value for values in known.values() for value in values if value is not None]
    low, high = min(everything, default=0.0), max(everything, default=0.0)
    width = (high - low) / 10 or 1.0
    counts = {
        name: Counter(None if value is None else min(9, int((value - low) / width)) for value in values)
        for name, values in known.items()
    }
    return [
        {
            "rung": name,
            "difficulty": None if place is None else round(low + place * width, 6),
            "problems": counts[name][place],
        }
        for name in tables.within
        for place in (*range(10 if everything else 0), None)
        if place is not None or counts[name][None]
    ]


def answer_kind(answer: str | None = None) -> str:
    if answer is None:
        return "none"
    bare = answer.strip().strip("$").strip()
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(bare)), "formula")


def _sources(tables: Tables) -> dict[str, Any]:
    """By source: its records, what was set aside and why, what is used, and how many of those each rung has."""
    everything = {(problem.source, problem.split, problem.licence) for problem in (*tables.train, *tables.heldout)}
    known = {source for source, _, _ in everything} | {row["source"] for row in tables.quarantined}
    used = Counter(problem.source for problem in (*tables.train, *tables.heldout))
    entries = {}
    for source in sorted(known):
        aside = _counts(row["reason"] for row in tables.quarantined if row["source"] == source)
        mine = [entry for entry in everything if entry[0] == source]
        entries[source] = {
            "split": sorted({split for _, split, _ in mine}),
            "licence": sorted({licence for _, _, licence in mine}),
            "records": used[source] + sum(aside.values()),
            "set_aside": aside,
            "used": used[source],
            "rungs": {
                name: count
                for name, rows in tables.within.items()
                if (count := sum(row["source"] == source for row in rows))
            },
        }
    return entries


def _rung(within: Sequence[Row], left_out: Sequence[Row]) -> dict[str, Any]:
    known = [row["difficulty"] for row in within if row["difficulty"] is not None]
    return {
        "problems": len(within),
        "difficulty": _spread(known),
        "prompt_tokens": _spread([row["prompt_tokens"] for row in within]),
        "left_out": _counts(row["reason"] for row in left_out),
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    ranked = sorted(values)
    return {
        "min": ranked[0],
        "median": statistics.median(ranked),
        "mean": round(statistics.fmean(ranked), 6),
        "p95": ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))],
        "max": ranked[-1],
    }


def _pair(row: Row) -> dict[str, Any]:
    return {key: row[key] for key in ("kind", "score", "step", "grey", "removed")} | {
        side: _told(row[side]) for side in ("train", "benchmark")
    }


def _conflict(row: Row) -> list[dict[str, Any]]:
    return [_told(row["kept"]), *(_told(other) for other in row["others"])]


def _told(problem: Row) -> dict[str, Any]:
    return {key: problem[key] for key in ("source", "record", "id", "problem", "answers")}


def _years(tables: Tables) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for problem in (*tables.train, *tables.heldout):
        if problem.year is not None:
            found.setdefault(problem.source, []).append(problem.year)
    return dict(sorted(found.items()))


def _counts(values: Any) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))
