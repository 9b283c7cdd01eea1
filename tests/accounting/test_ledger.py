"""The ledger: every attempt is kept as it was booked, a vanished one is closed, a broken file is named and its backup serves."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stages.accounting.backup import back_up, backup_of
from stages.accounting.ledger import Ledger
from stages.accounting.reading import reading
from stages.accounting.records import Attempt, BookedPrice, Device, Failure, StepCost
from stages.accounting.schema import bring_up_to_date
from stages.errors import LadderError

SCHEMA_1 = """
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
    error TEXT
);
CREATE INDEX attempts_by_identity ON attempts (identity);
INSERT INTO attempts VALUES (1, 'base', 'x', 'done', 1000, 4600, 'GPU', 2, 'host', 1, 1, NULL);
INSERT INTO attempts VALUES (2, 'base', 'x', 'killed', 4600, 1000, 'GPU', 2, 'host', 1, 1, 'its clock was set back');
INSERT INTO attempts VALUES (3, 'base', 'x', 'running', 1000, 1400, 'GPU', 2, 'host', 1, 1, NULL);
"""
SCHEMA_2 = "ALTER TABLE attempts ADD COLUMN usd_per_hour REAL; UPDATE attempts SET usd_per_hour = 5;"
SCHEMA_3 = """
ALTER TABLE attempts ADD COLUMN plan TEXT;
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
);
INSERT INTO steps VALUES (1, 1, 1.0, 0.1, 0.2, 2.0, 0.5, 500, 400, 1000), (1, 2, 3.0, 0.1, 0.2, 2.0, 0.5, 600, 400, 900);
"""
PRICE = BookedPrice(3.0, None, "on-demand", "2026-01-01", "test")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def fill(path: Path) -> list[Attempt]:
    """Forty attempts, some pages, with a backup."""
    ledger = Ledger(path)
    for _ in range(40):
        ledger.end(ledger.start("base"), "done")
    whole = ledger.read.attempts()
    ledger.close()
    return whole


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_ledger_is_read_as_it_is_and_migrated_by_who_writes(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("".join((SCHEMA_1, SCHEMA_2, SCHEMA_3)[:version]))
        connection.execute(f"PRAGMA user_version = {version}")
    with reading(path) as reader:
        old, back, running = reader.attempts()
        totals, steps = reader.totals(), reader.steps(1)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    assert (old.stage, old.status, old.wall_s, old.device, old.failure) == (
        "base",
        "done",
        3600.0,
        Device("GPU", 2),
        None,
    )
    assert (old.price and old.price.usd_per_hour) == (None if version == 1 else 5.0)
    if version == 3:
        assert [step.sampled_tokens for step in steps] == [500, 600]
        assert (totals[1].sample_s, totals[1].sampled_tokens, totals[1].peak_memory_bytes) == (4.0, 1100, 1000)
        assert (totals[1].first_step, totals[1].last_step) == (1, 2)
    else:
        assert (totals, steps) == ({}, [])
    assert (back.wall_s, back.status, running.wall_s, running.status) == (0.0, "killed", 400.0, "running")
    for _ in range(2):  # the second time there is nothing to migrate
        ledger = Ledger(path)
        migrated = ledger.read.attempts()[0]
        assert (migrated.stage, migrated.wall_s, migrated.price) == (old.stage, old.wall_s, old.price)
        assert ledger.read.totals() == totals
        ledger.beat(3)
        assert 400.0 <= ledger.read.attempts()[2].wall_s < 460.0
        ledger.close()


def test_what_is_booked_is_what_is_read(path: Path) -> None:
    ledger = Ledger(path)
    begun = ledger.start("base", age_s=5.0)
    ledger.identify(begun, "y", Device("GPU", 2), PRICE, {"devices": 2})
    phases, tokens = (1.0, 0.1, 0.2, 2.0, 0.0, 0.25), (500, 100, 50, 400, 90, 40, 1000, 100)
    one = StepCost(1, *phases, 8, *tokens, 0.5, 1e9, 2e9, 3e9, 10**9, 7.5, 0.75)
    two = StepCost(2, sample_s=2.0, sampled_tokens=100, peak_memory_bytes=10)
    for step in (one, two):
        ledger.took(begun, step)
    ledger.end(begun, "failed", Failure("disk", "no space"))
    (seen,) = ledger.read.attempts()
    assert (seen.status, seen.identity, seen.device, seen.price) == ("failed", "y", Device("GPU", 2), PRICE)
    assert seen.failure == Failure("disk", "no space")
    assert seen.wall_s >= 5.0
    assert seen.origin.run.startswith("stage-")
    assert ledger.read.steps(begun) == [one, two]
    totals = ledger.read.totals()[begun]
    assert (totals.sample_s, totals.sampled_tokens, totals.peak_memory_bytes) == (3.0, 600, 10**9)
    assert totals.skipped_s == pytest.approx(0.5 * 2.2)
    assert ledger.read.totals_from(begun, 1) == totals
    assert ledger.read.totals_from(begun, 3) is None


def test_nothing_that_was_booked_can_be_changed_or_deleted(path: Path) -> None:
    ledger = Ledger(path)
    ended, running = ledger.start("base"), ledger.start("train@8k")
    ledger.took(running, StepCost(1, sample_s=1.0))
    ledger.end(ended, "done")
    ledger.correct(ended, -0.5, "refunded")
    before = ledger.read.attempts()[0]
    ledger.end(ended, "failed", Failure("error", "too late"))
    ledger.beat(ended)
    assert ledger.read.attempts()[0] == before
    with closing(sqlite3.connect(path)) as connection:
        for forbidden in (
            "DELETE FROM attempts", "DELETE FROM steps", "DELETE FROM corrections", "UPDATE steps SET sample_s = 0",
            "UPDATE corrections SET usd = 0", f"UPDATE attempts SET wall_s = 0 WHERE id = {ended}",
        ):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                connection.execute(forbidden)
    (correction,) = ledger.read.corrections()
    assert (correction.attempt, correction.usd, correction.why) == (ended, -0.5, "refunded")
    with pytest.raises(LadderError, match="no attempt 99"):
        ledger.correct(99, 1.0, "nobody")


def test_an_attempt_that_vanishes_is_closed_at_its_last_heartbeat(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from stages.accounting.ledger import Ledger\n"
        f"ledger = Ledger(Path({str(path)!r})); ledger.beat(ledger.start('train@8k'))\n"
        "print('here', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    ledger = Ledger(path)
    ledger.close_vanished()
    (running,) = ledger.read.attempts()
    assert running.status == "running"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    ledger.close_vanished()
    (closed,) = ledger.read.attempts()
    assert (closed.status, closed.heartbeat_at, closed.wall_s) == ("killed", running.heartbeat_at, running.wall_s)
    assert closed.failure is not None
    assert closed.failure.cause == "vanished"


def test_an_attempt_that_cannot_be_seen_from_here_is_closed_when_it_is_silent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(path)
    attempt = ledger.start("base")
    monkeypatch.setattr("stages.accounting.ledger.machine", lambda: "another container")
    monkeypatch.setattr("stages.accounting.ledger.process_began", lambda pid: None)  # its pid is none here
    ledger.close_vanished()
    assert ledger.read.attempts()[0].status == "running"
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 3600)
    ledger.close_vanished()
    closed = ledger.read.attempts()[0]
    assert closed.status == "killed"
    assert closed.failure is not None
    assert "no heartbeat from" in closed.failure.message
    with pytest.raises(sqlite3.IntegrityError, match="closed"):
        ledger.took(attempt, StepCost(1))
    assert ledger.read.totals() == {}


def test_a_clock_that_is_set_back_takes_no_second_and_closes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(path)
    attempt = ledger.start("base", age_s=10.0)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() - 7200)
    ledger.beat(attempt)
    ledger.close_vanished()
    (running,) = ledger.read.attempts()
    assert running.status == "running"
    assert running.heartbeat_at < running.started_at
    assert 10.0 <= running.wall_s < 60.0
    later = ledger.start("train@8k")
    assert [attempt.id for attempt in ledger.read.attempts()] == [running.id, later]


def test_several_processes_write_at_once(path: Path) -> None:
    code = (
        "from pathlib import Path; from stages.accounting.ledger import Ledger\n"
        "from stages.accounting.records import StepCost\n"
        f"for _ in range(20):\n    ledger = Ledger(Path({str(path)!r})); attempt = ledger.start('x')\n"
        "    for step in range(5):\n        ledger.took(attempt, StepCost(step, sample_s=1.0))\n"
        "    ledger.end(attempt, 'done')"
    )
    children = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(child.communicate(timeout=120)[1], child.returncode) for child in children] == [(b"", 0)] * 3
    ledger = Ledger(path)
    assert {attempt.status for attempt in ledger.read.attempts()} == {"done"}
    assert len(ledger.read.attempts()) == 60
    assert [totals.sample_s for totals in ledger.read.totals().values()] == [5.0] * 60


def test_who_finds_another_making_the_ledger_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(time, "sleep", lambda seconds: another.rollback() if another.in_transaction else None)
        assert Ledger(path).read.attempts() == []


def break_head(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be one" * 400)


def break_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [break_head, break_pages, truncate])
def test_a_broken_ledger_is_named_set_aside_and_its_backup_serves(
    path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    whole = fill(path)
    damage(path)
    with reading(path) as reader:
        assert reader.attempts() == whole
    assert f"warning: {path}: not a whole ledger" in capsys.readouterr().err
    again = Ledger(path)
    assert f"warning: {path}: not a whole ledger" in capsys.readouterr().err
    assert again.read.attempts() == whole
    again.end(again.start("train@8k"), "done")
    assert len(again.read.attempts()) == 41
    (aside,) = path.parent.glob("ledger.db.broken-*[0-9]")
    assert aside.stat().st_size > 0


def test_without_a_good_backup_a_broken_ledger_is_refused(path: Path) -> None:
    break_head(path)
    for opened in (lambda: Ledger(path), lambda: reading(path).__enter__()):
        with pytest.raises(LadderError, match=f"{path}: not a whole ledger"):
            opened()
    shutil.copy(path, backup_of(path))
    with pytest.raises(LadderError, match=r"no good ledger\.backup\.db"):
        Ledger(path)
    assert path.read_bytes().startswith(b"no database")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lose(path: Path) -> None:
    path.unlink()


def lose_what_was_written_last(path: Path) -> None:
    shutil.copy(path.with_name("earlier.db"), path)


@pytest.mark.parametrize("damage", [empty, lose, lose_what_was_written_last])
def test_a_ledger_that_lost_attempts_is_no_new_one(
    path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    ledger = Ledger(path)
    ledger.end(ledger.start("base"), "done")
    ledger.close()
    shutil.copy(path, path.with_name("earlier.db"))
    ledger = Ledger(path)
    ledger.end(ledger.start("train@8k"), "done")
    whole = ledger.read.attempts()
    ledger.close()
    damage(path)
    with reading(path) as reader:
        assert reader.attempts() == whole
    assert f"warning: {path}: " in capsys.readouterr().err
    again = Ledger(path)
    later = again.start("train@16k")
    assert again.read.attempts()[:2] == whole
    assert later > whole[-1].id + 500  # whoever still has the old file open has had the numbers between


def test_damage_in_a_ledger_too_large_to_look_through_is_found_where_it_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = fill(path)
    monkeypatch.setattr("stages.accounting.backup.CHECKED_BYTES", 0)
    with path.open("r+b") as file:
        root = attempts_page(path)
        file.seek(root * 4096)
        file.write(os.urandom(4096))
    with pytest.raises(LadderError, match=f"{path}: not a whole ledger .*accounting check"), reading(path) as reader:
        reader.attempts()
    again = Ledger(path)
    again.end(again.start("train@8k"), "done")
    assert "its place is taken by its backup" in capsys.readouterr().err
    assert again.read.attempts()[:40] == whole


def attempts_page(path: Path) -> int:
    """The first page of the table, counted from 0, and it is not the file's own."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'attempts'").fetchone()
    return int(root) - 1


def test_a_backup_is_never_replaced_by_a_broken_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(path)
    ledger.end(ledger.start("base"), "done")
    kept = backup_of(path).read_bytes()
    running = ledger.start("train@8k")
    with closing(sqlite3.connect(path)) as connection, connection:  # an index that lacks a row: SQLite can write on
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX attempts_by_run ON attempts (stage)' WHERE name = 'attempts_by_run'"
        )
    ledger.close()
    Ledger(path).end(running, "done")
    assert "ledger.backup.db: not renewed" in capsys.readouterr().err
    assert backup_of(path).read_bytes() == kept


def test_a_backup_is_never_replaced_by_one_that_lacks_attempts(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(path)
    ledger.end(ledger.start("base"), "done")
    kept = backup_of(path).read_bytes()
    with closing(sqlite3.connect(path.with_name("emptied.db"), isolation_level=None)) as emptied:
        bring_up_to_date(emptied)
        back_up(emptied, path)
    assert "it lacks 1 attempt(s) that ledger.backup.db has" in capsys.readouterr().err
    assert backup_of(path).read_bytes() == kept


def test_a_ledger_of_a_newer_schema_is_refused(path: Path) -> None:
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LadderError, match="schema 99"):
        Ledger(path)
    with pytest.raises(LadderError, match="schema 99"), reading(path):
        pass


def test_who_only_looks_writes_nothing(path: Path) -> None:
    with reading(path) as reader:
        assert reader.attempts() == []
    assert list(path.parent.iterdir()) == []
    ledger = Ledger(path)
    attempt = ledger.start("base")
    with reading(path) as reader:  # one moment, whatever is booked meanwhile
        before = reader.attempts()
        ledger.end(attempt, "done")
        assert reader.attempts() == before
