"""Records of a table of others, whatever its format: one dictionary a row, each with the place that it stands in."""

import csv
import io
import json
import logging
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
    from datasets import disable_progress_bars, load_dataset  # takes a second, and nothing else here needs it
    from huggingface_hub.utils.tqdm import disable_progress_bars as disable_bars_of_downloads

    disable_progress_bars()
    disable_bars_of_downloads()
    for library in ("datasets", "huggingface_hub"):  # a line for each of their tries; the error below says all of it
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        rows = load_dataset(source.dataset, source.config, split=source.hub_split, revision=source.revision)
        for number, row in enumerate(rows, 1):  # a row is decoded, or fetched, when it is its turn
            yield f"{source.dataset}, record {number}", dict(row)
    except Exception as error:  # whatever the library, the network or the hub raises: it is not to be had
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise LadderError(
            f"params.yaml: problems.sources: {source.dataset!r} at {source.revision[:8]} can't be had from the hub ({detail}); "
            "check the network, fill the hub's cache with `hf download --repo-type dataset` first, or use a file"
        ) from None


def _json(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        rows = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
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
            except (ValueError, RecursionError) as error:
                raise LadderError(f"{path}, line {number}: not JSON ({error}); mend the file and its pin") from None


def _csv(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Excel puts a mark before the first name
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b".").splitlines())
        raise LadderError(f"{path}, line {line}: not CSV ({error}); mend the file and its pin") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1  # the first one of the record at hand: a quote that is never closed is looked for there
    try:
        names = next(rows, [])
        for name in names:
            if names.count(name) > 1:
                raise LadderError(f"{path}, line 1: two columns {name!r}; rename one, and mend the pin")
        line = rows.line_num + 1
        for row in rows:
            if row and len(row) != len(names):
                raise LadderError(
                    f"{path}, line {line}: another number of fields than the {len(names)} of its first line; mend the file and "
                    "its pin"
                )
            if row:
                yield f"{path}, line {line}", dict(zip(names, row, strict=True))
            line = rows.line_num + 1
    except csv.Error as error:
        raise LadderError(f"{path}, line {line}: not CSV ({error}); mend the file and its pin") from None


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (
        pyarrow.ArrowException,
        OSError,
        UnicodeDecodeError,
        OverflowError,
    ) as error:  # the last: a date in no calendar
        raise LadderError(f"{path}: not Parquet ({' '.join(str(error).split())}); mend the file and its pin") from None
    yield from ((f"{path}, record {number}", row) for number, row in enumerate(rows, 1))
