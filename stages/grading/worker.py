"""A process that decides what the quick paths can't: one JSON line in, one word out. Started by workers.py alone.

It limits its own memory, has the kernel end it if one answer takes too much processor time, dies with its parent,
ignores the terminal's Ctrl-C (the parent's business) and sees no GPU.
"""

import json
import math
import os
import resource
import signal
import sys

from stages.grading.precise import PreciseProver
from stages.grading.verdict import verdict
from stages.process import die_with_parent

MAX_MEMORY_BYTES = 2**30


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    sys.set_int_max_str_digits(0)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what a library prints is no answer
    prover = PreciseProver()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        known, given, limit_s = json.loads(line)
        _limit_processor_time(limit_s)
        print(verdict(known, given, prover), file=answers, flush=True)


def _limit_processor_time(seconds: float) -> None:
    """SIGXCPU, a second after the parent should have ended this process itself."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + 1, hard))


if __name__ == "__main__":
    main()
