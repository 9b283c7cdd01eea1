"""Bring other people's data and weights to where params.yaml expects them, checked against its pins.

Nothing of them is in git: a pin is. A file comes from the hub, from a folder (searched by content, so a copy of the
release, an installed package or a DVC cache will do) or from a DVC remote that holds it.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.errors import LadderError
from stages.params import Benchmark, GgufBase, Params, ProblemFile
from stages.params.benchmarks import problem_file
from stages.store.digest import check_pin, pin_of
from stages.store.files import copy_whole


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """`path` is where it belongs; `hub` is ``owner/dataset@revision:file`` where the hub has it."""

    path: Path
    pin: str
    hub: str | None

    @property
    def is_here(self) -> bool:
        return self.path.is_file() and pin_of(self.path, like=self.pin) == self.pin


def pinned_files(params: Params) -> list[PinnedFile]:
    """Every file of others that `params` reads."""
    sources = [problem_file(one) if isinstance(one, Benchmark) else one for one in params.problems.sources]
    files = [PinnedFile(Path(one.path), one.pin, one.hub) for one in sources if isinstance(one, ProblemFile)]
    if isinstance(params.base, GgufBase):
        files.append(PinnedFile(Path(params.base.path), params.base.pin, None))
    return files


def from_folder(wanted: PinnedFile, folder: Path) -> None:
    """Copy the file of `folder` whose bytes are pinned. Raises LadderError where there is none."""
    seen = []
    for candidate in _candidates(wanted, folder):
        pin = pin_of(candidate, like=wanted.pin)
        if pin == wanted.pin:
            copy_whole(candidate, wanted.path)
            return
        seen.append(f"{candidate} is {pin}")
    found = "; ".join(seen[:3]) or f"it holds no {wanted.path.name}"
    raise LadderError(
        f"{wanted.path}: {folder} does not have the pinned {wanted.pin} ({found}); fetch it from elsewhere"
    )


def from_remote(wanted: PinnedFile, remote: str) -> None:
    """Pull the file from DVC remote `remote`, which knows files by md5 alone. Raises LadderError."""
    kind, _, digest = wanted.pin.partition(":")
    if kind != "md5":
        raise LadderError(f"{wanted.path}: a DVC remote finds a file by md5, this one is pinned by {kind}; use --from")
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    pointer = Path(f"fetch-{digest[:12]}.dvc")  # not beside the file, where Git ignores it and DVC refuses it
    pointer.write_text(f"outs:\n- {{md5: {digest}, hash: md5, path: {wanted.path.as_posix()}}}\n")
    try:
        pull = [sys.executable, "-m", "dvc", "pull", "--remote", remote, str(pointer)]
        done = subprocess.run(pull, capture_output=True, text=True)
    finally:
        pointer.unlink()
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())[-300:]
        raise LadderError(f"{wanted.path}: DVC remote {remote!r} does not give it ({reason}); use --from FOLDER")
    check_pin(wanted.path, wanted.pin)


def from_hub(wanted: PinnedFile) -> None:
    """Download the file at its pinned revision. Raises LadderError without a network or where its bytes differ."""
    if wanted.hub is None:
        raise LadderError(f"{wanted.path}: params.yaml names no place on the hub for it; use --from FOLDER")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository, _, place = wanted.hub.partition("@")
    revision, _, name = place.partition(":")
    try:
        downloaded = Path(hf_hub_download(repository, name, repo_type="dataset", revision=revision))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LadderError(f"{wanted.path}: the hub does not give {wanted.hub} ({reason}); use --from FOLDER") from None
    check_pin(downloaded, wanted.pin)
    copy_whole(downloaded, wanted.path)


def _candidates(wanted: PinnedFile, folder: Path) -> Iterator[Path]:
    """Files named like the wanted one, and the one that a DVC cache would name by its md5."""
    if not folder.is_dir():
        raise LadderError(f"--from {folder}: no such folder; name one that holds {wanted.path.name}")
    _, _, digest = wanted.pin.partition(":")
    names = {wanted.path.name, digest[2:]}
    yield from (file for file in sorted(folder.rglob("*")) if file.name in names and file.is_file())
