"""A journal keeps every whole row, whatever cut off the last one."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.store.journal import Journal

ROWS = [{"n": 1}, {"n": 2, "text": "a\nb\ud800é"}, {"n": 3}]


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with Journal(path) as journal:
        for row in rows:
            journal.add(row)


def test_rows_come_back(tmp_path: Path) -> None:
    path = tmp_path / "below" / "journal.jsonl"
    assert list(Journal(path).rows()) == [] and not path.parent.exists()
    write(path, ROWS[:2])
    write(path, ROWS[2:])
    assert list(Journal(path).rows()) == ROWS


@given(st.integers(min_value=0, max_value=200))
def test_a_kill_costs_the_last_row_at_most(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write(path, ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    left = list(Journal(path).rows())
    assert left == ROWS[: len(left)]
    write(path, [{"n": 4}])
    assert list(Journal(path).rows()) == [*left, {"n": 4}]


def test_what_is_no_row_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'[1]\n\xff\xfe\n{"n": 1}\n' + b"[" * 100_000 + b"\n\n" + json.dumps({"n": 2}).encode())
    assert list(Journal(path).rows()) == [{"n": 1}, {"n": 2}]
