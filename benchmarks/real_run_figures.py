"""The tables of docs/real_run.md, from the records in docs/real_run/: what was examined, how it was trained, what it took."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.errors import LadderError
from stages.params import CHECKPOINTS, RUNGS

KEPT = Path("docs/real_run")
HIGHEST = {
    "highest KL": "kl",
    "highest gradient norm": "grad_norm",
    "highest gap": "sampling/sampling_logp_difference/mean",
}  # of any step
ENDS = 5  # steps at either end of a rung that are averaged


def tables(kept: Path) -> str:
    """All tables as Markdown. Raises LadderError where no record is kept."""
    seeds = sorted(path for path in kept.glob("seed*") if path.is_dir())
    if not seeds:
        raise LadderError(f"{kept}: no record; `python -m benchmarks.real_run keep ARCHIVE` puts one there")
    parts = [
        ("Held-out accuracy, 0 to 1, sampled, with its interval", _accuracy(seeds)),
        ("Gain over the base on the same problems, in points, with its paired interval", _gains(seeds)),
        (f"The rungs: means of the first and the last {ENDS} steps", _rungs(seeds)),
        ("What it took", _bills(seeds)),
    ]
    return "\n\n".join(f"**{title}**\n\n{table}" for title, table in parts)


def _accuracy(seeds: Sequence[Path]) -> str:
    rows = []
    for seed in seeds:
        measured = [row for row in _report(seed)["rows"] if row["status"] == "measured" and row["at"] == "full"]
        metric = measured[0]["metric"]
        for benchmark in dict.fromkeys(row["benchmark"] for row in measured):
            found = {
                row["checkpoint"]: f"{row['value']:.3f} ({row['low']:.3f}-{row['high']:.3f})"
                for row in measured
                if row["benchmark"] == benchmark and row["metric"] == metric
            }
            rows.append([seed.name, benchmark, metric, *(found[name] for name in CHECKPOINTS)])
    return _table(["run", "benchmark", "metric", *CHECKPOINTS], rows)


def _gains(seeds: Sequence[Path]) -> str:
    rows = []
    for seed in seeds:
        report = _report(seed)
        metric = report["rows"][0]["metric"]
        for one in report["comparisons"]:
            if one["against"] == "base" and one["metric"] == metric:
                points = [100 * one[name] for name in ("difference", "low", "high")]
                gain = f"{points[0]:+.1f} ({points[1]:+.1f} to {points[2]:+.1f})"
                rows.append([seed.name, one["benchmark"], one["checkpoint"], gain, f"{one['p_adjusted']:.2g}"])
    return _table(["run", "benchmark", "checkpoint", "gain", "p, adjusted"], rows)


def _rungs(seeds: Sequence[Path]) -> str:
    columns = {
        "right": "accuracy",
        "reward": "reward",
        "truncated": "completions/clipped_ratio",
        "length": "completions/mean_length",
        "entropy": "entropy",
        "KL": "kl",
        "log-prob gap": "sampling/sampling_logp_difference/mean",
    }
    rows = []
    for seed in seeds:
        for rung in RUNGS:
            with (seed / f"metrics/train/{rung}.csv").open() as file:
                steps = list(csv.DictReader(file))
            cells = [f"{_mean(steps[:ENDS], name)} -> {_mean(steps[-ENDS:], name)}" for name in columns.values()]
            highest = [f"{max(float(step[name]) for step in steps if step[name]):.3g}" for name in HIGHEST.values()]
            skipped = sum(float(step["skipped_updates"]) for step in steps)
            rows.append([seed.name, rung, str(len(steps)), *cells, *highest, f"{skipped:g}"])
    return _table(["run", "rung", "steps", *columns, *HIGHEST, "skipped"], rows)


def _bills(seeds: Sequence[Path]) -> str:
    rows = []
    for seed in seeds:
        bill, versions = _json(seed / "reports/bill.json"), _json(seed / "versions.json")
        made = [_number(bill[name]) for name in ("made_minutes", "made_usd", "wasted_here_usd", "energy_here_kwh")]
        states = Counter(attempt["state"] for attempt in _json(seed / "run.json")["attempts"])
        ended = [str(states[state]) for state in ("done", "failed", "killed")]
        packages = ", ".join(f"{package} {number}" for package, number in versions["versions"].items())
        rows.append([seed.name, *made, *ended, versions["commit"], packages])
    head = ["run", "minutes", "dollars", "wasted", "kWh", "attempts done", "failed", "killed", "commit", "versions"]
    return _table(head, rows)


def _report(seed: Path) -> Any:
    return _json(seed / "reports/evaluation.json")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; the climb had not come so far when its record was packed") from None


def _mean(steps: Sequence[dict[str, str]], name: str) -> str:
    values = [float(step[name]) for step in steps if step[name]]
    return f"{fmean(values):.3g}" if values else "-"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["-"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
