"""Every attempt at a stage and what it took, the failed and killed ones too: SQLite in WAL mode, outside DVC's outs.

An attempt that vanishes without a word (kill -9, a power cut) is closed as `killed` at its last heartbeat by whoever
opens the ledger next. The ledger of a workspace is runs/ledger.db; LADDER_LEDGER names another, which several worktrees may
share. Durations are by the machine's monotonic clock, which all its processes share and nobody sets.
"""

import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

from stages.accounting.backup import back_up, broken, explained, is_broken, set_broken_aside
from stages.accounting.origin import origin_of_this_process
from stages.accounting.reading import LedgerReader, check_schema
from stages.accounting.records import CPU_CORE, BookedPrice, Device, Energy, Failure, Status, StepCost
from stages.accounting.schema import bring_up_to_date, schema_version
from stages.errors import LadderError
from stages.process import machine, process_began

LEDGER = Path("runs/ledger.db")
SHARED = "LADDER_LEDGER"  # names another one, which several worktrees may share
SILENT_S = 300.0  # sixty heartbeats
PATIENCE_S = 30.0  # for another process's write
VANISHED = "vanished without a word (kill -9 or a crash)"


class Ledger:
    """Books attempts. `read` answers questions. Raises LadderError for a file that is no ledger of ours."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        if broken(path):
            set_broken_aside(path)
        self._connect()

    def _connect(self) -> None:
        path = self.path
        try:
            # One connection an object, which several threads may use in turn.
            self._connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
            _to_wal(self._connection)
            # What a killed process has written stays; a power cut may take the last moments, and breaks nothing.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            bring_up_to_date(self._connection)
            check_schema(path, schema_version(self._connection))
        except sqlite3.DatabaseError as error:
            raise explained(path, error) from None
        self.read = LedgerReader(self._connection)

    @classmethod
    def open_here(cls) -> "Ledger":
        """The ledger of this workspace, or the one that LADDER_LEDGER names."""
        return cls(ledger_path())

    def start(self, stage: str, age_s: float = 0.0) -> int:
        """Book a new attempt of this process, begun `age_s` ago, and return its id. Until `identify` it occupies one CPU core."""
        try:
            self.close_vanished()
        except sqlite3.DatabaseError as error:
            if not (is_broken(error) and set_broken_aside(self.path, whole=True)):
                raise explained(self.path, error) from None
            self._connect()
            self.close_vanished()
        now, origin = time.time(), origin_of_this_process()
        row = {
            "uid": uuid.uuid4().hex,
            "run": origin.run,
            "stage": stage,
            "identity": "",
            "status": "running",
            "started_at": now - age_s,
            "heartbeat_at": now,
            "began_s": time.monotonic() - age_s,
            "wall_s": age_s,
            "device": CPU_CORE,
            "device_count": 1,
            "host": socket.gethostname(),
            "machine": machine(),
            "pid": os.getpid(),
            "pid_started_at": process_began(os.getpid()),
            "sweep": origin.sweep,
            "experiment": origin.experiment,
            "workspace": origin.workspace,
            "commit_id": origin.commit,
            "dirty": origin.dirty,
            "params_hash": origin.params_hash,
            "lock_hash": origin.lock_hash,
        }
        cursor = self._connection.execute(
            f"INSERT INTO attempts ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def identify(
        self, attempt: int, identity: str, device: Device, price: BookedPrice, plan: Mapping[str, str | int]
    ) -> None:
        """Note what the attempt is made from, what it occupies, at which price, and its plan (records.py), once that is known."""
        self._change(
            attempt,
            identity=identity,
            device=device.name,
            device_count=device.count,
            usd_per_hour=price.usd_per_hour,
            usd_per_kwh=price.usd_per_kwh,
            price_market=price.market,
            price_date=price.date,
            price_source=price.source,
            plan=json.dumps(plan, sort_keys=True),
        )

    def replan(self, attempt: int, plan: Mapping[str, str | int]) -> None:
        """Note that `attempt` goes by another plan than it was identified with."""
        self._change(attempt, plan=json.dumps(plan, sort_keys=True))

    def took(self, attempt: int, cost: StepCost, energy: Energy | None = None) -> None:
        """Note what a step of `attempt` took. Raises sqlite3.IntegrityError where somebody has closed it."""
        values = (attempt, *astuple(cost))
        self._connection.execute(f"INSERT INTO steps VALUES ({', '.join('?' * len(values))})", values)
        self.beat(attempt, energy)

    def beat(self, attempt: int, energy: Energy | None = None) -> None:
        """Note that `attempt` is alive, and what it has used until now."""
        self._change(attempt, **_used(energy))

    def end(self, attempt: int, status: Status, failure: Failure | None = None, energy: Energy | None = None) -> None:
        """Close `attempt`; one that is closed already stays as it is."""
        said = {"cause": failure.cause, "error": failure.message} if failure else {}
        self._change(attempt, status=status, **said, **_used(energy))
        back_up(self._connection, self.path)

    def correct(self, attempt: int, usd: float, why: str) -> None:
        """Add `usd` (which may be negative) to the bill of `attempt`. Raises LadderError where there is no such attempt."""
        if not self._connection.execute("SELECT 1 FROM attempts WHERE id = ?", (attempt,)).fetchone():
            raise LadderError(f"{self.path}: no attempt {attempt}; `python -m stages.accounting bill --csv` lists them")
        self._connection.execute(
            "INSERT INTO corrections (attempt, made_at, usd, why) VALUES (?, ?, ?, ?)", (attempt, time.time(), usd, why)
        )

    def close_vanished(self) -> None:
        """Close running attempts whose process is gone, as killed at their last heartbeat.

        Of this machine's (and container's) own that is known for certain. Those of others, whose processes can't be seen from
        here, count as gone after SILENT_S without a heartbeat.
        """
        running = self._connection.execute(
            "SELECT id, machine, pid, pid_started_at, heartbeat_at, host FROM attempts WHERE status = 'running'"
        ).fetchall()
        for attempt, where, pid, pid_started_at, heartbeat_at, host in running:
            silent_s = time.time() - heartbeat_at
            if where == machine():
                why = None if process_began(pid) == pid_started_at else VANISHED
            else:
                why = f"no heartbeat from {host} for {silent_s:.0f} s" if silent_s > SILENT_S else None
            if why:
                self._connection.execute(
                    "UPDATE attempts SET status = 'killed', cause = 'vanished', error = ? WHERE id = ? AND status = 'running'",
                    (why, attempt),
                )

    def close(self) -> None:
        self._connection.close()

    def _change(self, attempt: int, **values: str | float | None) -> None:
        """Of a running attempt, which is alive at this moment."""
        names = ", ".join(f"{name} = ?" for name in values)
        self._connection.execute(
            f"UPDATE attempts SET heartbeat_at = ?, wall_s = ? - began_s{', ' + names if names else ''}"
            " WHERE id = ? AND status = 'running'",
            (time.time(), time.monotonic(), *values.values(), attempt),
        )


def ledger_path() -> Path:
    return Path(os.environ.get(SHARED) or LEDGER)


def _to_wal(connection: sqlite3.Connection) -> None:
    """Put the database in WAL mode, which it keeps.

    SQLite's own patience does not cover the change: who reads and then wants to write while another does is refused at once
    (sqlite3_busy_handler: it might be a deadlock). So two processes that make one ledger at the same moment ask again.
    """
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        time.sleep(0.01)


def _used(energy: Energy | None) -> dict[str, str | float]:
    if energy is None:
        return {}
    return {"energy_j": energy.joules, "energy_source": energy.source, "energy_estimate": float(energy.estimate)}
