"""A mended grader's changes are told once, against the grades of the run before."""

from dataclasses import replace
from pathlib import Path

from stages.evaluation.graded import Graded, read_graded
from stages.evaluation.last_grades import told_changes

ROWS = [
    Graded("p", "exam", index, False, 5, False, index % 2, "correct" if index % 2 else "wrong", "1", 0, f"text {index}")
    for index in range(4)
]


def test_what_a_mended_grader_changed_is_told(tmp_path: Path) -> None:
    assert told_changes("8k", ROWS, tmp_path) is None  # the first time
    assert told_changes("8k", ROWS, tmp_path) is None  # the same grades
    mended = [replace(ROWS[0], reward=1, why="correct"), *ROWS[1:]]
    said = told_changes("8k", mended, tmp_path)
    assert said is not None and "1 answers became right, 0 became wrong, the reason of 1 changed" in said
    assert read_graded(tmp_path / "8k-before.parquet", responses=True) == ROWS
    assert told_changes("8k", mended, tmp_path) is None
    others = [replace(row, response="another") for row in mended]
    assert told_changes("8k", others, tmp_path) is None  # other answers: nothing to compare
    (tmp_path / "8k.parquet").write_bytes(b"torn")
    assert told_changes("8k", others, tmp_path) is None
    assert read_graded(tmp_path / "8k.parquet", responses=True) == others
