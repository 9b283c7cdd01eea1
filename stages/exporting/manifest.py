"""What an export consists of: `export.json` names every other file with its SHA-256, and the checkpoint that it was made from.

The hashes find a mistake. Who means harm can write them anew: against that there is a signature (stages/exporting/signature.py).
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.errors import LadderError
from stages.store.files import read_json, write_json

MANIFEST = "export.json"
SIGNATURE = f"{MANIFEST}.sig"
SCHEMA = 1
GGUF = "model.gguf"


@dataclass(frozen=True, slots=True)
class Manifest:
    rung: str
    format: str
    """`hf`, or a GGUF's type of numbers."""
    checkpoint_md5: str
    """DVC's hash of the rung's checkpoint."""
    weights: tuple[str, ...]
    """The files that are the model: with `hf` they are the checkpoint's own, byte for byte."""
    sha256: dict[str, str]
    """Of every file but this one and its signature, by its path in the folder."""


def write_manifest(folder: Path, rung: str, kind: str, checkpoint_md5: str, weights: list[str]) -> None:
    manifest = Manifest(rung, kind, checkpoint_md5, tuple(sorted(weights)), hashes(folder))
    write_json(folder / MANIFEST, {"schema": SCHEMA, **asdict(manifest)})


def read_manifest(folder: Path) -> Manifest:
    """Raises LadderError where `folder` is no export, or one of another schema."""
    path = folder / MANIFEST
    if not path.exists():
        raise LadderError(
            f"{folder}: no export, it has no {MANIFEST}; `python -m stages.export --rung 24k --to DIR` makes one"
        )
    told: dict[str, Any] = read_json(path)
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise LadderError(f"{path}: schema {told.get('schema') if isinstance(told, dict) else told!r}, not {SCHEMA}")
    try:
        return Manifest(
            told["rung"], told["format"], told["checkpoint_md5"], tuple(told["weights"]), dict(told["sha256"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LadderError(f"{path}: no manifest of an export ({error}); export the rung again") from None


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder` but the manifest and its signature."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    return {name: _sha256(folder / name) for name in names if name not in (MANIFEST, SIGNATURE)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
