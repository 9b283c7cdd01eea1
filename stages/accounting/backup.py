"""A ledger that can be trusted: it is checked, a good copy of it is kept, and a broken one is named and set aside.

The copy, `ledger.backup.db` beside it, is replaced by a newer one only where that passes SQLite's integrity check. A broken
ledger is never mended in place: who only looks is shown the copy, who writes goes on with it and leaves the broken file aside.
"""

import fcntl
import os
import sqlite3
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

from stages.errors import LadderError
from stages.store.files import copy_whole, whole_file

CHECKED_BYTES = 64 * 2**20  # what is checked at every opening: more would take longer than a bill
COPIED_BYTES = 16 * 2**20  # what is copied at the end of every attempt; a larger one at most every
COPY_EVERY_S = 600.0


def backup_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.backup{path.suffix}")


def whole_copy(path: Path) -> Path:
    """`path`, or its backup with a warning where it is broken. Raises LadderError where there is no good one."""
    found = broken(path)
    if found is None:
        return path
    copy = backup_of(path)
    if not copy.exists() or broken(copy, whole=True):
        raise _refused(path, found)
    print(f"warning: {path}: not a whole ledger ({found}); read is {_told(copy)}", file=sys.stderr)
    return copy


def set_broken_aside(path: Path) -> None:
    """Put the backup in the place of a broken ledger and keep that under another name. Raises LadderError without a backup."""
    with path.with_name(f"{path.name}.mending").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = broken(path)
        if found is None:  # another process was first
            return
        copy = backup_of(path)
        if not copy.exists() or broken(copy, whole=True):
            raise _refused(path, found)
        aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        os.link(path, aside)
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").replace(f"{aside}{suffix}")
        copy_whole(copy, path)
    print(
        f"warning: {path}: not a whole ledger ({found}); it is kept as {aside}, and its place is taken by {_told(copy)}",
        file=sys.stderr,
    )


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Renew the backup of `path`, a large one now and then. What can't be copied or is not whole leaves the last good one."""
    copy = backup_of(path)
    with suppress(FileNotFoundError):
        recent = time.time() - copy.stat().st_mtime < COPY_EVERY_S
        if recent and path.stat().st_size > COPIED_BYTES:
            return
    try:
        with whole_file(copy) as partial:
            with closing(sqlite3.connect(partial)) as target:
                connection.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")
            if found := broken(partial, whole=True):
                raise LadderError(f"{path}: not a whole ledger ({found})")
    except (sqlite3.Error, OSError, LadderError) as error:  # the attempt itself is booked: its end must not fail
        print(f"warning: {copy}: not renewed ({error})", file=sys.stderr)


def broken(path: Path, whole: bool = False) -> str | None:
    """What is wrong with the database, in SQLite's words; None where nothing is, or where it is too large to look at each time.

    `whole`: look at all of it, whatever its size, with indices against tables.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema")
            if not whole and path.stat().st_size > CHECKED_BYTES:
                return None
            check = "integrity_check" if whole else "quick_check"
            (said,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if is_broken(error):
            return str(error)
        raise explained(path, error) from None
    return None if said == "ok" else str(said).splitlines()[-1]


def is_broken(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))


def explained(path: Path, error: sqlite3.DatabaseError) -> Exception:
    """The error in words that name the ledger and the mend, where it is one that a user can mend."""
    name = getattr(error, "sqlite_errorname", "")  # errors of Python's own module have none
    if is_broken(error):
        return _refused(path, str(error))
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) or path.is_dir():
        return LadderError(f"{path}: {error}; the ledger has to be a file that you may write (LADDER_LEDGER names it)")
    return error


def _refused(path: Path, found: str) -> LadderError:
    return LadderError(
        f"{path}: not a ledger, or a broken one ({found}), and there is no good {backup_of(path).name} beside it; move it away, "
        "a new one is made"
    )


def _told(copy: Path) -> str:
    return f"its backup of {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(copy.stat().st_mtime))} (and no later)"
