"""A pool of worker processes: each answer has its own time, a dead worker costs nobody else's.

A worker's time on an answer is its own processor time, read from the kernel, not the time in a queue nor that of a
busy machine (a wall limit ten times as long ends a worker that sleeps). A worker that dies is replaced and its answer
tried again, elsewhere: whatever kills three of them is graded as too large.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import psutil

from stages.errors import LadderError
from stages.grading.verdict import Verdict

Outcome = Verdict | Literal["timeout"]

ROOT = Path(__file__).resolve().parents[2]
MAX_DEATHS = 3
MAX_FAILED_STARTS = 10
WALL_FACTOR = 10
START_LIMIT_S = 120.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Task:
    known: str
    given: str


class _Worker:
    """One process, at most one task at a time."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stages.grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""},
        )
        self._kernel = psutil.Process(self._process.pid)
        self.ready = False
        self.task: int | None = None
        self._started_s = time.monotonic()
        self._used_s = 0.0

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def give(self, place: int, task: Task, limit_s: float) -> bool:
        """Send a task; False where the worker is dead."""
        assert self._process.stdin is not None
        self._started_s, self._used_s = time.monotonic(), self._processor_s()
        try:
            self._process.stdin.write(json.dumps([task.known, task.given, limit_s]).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        self.task = place
        return True

    def read(self) -> str:
        """The line it wrote; empty where it has died."""
        return os.read(self.fileno(), 100).decode().strip()

    def overdue(self, limit_s: float) -> bool:
        wall_s = time.monotonic() - self._started_s
        if not self.ready:
            return wall_s > START_LIMIT_S
        return self._processor_s() - self._used_s > limit_s or wall_s > WALL_FACTOR * limit_s

    def _processor_s(self) -> float:
        try:
            times = self._kernel.cpu_times()
        except psutil.NoSuchProcess:
            return self._used_s
        return float(times.user + times.system)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # the flush of a task that nobody reads any more
                    pipe.close()


class Workers:
    """At most `count` processes, started when they are needed and kept until `close`."""

    def __init__(self, count: int, limit_s: float) -> None:
        self._count = count
        self._limit_s = limit_s
        self._workers: list[_Worker] = []

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers]

    def close(self) -> None:
        while self._workers:
            self._workers.pop().kill()

    def decide(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Every task's verdict, or `timeout`, in order."""
        results: dict[int, Outcome] = {}
        waiting = deque(range(len(tasks)))
        deaths = [0] * len(tasks)
        failed_starts = 0  # in a row
        self._drop_interrupted()
        while len(results) < len(tasks):
            self._start(min(self._count, len(tasks) - len(results)))
            for worker in [worker for worker in self._workers if worker.ready and worker.task is None]:
                if waiting and not worker.give(waiting[0], tasks[waiting[0]], self._limit_s):
                    self._bury(worker, deaths, waiting, results)  # it died between two tasks
                elif waiting:
                    waiting.popleft()
            for worker in self._readable():
                said = worker.read()
                if not said:
                    failed_starts += not worker.ready
                    self._bury(worker, deaths, waiting, results)
                elif not worker.ready:
                    worker.ready, failed_starts = True, 0
                elif worker.task is not None:
                    results[worker.task], worker.task = cast(Outcome, said), None
            for worker in [worker for worker in self._workers if worker.task is not None or not worker.ready]:
                if worker.overdue(self._limit_s):
                    failed_starts += not worker.ready
                    if worker.task is not None:
                        results[worker.task], worker.task = "timeout", None
                    self._bury(worker, deaths, waiting, results)
            if failed_starts > MAX_FAILED_STARTS:
                raise LadderError("grading: no worker process starts; run `python -m stages.grading.worker` to see why")
        return [results[place] for place in range(len(tasks))]

    def _drop_interrupted(self) -> None:
        """End workers that still have a task of a batch whose grading an exception ended."""
        for worker in [worker for worker in self._workers if worker.task is not None]:
            self._workers.remove(worker)
            worker.kill()

    def _start(self, count: int) -> None:
        while len(self._workers) < count:
            self._workers.append(_Worker())

    def _readable(self) -> list[_Worker]:
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                if worker.task is not None or not worker.ready:
                    selector.register(worker.fileno(), selectors.EVENT_READ, worker)
            return [event.data for event, _ in selector.select(POLL_S)]

    def _bury(self, worker: _Worker, deaths: list[int], waiting: deque[int], results: dict[int, Outcome]) -> None:
        """Remove a dead worker; its task is tried again unless it has killed too many."""
        self._workers.remove(worker)
        worker.kill()
        if worker.task is None:
            return
        deaths[worker.task] += 1
        if deaths[worker.task] < MAX_DEATHS:
            waiting.appendleft(worker.task)
        else:
            results[worker.task] = "too_large"
