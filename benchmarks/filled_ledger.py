"""A ledger as years of work leave it: through the real schema, its triggers and all, in transactions of one run each.

A run is a climb: `stages` in the order of the graph, each an attempt or more. A rung (`train@...`) takes its part of the run's
steps; one in ten is killed under way and goes on from its last checkpoint, one in twenty fails before its first step. All
figures come from `seed`.
"""

import hashlib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from random import Random

from stages.accounting.ledger import Ledger
from stages.accounting.records import Status, StepCost

CHECKPOINT_EVERY = 10
KILLED, FAILED = 0.1, 0.05
DEVICE, DEVICES, USD_PER_HOUR = "NVIDIA H100 80GB HBM3", 8, 2.5
BEGAN_AT, BETWEEN_S = 1.7e9, 3e4


@dataclass(frozen=True, slots=True)
class Size:
    """`steps` are those of a run, all its rungs together."""

    runs: int
    steps: int


@dataclass(frozen=True, slots=True)
class Climb:
    """A run to book: what each of its stages was made from, in the order of the graph, and where."""

    identities: Mapping[str, str]
    workspace: str
    experiment: str | None = None


def climbs(runs: int, identities: Mapping[str, str], workspaces: Sequence[str]) -> list[Climb]:
    """Runs that share nothing. The stages are those of `identities`, which are those of the last run's results.

    `workspaces` take the runs in turn, so that the last run is the last one's where their number divides the runs'.
    """
    others = [
        {stage: hashlib.md5(f"{stage} {number}".encode()).hexdigest() for stage in identities}
        for number in range(runs - 1)
    ]
    return [Climb(one, workspaces[number % len(workspaces)]) for number, one in enumerate([*others, identities])]


def fill(path: Path, runs: Sequence[Climb], steps: int, seed: int = 0) -> None:
    """Fill the ledger at `path` with `runs` of `steps` each. What an earlier run has made is not made again."""
    Ledger(path).close()
    random, made = Random(seed), set[str]()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for number, climb in enumerate(runs):
            connection.execute("BEGIN")
            _Run(connection, random, number, climb).climb(made, steps)
            connection.execute("COMMIT")
            made.update(climb.identities.values())
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@dataclass(slots=True)
class _Run:
    connection: sqlite3.Connection
    random: Random
    number: int
    of: Climb
    attempts: int = 0

    def climb(self, made: Collection[str], steps: int) -> None:
        rungs = [stage for stage in self.of.identities if stage.startswith("train@")]
        for stage, identity in self.of.identities.items():
            if identity in made:
                continue
            if stage not in rungs:
                self._book(stage, identity, "done", range(0))
                continue
            place = rungs.index(stage)
            count = steps * (place + 1) // len(rungs) - steps * place // len(rungs)
            first = 1
            if self.random.random() < FAILED:
                self._book(stage, identity, "failed", range(0))
            if self.random.random() < KILLED:
                stopped = self.random.randint(1, count)
                self._book(stage, identity, "killed", range(1, stopped + 1))
                first = stopped // CHECKPOINT_EVERY * CHECKPOINT_EVERY + 1
            self._book(stage, identity, "done", range(first, count + 1))

    def _book(self, stage: str, identity: str, status: Status, numbers: range) -> None:
        steps = [self._step(number) for number in numbers]
        began_at = BEGAN_AT + self.number * BETWEEN_S + self.attempts
        wall_s = sum(step.wall_s for step in steps) + self.random.uniform(20, 200)
        row = {
            "uid": f"{self.number}-{self.attempts}",
            "run": f"flow-{self.number}",
            "stage": stage,
            "identity": identity,
            "status": "running",
            "started_at": began_at,
            "heartbeat_at": began_at + wall_s,
            "began_s": 0.0,
            "wall_s": wall_s,
            "device": DEVICE,
            "device_count": DEVICES,
            "host": "elsewhere",
            "machine": "elsewhere",
            "pid": 1,
            "pid_started_at": 1.0,
            "experiment": self.of.experiment,
            "workspace": self.of.workspace,
            "commit_id": "0" * 40,
            "dirty": 0,
            "usd_per_hour": USD_PER_HOUR,
            "price_market": "on-demand",
            "price_date": "2026-01-01",
            "price_source": "benchmark",
            "energy_j": wall_s * DEVICES * 500,
            "energy_source": "benchmark",
            "energy_estimate": 0,
        }
        marks = ", ".join("?" * len(row))
        attempt = self.connection.execute(
            f"INSERT INTO attempts ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        ).lastrowid
        assert attempt is not None
        if steps:
            rows = [(attempt, *astuple(step)) for step in steps]
            self.connection.executemany(f"INSERT INTO steps VALUES ({', '.join('?' * len(rows[0]))})", rows)
        said = ("error", "benchmark") if status in ("failed", "killed") else (None, None)
        self.connection.execute(
            "UPDATE attempts SET status = ?, cause = ?, error = ? WHERE id = ?", (status, *said, attempt)
        )
        self.attempts += 1

    def _step(self, number: int) -> StepCost:
        draw = self.random.random
        tokens = 1_000_000 + int(draw() * 500_000)
        return StepCost(
            step=number,
            sample_s=30 + 10 * draw(),
            grade_s=draw(),
            reference_s=3 + draw(),
            update_s=12 + 4 * draw(),
            save_s=0.1 * draw(),
            idle_s=0.1 * draw(),
            rollouts=1024,
            sampled_tokens=tokens,
            zero_std_tokens=tokens // 4,
            truncated_tokens=tokens // 16,
            trained_tokens=tokens,
            trained_zero_std_tokens=tokens // 4,
            trained_truncated_tokens=tokens // 16,
            computed_tokens=tokens + 200_000,
            padding_tokens=50_000,
            skipped_share=0.0,
            sample_flops=1e16 * draw(),
            reference_flops=1e16 * draw(),
            update_flops=3e16 * draw(),
            peak_memory_bytes=60 * 2**30,
            energy_j=2e5 * draw(),
            utilisation=draw(),
        )
