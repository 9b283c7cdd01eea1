"""How a variant's run ended, by what it made."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from stages.evaluation.ablation import Outcome
from stages.params import CHECKPOINTS, RUNGS

Read = Callable[[str], bytes]
"""A file of the run, by its path; raises FileNotFoundError where it was not made."""


def outcome(read: Read) -> Outcome:
    """Of a run that finished: it diverged all the same where it ended below the base that it started from."""
    start, end = (_accuracy(read, name) for name in (CHECKPOINTS[0], CHECKPOINTS[-1]))
    tokens = sum(int(row["sampled_tokens"]) for name in RUNGS for row in _rows(read(f"metrics/train/{name}.csv")))
    return Outcome(
        end, diverged=end < start, usd=json.loads(read("reports/bill.json"))["made_usd"], sampled_tokens=tokens
    )


def stopped_outcome(read: Read) -> Outcome:
    """Of a run that a guard stopped: its accuracy is that of the last checkpoint that was examined."""
    last = None
    for name in CHECKPOINTS:
        try:
            last = _accuracy(read, name)
        except FileNotFoundError:
            break
    return Outcome(last, diverged=True, usd=None, sampled_tokens=None)


def _accuracy(read: Read, checkpoint: str) -> float:
    """Sampled, at the full context (avg@n)."""
    figures: dict[str, Any] = json.loads(read(f"metrics/evaluation/{checkpoint}.json"))
    return float(figures["full"]["sampled"])


def _rows(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.decode())))
