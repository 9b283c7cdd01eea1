"""The resume state of a rung: one file, whole or absent, held by one process at a time, deleted when the rung is done.

It lies outside DVC's outs, which a rerun deletes, in a folder named by the identity of what it was made for: a changed
setting never resumes from another experiment's state.
"""

import pickle
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from stages.process import hold_lock
from stages.store.files import whole_file

RESUME = Path("runs/resume")


class ResumeState:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "state.pt"

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The last saved state; None where there is none, or where its file is broken (said on stderr)."""
        if not self._file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self._file, map_location=device, weights_only=True)
        except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
            print(f"warning: {self._file}: broken ({error}); the rung starts anew", file=sys.stderr)
            return None
        return state

    def save(self, state: dict[str, Any]) -> None:
        with whole_file(self._file) as partial, partial.open("wb") as file:
            torch.save(state, file)

    def delete(self) -> None:
        shutil.rmtree(self._folder)


@contextmanager
def resume_state(identity: str, root: Path = RESUME) -> Iterator[ResumeState]:
    """Hold the state of `identity`. Raises LadderError while another process holds it."""
    folder = root / identity
    with hold_lock(folder / "lock", "another process is making the same rung"):
        yield ResumeState(folder)
