"""The table of all runs: a row each, with what tells in a glance how it goes, whether it is better and what it cost."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from dashboards.load.accuracy import final_accuracy
from dashboards.load.book import Book
from dashboards.load.marks import guards_fired
from dashboards.load.progress import progress_of
from dashboards.load.runs import Run
from dashboards.load.series import glances_of
from dashboards.load.settings import identity_settings
from dashboards.load.thin import kept
from stages.errors import LadderError

SPARK_POINTS = 40


def overview(runs: Sequence[Run], book: Book) -> pd.DataFrame:
    """In the order of `runs`. Missing is what is not known."""
    with ThreadPoolExecutor(4) as pool:  # reading tables waits for the disk, and Arrow for nobody
        list(pool.map(_warm, runs))
    usual = identity_settings(runs[0]) if runs else {}
    return pd.DataFrame([_row(run, book, usual) for run in runs])


def _row(run: Run, book: Book, usual: Mapping[str, Any]) -> dict[str, Any]:
    progress = progress_of(run, book)
    accuracy = final_accuracy(run)
    guards = guards_fired(run, book)
    return {
        "key": run.key,
        "run": run.name,
        "state": progress.state,
        "progress": progress.share,
        "steps": f"{progress.steps_done}/{progress.steps_planned}",
        "left_min": None if progress.left_s is None else progress.left_s / 60,
        "accuracy": None if accuracy is None else 100 * accuracy,
        "reward": reward_line(run),
        "usd": book.spent(run.attempts),
        "made_usd": made_usd(run),
        "hours": sum(one.wall_s * one.device.count for one in run.attempts) / 3600 if run.attempts else None,
        "guard": guards[-1] if guards else "",
        "differs": _differences(usual, identity_settings(run)),
        "labels": list(run.labels),
        "kind": run.kind,
        "made": pd.Timestamp(run.made_at, unit="s", tz="UTC") if run.made_at else pd.NaT,
        "commit": (run.commit or "")[:10],
        "how": run.how,
    }


def reward_line(run: Run) -> list[float]:
    """The reward of all steps, thinned."""
    parts = [glance.reward for glance in glances_of(run)]
    values = np.concatenate(parts) if parts else np.array([])
    return [float(value) for value in values[kept([values], SPARK_POINTS)]] if len(values) else []


def made_usd(run: Run) -> float | None:
    """What it took to make, wherever that was, as its own bill says."""
    try:
        said = json.loads(run.files.read("reports/bill.json"))["made_usd"]
        return None if said is None else float(said)
    except (LadderError, ValueError, KeyError, TypeError):
        return None


def _differences(usual: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """The settings in which a run differs from the workspace."""
    if not own or not usual:
        return ""
    return ", ".join(f"{path}={own.get(path)}" for path in {**usual, **own} if usual.get(path) != own.get(path))


def _warm(run: Run) -> None:
    reward_line(run)
    identity_settings(run)
