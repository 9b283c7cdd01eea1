"""Files that are whole or absent: a temporary name, fsync, then one rename (`os.replace`)."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.errors import LadderError


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` at once; nothing is left where the disk is full."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


def copy_whole(source: Path, path: Path) -> None:
    """Replace `path` by a copy of the file `source` at once."""
    with whole_file(path) as partial:
        shutil.copyfile(source, partial)


def write_json(path: Path, value: Any) -> None:
    """`value` as sorted, indented JSON. NaN is refused: it is no JSON and no figure."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    write_bytes(path, "".join(json.dumps(row, sort_keys=True, allow_nan=False) + "\n" for row in rows).encode())


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """One line a row, the columns of the first row; floats as the shortest text that reads back exactly, None as nothing."""
    lines = [",".join(rows[0])]
    lines += [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; `dvc repro` makes it, `dvc checkout` restores it") from None
    except ValueError as error:
        raise LadderError(f"{path}: not JSON ({error}); `dvc checkout {path}` restores it") from None


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file. Raises LadderError with the line's number where one is broken."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; `dvc repro` makes it, `dvc checkout` restores it") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LadderError(f"{path}, line {number}: not JSON ({error}); `dvc checkout {path}` restores it") from None
        yield row


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what is written there takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the file's bytes on the disk before its name points at them."""
    with path.open("rb") as written:
        os.fsync(written.fileno())


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block ends well, and vanishes when it doesn't."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for file in partial.rglob("*"):
            if file.is_file():
                _flush(file)
        replaced = path.with_name(f".{path.name}.{os.getpid()}.replaced")
        if path.exists():
            path.rename(replaced)  # aside, not away: it is there until the new one is
        partial.replace(path)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
