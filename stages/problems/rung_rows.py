"""The format of a rung's table: Parquet, a problem a row, with its difficulty and the reason why it is there."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from stages.errors import LadderError
from stages.problems.problem import Problem
from stages.store.files import whole_file

Columns = list[tuple[str, pyarrow.DataType]]

PROBLEM: Columns = [
    ("id", pyarrow.string()),
    ("problem", pyarrow.string()),
    ("answers", pyarrow.list_(pyarrow.string())),
    ("source", pyarrow.string()),
    ("record", pyarrow.int64()),
    ("licence", pyarrow.string()),
    ("split", pyarrow.string()),
    ("rating", pyarrow.float64()),
    ("year", pyarrow.int64()),
    ("columns", pyarrow.string()),  # JSON: sources differ in what they keep
]
PLACE: Columns = [("difficulty", pyarrow.float64()), ("prompt_tokens", pyarrow.int64()), ("reason", pyarrow.string())]


def write_rows(path: Path, table: str, columns: Columns, rows: Sequence[dict[str, Any]]) -> None:
    """`table` is named within: two tables of the same rows have their own bytes (see `write_problems`)."""
    schema = pyarrow.schema(columns, metadata={"table": table})
    with whole_file(path) as partial:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), partial, compression="zstd")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Raises LadderError where there is no such table."""
    try:
        with pyarrow.parquet.ParquetFile(path) as table:  # `read_table` imports pandas
            rows: list[dict[str, Any]] = table.read().to_pylist()
    except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:  # broken bytes raise any of them
        said = " ".join(str(error).split())[:200]
        raise LadderError(
            f"{path}: no rung's table ({said}); `dvc repro` makes it, `dvc checkout` restores it"
        ) from None
    return rows


def read_rung_table(path: Path) -> list[Problem]:
    """A rung's problems, in order."""
    fields = [name for name, _ in PROBLEM]
    return [
        Problem(
            **{name: row[name] for name in fields}
            | {"answers": tuple(row["answers"]), "columns": json.loads(row["columns"])}
        )
        for row in read_rows(path)
    ]
