"""Start a rung's ranks, watch over them, and end as one: all done, or one clear error and no process left.

Plain processes with torchrun's environment, not torchrun itself: it prefixes every rank's lines (rank 0's progress has to arrive
as it is), tells of a failure in a traceback of its own, gives the others 30 s to end, and outlives a parent that was killed.
Imports no torch.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from stages.errors import BudgetReached, Cause, LadderError, MicroBatchTooLarge

LAUNCHER = "LADDER_LAUNCHER"  # the launching process's pid: a rank ends when it is gone
GRACE_S = 3.0  # between SIGTERM and SIGKILL: a rank that waits for another in a collective hears nothing
POLL_S = 0.05
LOST_ANOTHER = 4  # a rank that failed because another was gone
# How a rank says why it ended; its last line on stderr says it in words. 2 and 3 as every command of the project.
CODES: dict[Cause, int] = {"refused": 2, "budget": 3, "guard": 5, "disk": 6, "memory": 7, "device": 8, "error": 9}
TOO_LARGE = 10  # of its micro-batches one found no memory


@dataclass(slots=True)
class _Rank:
    number: int
    process: subprocess.Popen[str]
    reader: threading.Thread | None = None
    last_line: str = "it wrote nothing"

    def read(self, stream: IO[str]) -> None:
        """Pass on what the rank writes, line by line, and keep its last line."""
        prefix = "" if self.number == 0 else f"[rank {self.number}] "
        for line in stream:
            self.last_line = line.strip() or self.last_line
            if line.startswith("error: "):
                continue  # the caller ends on it
            print(f"{prefix}{line}", end="", file=sys.stderr, flush=True)

    def failure(self) -> LadderError:
        """The error of a rank that failed, with its cause: what a signal ended may pass, as what the kernel kills does."""
        code = self.process.returncode
        if code == TOO_LARGE:
            return MicroBatchTooLarge(self.ended_how())
        signals: dict[int, Cause] = {-signal.SIGKILL: "vanished", -signal.SIGTERM: "stopped"}
        cause = next((name for name, its in CODES.items() if its == code), signals.get(code, "error"))
        error = (BudgetReached if cause == "budget" else LadderError)(self.ended_how())
        error.cause = cause
        return error

    def ended_how(self) -> str:
        """What became of a rank that failed. To be asked once it has ended."""
        if self.reader is not None:
            self.reader.join(timeout=GRACE_S)  # a grandchild may hold the pipe open
        code = self.process.returncode
        if code in (*CODES.values(), TOO_LARGE) and self.last_line.startswith("error: "):
            return self.last_line.removeprefix("error: ")
        if code < 0:
            name = signal.Signals(-code).name
            hint = ", as the kernel does when memory runs out" if name == "SIGKILL" else ""
            if name == "SIGABRT":  # a library gave up, and said why
                hint = f" ({self.last_line[:300]})"
            return (
                f"rank {self.number} was killed by {name}{hint}; run it again, it resumes from its last checkpoint (with less "
                "memory at a smaller operations.micro_batch_tokens)"
            )
        return f"rank {self.number} ended with exit code {code}: {self.last_line.removeprefix('error: ')[:300]}"


def run_ranks(command: Sequence[str], world: int, environment: Mapping[str, str] | None = None) -> None:
    """Run `command` as `world` ranks to their end. Raises LadderError for the first that fails; none outlives the call.

    Rank 0's stdout and stderr are the caller's; the others' lines go to stderr with the rank before them.
    """
    port = _free_port()
    shared = {**os.environ, **(environment or {}), "WORLD_SIZE": str(world), LAUNCHER: str(os.getpid())}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    if sys.platform == "linux":
        shared.setdefault("GLOO_SOCKET_IFNAME", "lo")  # or gloo asks for the host's name, which may not resolve
    ranks: list[_Rank] = []
    try:
        ranks.extend(_start(command, number, shared) for number in range(world))  # as they start: all are ended
        _wait(ranks)
    finally:
        _end(ranks)


def _start(command: Sequence[str], number: int, shared: Mapping[str, str]) -> _Rank:
    process = subprocess.Popen(
        command,
        env={**shared, "RANK": str(number), "LOCAL_RANK": str(number)},
        stdin=subprocess.DEVNULL,
        stdout=None if number == 0 else subprocess.PIPE,
        stderr=subprocess.PIPE if number == 0 else subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    rank = _Rank(number, process)
    stream = process.stderr if number == 0 else process.stdout
    assert stream is not None
    rank.reader = threading.Thread(target=rank.read, args=(stream,), daemon=True)
    rank.reader.start()
    return rank


def _wait(ranks: Sequence[_Rank]) -> None:
    lost_at: float | None = None
    while True:
        codes = [rank.process.poll() for rank in ranks]
        if all(code == 0 for code in codes):
            return
        failed = [rank for rank, code in zip(ranks, codes, strict=True) if code not in (None, 0)]
        causes = [rank for rank in failed if rank.process.returncode != LOST_ANOTHER]
        if causes:
            raise causes[0].failure()
        if failed:  # the one it lost is about to end
            lost_at = lost_at or time.monotonic()
            if None not in codes or time.monotonic() > lost_at + GRACE_S:
                raise failed[0].failure()
        time.sleep(POLL_S)


def _end(ranks: Sequence[_Rank]) -> None:
    """End what is left: SIGTERM, and SIGKILL after `GRACE_S`."""
    for rank in ranks:
        if rank.process.poll() is None:
            rank.process.terminate()
    deadline = time.monotonic() + GRACE_S
    for rank in ranks:
        with suppress(subprocess.TimeoutExpired):
            rank.process.wait(max(0.0, deadline - time.monotonic()))
    for rank in ranks:
        if rank.process.poll() is None:
            rank.process.kill()
        rank.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
