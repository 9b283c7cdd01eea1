"""How far a run is, and when it may end."""

import time
from dataclasses import dataclass
from typing import Literal

from dashboards.load.book import Book
from dashboards.load.runs import Run
from dashboards.load.series import glances_of
from dashboards.load.settings import planned_steps
from stages.accounting.records import Attempt

State = Literal["running", "done", "failed", "killed", "pruned", "silent", "not begun", "unfinished"]
SILENT_S = 60.0  # of a heartbeat every 5 s


@dataclass(frozen=True, slots=True)
class Progress:
    """`stage` is what runs, or ran last; `left_s` what the steps still to come take at the pace of those taken."""

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
    done = sum(glance.steps for glance in glances_of(run))
    total = sum(planned_steps(run).values()) or done
    last = run.attempts[-1] if run.attempts else None
    whole = bool(run.files.place("metrics/evaluation/24k.json"))
    state = _state(run, whole, time.time() if now is None else now)
    left = max(0, total - done)
    pace = _seconds_a_step(run, book) if state == "running" else None
    return Progress(
        state=state,
        stage=_at_work(run, last),
        steps_done=done,
        steps_planned=total,
        left_s=None if pace is None else left * pace,
        why=last.failure.message if last and last.failure and state not in ("done", "running") else "",
    )


def _state(run: Run, whole: bool, now: float) -> State:
    running = [one for one in run.attempts if one.status == "running"]
    if any(now - one.heartbeat_at < SILENT_S for one in running):
        return "running"
    if run.kind in ("experiment", "commit") or (whole and not (run.attempts and run.attempts[-1].unfinished)):
        return "done"
    if running:
        return "silent"
    if not run.attempts:
        return "not begun"
    ended = run.attempts[-1].status
    return "unfinished" if ended in ("done", "running") else ended


def _at_work(run: Run, last: Attempt | None) -> str:
    running = [one.stage for one in run.attempts if one.status == "running"]
    return ", ".join(dict.fromkeys(running)) or (last.stage if last else "")


def _seconds_a_step(run: Run, book: Book) -> float | None:
    """The mean of the newest attempt at a rung that has taken a step."""
    for one in reversed(run.attempts):
        if one.stage.startswith("train@") and (taken := book.totals.get(one.id)):
            return sum(taken.seconds().values()) / (taken.last_step - taken.first_step + 1)
    return None
