"""The DVC processes of one ladder: a bounded number at once, and none any more once it is stopped."""

import json
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
from stages.graph import DVC_LOCK, StageSpec, in_order, upstream
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

    def unchanged(self, graph: dict[str, StageSpec]) -> set[str]:
        """The stages that need no `repro`: neither they nor any that they go back to has changed, says DVC before any is begun.

        It is asked once, and only where the first stage's outs are there. Where it gives no answer every stage needs its `repro`.
        """
        stages, root = in_order(graph), self.workspace.root
        if not stages or not all((root / made).exists() for made in (str(DVC_LOCK), *graph[stages[0]].outs)):
            return set()
        with self._child("dvc status", (), {}, subprocess.DEVNULL) as child:
            said, _ = child.communicate()
        try:
            changed: dict[str, object] = json.loads(said if child.returncode == 0 else "")
        except ValueError:
            return set()
        found: set[str] = set()
        for stage in stages:
            if stage not in changed and found.issuperset(upstream(graph, stage)):
                found.add(stage)
        return found

    @contextmanager
    def repro(self, stage: str, devices: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
        """Start `dvc repro --single-item STAGE` as soon as a slot is free, `devices` in its environment.

        Raises LadderError after `stop`.
        """
        with self._child(stage, (stage,), devices, subprocess.STDOUT) as child:
            yield child

    @contextmanager
    def _child(
        self, name: str, arguments: Sequence[str], devices: Mapping[str, str], stderr: int
    ) -> Iterator[subprocess.Popen[str]]:
        with self._slots:
            with self._lock:
                if self._stopped is not None:
                    raise LadderError(f"{name}: not begun, {self._stopped}")
                child = self._start(arguments, devices, stderr)
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

    def _start(self, arguments: Sequence[str], devices: Mapping[str, str], stderr: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flows.dvc_child", str(os.getpid()), *arguments]
        return subprocess.Popen(
            command,
            cwd=self.workspace.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
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
