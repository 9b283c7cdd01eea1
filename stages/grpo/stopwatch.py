"""What a step of a rung takes, which differs from run to run: it goes to the ledger and into no hashed file."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import torch

PHASES = ("sample", "grade", "reference", "update", "save")


class Stopwatch:
    """Seconds by phase of one step, which begins when it is made."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._began = perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += perf_counter() - started

    def idle_s(self) -> float:
        """Seconds until now that belong to no phase."""
        return max(0.0, perf_counter() - self._began - sum(self.seconds.values()))


def peak_memory_bytes() -> int:
    """The most that this process has held so far: of the GPU if it uses one, else of main memory."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
