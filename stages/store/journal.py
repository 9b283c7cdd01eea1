"""A file of JSON lines that only grows: a row is there as soon as it is known, and a kill costs the last one at most."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self


class Journal:
    """The rows of `path`; it is made by the first one that is added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows so far, the oldest first. A line that a kill cut off, or that is no JSON object, is passed over."""
        if not self.path.exists():
            return
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(row, dict):
                    yield row

    def add(self, row: dict[str, Any]) -> None:
        """Append one row, in one write: what is added from two places is not mixed."""
        if self._file is None:
            self._file = self._opened()
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        while line:  # a disk that is nearly full takes a part, then says so
            line = line[self._file.write(line) :]

    def _opened(self) -> BinaryIO:
        """Ready for a row: one that was cut off is ended first, or the next would be a part of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+b", buffering=0)
        if file.seek(0, 2):
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        return file
