"""Read a file whole that another process may be writing in place.

Linux's kernel knows: it grants no read lease on a file that anybody has open for writing, and while it has granted one, who
opens the file to write waits (fcntl(2), "Leases"). Where a file system has none (NFS, FUSE; macOS), a file is taken to be at
rest when it reads the same twice.
"""

import fcntl
import signal
import sys
import time
from pathlib import Path

PAUSE_S = 0.05


def read_at_rest(path: Path) -> bytes | None:
    """The file's bytes; None while somebody writes it. Raises FileNotFoundError."""
    with path.open("rb") as file:
        leased = _lease(file.fileno())
        content = file.read() if leased is not False else None
    if leased is None:
        time.sleep(PAUSE_S)
        return content if content == path.read_bytes() else None
    return content


def _lease(descriptor: int) -> bool | None:
    """Whether nobody writes: then nobody will until the descriptor is closed. None where the file system can't tell."""
    if sys.platform != "linux":
        return None
    try:
        # Who waits to write has the kernel send a signal: SIGIO, which would end this process; SIGURG does nothing.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
