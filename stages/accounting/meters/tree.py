"""What this process and all its descendants take of the CPU and of memory."""

import resource
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

SEARCH_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Taken:
    """Since a `TreeWatch` began. `peak_bytes` is resident memory, in which pages that processes share count for each."""

    cpu_s: float
    wall_s: float
    peak_bytes: int


class TreeWatch:
    """CPU seconds of this process, of its living descendants and of those that ended and were waited for.

    A descendant that loses its parent and ends is lost: nobody in the tree waits for it. One that is new is found a moment later:
    to find them all processes of the machine are gone through, on which no more than SEARCH_SHARE of the time is spent.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._us = psutil.Process()
        self._below: list[psutil.Process] = []
        self._search_at = 0.0
        self._cpu_s, self._peak_bytes = 0.0, 0
        self._began, self._cpu_before = time.monotonic(), self._tree()[0]

    def look(self) -> Taken:
        with self._lock:
            cpu_s, rss_bytes = self._tree()
            # A child that is waited for while we look is missed once: time does not run backwards for that.
            self._cpu_s = max(self._cpu_s, cpu_s - self._cpu_before)
            unit = 1 if sys.platform == "darwin" else 1024
            own_peak = (
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
            )  # between the looks too, but of us alone
            self._peak_bytes = max(self._peak_bytes, rss_bytes, own_peak)
            return Taken(self._cpu_s, time.monotonic() - self._began, self._peak_bytes)

    def _tree(self) -> tuple[float, int]:
        """CPU seconds of the tree so far, and resident bytes now. A parent is read before its children: none counts twice."""
        self._search()
        cpu_s, rss_bytes = 0.0, 0
        for process in (self._us, *self._below):
            with suppress(psutil.Error):  # it has ended meanwhile
                times = process.cpu_times()
                cpu_s += times.user + times.system + times.children_user + times.children_system
                rss_bytes += process.memory_info().rss
        return cpu_s, rss_bytes

    def _search(self) -> None:
        started = time.monotonic()
        if started >= self._search_at:
            self._below = self._us.children(recursive=True)
            ended = time.monotonic()
            self._search_at = ended + (ended - started) / SEARCH_SHARE
