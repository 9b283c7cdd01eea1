"""What a child process owes its parent: to die with it, and to say so when it is told to stop."""

import ctypes
import os
import signal
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception: nothing but the harness may catch it."""


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


def raise_on_sigterm() -> None:
    def raise_terminated(signum: int, frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, raise_terminated)
