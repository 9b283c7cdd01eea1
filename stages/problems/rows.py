"""Rows {"id", "problem", "answer"} of anybody's JSON-lines file, and what is said of a broken one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.errors import LadderError
from stages.grading.grade import accepted_answers

SHAPE = '{"id": ..., "problem": "...", "answer": ...}'
MAX_LINE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    problem: str
    answers: tuple[str, ...]


def read_rows(path: Path) -> list[Row]:
    """Raises LadderError that names file and line where one is no row, or a row's id was there before."""
    rows: list[Row] = []
    lines: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = _row(f"{path}, line {number}", line)
                if row.id in lines:
                    raise LadderError(
                        f"{path}, line {number}: the id {row.id!r} stands in line {lines[row.id]} already"
                    )
                lines[row.id] = number
                rows.append(row)
    except OSError as error:
        raise LadderError(f"{path}: {error.strerror}; name a file of lines {SHAPE}") from None
    if not rows:
        raise LadderError(f"{path}: no rows; a line is {SHAPE}")
    return rows


def _row(place: str, line: bytes) -> Row:
    if len(line) > MAX_LINE_BYTES:
        raise LadderError(f"{place}: {len(line)} bytes; a row has {MAX_LINE_BYTES} at most")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LadderError(f"{place}: not JSON ({error}); a line is {SHAPE}") from None
    if not isinstance(row, dict):
        raise LadderError(f"{place}: a {type(row).__name__}; a line is {SHAPE}")
    for column in ("id", "problem", "answer"):
        if column not in row:
            raise LadderError(f"{place}: no {column!r}; a line is {SHAPE}")
    if isinstance(row["id"], bool) or not isinstance(row["id"], str | int):
        raise LadderError(f"{place}: the id {row['id']!r} is neither a text nor a whole number")
    if not isinstance(row["problem"], str) or not row["problem"].strip():
        raise LadderError(f"{place}: 'problem' is no text")
    return Row(str(row["id"]), row["problem"], _answers(place, row["answer"]))


def _answers(place: str, answer: Any) -> tuple[str, ...]:
    """None where the answer is null: such a row is compared by its text alone."""
    if answer is None:
        return ()
    try:
        return tuple(accepted_answers(answer))
    except (LadderError, OverflowError, ValueError) as error:
        raise LadderError(f"{place}: {error}") from None
