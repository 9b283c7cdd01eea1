"""The resume checkpoints of a rung under way: whole, hashed, the newest few kept, held by one process at a time.

They lie outside DVC's outs, which a rerun deletes, in a folder named by the identity of what they were made for: a changed
setting never goes on from another experiment's. One is a folder ``step-000010`` with ``state.safetensors`` (weights and
optimizer), ``rung.json`` (position, KL coefficient, metrics, completions) and ``sha256.json`` (the hashes of both).
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from stages.process import hold_lock
from stages.store.files import whole_folder, write_json

RESUME = Path("runs/resume")
SCHEMA = 1
PREFIX = "step-"
STATE, RECORD, HASHES = "state.safetensors", "rung.json", "sha256.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """What was true after a step: `tensors` of the trainer (on the CPU) and the `record` of the rung."""

    tensors: dict[str, torch.Tensor]
    record: dict[str, Any]


class RungCheckpoints:
    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self._keep = keep

    def latest(self) -> Saved | None:
        """The newest that is whole. A broken one is named on stderr, and the one before it serves."""
        step = self.newest_whole()
        return None if step is None else self.read(step)

    def newest_whole(self) -> int | None:
        """The step of the newest that is whole. A broken one is named on stderr and set aside: it takes no other's place."""
        paths = self._all()
        while paths:
            path = paths.pop()
            fault = _fault(path)
            if fault is None:
                return int(path.name.removeprefix(PREFIX))
            instead = "the checkpoint before it is used" if paths else "there is none before it, the rung starts anew"
            print(f"warning: {fault}; {instead}", file=sys.stderr, flush=True)
            refused = path.with_name(f"refused-{path.name}")
            shutil.rmtree(refused, ignore_errors=True)
            path.rename(refused)
        return None

    def read(self, step: int) -> Saved:
        path = self._of(step)
        return Saved(load_file(path / STATE), json.loads((path / RECORD).read_bytes()))

    def save(self, step: int, tensors: Mapping[str, torch.Tensor], record: Mapping[str, Any]) -> None:
        """Write the checkpoint of `step`, whole or not at all, if it is not there; then remove those that are no longer kept."""
        if self._of(step).exists():
            return
        with whole_folder(self._of(step)) as partial:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial / STATE)
            write_json(partial / RECORD, {"schema": SCHEMA, **record})
            write_json(partial / HASHES, {name: _sha256(partial / name) for name in (STATE, RECORD)})
        for path in self._all()[: -self._keep]:
            shutil.rmtree(path)

    def delete(self) -> None:
        """Remove them all: the rung is done."""
        shutil.rmtree(self.folder)

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob(f"{PREFIX}*"))

    def _of(self, step: int) -> Path:
        return self.folder / f"{PREFIX}{step:06d}"


def _fault(path: Path) -> str | None:
    """What is wrong with the checkpoint in `path`, by the name of the file; None where it is as it was written."""
    try:
        hashes = json.loads((path / HASHES).read_bytes())
        for name in (STATE, RECORD):
            actual = _sha256(path / name)
            if actual != hashes[name]:
                return f"{path / name}: truncated or altered (its sha256 is {actual[:12]}, {hashes[name][:12]} was written)"
        schema = json.loads((path / RECORD).read_bytes())["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{path}: not a whole checkpoint ({' '.join(str(error).split())})"
    return None if schema == SCHEMA else f"{path}: schema {schema}, this code reads {SCHEMA}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def rung_checkpoints(identity: str, keep: int, root: Path = RESUME) -> Iterator[RungCheckpoints]:
    """Hold the checkpoints of `identity`. Raises LadderError while another process holds them."""
    folder = root / identity
    with hold_lock(folder / "lock", "another process is making the same rung"):
        for unfinished in folder.glob(".*.partial"):  # of a process that was killed as it wrote
            if unfinished.is_dir():
                shutil.rmtree(unfinished)
            else:
                unfinished.unlink()
        yield RungCheckpoints(folder, keep)
