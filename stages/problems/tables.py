"""Records of a table of others, whatever its format: one dictionary a row, each with the place that it stands in."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.errors import LadderError
from stages.params import HubDataset

Record = dict[str, Any]


def read_table(path: Path) -> Iterator[tuple[str, Record]]:
    """Every record with its place (``FILE, line 3``). Raises LadderError that names the place of one that can't be read."""
    match path.suffix:
        case ".json":
            rows = _json(path)
        case ".jsonl":
            rows = _json_lines(path)
        case ".csv":
            rows = _csv(path)
        case ".parquet":
            rows = _parquet(path)
        case suffix:
            raise LadderError(
                f"{path}: {suffix or 'no ending'} names no format of problems; use .json, .jsonl, .csv or .parquet"
            )
    for place, row in rows:
        if not isinstance(row, dict):
            raise LadderError(
                f"{place}: {type(row).__name__}, not a record with named fields; mend the file and its pin"
            )
        yield place, row


def read_hub(source: HubDataset) -> Iterator[tuple[str, Record]]:
    """The records of a data set of the hub. Raises LadderError where it can't be had."""
    from datasets import load_dataset  # takes a second, and nothing else here needs it

    try:
        rows = load_dataset(source.dataset, source.config, split=source.hub_split, revision=source.revision)
    except Exception as error:  # whatever the library, the network or the hub raises: it is not to be had
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise LadderError(
            f"params.yaml: problems.sources: {source.dataset!r} at {source.revision[:8]} can't be had from the hub ({detail}); "
            "check the network, fill the hub's cache with `hf download --repo-type dataset` first, or use a file"
        ) from None
    for number, row in enumerate(rows, 1):
        yield f"{source.dataset}, record {number}", dict(row)


def _json(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise LadderError(f"{path}{line}: not JSON ({error}); mend the file and its pin") from None
    if not isinstance(rows, list):
        raise LadderError(f"{path}: not a list of records; mend the file and its pin")
    yield from ((f"{path}, record {number}", row) for number, row in enumerate(rows, 1))


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                yield f"{path}, line {number}", json.loads(line)
            except ValueError as error:
                raise LadderError(f"{path}, line {number}: not JSON ({error}); mend the file and its pin") from None


def _csv(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file, strict=True)
            for row in rows:
                if None in row or None in row.values():
                    raise LadderError(
                        f"{path}, line {rows.line_num}: another number of fields than the {len(rows.fieldnames or ())} of its "
                        "first line; mend the file and its pin"
                    )
                yield f"{path}, line {rows.line_num}", row
    except (csv.Error, UnicodeDecodeError) as error:
        raise LadderError(f"{path}: not CSV ({error}); mend the file and its pin") from None


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise LadderError(f"{path}: not Parquet ({' '.join(str(error).split())}); mend the file and its pin") from None
    yield from ((f"{path}, record {number}", row) for number, row in enumerate(rows, 1))
