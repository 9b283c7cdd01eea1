"""A ledger whose attempts took exactly what a test says."""

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from stages.accounting.ledger import Ledger
from stages.accounting.records import CPU_CORE, Device, Status, StepCost

ONE_CORE = Device(CPU_CORE, 1)


def book(
    path: Path,
    status: Status = "done",
    wall_s: float = 3600.0,
    stage: str = "train@8k",
    identity: str = "x",
    device: Device = ONE_CORE,
    usd_per_hour: float | None = 1.0,
    steps: Sequence[StepCost] = (),
    run: str = "run",
    started_at: float = 1000.0,
    sweep: str | None = None,
    experiment: str | None = None,
    workspace: str | None = None,
    energy_j: float | None = None,
    usd_per_kwh: float | None = None,
    plan: Mapping[str, int] | None = None,
    failure: tuple[str, str] | None = None,
) -> int:
    """Add an attempt to the ledger at `path`, as the ledger itself would have, and return its id."""
    Ledger(path).close()
    row = {
        "uid": uuid.uuid4().hex,
        "run": run,
        "stage": stage,
        "identity": identity,
        "status": "running",
        "started_at": started_at,
        "heartbeat_at": started_at + wall_s,
        "began_s": 0.0,
        "wall_s": wall_s,
        "device": device.name,
        "device_count": device.count,
        "host": "elsewhere",
        "machine": "elsewhere",
        "pid": 1,
        "pid_started_at": 1.0,
        "sweep": sweep,
        "experiment": experiment,
        "workspace": workspace,
        "usd_per_hour": usd_per_hour,
        "usd_per_kwh": usd_per_kwh,
        "price_market": "on-demand",
        "price_date": "2026-01-01",
        "price_source": "test",
        "energy_j": energy_j,
        "energy_source": "test",
        "energy_estimate": 0,
        "plan": None if plan is None else json.dumps(plan),
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        marks = ", ".join("?" * len(row))
        cursor = connection.execute(f"INSERT INTO attempts ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
        attempt = cursor.lastrowid
        assert attempt is not None
        for step in steps:
            values = (attempt, *astuple(step))
            connection.execute(f"INSERT INTO steps VALUES ({', '.join('?' * len(values))})", values)
        if status != "running":
            cause, error = failure or (None, None)
            connection.execute(
                "UPDATE attempts SET status = ?, cause = ?, error = ? WHERE id = ?", (status, cause, error, attempt)
            )
    return attempt
