"""What this process and all its descendants take of the CPU and of memory."""

import resource
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Taken:
    """Since a `TreeWatch` began. `peak_bytes` is resident memory, in which pages that processes share count for each."""

    cpu_s: float
    wall_s: float
    peak_bytes: int


class TreeWatch:
    """CPU seconds of this process, of its living descendants and of those that ended and were waited for.

    A descendant that loses its parent and ends is lost: nobody in the tree waits for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._us = psutil.Process()
        self._began, self._cpu_before = time.monotonic(), _tree(self._us)[0]
        self._cpu_s, self._peak_bytes = 0.0, 0

    def look(self) -> Taken:
        with self._lock:
            cpu_s, rss_bytes = _tree(self._us)
            # A child that is waited for while we look is missed once: time does not run backwards for that.
            self._cpu_s = max(self._cpu_s, cpu_s - self._cpu_before)
            unit = 1 if sys.platform == "darwin" else 1024
            own_peak = (
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
            )  # between the looks too, but of us alone
            self._peak_bytes = max(self._peak_bytes, rss_bytes, own_peak)
            return Taken(self._cpu_s, time.monotonic() - self._began, self._peak_bytes)


def _tree(us: psutil.Process) -> tuple[float, int]:
    """CPU seconds of the tree so far, and resident bytes now. A parent is read before its children: none is counted twice."""
    cpu_s, rss_bytes = 0.0, 0
    for process in (us, *us.children(recursive=True)):
        with suppress(psutil.Error):  # it has ended meanwhile
            times = process.cpu_times()
            cpu_s += times.user + times.system + times.children_user + times.children_system
            rss_bytes += process.memory_info().rss
    return cpu_s, rss_bytes
