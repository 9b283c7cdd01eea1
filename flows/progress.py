"""One live line over all running stages; without a terminal, one line a finished stage."""

import re
import sys
import threading
import time
from types import TracebackType
from typing import Self

_DONE_OF = re.compile(r"(\d+)/(\d+)\b")


def done_of(note: str) -> tuple[int, int] | None:
    """How many of how many steps a stage has done, as its `note` begins: ``12/30 reward 0.61 ...``; None where it doesn't."""
    found = _DONE_OF.match(note)
    return found and (int(found[1]), int(found[2]))


class ProgressLine:
    def __init__(self, total: int) -> None:
        self._total = total
        self._started = time.monotonic()
        self._notes: dict[str, str] = {}
        self._ended = 0
        self._lock = threading.Lock()
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")

    def show(self, stage: str, note: str) -> None:
        """`stage` is at `note`."""
        with self._lock:
            self._notes[stage] = note
            self._draw()

    def end(self, stage: str, how: str) -> None:
        """`stage` has ended."""
        with self._lock:
            self._notes.pop(stage, None)
            self._ended += 1
            elapsed = time.monotonic() - self._started
            clear = "\r\x1b[K" if self._live else ""
            sys.stderr.write(f"{clear}[{self._ended:>2}/{self._total}] {elapsed:5.0f} s  {stage:<15} {how}\n")
            self._draw()

    def _draw(self) -> None:
        if self._live:
            line = f"[{self._ended}/{self._total}] " + " · ".join(
                f"{stage} {note}" for stage, note in self._notes.items()
            )
            sys.stderr.write(f"\r\x1b[K{line[:118]}")
            sys.stderr.flush()
