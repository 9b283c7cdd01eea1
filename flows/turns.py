"""A waiting line that processes of one host share in a folder: who came first goes first, and who dies has left.

Everybody in it holds a lock on a file whose name begins with the moment he came (the machine's monotonic clock, which all its
processes share). A file that nobody locks is one of a dead process. Two that want nothing in common don't wait for each other.
"""

import fcntl
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def in_line(folder: Path, wanted: Sequence[str]) -> Iterator[Callable[[], bool]]:
    """Stand in the line of `folder` for any of `wanted`; the yielded function says whether it is this one's turn."""
    mine = folder / f"{time.monotonic_ns():020}-{uuid.uuid4().hex}.turn"
    partial = mine.with_suffix(".new")
    with partial.open("x") as ticket:
        fcntl.flock(ticket, fcntl.LOCK_EX)
        json.dump(list(wanted), ticket)
        ticket.flush()
        partial.rename(mine)  # whoever sees it sees it whole and locked
        try:
            yield lambda: not any(_is_before(other, wanted) for other in _older(folder, mine))
        finally:
            mine.unlink(missing_ok=True)


def _older(folder: Path, mine: Path) -> list[Path]:
    return sorted(other for other in folder.glob("*.turn") if other.name < mine.name)


def _is_before(other: Path, wanted: Sequence[str]) -> bool:
    """Whether `other` is that of a living process which wants some of the same. That of a dead one is deleted."""
    with suppress(FileNotFoundError), other.open() as ticket:  # it has just had its turn
        try:
            fcntl.flock(ticket, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return not set(wanted).isdisjoint(json.load(ticket))
        other.unlink()
    return False
