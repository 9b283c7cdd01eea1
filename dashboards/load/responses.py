"""The texts of graded answers, of which never all are in memory: those of a few rows, and which rows hold some words.

A file's row groups are passed over where no wanted row is in them; the others are decoded a few answers at a time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dashboards.load.files import by_content
from stages.errors import LadderError
from stages.evaluation.graded import SCHEMA

TEXT = "response"
LISTED = tuple(name for name in SCHEMA.names if name not in (TEXT, "answer_class"))
ROWS_AT_ONCE = 64  # of up to a hundred kilobytes each
BUFFER_BYTES = 1 << 20  # else a row group's whole column is read before its first row


@contextmanager
def reading_graded(place: Path) -> Iterator[None]:
    """Raises LadderError that names `place` where it is no file of graded answers of this version, or a broken one."""
    try:
        if not pq.read_schema(place).equals(SCHEMA, check_metadata=True):
            raise LadderError(f"{place}: not a table of graded answers of this version; `dvc repro` makes one")
        yield
    except FileNotFoundError:
        raise LadderError(f"{place}: missing; `dvc repro` makes it, `dvc checkout` restores it") from None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # broken bytes raise any of them
        said = " ".join(str(error).split())[:200]
        raise LadderError(f"{place}: not Parquet ({said}); `dvc checkout {place}` restores it") from None


def responses(place: Path, rows: Sequence[int]) -> dict[int, str]:
    """The texts of `rows` (places in the file), by row."""
    return _responses(place, tuple(sorted(set(rows))))


def rows_with(place: Path, text: str, rows: Sequence[int]) -> frozenset[int]:
    """Those of `rows` whose text holds `text`, in whatever case."""
    return _rows_with(place, text, tuple(sorted(rows)))


@by_content(16)  # a problem of a checkpoint each
def _responses(place: Path, rows: tuple[int, ...]) -> dict[int, str]:
    return {
        start + offset: batch[offset].as_py() for start, batch, wanted in _batches(place, rows) for offset in wanted
    }


@by_content(16)
def _rows_with(place: Path, text: str, rows: tuple[int, ...]) -> frozenset[int]:
    found: list[int] = []
    for start, batch, wanted in _batches(place, rows):
        holds = pc.match_substring(batch.take(pa.array(wanted)), text, ignore_case=True).to_pylist()
        found += [start + offset for offset, yes in zip(wanted, holds, strict=True) if yes]
    return frozenset(found)


def _batches(place: Path, rows: Sequence[int]) -> Iterator[tuple[int, pa.Array, list[int]]]:
    """The runs of texts that hold any of `rows` (in order): where each begins in the file, its texts, the wanted places in it."""
    with reading_graded(place), pq.ParquetFile(place, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
        start = 0
        for group in range(file.metadata.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            mine = [row for row in rows if start <= row < end]
            if mine:
                yield from _of_group(file, group, start, mine)
            start = end


def _of_group(
    file: pq.ParquetFile, group: int, start: int, rows: list[int]
) -> Iterator[tuple[int, pa.Array, list[int]]]:
    place = 0
    for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[TEXT], use_threads=False):
        wanted = []
        while place < len(rows) and rows[place] < start + len(batch):
            wanted.append(rows[place] - start)
            place += 1
        if wanted:
            yield start, batch.column(0), wanted
        if place == len(rows):
            return
        start += len(batch)
