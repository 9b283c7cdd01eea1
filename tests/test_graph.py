"""dvc.lock is read whole, though another stage's DVC may be writing it."""

import threading
import time
from pathlib import Path

import pytest

from stages.errors import LadderError
from stages.graph import locked_identities

LOCK = "schema: '2.0'\nstages:\n  prepare:\n    cmd: python\n"


@pytest.mark.parametrize("torn", ["", "stages: [unfinished"])
def test_a_lock_that_is_being_written_is_read_again(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text(torn)
    read = threading.Event()

    def finish() -> None:
        read.wait()
        time.sleep(0.2)  # the reader is at it by now, and if it is not, it sees the finished file
        path.write_text(LOCK)

    writer = threading.Thread(target=finish)
    writer.start()
    read.set()
    assert list(locked_identities(path)) == ["prepare"]
    writer.join()


def test_a_lock_that_stays_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text("stages: [unfinished")
    with pytest.raises(LadderError, match=r"dvc\.lock: not YAML"):
        locked_identities(path)
    assert locked_identities(tmp_path / "none.lock") == {}
