"""Long JSON-lines tables: of each row its place and a few fields are kept, its texts are read when somebody looks at them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboards.load.files import by_content
from stages.errors import LadderError

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a table is read: what it is called where it is broken, the fields of a row that stay, the texts that are searched."""

    name: str
    fields: Callable[[Row], Mapping[str, Any]]
    texts: Callable[[Row], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Lines:
    """`fields` has a row for each of the file's; `starts` are the bytes that they begin at."""

    path: Path
    reading: Reading
    starts: NDArray[np.int64]
    fields: pd.DataFrame


def lines_of(path: Path, reading: Reading) -> Lines:
    """Raises LadderError that names the line of a row that can't be read."""
    return _lines_of(path, reading)


def rows_at(lines: Lines, places: Sequence[int]) -> list[Row]:
    """The whole rows at `places`."""
    found = []
    with lines.path.open("rb") as file:
        for place in places:
            file.seek(int(lines.starts[place]))
            found.append(_row(file.readline(), lines.reading, place))
    return found


def with_text(lines: Lines, text: str) -> NDArray[np.bool_]:
    """By row, whether `text` is in one of its texts, in upper or lower case."""
    return _with_text(lines.path, lines.reading, text.casefold())


@by_content(32)
def _lines_of(path: Path, reading: Reading) -> Lines:
    starts, rows, at = [], [], 0
    with path.open("rb") as file:
        for place, line in enumerate(file):
            row = _row(line, reading, place)
            try:
                rows.append(reading.fields(row))
            except (KeyError, TypeError, AttributeError) as error:
                raise _broken(reading, place, f"{type(error).__name__}: {error}") from None
            starts.append(at)
            at += len(line)
    fields = pd.DataFrame(rows)
    for name in fields.columns:
        if fields[name].dtype.kind not in "biuf":
            fields[name] = fields[name].astype("category")  # few words, many times
    return Lines(path, reading, np.array(starts, dtype=np.int64), fields)


@by_content(16)
def _with_text(path: Path, reading: Reading, text: str) -> NDArray[np.bool_]:
    with path.open("rb") as file:
        found = [
            any(text in part.casefold() for part in reading.texts(_row(line, reading, place)))
            for place, line in enumerate(file)
        ]
    return np.array(found, dtype=bool)


def _row(line: bytes, reading: Reading, place: int) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise _broken(reading, place, f"not JSON ({error})") from None
    if not isinstance(row, dict):
        raise _broken(reading, place, f"{type(row).__name__}, not a row with named fields")
    return row


def _broken(reading: Reading, place: int, why: str) -> LadderError:
    return LadderError(f"{reading.name}, line {place + 1}: {why}; `dvc checkout {reading.name}` restores it")
