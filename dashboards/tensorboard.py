"""A run's series as TensorBoard events, for those who live there; neither TensorFlow nor torch is needed.

    python -m dashboards.tensorboard --run NAME
    tensorboard --logdir runs/tensorboard

A scalar is `train/COLUMN` of a rung's table, over the steps of all rungs; or `evaluation/CONTEXT/FIGURE` of a checkpoint's
examination (a benchmark's: `evaluation/CONTEXT/BENCHMARK/FIGURE`) at the step that the checkpoint was made by, the base at 0.
Its wall time is when the ledger says that the step, or the examination, ended; 0 where nobody knows.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dashboards.load.accuracy import examined_at
from dashboards.load.book import Book, steps_of_attempts
from dashboards.load.marks import borders
from dashboards.load.runs import Run
from dashboards.load.series import attempts_at, steps_of
from dashboards.view import sources
from stages.errors import LadderError, exit_on_error
from stages.params import CHECKPOINTS
from stages.store.files import read_json, whole_folder

NO_SERIES = ("rung", "step", "ladder_step", "tokens")  # where a step stands


@dataclass(frozen=True, slots=True)
class Point:
    """The scalars of one step, by tag; `wall_time` in Unix seconds."""

    step: int
    wall_time: float
    scalars: Mapping[str, float]


def points_of(run: Run, book: Book) -> list[Point]:
    """All that there is to tell of `run`. Raises LadderError where one of its files is damaged, or where there is nothing."""
    steps = steps_of(run)
    points = [*_training(run, steps, book), *_evaluation(run, steps, book)]
    if not points:
        raise LadderError(
            f"{run.name}: no step and no examination of it is on this machine; `make run` climbs the ladder"
        )
    return points


def write_events(points: Sequence[Point], folder: Path, made_at: float) -> None:
    """Replace `folder` at once by one that holds `points` in one file of events. `made_at` (Unix seconds) is in the file's name:
    a TensorBoard that is running goes on to the new one."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        raise LadderError("tensorboard: not installed; `make install EXTRAS=tensorboard` brings it") from None

    with whole_folder(folder) as partial, (partial / f"events.out.tfevents.{made_at:.0f}.ladder").open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=made_at, file_version="brain.Event:2").SerializeToString())
        for point in points:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in point.scalars.items()]
            event = Event(wall_time=point.wall_time, step=point.step, summary=Summary(value=values))
            writer.write(event.SerializeToString())
        writer.flush()


def _training(run: Run, steps: pd.DataFrame, book: Book) -> Iterator[Point]:
    if steps.empty:
        return
    columns = [name for name in steps.columns if name not in NO_SERIES]
    for rung, mine in steps.groupby("rung", sort=False):
        ended = _ends(run, f"train@{rung}", book)
        for row in mine.to_dict("records"):
            scalars = {f"train/{name}": float(row[name]) for name in columns if pd.notna(row[name])}
            yield Point(int(row["ladder_step"]), ended.get(int(row["step"]), 0.0), scalars)


def _evaluation(run: Run, steps: pd.DataFrame, book: Book) -> Iterator[Point]:
    made_by = {"base": 0} | ({} if steps.empty else {span.rung: int(span.last) for span in borders(steps)})
    for name in CHECKPOINTS:
        place = examined_at(run, name)
        if place is None or name not in made_by:
            continue
        ends = [one.heartbeat_at for one in attempts_at(run, f"evaluate@{name}", book) if one.status == "done"]
        scalars = {f"evaluation/{tag}": value for tag, value in _flat(read_json(place))}
        yield Point(made_by[name], ends[-1] if ends else 0.0, scalars)


def _flat(figures: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of an examination with its path; the benchmarks' stand beside their context's own."""
    if isinstance(figures, dict):
        for name, value in figures.items():
            inner = path if name == "benchmarks" else f"{path}/{name}" if path else name
            yield from _flat(value, inner)
    elif isinstance(figures, int | float):
        yield path, float(figures)


def _ends(run: Run, stage: str, book: Book) -> Mapping[int, float]:
    """By step, when it ended; of one that was taken again, its last time. An attempt's set-up comes before its first step."""
    found: dict[int, float] = {}
    attempts = attempts_at(run, stage, book)
    taken = steps_of_attempts(book, attempts)
    for one in attempts:
        steps = taken[one.id]
        at = one.started_at + max(0.0, one.wall_s - sum(step.wall_s for step in steps))
        for step in steps:
            at += step.wall_s
            found[step.step] = at
    return found


def named(runs: Sequence[Run], name: str) -> Run:
    """The run of that key or name."""
    for run in runs:
        if name in (run.key, run.name):
            return run
    known = ", ".join(run.key for run in runs[:10]) + (", ..." if len(runs) > 10 else "")
    raise LadderError(f"--run {name}: no such run; there are {known or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m dashboards.tensorboard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, help="its name, as the dashboard shows it (workspace: as things stand)")
    parser.add_argument("--to", type=Path, default=Path("runs/tensorboard"), help="the folder of all runs' events")
    options = parser.parse_args()
    found = sources()
    run = named(found.runs, options.run)
    points = points_of(run, found.book)
    folder = options.to / "".join(char if char.isalnum() or char in "-_.@" else "-" for char in run.key)
    write_events(points, folder, time.time())
    print(f"{folder}: {len(points)} points; `tensorboard --logdir {options.to}` shows them")


if __name__ == "__main__":
    exit_on_error(main)
