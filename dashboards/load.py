"""The dashboard's frames, from the ledger and DVC's outputs; nothing here knows Streamlit, and nothing is written."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from stages.accounting.bill import PriceOf, attempt_usd
from stages.accounting.records import Attempt
from stages.evaluation.graded import Graded, read_graded
from stages.params import CHECKPOINTS, RUNGS
from stages.problems.problem import read_problems


def training_steps(root: Path = Path()) -> pd.DataFrame:
    """Every step of the finished rungs, one after another: the columns of metrics/train/*.csv, `rung` and `ladder_step`."""
    parts = [
        pd.read_csv(path).assign(rung=rung) for rung in RUNGS if (path := root / f"metrics/train/{rung}.csv").exists()
    ]
    if not parts:
        return pd.DataFrame()
    steps = pd.concat(parts, ignore_index=True)
    return steps.assign(ladder_step=range(1, len(steps) + 1))


def rung_borders(steps: pd.DataFrame) -> pd.DataFrame:
    """The `ladder_step` that each rung begins with."""
    return steps.groupby("rung", sort=False, as_index=False)["ladder_step"].min()


def accuracy(root: Path = Path()) -> pd.DataFrame:
    """Held-out accuracy of every examined checkpoint, a row for its own context and one for the full context."""
    rows = []
    for name in CHECKPOINTS:
        path = root / f"metrics/evaluation/{name}.json"
        if path.exists():
            for context, figures in json.loads(path.read_bytes()).items():
                figures.pop("benchmarks", None)  # reports/evaluation.md has them, with their intervals
                rows.append({"checkpoint": name, "context": context, **figures})
    return pd.DataFrame(rows)


def graded_answers(checkpoint: str, root: Path = Path()) -> pd.DataFrame:
    """Every answer of an examined checkpoint with its problem and its known answers. LadderError where a file is broken."""
    asked = {(one.source, one.id): one for one in read_problems(root / "data/heldout.jsonl")}
    rows = []
    for row in read_graded(root / f"grades/{checkpoint}.parquet", responses=True):
        problem = asked.get((row.benchmark, row.problem_id))
        if problem is not None:  # else the table is of another experiment than the answers, while one is at work
            told = {"problem": problem.problem, "known": " or ".join(problem.answers)}
            rows.append({"benchmark": row.benchmark, **told, **_told(row)})
    return pd.DataFrame(rows, columns=["benchmark", "problem", "known", *_ANSWER])


_ANSWER = ("index", "greedy", "reward", "why", "extracted", "tokens", "truncated", "response")


def _told(row: Graded) -> dict[str, object]:
    return {name: getattr(row, name) for name in _ANSWER}


def spend_by_attempt(attempts: Sequence[Attempt], price_of: PriceOf) -> pd.DataFrame:
    """What each attempt took, oldest first; `cost_usd` is NaN where its price is unknown."""
    costs = [attempt_usd(attempt, attempt.price or price_of(attempt.device.name)) for attempt in attempts]
    return pd.DataFrame(
        [
            {
                "attempt": attempt.id,
                "stage": attempt.stage,
                "status": attempt.status,
                "started": pd.Timestamp(attempt.started_at, unit="s", tz="UTC"),
                "minutes": attempt.wall_s / 60,
                "device": attempt.device.name,
                "device_count": attempt.device.count,
                "cost_usd": math.nan if cost is None else cost,
                "error": attempt.failure.message if attempt.failure else "",
            }
            for attempt, cost in zip(attempts, costs, strict=True)
        ]
    )
