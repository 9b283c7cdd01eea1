"""Ledger and bill: every attempt is kept, a vanished one is closed, and the sums are those of a calculator."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stages.accounting.bill import Spend, cost_usd, make_bill
from stages.accounting.ledger import Attempt, Device, Ledger, Status, StepCost, read_attempts
from stages.accounting.prices import Price
from stages.errors import LadderError
from tests.conftest import Project

PRICES = {
    device: Price(device, "own", usd_per_hour, None, None, "test", None, None, None)
    for device, usd_per_hour in (("cpu-core", 0.04), ("GPU", 2.0))
}


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
PRAGMA user_version = 1;
"""


def attempt(
    id: int,
    identity: str,
    status: Status,
    wall_s: float,
    device: str = "GPU",
    count: int = 1,
    usd_per_hour: float | None = None,
) -> Attempt:
    times = (1000.0, 1000.0 + wall_s)
    return Attempt(id, "train@8k", identity, status, *times, device, count, "host", None, usd_per_hour)


def test_dollars_by_hand() -> None:
    assert cost_usd(attempt(1, "x", "done", 1800, count=4), PRICES) == 0.5 * 4 * 2.0
    assert cost_usd(attempt(1, "x", "killed", 900, device="cpu-core", count=2), PRICES) == pytest.approx(
        0.25 * 2 * 0.04
    )


def test_a_result_costs_its_last_making_and_the_failures_on_the_way() -> None:
    attempts = [
        attempt(1, "now", "done", 3600),  # an earlier making of the same: spent here, not part of this result
        attempt(2, "now", "killed", 600),
        attempt(3, "other", "failed", 60),
        attempt(4, "now", "done", 1800),
        attempt(5, "now", "failed", 30),  # after it
    ]
    bill = make_bill(attempts, {"train@8k": "now", "base": "restored"}, PRICES)
    assert bill.by_stage["train@8k"].attempts == 2
    assert bill.made.wall_s == 2400
    assert bill.made.cost_usd == pytest.approx(2400 / 3600 * 2)
    assert bill.spent_here.attempts == 5
    assert bill.spent_here.wall_s == 6090
    assert bill.unknown == ("base",)


def test_the_price_is_the_one_that_was_booked() -> None:
    assert cost_usd(attempt(1, "x", "done", 1800, count=4, usd_per_hour=3.0), PRICES) == 0.5 * 4 * 3.0
    assert cost_usd(attempt(1, "x", "done", 1800, device="TPU", usd_per_hour=3.0), PRICES) == 1.5


def test_an_unpriced_device_is_no_free_device_and_breaks_no_bill() -> None:
    attempts = [attempt(1, "x", "failed", 60, device="TPU"), attempt(2, "x", "done", 3600)]
    bill = make_bill(attempts, {"train@8k": "x"}, PRICES)
    assert bill.made == bill.spent_here == Spend(attempts=2, wall_s=3660.0, cost_usd=2.0, unpriced=1)
    assert bill.unpriced_devices == ("TPU",)


def test_a_ledger_of_schema_1_is_read_as_it_is_and_migrated_by_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA_1)
    monkeypatch.setenv("LADDER_LEDGER", str(path))
    before = read_attempts()
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    for _ in range(2):  # the second time there is nothing to migrate
        ledger = Ledger(path)
        assert ledger.attempts() == read_attempts() == before
        ledger.close()
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()
    (old,) = before
    assert old.usd_per_hour is None
    assert cost_usd(old, PRICES) == 2 * 2.0
    ledger = Ledger(path)
    begun = ledger.start("base")
    ledger.identify(begun, "y", Device("GPU", 1), 3.0, {"devices": 1})
    step = StepCost(1, 1.0, 0.1, 0.2, 2.0, 0.0, 500, 400, 10**9)
    ledger.took(begun, step)
    assert ledger.steps(begun) == [step]
    assert ledger.steps(1) == []
    assert [each.usd_per_hour for each in ledger.attempts()] == [None, 3.0]


def test_a_ledger_of_schema_2_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.executescript(
            SCHEMA_1 + "ALTER TABLE attempts ADD COLUMN usd_per_hour REAL; UPDATE attempts SET usd_per_hour = 5;"
        )
        connection.execute("PRAGMA user_version = 2")
    monkeypatch.setenv("LADDER_LEDGER", str(tmp_path / "ledger.db"))
    assert [old.usd_per_hour for old in read_attempts()] == [5.0]
    assert [old.usd_per_hour for old in Ledger(tmp_path / "ledger.db").attempts()] == [5.0]


def test_nothing_is_booked_on_a_device_without_a_price(project: Project) -> None:
    project.set("operations.market", "nowhere")
    refused = project.run("stages.prepare", check=False)
    assert refused.returncode == 2
    assert "operations.market: 'nowhere', but prices.yaml has 'cpu-core' on on-demand alone" in refused.stderr
    (failed,) = Ledger(project.root / "runs/ledger.db").attempts()
    assert (failed.status, failed.identity, failed.usd_per_hour) == ("failed", "", None)
    said = project.run("stages.accounting", "bill").stdout
    assert "not in these dollars: 1 attempt(s) without a price, on 'cpu-core'" in said
    project.set("operations.prices", {"cpu-core": {"usd_per_hour": 0.5, "source": "test"}})
    project.run("stages.prepare")
    assert Ledger(project.root / "runs/ledger.db").attempts()[-1].usd_per_hour == 0.5


def test_an_attempt_that_vanishes_is_closed_at_its_last_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
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
    (running,) = ledger.attempts()
    assert running.status == "running"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    ledger.close_vanished()
    (closed,) = ledger.attempts()
    assert closed.status == "killed"
    assert closed.heartbeat_at == running.heartbeat_at
    assert "vanished" in str(closed.error)


def test_a_clock_that_was_set_a_little_closes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    ledger.start("base")
    connection = sqlite3.connect(path)
    for moved_s, status in ((1.5, "running"), (1.0, "killed")):
        connection.execute("UPDATE attempts SET pid_started_at = pid_started_at - ?", (moved_s,))
        connection.commit()
        ledger.close_vanished()
        assert ledger.attempts()[0].status == status


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    code = (
        "from pathlib import Path; from stages.accounting.ledger import Ledger\n"
        f"for _ in range(40):\n    ledger = Ledger(Path({str(path)!r})); ledger.end(ledger.start('x'), 'done')"
    )
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    attempts = Ledger(path).attempts()
    assert len(attempts) == 120
    assert {attempt.status for attempt in attempts} == {"done"}


def test_a_ledger_of_another_schema_or_a_broken_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer, broken = tmp_path / "newer.db", tmp_path / "broken.db"
    Ledger(newer).close()
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LadderError, match="schema 99"):
        Ledger(newer)
    broken.write_bytes(b"no database at all, but long enough to be one" * 40)
    with pytest.raises(LadderError, match="not a ledger"):
        Ledger(broken)
    monkeypatch.setenv("LADDER_LEDGER", str(broken))
    with pytest.raises(LadderError, match="not a ledger"):
        read_attempts()


def test_who_only_looks_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADDER_LEDGER", str(tmp_path / "ledger.db"))
    assert read_attempts() == []
    assert list(tmp_path.iterdir()) == []
    ledger = Ledger.open_here()
    ledger.identify(ledger.start("base"), "identity", Device("GPU", 2), 2.0, {})
    (seen,) = read_attempts()
    assert (seen.stage, seen.identity, seen.device, seen.device_count, seen.status) == (
        "base",
        "identity",
        "GPU",
        2,
        "running",
    )
