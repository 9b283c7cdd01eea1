"""The one error that a user is meant to read, and how a command ends on it."""

import sys
from collections.abc import Callable


class LadderError(Exception):
    """One clear line that names the thing, its value and the mend. A command prints it and exits with 2."""


def exit_on_error(main: Callable[[], object]) -> None:
    """Run a command's `main`; print a LadderError as one line and exit with 2."""
    try:
        main()
    except LadderError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
