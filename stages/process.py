"""What processes owe each other: a child dies with its parent and says that it was stopped; two don't do the same work."""

import ctypes
import fcntl
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TextIO

from stages.errors import LadderError

PR_SET_PDEATHSIG = 1  # linux/prctl.h
STOP_S = 4.0  # what a stopped process may take to end
AGAIN_S = 0.05


class Stopped(BaseException):
    """SIGTERM or SIGINT arrived. Not an Exception: nothing but the harness may catch it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__("stopped by Ctrl-C" if number == signal.SIGINT else f"stopped by {number.name}")
        self.number = number


class _Stops:
    """Whether stops wait at the moment, the one that does, and whether one has been taken up."""

    deferred = taken = False
    waiting: signal.Signals | None = None


def raise_when_stopped(when_late: Callable[[signal.Signals], None] = lambda number: None) -> None:
    """Have the first SIGTERM or SIGINT raise `Stopped`, and ignore those after it.

    A stop comes twice: to the whole process group, and from the kernel when the parent has died of it. The second one must not
    cut short what the first one's handling has begun. A process that has not ended STOP_S after it, because native code keeps
    Python from handling it or ending takes long, is told to `when_late`, from another thread, and ended there and then.
    """

    def raise_stopped(number: int, frame: FrameType | None) -> None:
        if _in_finalizer(frame):  # what is raised there is swallowed: `_end_late` sends it again
            return
        _Stops.taken = True
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        if _Stops.deferred:
            _Stops.waiting = signal.Signals(number)
        else:
            raise Stopped(signal.Signals(number))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, raise_stopped)
    arrived, written = os.pipe()  # the C handler writes there, whatever Python is doing
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # a child's stop is not ours
    threading.Thread(target=_end_late, args=(arrived, when_late), daemon=True).start()


def _in_finalizer(frame: FrameType | None) -> bool:
    """Whether the collector called what is running: a `__del__`, into which a signal falls as into any other function."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _end_late(arrived: int, when_late: Callable[[signal.Signals], None]) -> None:
    while (number := os.read(arrived, 1)[0]) not in (signal.SIGTERM, signal.SIGINT):
        pass
    deadline = time.monotonic() + STOP_S
    while not _Stops.taken and time.monotonic() < deadline:
        time.sleep(AGAIN_S)
        if not _Stops.taken:
            os.kill(os.getpid(), number)
    time.sleep(max(0.0, deadline - time.monotonic()))
    when_late(signal.Signals(number))
    os._exit(128 + number)


@contextmanager
def stops_deferred() -> Iterator[None]:
    """Let a stop wait until the block, which must be short, has ended: it is done whole or not at all."""
    _Stops.deferred = True
    try:
        yield
    finally:
        _Stops.deferred = False
    if _Stops.waiting is not None:
        raise Stopped(_Stops.waiting)


@contextmanager
def repeating(act: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call `act` every so many seconds while the block runs, in a thread of its own."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(every_s):
            act()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


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


def processor() -> str:
    """The kind of processor, as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


@cache
def machine() -> str:
    """Where a pid means what it means here: this boot of this machine, and this container's own numbers (Linux)."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def process_began(pid: int) -> float | None:
    """When the process began, in seconds since the machine did (Linux): with its pid it tells it from every other, and no clock
    that is set changes it. None if it is gone.
    """
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # its name may hold anything
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(numbers[18]) / os.sysconf("SC_CLK_TCK")  # proc(5): field 22, starttime


def process_age_s() -> float:
    """Seconds since this process began, its imports included."""
    began = process_began(os.getpid())
    assert began is not None
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)


def try_lock(path: Path, shared: bool = False) -> TextIO | None:
    """Lock the file `path`, which is made where there is none; None while another's lock is in the way.

    It is free again once the file is closed, at the process's end by the kernel. A shared lock is in the way of no other shared
    one. Threads of a process exclude each other too.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError:
            file.close()
            return None
        except FileNotFoundError:
            pass
        file.close()  # its last holder deleted it after we had opened it: who comes now would lock another file


@contextmanager
def hold_lock(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock file `path`; the kernel frees it with the process. Raises LadderError with `busy` while another holds it."""
    file = try_lock(path)
    if file is None:
        raise LadderError(f"{path}: {busy}; wait for it, or stop it first")
    with file:
        yield
