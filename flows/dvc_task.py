"""One DVC stage as a Prefect task: `dvc --wait-for-lock repro --single-item STAGE` in a child process.

The same command by hand gives the same bytes. How an attempt ended is read from the ledger: DVC exits with 255 for any
failure.
"""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.progress import ProgressLine
from stages.accounting.ledger import Ledger
from stages.accounting.origin import RUN
from stages.accounting.reading import Scope
from stages.accounting.records import Attempt
from stages.errors import BudgetReached, LadderError
from stages.stage import PROGRESS_MARK

LAST_LINES = 20
STOP_S = 20.0


class DvcChildren:
    """The DVC processes of one flow: at most `slots` at once, and none any more after `stop`; booked as `run`."""

    def __init__(self, slots: int, run: str) -> None:
        self.run = run
        self._slots = threading.BoundedSemaphore(slots)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    @contextmanager
    def repro(self, stage: str) -> Iterator[subprocess.Popen[str]]:
        """Start `dvc repro --single-item STAGE` as soon as a slot is free. Raises LadderError after `stop`."""
        with self._slots:
            with self._lock:
                if self._stopped:
                    raise LadderError(f"{stage}: not begun, the flow was stopped")
                child = _start(stage, self.run)
                self._running.add(child)
            try:
                yield child
            finally:
                with self._lock:
                    self._running.discard(child)

    def stop(self) -> None:
        """SIGTERM to every running stage, SIGKILL to those that still run `STOP_S` later."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for child in running:
            _signal_group(child, signal.SIGTERM)
        for child in running:
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                _signal_group(child, signal.SIGKILL)


@task(task_run_name="{stage}", retries=0, persist_result=False, cache_policy=NO_CACHE)
def dvc_stage(stage: str, line: ProgressLine, children: DvcChildren) -> bool:
    """Bring `stage` up to date and return whether it had to run (False: unchanged, or restored from DVC's run cache).

    Raises LadderError with the attempt's own message where it failed or was killed.
    """
    with children.repro(stage) as child:
        last_lines = _follow(child, stage, line)
        returncode = child.wait()
    ledger = Ledger.open_here()
    ledger.close_vanished()
    mine = [attempt for attempt in ledger.read.attempts(Scope(run=children.run)) if attempt.stage == stage]
    ledger.close()
    if returncode != 0:
        over_budget = bool(mine) and mine[-1].failure is not None and mine[-1].failure.cause == "budget"
        line.end(stage, "STOPPED by the budget" if over_budget else "FAILED")
        raise (BudgetReached if over_budget else LadderError)(_why(stage, mine, last_lines))
    line.end(stage, f"{mine[-1].wall_s:.1f} s" if mine else _without_an_attempt(last_lines))
    return bool(mine)


def _start(stage: str, run: str) -> subprocess.Popen[str]:
    bin_folder = Path(sys.executable).parent  # dvc.yaml says `python`: it must be this one
    return subprocess.Popen(
        [sys.executable, "-m", "flows.dvc_child", str(os.getpid()), "--wait-for-lock", "repro", "--single-item", stage],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ
        | {"PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}", "DVC_NO_ANALYTICS": "1", RUN: run},
        start_new_session=True,  # a process group of its own, so that a stop reaches DVC, its shell and the trainer
    )


def _follow(child: subprocess.Popen[str], stage: str, line: ProgressLine) -> list[str]:
    """Show the child's progress until its output ends, and return the last lines of the rest."""
    last_lines: deque[str] = deque(maxlen=LAST_LINES)
    assert child.stdout is not None
    for raw in child.stdout:
        said = raw.strip()
        if said.startswith(PROGRESS_MARK):
            line.show(stage, said.removeprefix(f"{PROGRESS_MARK}{stage} "))
        elif said:
            last_lines.append(said)
    return list(last_lines)


def _why(stage: str, mine: list[Attempt], last_lines: list[str]) -> str:
    failure = mine[-1].failure if mine else None
    if failure is None:
        return f"{stage}: dvc: {' '.join(last_lines)[-600:]}"
    if failure.cause in ("stopped", "vanished"):
        return f"{stage}: {failure.message}; `make run` goes on from its last checkpoint"
    return failure.message


def _without_an_attempt(last_lines: list[str]) -> str:
    """What DVC did about a stage that booked nothing."""
    said = " ".join(last_lines)
    if "didn't change" in said:
        return "up to date"
    return "from DVC's cache" if "cached" in said else "done"


def _signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it ended by itself
        os.killpg(child.pid, number)
