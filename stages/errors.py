"""The one error that a user is meant to read, and how a command ends on it."""

import errno
import os
import sqlite3
import sys
from collections.abc import Callable
from typing import Literal

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
SQLITE_FULL_DISK = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
Cause = Literal["refused", "guard", "budget", "pruned", "stopped", "vanished", "disk", "memory", "device", "error"]
"""Why an attempt ended without a result: what a user can mend, a guard, a budget, a sweep's pruner, a signal, kill -9, a full
disk, no memory, a lost device, the rest."""


class LadderError(Exception):
    """One clear line that names the thing, its value and the mend. A command prints it and exits with `exit_code`."""

    exit_code = 2
    cause: Cause = "refused"


class GuardFired(LadderError):
    """A rung has gone wrong (params.yaml's `guards`): running it again would end the same."""

    cause: Cause = "guard"


class MicroBatchTooLarge(LadderError):
    """A rank had no memory for so many tokens at once (`operations.micro_batch_tokens`): fewer may do."""

    cause: Cause = "memory"


class BudgetReached(LadderError):
    """A budget's hard limit: the work so far is kept, and goes on once the limit is raised."""

    exit_code = 3
    cause: Cause = "budget"


def exit_on_error(main: Callable[[], object]) -> None:
    """Run a command's `main`; print an error that a user can mend as one line and exit with 2 (a budget's limit: 3)."""
    try:
        main()
    except LadderError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # who reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (OSError, sqlite3.Error) as error:  # the machine's answer: a full disk, a missing right, a locked ledger
        if getattr(error, "sqlite_errorname", "") in SQLITE_FULL_DISK:
            error = OSError(f"no disk space left for the ledger ({error}); free some")
        mend = "; free some, or write to another disk" if getattr(error, "errno", None) in FULL_DISK else ""
        print(f"error: {' '.join(f'{type(error).__name__}: {error}'.split())}{mend}", file=sys.stderr)
        sys.exit(2)
