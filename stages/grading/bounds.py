"""What bounds a worker process: its memory, its processor time, its parent's life, and what it may read and write.

It ignores the terminal's Ctrl-C (the parent's business) and sees no GPU (pool.py). What a library prints, or reads, is not the
parent's: those two go by streams of their own.
"""

import math
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import TextIO

from stages.process import die_with_parent

MAX_MEMORY_BYTES = 2**30
PARENT = "LADDER_GRADER"  # the grading process's pid: a worker has a process group of its own


@dataclass(frozen=True, slots=True)
class Lines:
    """The questions that the parent asks, and the answers that it reads."""

    questions: TextIO
    answers: TextIO


def bounded() -> Lines:
    """Bound this process, once, at its start."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.environ.get(PARENT)  # none where it was started by hand
    die_with_parent(int(parent) if parent else None)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    questions, answers = os.fdopen(os.dup(sys.stdin.fileno())), os.fdopen(os.dup(sys.stdout.fileno()), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, sys.stdin.fileno())
    os.dup2(nothing, sys.stdout.fileno())
    return Lines(questions, answers)


def limit_processor_time(seconds: float) -> None:
    """SIGXCPU, a second after the parent should have ended this process itself."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + 1, hard))
