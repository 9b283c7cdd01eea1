"""Where a run's files are: in a checkout, or (those of a DVC experiment, of a commit) in Git and in DVC's cache."""

import configparser
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from stages.errors import LadderError

Content = TypeVar("Content")
P = ParamSpec("P")
# An entry of dvc.lock, as DVC writes it: to parse a hundred locks whole would take seconds.
_OUT = re.compile(r"^ *- path: (?P<path>.+)\n *hash: md5\n *md5: (?P<md5>[0-9a-f]{32})$", re.MULTILINE)


class Files(Protocol):
    """A run's files, wherever they lie."""

    def place(self, path: str) -> Path | None:
        """Where a file can be read on this machine; None where the run has not made it, or it is not here."""

    def read(self, path: str) -> bytes:
        """The content of one that Git tracks, too. Raises LadderError where it is not to be had."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkout: the workspace, or the worktree of an experiment under way."""

    root: Path

    def place(self, path: str) -> Path | None:
        found = self.root / path
        return found if found.is_file() else None

    def read(self, path: str) -> bytes:
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            raise missing(path) from None


@dataclass(frozen=True, slots=True)
class Saved:
    """A commit: `tracked` are contents of files in Git, `outs` the md5 of those that DVC's cache holds."""

    tracked: Mapping[str, bytes]
    outs: Mapping[str, str]
    cache: Path

    def place(self, path: str) -> Path | None:
        if (md5 := self.outs.get(path)) is None:
            return None
        found = self.cache / "files/md5" / md5[:2] / md5[2:]
        return found if found.is_file() else None

    def read(self, path: str) -> bytes:
        if path in self.tracked:
            return self.tracked[path]
        if (place := self.place(path)) is not None:
            return place.read_bytes()
        raise (
            missing(path)
            if path not in self.outs
            else LadderError(f"{path}: not in DVC's cache on this machine; `dvc pull` brings it from a remote")
        )


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Of a run that nothing but the ledger tells of."""

    def place(self, path: str) -> Path | None:
        return None

    def read(self, path: str) -> bytes:
        raise missing(path)


def missing(path: str) -> LadderError:
    return LadderError(f"{path}: not there yet; `dvc repro` makes it")


def outs_of(lock: bytes) -> dict[str, str]:
    """By path, the md5 of every file that a dvc.lock names."""
    return {found["path"]: found["md5"] for found in _OUT.finditer(lock.decode(errors="replace"))}


def cache_of(root: Path) -> Path:
    """DVC's cache of the checkout `root`, by its configuration."""
    found = root / ".dvc/cache"
    for name in ("config", "config.local"):
        settings = configparser.ConfigParser(interpolation=None)
        try:
            settings.read(root / ".dvc" / name)
        except configparser.Error:  # DVC itself says what is wrong with it
            continue
        if folder := settings.get("cache", "dir", fallback=None):
            found = root / ".dvc" / folder.strip("'\"")
    return found


def blobs(names: Sequence[str], root: Path) -> list[bytes | None]:
    """What Git holds under ``COMMIT:PATH`` for each of `names`, by one process; None where there is no such file."""
    asked = "".join(f"{name}\n" for name in names).encode()
    said = subprocess.run(["git", "cat-file", "--batch"], cwd=root, input=asked, capture_output=True).stdout
    found: list[bytes | None] = []
    at = 0
    for _ in names:
        end = said.find(b"\n", at)
        head = said[at:end].split(b" ")
        if end < 0 or len(head) != 3 or head[1] != b"blob":
            found.append(None)
            at = end + 1 if end >= 0 else len(said)
            continue
        size = int(head[2])
        found.append(said[end + 1 : end + 1 + size])
        at = end + 1 + size + 1
    return found


def by_content(
    remembered: int,
) -> Callable[[Callable[Concatenate[Path, P], Content]], Callable[Concatenate[Path, P], Content]]:
    """Of what a function of a file (and of other, hashable arguments) gives the last `remembered`, each of the file as it is now:
    of one that grows nothing else stays. It is shared: not to be changed.
    """

    def of(load: Callable[Concatenate[Path, P], Content]) -> Callable[Concatenate[Path, P], Content]:
        known: dict[object, tuple[tuple[int, int], Content]] = {}

        def loaded(path: Path, *others: P.args, **named: P.kwargs) -> Content:
            stat = path.stat()
            key, state = (path, others, *named.items()), (stat.st_mtime_ns, stat.st_size)
            entry = known.pop(key, None)
            if entry is None or entry[0] != state:
                entry = (state, load(path, *others, **named))
            known[key] = entry  # the last one used is the last one dropped
            while len(known) > remembered:
                known.pop(next(iter(known)), None)
            return entry[1]

        return loaded

    return of
