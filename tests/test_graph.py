"""dvc.lock is read whole, though another stage's DVC may be writing it."""

from pathlib import Path

import pytest

from stages.errors import LadderError
from stages.graph import locked_identities

LOCK = "schema: '2.0'\nstages:\n  prepare:\n    cmd: python\n"


@pytest.mark.parametrize("torn", ["", "stages: [unfinished"])
def test_a_lock_that_is_being_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: str) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text(torn)
    waits: list[float] = []

    def finish_writing(seconds: float) -> None:
        """What the other process does while the reader waits."""
        waits.append(seconds)
        path.write_text(LOCK)

    monkeypatch.setattr("stages.graph.time.sleep", finish_writing)
    assert list(locked_identities(path)) == ["prepare"]
    assert len(waits) == 1


def test_a_lock_that_stays_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text("stages: [unfinished")
    with pytest.raises(LadderError, match=r"dvc\.lock: not YAML"):
        locked_identities(path)
    assert locked_identities(tmp_path / "none.lock") == {}
