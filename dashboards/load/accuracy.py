"""Held-out accuracy of a run's checkpoints: sampled, at the full context, the mean over its benchmarks, with its interval."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from dashboards.load.files import by_content
from dashboards.load.present import is_present
from dashboards.load.runs import Run
from stages.errors import LadderError
from stages.params import CHECKPOINTS
from stages.store.files import read_json

COLUMNS = ("checkpoint", "accuracy", "low", "high", "benchmark")

remembered_json = by_content(1024)(read_json)


def accuracy_of(run: Run) -> pd.DataFrame:
    """A row a checkpoint that was examined, in the order of the climb. An interval where there is one benchmark, whose report
    tells it. Raises LadderError where a file is damaged.
    """
    intervals = _intervals(run)
    rows = []
    for name in CHECKPOINTS:
        if place := examined_at(run, name):
            full = remembered_json(place)["full"]
            benchmarks = list(full["benchmarks"])
            only = benchmarks[0] if len(benchmarks) == 1 else None
            low, high = intervals.get((name, only), (None, None)) if only else (None, None)
            rows.append((name, float(full["sampled"]), low, high, only or f"mean of {len(benchmarks)}"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def examined_at(run: Run, checkpoint: str) -> Path | None:
    """The figures of a checkpoint's examination; None where there are none, or they are of other settings than the run's."""
    place = run.files.place(f"metrics/evaluation/{checkpoint}.json")
    return place if place and is_present(run, f"evaluate@{checkpoint}") else None


def final_accuracy(run: Run) -> float | None:
    """Of the 24k rung; None where it was not examined, or its figures can't be read."""
    try:
        place = examined_at(run, "24k")
        return float(remembered_json(place)["full"]["sampled"]) if place else None
    except (LadderError, KeyError, TypeError, ValueError):
        return None


def _intervals(run: Run) -> Mapping[tuple[str, str], tuple[float, float]]:
    """By checkpoint and benchmark; none where the report is missing or damaged, which the Evaluation page says."""
    place = run.files.place("reports/evaluation.json")
    if place is None or not is_present(run, "compare"):
        return {}
    try:
        rows = [row for row in remembered_json(place)["rows"] if row["status"] == "measured" and row["at"] == "full"]
        return {
            (row["checkpoint"], row["benchmark"]): (row["low"], row["high"])
            for row in rows
            if row["metric"] == rows[0]["metric"]
        }
    except (LadderError, KeyError, TypeError):
        return {}
