"""What the examination says of a run, as frames: every figure with its interval, others' as published, without one.

All are of reports/evaluation.json (stages/evaluation/report.py) and metrics/breakdown/CHECKPOINT.json.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dashboards.load.files import Files, by_content
from stages.errors import LadderError
from stages.params import CHECKPOINTS
from stages.store.files import read_json

REPORT = "reports/evaluation.json"
BREAKDOWN = "metrics/breakdown/{}.json"
KINDS = {"by_rating": "difficulty", "by_length": "length of the answer", "by_year": "year", "by_source": "benchmark"}
COUNTED = ("mean_length", "tokens_per_correct")  # in tokens; all others are shares
ROWS = (
    "checkpoint", "benchmark", "metric", "value", "low", "high", "problems", "samples", "context", "at", "status",
    "source",
)  # fmt: skip
COMPARISONS = (
    "benchmark", "metric", "checkpoint", "against", "difference", "low", "high", "p_value", "p_adjusted", "shown",
    "problems",
)  # fmt: skip
GAPS = (
    "checkpoint", "change", "originals", "originals_low", "originals_high", "twins", "twins_low", "twins_high", "gap",
    "gap_low", "gap_high", "p_value", "families", "twin_problems",
)  # fmt: skip
YEARS = ("checkpoint", "year", "problems", "sampled", "low", "high")
ELSEWHERE = (
    "checkpoint", "set", "measure", "value", "low", "high", "base", "difference", "difference_low", "difference_high",
    "texts", "note",
)  # fmt: skip
GROUPS = ("at", "by", "group", "count", "sampled", "low", "high")
TEXT = frozenset((
    "checkpoint", "benchmark", "metric", "at", "status", "source", "against", "change", "year", "by", "group", "set",
    "measure", "note",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """A run's report: the columns ROWS, COMPARISONS, GAPS, YEARS and ELSEWHERE."""

    rows: pd.DataFrame
    comparisons: pd.DataFrame
    gaps: pd.DataFrame
    years: pd.DataFrame
    elsewhere: pd.DataFrame

    @property
    def measured(self) -> pd.DataFrame:
        return self.rows[self.rows["status"] == "measured"]

    @property
    def published(self) -> pd.DataFrame:
        return self.rows[self.rows["status"] == "published"]

    @property
    def benchmarks(self) -> list[str]:
        return list(dict.fromkeys(self.measured["benchmark"]))

    @property
    def metrics(self) -> list[str]:
        return list(dict.fromkeys(self.measured["metric"]))


def report_of(files: Files) -> Report | None:
    """None where the run has not been examined. Raises LadderError that names the file where it is damaged."""
    place = files.place(REPORT)
    return None if place is None else _report(place)


@by_content(32)
def _report(path: Path) -> Report:
    made = read_object(path)
    return Report(
        rows=_frame(path, made, "rows", ROWS),
        comparisons=_frame(path, made, "comparisons", COMPARISONS),
        gaps=_frame(path, made, "brittleness", GAPS),
        years=_frame(path, made, "training_data", YEARS),
        # A run of before the stage `elsewhere` was examined on its own domain alone.
        elsewhere=_frame(path, {"elsewhere": []} | made, "elsewhere", ELSEWHERE),
    )


def _frame(path: Path, made: Mapping[str, Any], part: str, columns: Sequence[str]) -> pd.DataFrame:
    rows = made.get(part)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and set(columns) <= set(row) for row in rows):
        raise LadderError(f"{path}: {part}: not the rows of a report; `dvc repro compare` makes it anew")
    frame = pd.DataFrame(rows, columns=list(columns))
    numbers = {name: "float64" for name in columns if name not in TEXT and name != "shown"}
    try:
        return frame.astype(numbers)
    except (TypeError, ValueError) as error:
        raise LadderError(f"{path}: {part}: {error}; `dvc repro compare` makes it anew") from None


def read_object(path: Path) -> dict[str, Any]:
    """An object of JSON. Raises LadderError where the file holds none."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise LadderError(f"{path}: not a report; `dvc checkout` restores it")
    return found


def of_metric(reports: Mapping[str, Report], benchmark: str, metric: str, at: str) -> pd.DataFrame:
    """By run and checkpoint the figure `metric` on `benchmark` at the "full" or at its "own" context."""
    parts = [
        _of(report, benchmark, at).loc[lambda rows: rows["metric"] == metric].assign(run=run)
        for run, report in reports.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*ROWS, "run"])


def _of(report: Report, benchmark: str, at: str) -> pd.DataFrame:
    rows = report.measured
    return rows[(rows["benchmark"] == benchmark) & (rows["at"] == at)]


def published_on(reports: Mapping[str, Report], benchmark: str) -> pd.DataFrame:
    """What others published on `benchmark`, each once."""
    parts = [report.published for report in reports.values()]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(ROWS))
    return found[found["benchmark"] == benchmark].drop_duplicates(["checkpoint", "value", "source"])


def curves(reports: Mapping[str, Report], benchmark: str, at: str) -> pd.DataFrame:
    """pass@k and maj@k: `run`, `checkpoint`, `kind`, `k`, `value`, `low`, `high`; both are avg@n for a k of 1."""
    found = []
    for run, report in reports.items():
        for row in _of(report, benchmark, at).to_dict("records"):
            kind, _, k = str(row["metric"]).partition("@")
            if kind not in ("avg", "pass", "maj") or not k.isdecimal():
                continue
            kinds = ("pass", "maj") if kind == "avg" else (kind,)
            ends = {name: row[name] for name in ("checkpoint", "value", "low", "high")}
            found += [{"run": run, "kind": one, "k": 1 if kind == "avg" else int(k), **ends} for one in kinds]
    names = ["run", "checkpoint", "kind", "k", "value", "low", "high"]
    return pd.DataFrame(found, columns=names).sort_values("k", kind="stable", ignore_index=True)


def figures_table(report: Report, at: str) -> pd.DataFrame:
    """To be read: a row a checkpoint and benchmark, a column a metric ("95.4 (94.8 to 96.0)"); published rows say their source.

    Shares are per cent.
    """
    ours = report.measured[report.measured["at"] == at]
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in [*ours.to_dict("records"), *report.published.to_dict("records")]:
        told = rows.setdefault((row["checkpoint"], row["benchmark"], row["status"]), {})
        told[row["metric"]] = _told(row)
        told["source"] = row["source"] if row["status"] == "published" else ""
    heads = ("checkpoint", "benchmark", "status")
    table = pd.DataFrame([dict(zip(heads, key, strict=True)) | told for key, told in rows.items()])
    first = [*heads, *(["pass@1"] if "pass@1" in table.columns else [])]
    others = [name for name in table.columns if name not in (*first, "source")]
    return table.reindex(columns=[*first, *others, "source"]).fillna("")


def _told(row: Mapping[str, Any]) -> str:
    if pd.isna(row["value"]):
        return "-"
    unit = 1 if row["metric"] in COUNTED else 100
    low, high = ("?" if pd.isna(row[name]) else f"{row[name] * unit:.1f}" for name in ("low", "high"))
    return f"{row['value'] * unit:.1f}" + ("" if low == high == "?" else f" ({low} to {high})")


def breakdown_of(files: Files, checkpoint: str) -> pd.DataFrame:
    """By context (`at`) and kind of group (`by`), the columns GROUPS; `count` are problems, or answers of a length. Empty where
    the checkpoint has not been examined.

    Raises LadderError that names the file where it is damaged.
    """
    place = files.place(BREAKDOWN.format(checkpoint))
    return (_groups(place) if place else pd.DataFrame(columns=list(GROUPS))).assign(checkpoint=checkpoint)


def broken_down(files: Files) -> bool:
    """Whether any checkpoint has a breakdown."""
    return any(files.place(BREAKDOWN.format(name)) for name in CHECKPOINTS)


@by_content(128)
def _groups(path: Path) -> pd.DataFrame:
    try:
        rows = [
            {
                "at": at, "by": by, "group": group, "count": figures["answers" if "answers" in figures else "problems"],
                "sampled": figures["sampled"], "low": figures["low"], "high": figures["high"],
            }
            for at, kinds in read_object(path).items()
            for by, groups in kinds.items()
            for group, figures in groups.items()
        ]  # fmt: skip
    except (AttributeError, KeyError, TypeError) as error:
        raise LadderError(f"{path}: not a breakdown ({error!r}); `dvc checkout {path}` restores it") from None
    return pd.DataFrame(rows, columns=list(GROUPS))


def groups_in_order(groups: Sequence[str]) -> list[str]:
    """By the number that they begin with, then those without one."""

    def number(group: str) -> tuple[float, str]:
        head = group.partition("-")[0]
        try:
            return (float(head), group)
        except ValueError:
            return (float("inf"), group)

    return sorted(set(groups), key=number)
