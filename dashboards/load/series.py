"""A run's steps, over its rungs one after another: a rung's table where it has ended, the live one while it grows or has failed.

``ladder_step`` counts over all rungs, ``tokens`` are sampled ones up to and with the step. ``hours`` and ``usd`` are what the
rungs' attempts took until then, those of lost steps too; an attempt's set-up counts before its first step.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from dashboards.load.book import Book, steps_of_attempts
from dashboards.load.files import by_content
from dashboards.load.present import is_present
from dashboards.load.runs import Run, locked
from dashboards.load.settings import planned_steps
from stages.accounting.records import STEP_COLUMNS, Attempt, StepCost
from stages.errors import LadderError
from stages.params import RUNGS

ALONE = pa_csv.ReadOptions(use_threads=False)  # a small file: others are read beside it
BOOKED = frozenset(STEP_COLUMNS) - {"step", "sampled_tokens", "trained_tokens"}  # of a live line: the ledger has them


@dataclass(frozen=True, slots=True)
class Glance:
    """Of a rung no more than how many steps it has, and their reward: what an overview of a hundred runs shows."""

    rung: str
    steps: int
    reward: NDArray[np.float64]


def steps_of(run: Run, broken: list[str] | None = None) -> pd.DataFrame:
    """The columns of metrics/train/RUNG.csv, with `rung`, `ladder_step` and `tokens`; empty where there is no step yet.

    Where a table is damaged `broken` takes what is wrong, and the other rungs are told of; without it LadderError is raised.
    """
    parts, before = [], 0
    for rung in RUNGS:
        try:
            steps = _steps(run, rung)
        except LadderError as error:
            if broken is None:
                raise
            broken.append(str(error))
            before += planned_steps(run).get(rung, 0)
            continue
        if not steps.empty:
            parts.append(steps.assign(rung=rung, ladder_step=before + steps["step"]))
            before += int(steps["step"].max())
    if not parts:
        return pd.DataFrame()
    steps = pd.concat(parts, ignore_index=True)
    return steps.assign(tokens=steps["sampled_tokens"].cumsum())


def _steps(run: Run, rung: str) -> pd.DataFrame:
    if table := table_of(run, rung):
        return read_table(table)
    if live := run.files.place(f"runs/live/train@{rung}.jsonl"):
        return _growing(live, run, f"train@{rung}")
    return pd.DataFrame()


def table_of(run: Run, rung: str) -> Path | None:
    """The whole table of a rung; None where there is none, or it is of other settings than the run's."""
    return run.files.place(f"metrics/train/{rung}.csv") if is_present(run, f"train@{rung}") else None


def glances_of(run: Run) -> list[Glance]:
    """Of the rungs that have a step, in the order of the climb; of one whose table is damaged nothing."""
    found = []
    for rung in RUNGS:
        with suppress(LadderError):  # the page that draws the table says so
            if table := table_of(run, rung):
                found.append(replace(_glance(table), rung=rung))
            elif not (steps := _steps(run, rung)).empty:
                found.append(Glance(rung, int(steps["step"].max()), steps["reward"].to_numpy(dtype=float)))
    return found


def with_cost(steps: pd.DataFrame, run: Run, book: Book) -> pd.DataFrame:
    """`steps` with `hours` and `usd`; NaN where the ledger does not know them."""
    hours, usd = np.full(len(steps), np.nan), np.full(len(steps), np.nan)
    hours_before, usd_before = 0.0, 0.0
    by_rung = {rung: attempts_at(run, f"train@{rung}", book) for rung in steps["rung"].unique()}
    taken = steps_of_attempts(book, [one for attempts in by_rung.values() for one in attempts])
    for rung, attempts in by_rung.items():
        at = _spent_by_step(attempts, taken, book, hours_before, usd_before)
        mine = np.flatnonzero((steps["rung"] == rung).to_numpy())
        for place, step in zip(mine, steps["step"].to_numpy()[mine], strict=True):
            if (spent := at.get(int(step))) is not None:
                hours[place], usd[place] = spent
        hours_before += sum(one.wall_s for one in attempts) / 3600
        usd_before += _usd(book, attempts)
    return steps.assign(hours=hours, usd=usd)


def attempts_at(run: Run, stage: str, book: Book) -> Sequence[Attempt]:
    """Those that made the run's result of `stage`, or are making it, oldest first."""
    kind, _, rung = stage.partition("@")
    if table_of(run, rung) if kind == "train" else is_present(run, stage):
        return book.makers([locked(run).get(stage, "")])
    identity = _being_made(run, stage)
    return [one for one in run.attempts if one.stage == stage and one.identity == identity] if identity else []


def _being_made(run: Run, stage: str) -> str | None:
    """What the newest attempt at the stage makes it from, or failed to; None where it is made."""
    newest = next((one for one in reversed(run.attempts) if one.stage == stage and one.identity), None)
    return newest.identity if newest and newest.status != "done" else None


def _spent_by_step(
    attempts: Sequence[Attempt],
    taken: Mapping[int, Sequence[StepCost]],
    book: Book,
    hours: float,
    usd: float,
) -> Mapping[int, tuple[float, float]]:
    """By step, hours and dollars until it ended; of a step that was taken again, until its last time."""
    found: dict[int, tuple[float, float]] = {}
    for one in attempts:
        steps = taken[one.id]
        usd_per_hour = _usd(book, [one]) / max(1e-9, one.wall_s / 3600)
        passed = max(0.0, one.wall_s - sum(step.wall_s for step in steps)) / 3600
        for step in steps:
            passed += step.wall_s / 3600
            found[step.step] = (hours + passed, usd + passed * usd_per_hour)
        hours += one.wall_s / 3600
        usd += _usd(book, [one])
    return found


def _usd(book: Book, attempts: Sequence[Attempt]) -> float:
    """NaN where a price is unknown, so that all that comes after it is, too."""
    return sum(float("nan") if (usd := book.usd[one.id]) is None else usd for one in attempts)


@by_content(256)  # 200 kB each
def read_table(path: Path) -> pd.DataFrame:
    """A rung's table. Raises LadderError where it is none."""
    with _reading(path):
        table = pa_csv.read_csv(path, read_options=ALONE).to_pandas()
        table[["step", "reward", "sampled_tokens"]]  # what no page can do without
        return table.astype({name: "float64" for name in table.columns if table[name].dtype == object})


@by_content(8192)
def _glance(path: Path) -> Glance:
    with _reading(path):
        columns = pa_csv.ConvertOptions(include_columns=["step", "reward"])
        table = pa_csv.read_csv(path, read_options=ALONE, convert_options=columns)
        return Glance("", int(table["step"][-1].as_py()), table["reward"].to_numpy().astype(float))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, IndexError, ValueError) as error:  # broken bytes raise any of them
        said = " ".join(f"{error}".split())[:200]
        raise LadderError(f"{path}: not the table of a rung ({said}); `dvc checkout` restores it") from None


def _growing(path: Path, run: Run, stage: str) -> pd.DataFrame:
    """The steps of the attempts at what the rung is being made from: older ones in the file were of something else."""
    identity = _being_made(run, stage)
    mine = {one.id for one in run.attempts if one.stage == stage and one.identity == identity} if identity else set()
    latest = {row["step"]: row for row in _live_rows(path) if row["attempt"] in mine}
    rows = [
        {name: value for name, value in latest[step].items() if name not in BOOKED and name != "attempt"}
        for step in sorted(latest)
    ]
    return pd.DataFrame(rows).astype("float64").astype({"step": "int64"}) if rows else pd.DataFrame()


@by_content(64)
def _live_rows(path: Path) -> list[dict[str, Any]]:
    """All lines of a rung's live file, oldest first; one that is being written is passed over."""
    rows = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            row = json.loads(line)
        except ValueError:  # the last one is being written, or a kill cut it off
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int) and "attempt" in row:
            rows.append(row)
    return rows
