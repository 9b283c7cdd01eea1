"""Who only looks at a study changes no byte of it, makes no file, and is told what is wrong in one line."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import flows.sweep.storage as storage_module
from flows.sweep.owners import this_process
from flows.sweep.space import distributions
from flows.sweep.storage import stored
from flows.sweep.study import ask, load_study, tell
from stages.errors import LadderError
from stages.params import read_yaml
from tests.conftest import CHECKOUT
from tests.flows.sweep.studied import studied, sweep_of
from tests.flows.sweep.test_sweep_study import complete

SETTINGS = read_yaml(CHECKOUT / "profiles/mini.yaml")
# Pages are written to the file before the transaction ends: what is left has to be rolled back by the next who may write.
KILLED_WRITER = """
import os, signal, sqlite3, sys
writer = sqlite3.connect(sys.argv[1], isolation_level=None)
writer.execute("PRAGMA cache_size = 1")
writer.execute("BEGIN IMMEDIATE")
writer.executemany("INSERT INTO study_user_attributes VALUES (?, 1, ?, ?)", [(i, f"k{i}", "1" * 900) for i in range(50, 950)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def address(folder: Path) -> str:
    return f"sqlite:///{folder / 'sweeps.db'}"


def filled(folder: Path) -> Path:
    """A study of one finished trial."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep = sweep_of()
    with studied(folder, sweep) as study:
        trial = ask(study, sweep, distributions(sweep.space, SETTINGS), this_process())
        assert trial is not None
        tell(trial, complete(0.5), sweep)
    return folder / "sweeps.db"


def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_looking_changes_nothing_and_cannot(tmp_path: Path) -> None:
    filled(tmp_path / "50% of it & more")
    folder = tmp_path / "50% of it & more"
    before = files(tmp_path)
    with stored(address(folder)) as opened:
        assert opened is not None
        study = load_study(opened, sweep_of())
        assert [trial.values for trial in study.get_trials()] == [[0.5]]
        assert files(tmp_path) == before
    with pytest.raises(LadderError, match="cut off"), stored(address(folder)) as opened:
        assert opened is not None
        load_study(opened, sweep_of()).set_user_attr("mine", 1)
    assert files(tmp_path) == before


def test_nothing_is_made_where_there_is_no_study_yet(tmp_path: Path) -> None:
    with stored(address(tmp_path / "runs")) as opened:
        assert opened is None
    assert not any(tmp_path.iterdir())
    (tmp_path / "sweeps.db").touch()  # its maker has opened it and written nothing yet
    with stored(address(tmp_path)) as opened:
        assert opened is None


def test_a_damaged_or_another_database_is_one_line(tmp_path: Path) -> None:
    place = filled(tmp_path)
    place.write_bytes(place.read_bytes()[:20000])
    with (
        pytest.raises(LadderError, match=r"params\.yaml: sweep\.storage: .*mend the database") as said,
        stored(address(tmp_path)) as opened,
    ):
        assert opened is not None
        load_study(opened, sweep_of()).get_trials()
    assert "\n" not in str(said.value)
    for content in (b"no database at all" * 100, sqlite_of("CREATE TABLE other (a)", tmp_path)):
        place.write_bytes(content)
        with (
            pytest.raises(LadderError, match=r"params\.yaml: sweep\.storage: .*mend the database"),
            stored(address(tmp_path)),
        ):
            pass
        assert place.read_bytes() == content


def sqlite_of(statement: str, folder: Path) -> bytes:
    made = sqlite3.connect(folder / "other.db")
    made.execute(statement)
    made.close()
    return (folder / "other.db").read_bytes()


def test_a_write_that_was_killed_is_for_the_sweep_to_roll_back(tmp_path: Path) -> None:
    place = filled(tmp_path)
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(place)], check=False)
    assert killed.returncode == -signal.SIGKILL
    before = files(tmp_path)
    assert place.with_name("sweeps.db-journal") in before
    with pytest.raises(LadderError, match=r"python -m flows\.sweep report"), stored(address(tmp_path)):
        pass
    assert files(tmp_path) == before


def test_a_locked_database_is_waited_for_only_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)
    monkeypatch.setattr(storage_module, "LOCKED_READER_S", 0.1)
    holder = sqlite3.connect(tmp_path / "sweeps.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LadderError, match="locked"), stored(address(tmp_path)):
        pass
    holder.close()
