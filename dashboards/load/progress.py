"""How far a run is, and when it may end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dashboards.load.accuracy import examined_at
from dashboards.load.book import Book
from dashboards.load.files import Saved
from dashboards.load.present import is_present
from dashboards.load.runs import Run
from dashboards.load.series import glances_of
from dashboards.load.settings import context_of, planned_steps
from stages.accounting.records import Attempt
from stages.params import CHECKPOINTS, RUNGS

State = Literal["running", "done", "failed", "killed", "pruned", "silent", "not begun", "not here", "unfinished"]
SILENT_S = 60.0  # of a heartbeat every 5 s
BETWEEN_S = 30.0  # after a stage the next one begins: DVC hashes what it made


@dataclass(frozen=True, slots=True)
class Progress:
    """`stage` is what runs, or ran last. `left_s` is what is still to come at the pace of the newest rung, a step of a longer
    context taking as much longer as it is; examinations at what they took before. None where nobody knows.
    """

    state: State
    stage: str
    steps_done: int
    steps_planned: int
    left_s: float | None
    why: str

    @property
    def share(self) -> float:
        return min(1.0, self.steps_done / max(1, self.steps_planned))


def progress_of(run: Run, book: Book, now: float | None = None) -> Progress:
    done = {glance.rung: glance.steps for glance in glances_of(run)}
    planned = planned_steps(run)
    # That lived last: one that began before others may outlive them.
    last = max(run.attempts, key=lambda one: one.heartbeat_at) if run.attempts else None
    state = _state(run, last, time.time() if now is None else now)
    return Progress(
        state=state,
        stage=_at_work(run, last),
        steps_done=sum(done.values()),
        steps_planned=sum(planned.values()) or sum(done.values()),
        left_s=_left_s(run, book, done, planned) if state == "running" else None,
        why=last.failure.message if last and last.failure and state not in ("done", "running") else "",
    )


def _state(run: Run, last: Attempt | None, now: float) -> State:
    running = [one for one in run.attempts if one.status == "running"]
    if any(now - one.heartbeat_at < SILENT_S for one in running):
        return "running"
    whole = examined_at(run, "24k") is not None
    if isinstance(run.files, Saved):
        named = [path for path in run.files.outs if path.startswith("metrics/")]
        missing = any(run.files.place(path) is None for path in named)
        return "not here" if missing else "done" if whole else "unfinished"
    if last is None:
        return "done" if whole else "not begun"
    if running:
        return "silent"
    if last.unfinished:
        return last.status
    if whole:
        return "done"
    return "running" if now - last.heartbeat_at < BETWEEN_S else "unfinished"


def _at_work(run: Run, last: Attempt | None) -> str:
    running = [one.stage for one in run.attempts if one.status == "running"]
    return ", ".join(dict.fromkeys(running)) or (f"after {last.stage}" if last else "")


def _left_s(run: Run, book: Book, done: Mapping[str, int], planned: Mapping[str, int]) -> float | None:
    pace = _pace(run, book)
    if pace is None:
        return None
    rung, seconds = pace
    contexts = context_of(run)
    to_come = 0.0
    for name in RUNGS:
        longer = contexts[name] / contexts[rung] if name in contexts and rung in contexts else 1.0
        to_come += max(0, planned.get(name, 0) - done.get(name, 0)) * seconds * longer
    ended = {one.stage for one in run.attempts if one.status == "done"}
    for stage in (f"{kind}@{name}" for kind in ("sample", "evaluate", "elsewhere") for name in CHECKPOINTS):
        if not is_present(run, stage) and stage not in ended:
            to_come += book.usual_s(stage)
    return to_come


def _pace(run: Run, book: Book) -> tuple[str, float] | None:
    """The newest rung that has taken a step, and the mean seconds of one."""
    for one in reversed(run.attempts):
        if one.stage.startswith("train@") and (taken := book.totals.get(one.id)):
            steps = taken.last_step - taken.first_step + 1
            return one.stage.removeprefix("train@"), sum(taken.seconds().values()) / steps
    return None
