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
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.progress import ProgressLine
from stages.accounting.ledger import Ledger
from stages.errors import LadderError
from stages.stage import PROGRESS_MARK

LAST_LINES = 20
STOP_S = 20.0

_children: set[subprocess.Popen[str]] = set()
_children_lock = threading.Lock()


@task(task_run_name="{stage}", persist_result=False, cache_policy=NO_CACHE)
def dvc_stage(stage: str, line: ProgressLine, slots: threading.BoundedSemaphore) -> bool:
    """Bring `stage` up to date and return whether it had to run (False: unchanged, or restored from DVC's run cache).

    Raises LadderError with the attempt's own message where it failed or was killed.
    """
    with slots:
        ledger = Ledger.open_here()
        before = len(ledger.attempts())
        returncode, last_lines = _repro(stage, line)
        ledger.close_vanished()
        mine = [attempt for attempt in ledger.attempts()[before:] if attempt.stage == stage]
        ledger.close()
    if returncode != 0:
        line.end(stage, "FAILED")
        raise LadderError(mine[-1].error if mine and mine[-1].error else f"{stage}: dvc: {' '.join(last_lines)[-600:]}")
    line.end(stage, f"{mine[-1].wall_s:.1f} s" if mine else _without_an_attempt(last_lines))
    return bool(mine)


def _without_an_attempt(last_lines: list[str]) -> str:
    """What DVC did about a stage that booked nothing."""
    said = " ".join(last_lines)
    if "didn't change" in said:
        return "up to date"
    return "from DVC's cache" if "cached" in said else "done"


def _repro(stage: str, line: ProgressLine) -> tuple[int, list[str]]:
    bin_folder = Path(sys.executable).parent  # dvc.yaml says `python`: it must be this one
    environment = os.environ | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "DVC_NO_ANALYTICS": "1",
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "flows.dvc_child", str(os.getpid()), "--wait-for-lock", "repro", "--single-item", stage],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,  # a process group of its own, so that a stop reaches DVC, its shell and the trainer
    )
    with _children_lock:
        _children.add(child)
    last_lines: deque[str] = deque(maxlen=LAST_LINES)
    try:
        assert child.stdout is not None
        for raw in child.stdout:
            said = raw.strip()
            if said.startswith(PROGRESS_MARK):
                line.show(stage, said.removeprefix(f"{PROGRESS_MARK}{stage} "))
            elif said:
                last_lines.append(said)
        return child.wait(), list(last_lines)
    finally:
        with _children_lock:
            _children.discard(child)


def stop_children() -> None:
    """SIGTERM to every running stage, SIGKILL to those that still run `STOP_S` later."""
    with _children_lock:
        running = list(_children)
    for child in running:
        _signal_group(child, signal.SIGTERM)
    for child in running:
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            _signal_group(child, signal.SIGKILL)


def _signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:  # it ended by itself
        return
