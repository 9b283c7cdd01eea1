"""An experiment under way that takes a step whenever it is told to: a line on its input is a step, its own line the answer.

python -m benchmarks.live_run    # in the experiment's folder, with LADDER_LEDGER and DVC_EXP_NAME set as a flow sets them
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from flows.experiment import FOLDER, SET_UP
from stages.accounting.ledger import SHARED, Ledger
from stages.accounting.records import CPU_CORE, BookedPrice, Device, StepCost
from stages.store.files import write_json

NAME = "at-work"
STAGE = "train@8k"
PRICE = BookedPrice(1.0, None, "on-demand", "2026-01-01", "benchmark")
TABLE = {"reward": 0.5, "reward_std": 0.3, "kl": 0.01, "entropy": 0.3, "grad_norm": 0.2, "skipped_updates": 0}


@contextmanager
def at_work(root: Path) -> Iterator["LiveRun"]:
    """The experiment `NAME` of the checkout `root`."""
    folder = (root / FOLDER / NAME).resolve()
    write_json(folder / "runs" / SET_UP, {})
    shutil.copy2(root / "params.yaml", folder / "params.yaml")
    environment = os.environ | {
        SHARED: str((root / "runs/ledger.db").resolve()), "DVC_EXP_NAME": NAME, "PYTHONPATH": str(Path.cwd()),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.live_run"],
        cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:  # its input ends with the block, and it with that
        yield LiveRun(process)
    shutil.rmtree(folder)


class LiveRun:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def step(self) -> int:
        """Take the next step; its number, once it is booked."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def main() -> None:
    ledger = Ledger.open_here()
    attempt = ledger.start(STAGE)
    ledger.identify(attempt, NAME, Device(CPU_CORE, 1), PRICE, {})
    live = Path(f"runs/live/{STAGE}.jsonl")
    live.parent.mkdir(parents=True, exist_ok=True)
    for step, _ in enumerate(sys.stdin, start=1):
        cost = StepCost(step, sample_s=1.0, sampled_tokens=1000, trained_tokens=1000)
        ledger.took(attempt, cost)
        with live.open("a") as file:
            file.write(json.dumps({"attempt": attempt, **asdict(cost), **TABLE}) + "\n")
        print(step, flush=True)
    ledger.end(attempt, "done")
    ledger.close()


if __name__ == "__main__":
    main()
