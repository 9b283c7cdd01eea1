"""Hashes as DVC computes them (md5 of a file; of a folder, md5 of the sorted JSON list of its files' md5).

The md5 is DVC's name for content and guards against mistakes, not against an attacker.
Source: dvc_data.hashfile.tree.Tree.digest.
"""

import hashlib
import json
from pathlib import Path

from stages.errors import LadderError

IGNORED = {"__pycache__"}  # as in .dvcignore


def md5(path: Path) -> str:
    """DVC's hash of a file or (ending in `.dir`) of a folder. Raises FileNotFoundError."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    files = sorted(
        file.relative_to(path).as_posix()
        for file in path.rglob("*")
        if file.is_file() and not IGNORED.intersection(file.relative_to(path).parts)
    )
    tree = [{"md5": md5(path / name), "relpath": name} for name in files]
    return hashlib.md5(json.dumps(tree, sort_keys=True).encode()).hexdigest() + ".dir"


def check_pin(path: Path, expected: str) -> None:
    """Raise LadderError unless `path` is there with the pinned bytes."""
    try:
        actual = md5(path)
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; `python -m stages.store fetch --from FOLDER` brings it") from None
    if actual != expected:
        raise LadderError(
            f"{path}: its md5 is {actual}, params.yaml pins {expected}; fetch the pinned file with "
            "`python -m stages.store fetch --from FOLDER`, or pin the new one"
        )
