"""A file is read when nobody has it open for writing, and whole."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from stages.store.at_rest import read_at_rest

WRITES = """
import sys
with open(sys.argv[1], "w") as file:
    file.write("half")
    file.flush()
    print("half", flush=True)
    sys.stdin.readline()
    file.write(" and half")
"""


def no_leases(*_: object) -> int:
    raise OSError(errno.EINVAL, "Invalid argument")  # what NFS says


def test_a_file_is_not_read_while_another_process_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    assert read_at_rest(path) == b"before"
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin is not None and writer.stdout is not None and writer.stdout.readline() == "half\n"
        assert path.read_text() == "half"
        assert read_at_rest(path) is None
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.wait() == 0
    assert read_at_rest(path) == b"half and half"
    path.write_text("after")  # the reader's lease is gone


def test_without_leases_a_file_is_at_rest_if_it_reads_the_same_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("half")
    monkeypatch.setattr(fcntl, "fcntl", no_leases)
    monkeypatch.setattr("stages.store.at_rest.time.sleep", lambda _: None)
    assert read_at_rest(path) == b"half"
    monkeypatch.setattr("stages.store.at_rest.time.sleep", lambda _: path.write_text("half and half"))
    assert read_at_rest(path) is None
    with pytest.raises(FileNotFoundError):
        read_at_rest(tmp_path / "none")
