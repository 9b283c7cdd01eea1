"""The ledger's tables, and the way to them from every older schema.

Nothing that has been booked is changed or deleted, which triggers see to: an attempt changes while it runs, a step never, and a
correction is a row of its own. `totals` are the sums of an attempt's steps, kept by a trigger, so that a bill of millions of
steps reads some thousand rows.

Schema 2 brought the price that an attempt was booked at, 3 its batch plan and what each step took, 4 its origin, its energy, its
price's source, a clock that nobody sets, what a step's tokens were good for, and corrections. Older attempts come over with NULL.
"""

import sqlite3
import time
from typing import get_type_hints

from stages.accounting.records import STEP_COLUMNS, TOTAL_COLUMNS, Totals

VERSION = 4

_ATTEMPTS = """
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    stage TEXT NOT NULL,
    identity TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'killed', 'pruned')),
    cause TEXT,
    error TEXT,
    started_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    began_s REAL NOT NULL,
    wall_s REAL NOT NULL CHECK (wall_s >= 0),
    device TEXT NOT NULL,
    device_count INTEGER NOT NULL,
    host TEXT NOT NULL,
    machine TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_started_at REAL NOT NULL,
    sweep TEXT,
    experiment TEXT,
    workspace TEXT,
    commit_id TEXT,
    dirty INTEGER,
    params_hash TEXT,
    lock_hash TEXT,
    usd_per_hour REAL,
    usd_per_kwh REAL,
    price_market TEXT,
    price_date TEXT,
    price_source TEXT,
    plan TEXT,
    energy_j REAL,
    energy_source TEXT,
    energy_estimate INTEGER
)"""

_STEPS = """
CREATE TABLE steps (
    attempt INTEGER NOT NULL REFERENCES attempts (id),
    step INTEGER NOT NULL,
    sample_s REAL NOT NULL,
    grade_s REAL NOT NULL,
    reference_s REAL NOT NULL,
    update_s REAL NOT NULL,
    save_s REAL NOT NULL,
    idle_s REAL NOT NULL,
    rollouts INTEGER NOT NULL,
    sampled_tokens INTEGER NOT NULL,
    zero_std_tokens INTEGER NOT NULL,
    truncated_tokens INTEGER NOT NULL,
    trained_tokens INTEGER NOT NULL,
    trained_zero_std_tokens INTEGER NOT NULL,
    trained_truncated_tokens INTEGER NOT NULL,
    computed_tokens INTEGER NOT NULL,
    padding_tokens INTEGER NOT NULL,
    skipped_share REAL NOT NULL,
    sample_flops REAL NOT NULL,
    reference_flops REAL NOT NULL,
    update_flops REAL NOT NULL,
    peak_memory_bytes INTEGER NOT NULL,
    energy_j REAL,
    utilisation REAL,
    PRIMARY KEY (attempt, step)
) WITHOUT ROWID"""

_CORRECTIONS = """
CREATE TABLE corrections (
    id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL REFERENCES attempts (id),
    made_at REAL NOT NULL,
    usd REAL NOT NULL,
    why TEXT NOT NULL
)"""

_FORBIDDEN = [
    ("attempts", "DELETE", "", "an attempt is never deleted"),
    ("attempts", "UPDATE", "WHEN OLD.status != 'running'", "an ended attempt is never changed; book a correction"),
    ("steps", "DELETE", "", "a step is never deleted"),
    ("steps", "UPDATE", "", "a step is never changed"),
    ("corrections", "DELETE", "", "a correction is never deleted"),
    ("corrections", "UPDATE", "", "a correction is never changed; book another"),
]


def step_sums(alias: str) -> dict[str, str]:
    """The SQL of each total over rows of `steps`, before it is summed (steps' numbers and the peak: their extremes)."""
    return {
        name: f"{alias}.skipped_share * ({alias}.update_s + {alias}.reference_s)"
        if name == "skipped_s"
        else f"{alias}.{name}"
        for name in TOTAL_COLUMNS
        if name not in ("first_step", "last_step", "peak_memory_bytes")
    }


def _totals() -> list[str]:
    sums = step_sums("NEW")
    columns = ", ".join(TOTAL_COLUMNS)
    new = ", ".join(
        {"first_step": "NEW.step", "last_step": "NEW.step", "peak_memory_bytes": "NEW.peak_memory_bytes"}.get(name)
        or sums[name]
        for name in TOTAL_COLUMNS
    )
    grown = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
    extremes = ", ".join(
        f"{name} = {how}({name}, excluded.{name})"
        for name, how in (("first_step", "min"), ("last_step", "max"), ("peak_memory_bytes", "max"))
    )
    kinds = {int: "INTEGER", float: "REAL"}
    typed = ", ".join(f"{name} {kinds[kind]} NOT NULL" for name, kind in get_type_hints(Totals).items())
    return [
        f"CREATE TABLE totals (attempt INTEGER PRIMARY KEY, {typed})",
        f"CREATE TRIGGER steps_summed AFTER INSERT ON steps BEGIN"
        f" INSERT INTO totals (attempt, {columns}) VALUES (NEW.attempt, {new})"
        f" ON CONFLICT (attempt) DO UPDATE SET {grown}, {extremes}; END",
    ]


def _tables() -> list[str]:
    return [
        _ATTEMPTS,
        "CREATE INDEX attempts_by_identity ON attempts (identity)",
        "CREATE INDEX attempts_by_run ON attempts (run)",
        _STEPS,
        _CORRECTIONS,
        *_totals(),
    ]


def _guards() -> list[str]:
    return [
        *(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {when} BEGIN SELECT RAISE(ABORT, '{why}'); END"
            for table, verb, when, why in _FORBIDDEN
        ),
        "CREATE TRIGGER steps_of_the_running BEFORE INSERT ON steps"
        " WHEN (SELECT status FROM attempts WHERE id = NEW.attempt) IS NOT 'running'"
        " BEGIN SELECT RAISE(ABORT, 'the attempt has been closed'); END",
    ]


_ATTEMPT_3 = (
    "id, stage, identity, status, started_at, heartbeat_at, device, device_count, host, pid, pid_started_at, error,"
    " usd_per_hour, plan"
)
_STEP_3 = (
    "attempt, step, sample_s, grade_s, reference_s, update_s, save_s, sampled_tokens, trained_tokens, peak_memory_bytes"
)
_NEW_IN_STEP_4 = [name for name in STEP_COLUMNS if name not in (*_STEP_3.split(", "), "energy_j", "utilisation")]
_MIGRATIONS = {  # from a schema to the one after it
    1: ["ALTER TABLE attempts ADD COLUMN usd_per_hour REAL"],
    2: ["ALTER TABLE attempts ADD COLUMN plan TEXT", f"CREATE TABLE steps ({_STEP_3}, PRIMARY KEY (attempt, step))"],
    3: [
        "DROP INDEX attempts_by_identity",
        "ALTER TABLE attempts RENAME TO attempts_3",
        "ALTER TABLE steps RENAME TO steps_3",
        *_tables(),
        f"INSERT INTO attempts ({_ATTEMPT_3}, uid, run, began_s, wall_s, machine) SELECT {_ATTEMPT_3},"
        " lower(hex(randomblob(16))), 'before-schema-4', 0, max(0, heartbeat_at - started_at), '' FROM attempts_3",
        f"INSERT INTO steps ({_STEP_3}, {', '.join(_NEW_IN_STEP_4)})"
        f" SELECT {_STEP_3}, {', '.join('0' for _ in _NEW_IN_STEP_4)} FROM steps_3",
        "DROP TABLE attempts_3",
        "DROP TABLE steps_3",
        *_guards(),
    ],
}


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make the tables, or migrate them, in one transaction. A newer schema than this code's is left as it is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = schema_version(connection)
        older = [one for number in range(version, VERSION) for one in _MIGRATIONS[number]] if version else []
        for statement in older if version else [*_tables(), *_guards()]:
            connection.execute(statement)
        if older:  # those under way go on by the clock that nobody sets
            connection.execute("UPDATE attempts SET began_s = ? - wall_s WHERE status = 'running'", (time.monotonic(),))
        if version < VERSION:
            connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection) -> int:
    """0 where its maker has not written the tables yet."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
