"""A ledger that can be trusted: it is checked, a good copy of it is kept, and a broken one is named and set aside.

The copy, `ledger.backup.db` beside it, is replaced by a newer one only where that passes SQLite's integrity check and lacks no
attempt of the older. Broken is also a ledger that is gone, empty, or lacks attempts that its copy has. It is never mended in
place: who only looks is shown the copy, who writes goes on with it and leaves the broken file aside. A large ledger is not looked
through each time: what is broken in it is found where it is read, and `python -m stages.accounting check` looks at all of it.
"""

import math
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from stages.errors import LadderError
from stages.process import try_lock
from stages.store.files import whole_file

CHECKED_BYTES = 64 * 2**20  # what is checked at every opening: more would take longer than a bill
COPIED_BYTES = 16 * 2**20  # what is copied at the end of every attempt; a larger one at most every
COPY_EVERY_S = 600.0
COPY_PATIENCE_S = 10.0  # for another process that renews it: an attempt's end must not wait for one that hangs
NUMBERS_LEFT_OUT = 1000
FIRST_WITH_UIDS = 4  # of the schemas


def backup_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.backup{path.suffix}")


def whole_copy(path: Path) -> Path:
    """`path`, or its backup with a warning where it is broken. Raises LadderError where there is no good one."""
    found = broken(path)
    if found is None:
        return path
    copy = _good_backup(path, found)
    print(f"warning: {path}: {found}; read is {_told(copy)}", file=sys.stderr)
    return copy


def set_broken_aside(path: Path, whole: bool = False) -> str | None:
    """Put the backup in the place of a broken ledger, keep that under another name, and say what was wrong with it.

    None where nothing was, as far as it was looked through (`whole`: all of it). Raises LadderError without a good backup.
    """
    with _one_at_a_time(path):
        found = broken(path, whole)
        if found is None:  # another process was first
            return None
        copy = _good_backup(path, found)
        aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        kept = path.exists()
        if kept:
            os.link(path, aside)
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").replace(f"{aside}{suffix}")
        with whole_file(path) as partial:
            shutil.copyfile(copy, partial)
            with closing(sqlite3.connect(partial)) as restored, restored:
                # Whoever still holds the broken file has numbers from it: they are not given again.
                restored.execute(
                    "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'attempts'", (NUMBERS_LEFT_OUT,)
                )
    where = f"it is kept as {aside}, and " if kept else ""
    print(f"warning: {path}: {found}; {where}its place is taken by {_told(copy)}", file=sys.stderr)
    return found


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Renew the backup of `path`, a large one now and then. What can't be copied or is not whole leaves the last good one."""
    copy = backup_of(path)
    try:
        with _one_at_a_time(path, COPY_PATIENCE_S):
            if not _is_recent(copy, path):
                _copy(connection, path, copy)
    except (sqlite3.Error, OSError, LadderError) as error:  # the attempt itself is booked: its end must not fail
        print(f"warning: {copy}: not renewed ({error})", file=sys.stderr)


def _is_recent(copy: Path, path: Path) -> bool:
    try:
        return path.stat().st_size > COPIED_BYTES and time.time() - copy.stat().st_mtime < COPY_EVERY_S
    except FileNotFoundError:
        return False


def _copy(connection: sqlite3.Connection, path: Path, copy: Path) -> None:
    with whole_file(copy) as partial:
        with closing(sqlite3.connect(partial)) as target:
            connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        if found := _damage(partial, whole=True) or _lacks(partial, copy):
            raise LadderError(f"{path}: {found}")


@contextmanager
def _one_at_a_time(path: Path, patience_s: float = math.inf) -> Iterator[None]:
    """No other process mends this ledger or renews its backup, which so never misses what the one before it had.

    Raises TimeoutError where another has been at it for `patience_s`.
    """
    give_up = time.monotonic() + patience_s
    while (lock := try_lock(path.with_name(f"{path.name}.lock"))) is None:
        if time.monotonic() > give_up:
            raise TimeoutError(f"another process is at it, for {patience_s:g} s at least")
        time.sleep(0.01)
    with lock:
        yield


def broken(path: Path, whole: bool = False) -> str | None:
    """What is wrong with the ledger; None where nothing is, as far as it was looked through (`whole`: all, whatever its size)."""
    copy = backup_of(path)
    if not path.exists() or not path.stat().st_size:
        return f"gone or empty, but {copy.name} is there (delete that, too, to begin anew)" if copy.exists() else None
    return _damage(path, whole) or _lacks(path, copy)


def _damage(path: Path, whole: bool) -> str | None:
    """In SQLite's words."""
    try:
        with closing(_opened(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema")
            if not whole and path.stat().st_size > CHECKED_BYTES:
                return None
            check = "integrity_check" if whole else "quick_check"
            (said,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if is_broken(error):
            return f"not a whole ledger ({error})"
        raise explained(path, error) from None
    return None if said == "ok" else f"not a whole ledger ({str(said).splitlines()[-1]})"


def _lacks(path: Path, copy: Path) -> str | None:
    """Whether `copy` has attempts that `path` has not: it was emptied, or lost what was last written to it."""
    if not copy.exists() or _damage(copy, whole=False):
        return None
    try:
        return _lost(path, copy)
    except sqlite3.DatabaseError as error:  # a large one, not looked through
        if is_broken(error):
            return f"not a whole ledger ({error})"
        raise explained(path, error) from None


def _lost(path: Path, copy: Path) -> str | None:
    with closing(_opened(path)) as connection:
        connection.execute("ATTACH ? AS copy", (f"{copy.resolve().as_uri()}?mode=ro",))
        versions = [connection.execute(f"PRAGMA {one}.user_version").fetchone()[0] for one in ("main", "copy")]
        if versions[0] == 0:
            return f"without a table, but {copy.name} has them"
        if min(versions) < FIRST_WITH_UIDS:
            return None
        (lost,) = connection.execute(
            "SELECT count(*) FROM copy.attempts WHERE uid NOT IN (SELECT uid FROM main.attempts)"
        ).fetchone()
    return f"it lacks {lost} attempt(s) that {copy.name} has" if lost else None


def _good_backup(path: Path, found: str) -> Path:
    copy = backup_of(path)
    if not copy.exists() or _damage(copy, whole=True):
        raise _refused(path, found)
    return copy


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)


def is_broken(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))


def explained(path: Path, error: sqlite3.DatabaseError) -> Exception:
    """The error in words that name the ledger and the mend, where it is one that a user can mend."""
    name = getattr(error, "sqlite_errorname", "")  # errors of Python's own module have none
    if is_broken(error):
        return LadderError(
            f"{path}: not a whole ledger ({error}); `python -m stages.accounting check` looks at all of it and puts its backup "
            "in its place"
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) or path.is_dir():
        return LadderError(f"{path}: {error}; the ledger has to be a file that you may write (LADDER_LEDGER names it)")
    return error


def _refused(path: Path, found: str) -> LadderError:
    return LadderError(
        f"{path}: {found}, and there is no good {backup_of(path).name} beside it; move it away, a new one is made"
    )


def _told(copy: Path) -> str:
    return f"its backup of {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(copy.stat().st_mtime))} (and no later)"
