"""What processes owe each other: a child dies with its parent and says that it was stopped; two don't do the same work."""

import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from stages.errors import LadderError

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stopped(BaseException):
    """SIGTERM or SIGINT arrived. Not an Exception: nothing but the harness may catch it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__("stopped by Ctrl-C" if number == signal.SIGINT else f"stopped by {number.name}")
        self.number = number


def raise_when_stopped() -> None:
    """Have the first SIGTERM or SIGINT raise `Stopped`, and ignore those after it.

    A stop comes twice: to the whole process group, and from the kernel when the parent has died of it. The second one must not
    cut short what the first one's handling has begun.
    """

    def raise_stopped(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signal.Signals(number))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, raise_stopped)


def die_with_parent(parent_pid: int | None = None) -> None:
    """Have the kernel send SIGTERM when the parent process ends, kill -9 included (Linux; elsewhere nothing happens).

    A parent that ended before the kernel knew is noticed too: by its pid where the caller knows it; otherwise by its process
    group, which a child shares with the one that started it and not with the one that adopts it.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    adopted = os.getpgid(os.getppid()) != os.getpgrp() if parent_pid is None else os.getppid() != parent_pid
    if adopted:
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def hold_lock(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock file `path`; the kernel frees it with the process. Raises LadderError with `busy` while another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LadderError(f"{path}: {busy}; wait for it, or stop it first") from None
        yield
