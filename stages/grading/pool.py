"""A pool of worker processes that answer lines: each question has its own time, a dead worker costs nobody else's.

A worker's time on a question is its own processor time, read from the kernel, not the time in a queue nor that of a
busy machine (a wall limit ten times as long ends a worker that sleeps). A worker that dies is replaced and its question
tried again, elsewhere, as often as it may be: whatever kills them all is lost.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path

import psutil

from stages.errors import LadderError
from stages.grading.bounds import PARENT

ROOT = Path(__file__).resolve().parents[2]
READY = "ready"  # a worker's first line, or it says why it can't work
MAX_ANSWER_BYTES = 2**20
WALL_FACTOR = 10
START_LIMIT_S = 120.0
POLL_S = 0.05


class Lost(Enum):
    """A question without an answer: too late, or its workers died of it."""

    LATE = "late"
    DEAD = "dead"


class _Worker:
    """One process, at most one question at a time."""

    def __init__(self, module: Sequence[str]) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", *module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": path,
                "CUDA_VISIBLE_DEVICES": "",
                "PYTHONHASHSEED": "0",
                PARENT: str(os.getpid()),
            },
            start_new_session=True,  # a group of its own, with what a reward function starts
        )
        self._kernel = psutil.Process(self._process.pid)
        self.ready = False
        self.question: int | None = None
        self._read = b""
        self._started_s = time.monotonic()
        self._used_s = 0.0

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def ask(self, place: int, line: str) -> bool:
        """Send a question; False where the worker is dead."""
        assert self._process.stdin is not None
        self._started_s, self._used_s = time.monotonic(), self._processor_s()
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        self.question = place
        return True

    def read(self) -> str | None:
        """The line it wrote; "" where there is not all of it yet, None where it has died or never stops writing."""
        read = os.read(self.fileno(), 2**16)
        self._read += read
        if not read or len(self._read) > MAX_ANSWER_BYTES:
            return None
        line, end, rest = self._read.partition(b"\n")
        if not end:
            return ""
        self._read = rest
        return line.decode()

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
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # the flush of a question that nobody reads any more
                    pipe.close()


class Pool:
    """At most `count` processes `python -m MODULE ...`, started when they are needed and kept until `close`."""

    def __init__(self, module: Sequence[str], count: int, max_failed_starts: int = 10) -> None:
        self._max_failed_starts = max_failed_starts  # in a row
        self._module = module
        self._count = count
        self._workers: list[_Worker] = []

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers]

    def close(self) -> None:
        while self._workers:
            self._workers.pop().kill()

    def ask(self, questions: Sequence[str], limit_s: float, tries: int) -> list[str | Lost]:
        """Every question's answer, a line each, in order. Raises LadderError where a worker says that it can't work."""
        results: dict[int, str | Lost] = {}
        waiting = deque(range(len(questions)))
        deaths = [0] * len(questions)
        failed_starts = 0  # in a row

        def bury(worker: _Worker) -> None:
            """Remove a dead worker; its question is tried again unless it has killed too many."""
            self._workers.remove(worker)
            worker.kill()
            if worker.question is None:
                return
            deaths[worker.question] += 1
            if deaths[worker.question] < tries:
                waiting.appendleft(worker.question)
            else:
                results[worker.question] = Lost.DEAD

        self._drop_interrupted()
        while len(results) < len(questions):
            self._start(min(self._count, len(questions) - len(results)))
            for worker in [worker for worker in self._workers if worker.ready and worker.question is None]:
                if waiting and not worker.ask(waiting[0], questions[waiting[0]]):
                    bury(worker)  # it died between two questions
                elif waiting:
                    waiting.popleft()
            for worker in self._readable():
                said = worker.read()
                if said is None:
                    failed_starts += not worker.ready
                    bury(worker)
                elif said and not worker.ready:
                    self._greet(worker, said)
                    failed_starts = 0
                elif said and worker.question is not None:
                    results[worker.question], worker.question = said, None
            for worker in [worker for worker in self._workers if worker.question is not None or not worker.ready]:
                if worker.overdue(limit_s):
                    failed_starts += not worker.ready
                    if worker.question is not None:
                        results[worker.question], worker.question = Lost.LATE, None
                    bury(worker)
            if failed_starts > self._max_failed_starts:
                command = " ".join(self._module)
                raise LadderError(f"grading: no worker process starts; run `python -m {command}` to see why")
        return [results[place] for place in range(len(questions))]

    def _greet(self, worker: _Worker, said: str) -> None:
        if said != READY:
            self.close()
            raise LadderError(said)
        worker.ready = True

    def _drop_interrupted(self) -> None:
        """End workers that still have a question of a batch whose grading an exception ended."""
        for worker in [worker for worker in self._workers if worker.question is not None]:
            self._workers.remove(worker)
            worker.kill()

    def _start(self, count: int) -> None:
        while len(self._workers) < count:
            self._workers.append(_Worker(self._module))

    def _readable(self) -> list[_Worker]:
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                if worker.question is not None or not worker.ready:
                    selector.register(worker.fileno(), selectors.EVENT_READ, worker)
            return [event.data for event, _ in selector.select(POLL_S)]
