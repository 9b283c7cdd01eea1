"""What a step of a rung takes, which differs from run to run: it goes to the ledger and into no hashed file."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import torch

PHASES = ("sample", "grade", "reference", "update", "save")


class Stopwatch:
    """Seconds by phase of one step, which begins when it is made, and the memory that its phases hold."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.peak_memory_bytes = 0
        self._began = perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
            # Not of a phase that failed: after a CUDA error the GPU answers nothing, and this error would hide that one.
            self.peak_memory_bytes = max(self.peak_memory_bytes, memory_bytes())
        finally:
            self.seconds[name] += perf_counter() - started

    def idle_s(self) -> float:
        """Seconds until now that belong to no phase."""
        return max(0.0, perf_counter() - self._began - sum(self.seconds.values()))


def memory_bytes() -> int:
    """What is in use of this process's GPU, whoever uses it; without one, the most main memory that the process held so far.

    At the end of a phase torch's allocator still has what the phase needed, unless it gave that back to try with less; its own
    peak would count what a sleeping vLLM gave back.
    """
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        free, total = torch.cuda.mem_get_info()
        return total - free
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
