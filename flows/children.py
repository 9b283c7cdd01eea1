"""The DVC processes of one ladder: a bounded number at once, and none any more once it is stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from flows.workspace import Workspace
from stages.errors import LadderError
from stages.stage import PRUNED
from stages.store.files import write_bytes

STOP_S = 4.5  # a stage ends itself 4 s after SIGTERM, whatever it does


class DvcChildren:
    """Those that work in `workspace`, of all that share `slots`."""

    def __init__(self, workspace: Workspace, slots: threading.Semaphore) -> None:
        self.workspace = workspace
        self._slots = slots
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped: str | None = None
        self._ends = threading.Event()
        (workspace.root / PRUNED).unlink(missing_ok=True)

    @property
    def stopped(self) -> bool:
        return self._stopped is not None

    def pause(self, seconds: float) -> None:
        """Wait so long, or until `stop`."""
        self._ends.wait(seconds)

    @contextmanager
    def repro(self, stage: str, devices: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
        """Start `dvc repro --single-item STAGE` as soon as a slot is free, `devices` in its environment.

        Raises LadderError after `stop`.
        """
        with self._slots:
            with self._lock:
                if self._stopped is not None:
                    raise LadderError(f"{stage}: not begun, {self._stopped}")
                child = self._start(stage, devices)
                self._running.add(child)
            try:
                yield child
            except BaseException:  # nobody reads it any more, and `stop` would not find it
                _end([child])
                raise
            finally:
                with self._lock:
                    self._running.discard(child)

    def stop(self, why: str = "the flow was stopped") -> None:
        """SIGTERM to every running stage, SIGKILL to those that still run `STOP_S` later."""
        with self._lock:
            self._stopped = self._stopped or why
            self._ends.set()
            running = list(self._running)
        _end(running)

    def prune(self, why: str) -> None:
        """Stop, and have what is running booked as pruned."""
        write_bytes(self.workspace.root / PRUNED, why.encode())
        self.stop(why)

    def _start(self, stage: str, devices: Mapping[str, str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flows.dvc_child", str(os.getpid()), stage]
        return subprocess.Popen(
            command,
            cwd=self.workspace.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**self.workspace.child_environment(), **devices},
            start_new_session=True,  # a process group of its own, so that a stop reaches DVC, its shell and the trainer
        )


def _end(running: Sequence[subprocess.Popen[str]]) -> None:
    for child in running:
        _signal_group(child, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    for child in running:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal_group(child, signal.SIGKILL)


def _signal_group(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it ended by itself
        os.killpg(child.pid, number)
