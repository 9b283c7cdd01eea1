"""Git, asked as a command."""

import os
import subprocess
from pathlib import Path

from stages.errors import LadderError


def git(*arguments: str, at: Path = Path(), index: Path | None = None) -> str:
    """What `git ARGUMENTS` says in the checkout `at`, by another `index` than its own where one is given. Raises LadderError."""
    environment = os.environ if index is None else os.environ | {"GIT_INDEX_FILE": str(index)}
    done = subprocess.run(
        ["git", *arguments], cwd=at, env=environment, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        raise LadderError(f"git {' '.join(arguments)}: {' '.join(done.stderr.split())}")
    return done.stdout.strip()
