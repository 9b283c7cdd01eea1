"""Questions to the ledger. Who only looks writes nothing: no table is made, no attempt closed, an older schema read in a copy."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stages.accounting.backup import explained, whole_copy
from stages.accounting.records import (
    STEP_COLUMNS,
    TOTAL_COLUMNS,
    Attempt,
    BookedPrice,
    Correction,
    Device,
    Energy,
    Failure,
    Origin,
    StepCost,
    Totals,
)
from stages.accounting.schema import VERSION, bring_up_to_date, schema_version, step_sums
from stages.errors import LadderError

_ATTEMPT = (
    "id, uid, stage, identity, status, started_at, heartbeat_at, wall_s, device, device_count, host, cause, error,"
    " run, sweep, experiment, workspace, commit_id, dirty, params_hash, lock_hash,"
    " usd_per_hour, usd_per_kwh, price_market, price_date, price_source, energy_j, energy_source, energy_estimate, plan"
)
NOT_BOOKED = "unknown"  # before schema 4
# The attempts of a run share these: a bill of many makes each of them once.
_device, _origin, _price = lru_cache(256)(Device), lru_cache(256)(Origin), lru_cache(256)(BookedPrice)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which attempts are meant: all of this workspace (or of a time before workspaces were booked), run, sweep, since then; of
    these `only` those with the given ids."""

    workspace: str | None = None
    run: str | None = None
    sweep: str | None = None
    since: float | None = None
    only: frozenset[int] | None = None

    def where(self) -> tuple[str, list[str | float]]:
        terms: list[str] = []
        values: list[str | float] = []
        for term, value in (
            ("(workspace IS NULL OR workspace = ?)", self.workspace),
            ("run = ?", self.run),
            ("sweep = ?", self.sweep),
            ("started_at >= ?", self.since),
            ("id IN (SELECT value FROM json_each(?))", None if self.only is None else json.dumps(sorted(self.only))),
        ):
            if value is not None:
                terms.append(term)
                values.append(value)
        return " AND ".join(terms) or "1", values


EVERYTHING = Scope()


class LedgerReader:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def attempts(self, scope: Scope = EVERYTHING) -> list[Attempt]:
        """Oldest first, as they were booked: a clock that was set back changes no order."""
        where, values = scope.where()
        rows = self._connection.execute(f"SELECT {_ATTEMPT} FROM attempts WHERE {where} ORDER BY id", values)
        return [_attempt(row) for row in rows]

    def attempts_at(self, identities: set[str]) -> list[Attempt]:
        """Those made from the same as one of `identities`, oldest first."""
        rows = self._connection.execute(  # one parameter, however many they are: SQLite bounds the number of those
            f"SELECT {_ATTEMPT} FROM attempts WHERE identity IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(sorted(identities)),),
        )
        return [_attempt(row) for row in rows]

    def last_run(self, scope: Scope = EVERYTHING) -> str | None:
        """The run of the newest attempt."""
        where, values = scope.where()
        row = self._connection.execute(
            f"SELECT run FROM attempts WHERE {where} ORDER BY id DESC LIMIT 1", values
        ).fetchone()
        return row and str(row[0])

    def totals(self) -> dict[int, Totals]:
        """By attempt; those without steps have none."""
        rows = self._connection.execute(f"SELECT attempt, {', '.join(TOTAL_COLUMNS)} FROM totals")
        return {int(attempt): Totals(*row) for attempt, *row in rows}

    def totals_from(self, attempt: int, first: float, last: float = float("inf")) -> Totals | None:
        """Of the attempt's steps from `first` to `last`; None where there are none."""
        sums = {name: f"sum({sql})" for name, sql in step_sums("steps").items()}
        sums |= {"first_step": "min(step)", "last_step": "max(step)", "peak_memory_bytes": "max(peak_memory_bytes)"}
        columns = ", ".join(sums[name] for name in TOTAL_COLUMNS)
        row = self._connection.execute(
            f"SELECT {columns} FROM steps WHERE attempt = ? AND step BETWEEN ? AND ?", (attempt, first, last)
        ).fetchone()
        return None if row[0] is None else Totals(*row)

    def steps(self, attempt: int) -> list[StepCost]:
        """The steps that `attempt` finished, in order."""
        rows = self._connection.execute(
            f"SELECT {', '.join(STEP_COLUMNS)} FROM steps WHERE attempt = ? ORDER BY step", (attempt,)
        )
        return [StepCost(*row) for row in rows]

    def corrections(self) -> list[Correction]:
        rows = self._connection.execute("SELECT attempt, made_at, usd, why FROM corrections ORDER BY id")
        return [Correction(*row) for row in rows]


@contextmanager
def reading(path: Path) -> Iterator[LedgerReader]:
    """The ledger as it is at this moment, while others write; an empty one where there is none yet. Raises LadderError."""
    with closing(_opened(path)) as connection:
        try:
            yield LedgerReader(connection)
        except sqlite3.DatabaseError as error:
            raise explained(path, error) from None


def _opened(path: Path) -> sqlite3.Connection:
    try:
        whole = whole_copy(path)
        if not whole.exists():
            return _in_memory(None)
        connection = sqlite3.connect(f"{whole.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
        version = schema_version(connection)
        if version < VERSION:
            return _in_memory(connection)
        check_schema(path, version)
        connection.execute("BEGIN")  # all questions see one moment
        return connection
    except sqlite3.DatabaseError as error:
        raise explained(path, error) from None


def _in_memory(older: sqlite3.Connection | None) -> sqlite3.Connection:
    """A copy of today's schema."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    if older:
        with closing(older):
            older.backup(connection)
    bring_up_to_date(connection)
    return connection


def check_schema(path: Path, version: int) -> None:
    if version > VERSION:
        raise LadderError(f"{path}: schema {version}, this code reads {VERSION}; use the code that wrote it")


@lru_cache(256)
def _plan(text: str | None) -> Mapping[str, str | int]:
    return MappingProxyType(json.loads(text) if text else {})


def _attempt(row: tuple[Any, ...]) -> Attempt:
    """Of the columns `_ATTEMPT`."""
    key, uid, stage, identity, status, started_at, heartbeat_at, wall_s, device, count, host, cause, error = row[:13]
    run, sweep, experiment, workspace, commit, dirty, params_hash, lock_hash = row[13:21]
    usd_per_hour, usd_per_kwh, market, date, source, joules, meter, estimate, plan = row[21:]
    return Attempt(
        id=key,
        uid=uid,
        stage=stage,
        identity=identity,
        status=status,
        started_at=started_at,
        heartbeat_at=heartbeat_at,
        wall_s=wall_s,
        device=_device(device, count),
        host=host,
        failure=None if error is None else Failure(cause or "error", error),
        origin=_origin(
            run, sweep, experiment, workspace, commit, None if dirty is None else bool(dirty), params_hash, lock_hash
        ),
        price=None
        if usd_per_hour is None
        else _price(usd_per_hour, usd_per_kwh, market or NOT_BOOKED, date or NOT_BOOKED, source or NOT_BOOKED),
        plan=_plan(plan),
        energy=None if joules is None else Energy(joules, meter, bool(estimate)),
    )
