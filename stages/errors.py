"""The one error that a user is meant to read, and how a command ends on it."""

import sqlite3
import sys
from collections.abc import Callable


class LadderError(Exception):
    """One clear line that names the thing, its value and the mend. A command prints it and exits with 2."""


def exit_on_error(main: Callable[[], object]) -> None:
    """Run a command's `main`; print an error that a user can mend as one line and exit with 2."""
    try:
        main()
    except LadderError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except (OSError, sqlite3.Error) as error:  # the machine's answer: a full disk, a missing right, a locked ledger
        print(f"error: {' '.join(f'{type(error).__name__}: {error}'.split())}", file=sys.stderr)
        sys.exit(2)
