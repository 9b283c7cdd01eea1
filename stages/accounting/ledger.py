"""Every attempt at a stage and what it took, the failed and killed ones too: SQLite in WAL mode, outside DVC's outs.

An attempt that vanishes without a word (kill -9, a power cut) is closed as `killed` at its last heartbeat by whoever
opens the ledger next. The ledger of a workspace is runs/ledger.db; LADDER_LEDGER names another, which several worktrees may
share.

Schema 2 keeps the price that an attempt was booked at, schema 3 its batch plan and what each step of a rung took; older attempts
come over with NULL and without steps.
"""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal

import psutil

from stages.errors import LadderError

LEDGER = Path("runs/ledger.db")
CPU_CORE = "cpu-core"
CLOCK_SLACK_S = 2.0  # a process seems to begin at another time once the clock has been set
SCHEMA_VERSION = 3
SCHEMA = """
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    identity TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'killed')),
    started_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    device TEXT NOT NULL,
    device_count INTEGER NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_started_at REAL NOT NULL,
    error TEXT,
    usd_per_hour REAL,
    plan TEXT
);
CREATE INDEX attempts_by_identity ON attempts (identity);
"""
STEPS = """
CREATE TABLE steps (
    attempt INTEGER NOT NULL REFERENCES attempts (id),
    step INTEGER NOT NULL,
    sample_s REAL NOT NULL,
    grade_s REAL NOT NULL,
    reference_s REAL NOT NULL,
    update_s REAL NOT NULL,
    save_s REAL NOT NULL,
    sampled_tokens INTEGER NOT NULL,
    trained_tokens INTEGER NOT NULL,
    peak_memory_bytes INTEGER NOT NULL,
    PRIMARY KEY (attempt, step)
)"""
MIGRATIONS = {  # from a schema to the one after it
    1: ["ALTER TABLE attempts ADD COLUMN usd_per_hour REAL"],
    2: ["ALTER TABLE attempts ADD COLUMN plan TEXT", STEPS],
}
Status = Literal["running", "done", "failed", "killed"]


@dataclass(frozen=True, slots=True)
class Device:
    """What an attempt occupies: `name` as in `operations.prices`, `count` of it."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class StepCost:
    """What a step of a rung took: seconds by phase, tokens, and the most memory that the attempt had held until then."""

    step: int
    sample_s: float
    grade_s: float
    reference_s: float
    update_s: float
    save_s: float
    sampled_tokens: int
    trained_tokens: int
    peak_memory_bytes: int

    @property
    def wall_s(self) -> float:
        return self.sample_s + self.grade_s + self.reference_s + self.update_s + self.save_s

    @property
    def tokens_per_s(self) -> float:
        """Sampled tokens over the whole step."""
        return self.sampled_tokens / max(1e-9, self.wall_s)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a stage. Times are Unix seconds; `heartbeat_at` of an ended attempt is its end.

    `usd_per_hour` is the price of one device when the attempt was booked; None where nobody knew it yet.
    """

    id: int
    stage: str
    identity: str
    status: Status
    started_at: float
    heartbeat_at: float
    device: str
    device_count: int
    host: str
    error: str | None
    usd_per_hour: float | None

    @property
    def wall_s(self) -> float:
        return self.heartbeat_at - self.started_at


class Ledger:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            # One connection an object, which several threads may use in turn; 30 s for another process's write.
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._migrate()
        except sqlite3.DatabaseError as error:
            raise _explained(path, error) from None

    @classmethod
    def open_here(cls) -> "Ledger":
        """The ledger of this workspace, or the one that LADDER_LEDGER names."""
        return cls(ledger_path())

    def start(self, stage: str) -> int:
        """Book a new attempt of this process and return its id. Until `identify` it occupies one CPU core."""
        self.close_vanished()
        now = time.time()
        cursor = self._connection.execute(
            "INSERT INTO attempts (stage, identity, status, started_at, heartbeat_at, device, device_count, host, pid,"
            " pid_started_at) VALUES (?, '', 'running', ?, ?, ?, 1, ?, ?, ?)",
            (stage, now, now, CPU_CORE, socket.gethostname(), os.getpid(), _started(os.getpid())),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def identify(
        self, attempt: int, identity: str, device: Device, usd_per_hour: float, plan: Mapping[str, str | int]
    ) -> None:
        """Note what the attempt is made from, what it occupies and at which price, and its batch plan, once that is known.

        The plan is what, besides the identity, the last bits of a result depend on.
        """
        self._connection.execute(
            "UPDATE attempts SET identity = ?, device = ?, device_count = ?, usd_per_hour = ?, plan = ? WHERE id = ?",
            (identity, device.name, device.count, usd_per_hour, json.dumps(plan, sort_keys=True), attempt),
        )

    def took(self, attempt: int, cost: StepCost) -> None:
        """Note what a step of `attempt` took."""
        self._connection.execute(
            f"INSERT INTO steps VALUES (?, {', '.join('?' * len(fields(StepCost)))})", (attempt, *astuple(cost))
        )

    def steps(self, attempt: int) -> list[StepCost]:
        """The steps that `attempt` finished, in order."""
        columns = ", ".join(field.name for field in fields(StepCost))
        rows = self._connection.execute(f"SELECT {columns} FROM steps WHERE attempt = ? ORDER BY step", (attempt,))
        return [StepCost(*row) for row in rows]

    def beat(self, attempt: int) -> None:
        """Note that `attempt` is alive."""
        self._connection.execute("UPDATE attempts SET heartbeat_at = ? WHERE id = ?", (time.time(), attempt))

    def end(self, attempt: int, status: Status, error: str | None = None) -> None:
        self._connection.execute(
            "UPDATE attempts SET heartbeat_at = ?, status = ?, error = ? WHERE id = ?",
            (time.time(), status, error, attempt),
        )

    def close_vanished(self) -> None:
        """Close this host's running attempts whose process is gone, as killed at their last heartbeat."""
        running = self._connection.execute(
            "SELECT id, pid, pid_started_at FROM attempts WHERE status = 'running' AND host = ?",
            (socket.gethostname(),),
        ).fetchall()
        for attempt, pid, pid_started_at in running:
            began = _started(pid)
            if began is None or abs(began - pid_started_at) > CLOCK_SLACK_S:
                self._connection.execute(
                    "UPDATE attempts SET status = 'killed', error = 'vanished without a word (kill -9 or a crash)'"
                    " WHERE id = ? AND status = 'running'",
                    (attempt,),
                )

    def attempts(self) -> list[Attempt]:
        """All attempts, oldest first."""
        return _select_attempts(self._connection)

    def close(self) -> None:
        self._connection.close()

    def _migrate(self) -> None:
        with self._transaction():
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                statements = [*SCHEMA.split(";"), STEPS]
            elif version < SCHEMA_VERSION:
                statements = [one for older in range(version, SCHEMA_VERSION) for one in MIGRATIONS[older]]
            else:
                _check_schema(self.path, version)
                return
            for statement in statements:
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def ledger_path() -> Path:
    return Path(os.environ.get("LADDER_LEDGER") or LEDGER)


def read_attempts() -> list[Attempt]:
    """All attempts of this workspace's ledger, oldest first, for those who only look: nothing is written or closed."""
    path = ledger_path()
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:  # its maker has not written the schema yet
                return []
            if version == 1:  # who only looks does not migrate
                return _select_attempts(connection, usd_per_hour="NULL")
            if version > SCHEMA_VERSION:
                _check_schema(path, version)
            return _select_attempts(connection)
    except sqlite3.DatabaseError as error:
        raise _explained(path, error) from None


def _check_schema(path: Path, version: int) -> None:
    if version != SCHEMA_VERSION:
        raise LadderError(f"{path}: schema {version}, this code reads {SCHEMA_VERSION}; use the code that wrote it")


def _explained(path: Path, error: sqlite3.DatabaseError) -> Exception:
    name = getattr(error, "sqlite_errorname", "")  # errors of Python's own module have none
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return LadderError(f"{path}: not a ledger ({error}); move it away, a new one is made")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return LadderError(f"{path}: {error}; the ledger has to be a file that you may write (LADDER_LEDGER names it)")
    return error


def _select_attempts(connection: sqlite3.Connection, usd_per_hour: str = "usd_per_hour") -> list[Attempt]:
    rows = connection.execute(
        "SELECT id, stage, identity, status, started_at, heartbeat_at, device, device_count, host, error,"
        f" {usd_per_hour} FROM attempts ORDER BY id"
    ).fetchall()
    return [Attempt(*row) for row in rows]


def _started(pid: int) -> float | None:
    """When the process began: a number that tells it from a later one of the same pid. None if it is gone."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
