"""dvc.lock is read whole, though another stage's DVC may be writing it."""

import subprocess
import sys
from pathlib import Path

import pytest

from stages.errors import LadderError
from stages.graph import locked_identities
from tests.conftest import CHECKOUT

LOCK = """schema: '2.0'
stages:
  prepare:
    cmd: python
    outs:
    - path: data/train.jsonl
      hash: md5
      md5: 0123456789abcdef0123456789abcdef
      size: 3
"""
BEGINNINGS = [
    "",
    "stages: [unfinished",
    LOCK[:-5],
    *("".join(LOCK.splitlines(True)[:lines]) for lines in (1, 2, 3, 6, 7)),
]


@pytest.mark.parametrize("torn", BEGINNINGS)
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


REWRITES = """
import sys, time
from pathlib import Path
from dvc.utils.serialize import load_yaml, modify_yaml
path, until = Path(sys.argv[1]), time.monotonic() + 3
assert load_yaml(path)["stages"]
print("writing", flush=True)
while time.monotonic() < until:
    with modify_yaml(path) as lock:
        lock["stages"]["prepare"]["cmd"] = "exec python -m stages.prepare"
"""


def test_a_lock_that_dvc_rewrites_all_the_time_is_always_whole(tmp_path: Path) -> None:
    """By DVC's own function: it truncates the file and writes it piece by piece."""
    path = tmp_path / "dvc.lock"
    path.write_bytes((CHECKOUT / "dvc.lock").read_bytes())
    expected, seen = locked_identities(path), 0
    writer = subprocess.Popen([sys.executable, "-c", REWRITES, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None and writer.stdout.readline()
    while writer.poll() is None:
        assert locked_identities(path) == expected
        seen += 1
    assert writer.returncode == 0 and seen


def test_a_lock_that_stays_broken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.graph.LOCK_WRITING_S", 0.05)
    path = tmp_path / "dvc.lock"
    path.write_text("stages: [unfinished")
    with pytest.raises(LadderError, match=r"dvc\.lock: not YAML"):
        locked_identities(path)
    path.write_text("".join(LOCK.splitlines(True)[:6]))
    with pytest.raises(LadderError, match=r"dvc\.lock: a stage of it is not complete; `git checkout"):
        locked_identities(path)
    path.write_text("")
    assert locked_identities(path) == {}
    assert locked_identities(tmp_path / "none.lock") == {}
