"""A file is whole or absent, whatever goes wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.store.digest import check_pin, git_blob, pin_of
from stages.store.files import read_jsonl, whole_folder, write_bytes, write_csv, write_jsonl
from tests.conftest import git

ROWS = st.lists(
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False))
)


@given(ROWS)
def test_json_lines_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_jsonl(path, rows)
    assert list(read_jsonl(path)) == rows


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"a": 1}])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_jsonl(path, [{"a": float("nan")}])
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_failed_folder_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with whole_folder(path) as partial:
        (partial / "weights").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(path) as partial:
        (partial / "weights").write_text("new")
        raise RuntimeError
    assert (path / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(LadderError, match=r"rows\.jsonl, line 2: not JSON"):
        list(read_jsonl(path))


def test_csv_floats_read_back_exactly(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-300, 1 / 3]
    write_csv(tmp_path / "t.csv", [{"x": value} for value in values])
    assert [float(line) for line in (tmp_path / "t.csv").read_text().splitlines()[1:]] == values


def test_pins_are_gits_and_dvcs_own_hashes(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    write_bytes(path, bytes(range(256)) * 5000)
    assert git_blob(path) == git(tmp_path, "hash-object", str(path)).strip()
    for kind in ("md5", "git-blob"):
        pin = pin_of(path, like=f"{kind}:")
        check_pin(path, pin)
        with pytest.raises(LadderError, match=rf"params\.yaml pins {kind}:0"):
            check_pin(path, f"{kind}:{0:040d}")
    with pytest.raises(LadderError, match=r"missing; `python -m stages\.store fetch"):
        check_pin(tmp_path / "nothing", pin)
