"""The report on all checkpoints: every figure as a row, what beats what, and what changed problems cost.

Figures of others are rows too, marked `published` with their source: they were taken on other samples, and no interval or
p-value joins them to ours.
"""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from stages.evaluation.breakdown import by_group, seen
from stages.evaluation.brittleness import Share, gaps
from stages.evaluation.comparison import differences
from stages.evaluation.estimators import avg
from stages.evaluation.examination import Examination
from stages.evaluation.figures import figures
from stages.evaluation.intervals import Interval, Resampling
from stages.params import Published

Row = dict[str, Any]


def report(
    examined: Mapping[str, Examination],
    own: Mapping[str, int],
    ks: Sequence[int],
    resampling: Resampling,
    published: Sequence[Published],
    training_cutoff: str | None,
) -> dict[str, list[Row]]:
    """`examined`: every checkpoint at the full context, in the order of the climb; `own`: its own context in response tokens."""
    rows = [
        row
        for name, full in examined.items()
        for at, examination in (("full", full), ("own", full.at(own[name])))
        for row in _measured(name, at, examination, ks, resampling)
    ]
    return {
        "rows": rows + [row for model in published for row in _published(model)],
        "comparisons": _comparisons(examined, ks, resampling),
        "brittleness": [
            row for name, examination in examined.items() for row in _brittleness(name, examination, resampling)
        ],
        "training_data": [
            row
            for name, examination in examined.items()
            for row in _training_data(name, examination, training_cutoff, resampling)
        ],
    }


def _measured(name: str, at: str, examination: Examination, ks: Sequence[int], resampling: Resampling) -> list[Row]:
    return [
        {
            "checkpoint": name,
            "benchmark": benchmark,
            "metric": figure.metric,
            "value": figure.value,
            **_ends(figure.interval),
            "problems": figure.problems,
            "samples": figure.samples,
            "context": examination.context,
            "at": at,
            "status": "measured",
            "source": f"grades/{name}.parquet",
        }
        for benchmark, part in examination.by_benchmark().items()
        for figure in figures(part, ks, resampling, benchmark)
    ]


def _published(model: Published) -> list[Row]:
    unknown = dict.fromkeys(("low", "high", "problems", "samples", "context", "at"))
    return [
        {
            "checkpoint": model.model,
            "benchmark": benchmark,
            "metric": "pass@1",
            "value": value,
            **unknown,
            "status": "published",
            "source": model.source,
        }
        for benchmark, value in model.figures.items()
    ]


def _comparisons(examined: Mapping[str, Examination], ks: Sequence[int], resampling: Resampling) -> list[Row]:
    return [
        {
            "benchmark": found.benchmark,
            "metric": found.metric,
            "checkpoint": found.checkpoint,
            "against": found.against,
            "difference": found.difference,
            **_ends(found.interval),
            "p_value": found.p_value,
            "p_adjusted": found.p_adjusted,
            "shown": found.shown,
            "problems": found.problems,
            "context": next(iter(examined.values())).context,
        }
        for found in differences(examined, ks, resampling)
    ]


def _brittleness(name: str, examination: Examination, resampling: Resampling) -> list[Row]:
    shares = [
        Share(problem.id, problem.twin_of, problem.change, float(right))
        for problem, right in zip(examination.problems, avg(examination.sampled.right_PN), strict=True)
    ]
    return [
        {
            "checkpoint": name,
            "change": gap.change,
            "originals": gap.originals,
            **_ends(gap.originals_interval, "originals_"),
            "twins": gap.twins,
            **_ends(gap.twins_interval, "twins_"),
            "gap": gap.gap,
            **_ends(gap.gap_interval, "gap_"),
            "p_value": gap.p_value,
            "families": gap.families,
            "twin_problems": gap.twin_problems,
        }
        for gap in gaps(shares, resampling)
    ]


def _training_data(
    name: str, examination: Examination, training_cutoff: str | None, resampling: Resampling
) -> list[Row]:
    """Sampled accuracy on what the base can and can't have read in training; nothing where no problem's year tells."""
    groups = by_group(examination.of_benchmarks(), lambda problem: seen(problem, training_cutoff), resampling, "cutoff")
    if set(groups) == {"unknown"}:
        return []
    return [
        {"checkpoint": name, "year": group} | {key: part[key] for key in ("problems", "sampled", "low", "high")}
        for group, part in groups.items()
    ]


def _ends(interval: Interval, prefix: str = "") -> dict[str, float | None]:
    return {f"{prefix}low": interval.low, f"{prefix}high": interval.high}


def plotted(rows: Sequence[Row]) -> list[Row]:
    """What to plot: every checkpoint's sampled accuracy at the full and at its own context, the mean over its benchmarks."""
    first = rows[0]["metric"]
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row["status"] == "measured" and row["metric"] == first:
            found.setdefault(row["checkpoint"], {}).setdefault(row["at"], []).append(row["value"])
    return [
        {"checkpoint": name} | {at: round(mean(values), 6) for at, values in by_context.items()}
        for name, by_context in found.items()
    ]
