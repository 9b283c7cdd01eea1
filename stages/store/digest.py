"""Hashes as DVC computes them (md5 of a file; of a folder, md5 of the sorted JSON list of its files' md5).

The md5 is DVC's name for content and guards against mistakes, not against an attacker.
Source: dvc_data.hashfile.tree.Tree.digest.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from stages.errors import LadderError

IGNORED = {"__pycache__"}  # as in .dvcignore


def md5(path: Path) -> str:
    """DVC's hash of a file or (ending in `.dir`) of a folder. Raises FileNotFoundError."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    return md5_of_files(path, files_of(path))


def md5_of_files(folder: Path, names: Iterable[str]) -> str:
    """DVC's hash of a folder that would hold these files of `folder` alone. Raises FileNotFoundError."""
    tree = [{"md5": md5(folder / name), "relpath": name} for name in sorted(names)]
    return hashlib.md5(json.dumps(tree, sort_keys=True).encode()).hexdigest() + ".dir"


def files_of(folder: Path) -> list[str]:
    """The files that count as the folder's content, by their path in it, sorted."""
    return sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and not IGNORED.intersection(file.relative_to(folder).parts)
    )


def git_blob(path: Path) -> str:
    """The id that git gives a file's content: sha1 of ``blob SIZE\\0CONTENT``. Raises FileNotFoundError."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def pin_of(path: Path, like: str) -> str:
    """The pin of a file, of the kind of the pin `like`. Raises FileNotFoundError."""
    kind = like.partition(":")[0]
    return f"{kind}:{git_blob(path) if kind == 'git-blob' else md5(path)}"


def check_pin(path: Path, pin: str) -> None:
    """Raise LadderError unless `path` is there with the pinned bytes."""
    try:
        actual = pin_of(path, like=pin)
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; `python -m stages.store fetch --from FOLDER` brings it") from None
    if actual != pin:
        raise LadderError(
            f"{path}: its bytes are {actual}, params.yaml pins {pin}; fetch the pinned file with "
            "`python -m stages.store fetch`, or pin the new one"
        )
