"""What the machine refuses is one line and exit 2; a beat that fails ends no heartbeat."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import stage
from stages.accounting.booking import Booking
from stages.accounting.ledger import Ledger
from stages.accounting.records import Energy
from stages.errors import LadderError, exit_on_error
from stages.params import load_params
from tests.conftest import Project


def test_a_ledger_that_cannot_be_is_one_line(project: Project) -> None:
    refused = project.run("stages.accounting", "bill", check=False, LADDER_LEDGER="/proc/nope/l.db")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("error: ")
    assert "/proc/nope" in line
    folder = project.run("stages.accounting", "bill", check=False, LADDER_LEDGER=str(project.root))
    assert folder.returncode == 2
    (line,) = folder.stderr.splitlines()
    assert str(project.root) in line


def test_settings_that_are_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LadderError, match="can't be read"):
        load_params(tmp_path)


def test_an_error_of_sqlite_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    connection = sqlite3.connect(":memory:")
    connection.close()
    with pytest.raises(SystemExit) as ended:
        exit_on_error(lambda: connection.execute("SELECT 1"))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: ProgrammingError: Cannot operate on a closed database.\n"


def test_an_error_of_sqlite_without_a_name_is_no_full_disk() -> None:
    connection = sqlite3.connect(":memory:")
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError) as raised:
        connection.execute("SELECT 1")
    assert not hasattr(raised.value, "sqlite_errorname")
    assert not stage._is_full_disk(raised.value)


def test_a_heartbeat_survives_failed_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "HEARTBEAT_S", 0.02)
    ledger = Ledger(tmp_path / "ledger.db")
    booking = Booking(ledger, ledger.start("base"))
    other = sqlite3.connect(ledger.path)
    failed: list[sqlite3.Error] = []
    beat = Ledger.beat

    def noting_failures(self: Ledger, number: int, energy: Energy | None) -> None:
        try:
            beat(self, number, energy)
        except sqlite3.Error as error:
            failed.append(error)
            raise

    monkeypatch.setattr(Ledger, "beat", noting_failures)
    with stage._heartbeat(booking):
        other.execute("ALTER TABLE attempts RENAME TO away")
        wait_until(lambda: len(failed) >= 2)
        other.execute("ALTER TABLE away RENAME TO attempts")
        back_at = time.time()
        wait_until(lambda: ledger.read.attempts()[0].heartbeat_at > back_at)


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
