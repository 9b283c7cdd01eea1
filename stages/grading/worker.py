"""A process that decides what the quick paths can't: one JSON line in, one word out. Started by workers.py alone."""

import json
import sys

from stages.grading.bounds import bounded, limit_processor_time
from stages.grading.pool import READY
from stages.grading.precise import PreciseProver
from stages.grading.verdict import verdict


def main() -> None:
    lines = bounded()
    sys.set_int_max_str_digits(0)
    prover = PreciseProver()
    print(READY, file=lines.answers, flush=True)
    for line in lines.questions:
        known, given, limit_s = json.loads(line)
        limit_processor_time(limit_s)
        print(verdict(known, given, prover), file=lines.answers, flush=True)


if __name__ == "__main__":
    main()
