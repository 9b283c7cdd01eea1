"""Which runs there are: the workspace as it stands, experiments under way, saved ones, what was committed, and what only the
ledger still knows (a trial that was pruned, an experiment that was removed)."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from dashboards.load.book import Book
from dashboards.load.files import Files, Folder, Nowhere, Saved, blobs, cache_of, outs_of
from flows.experiment import FOLDER, SET_UP
from flows.saved import experiments
from stages.accounting.records import Attempt
from stages.errors import LadderError
from stages.graph import identities_of, stages_of
from stages.params import RUNGS

Kind = Literal["workspace", "under way", "experiment", "commit", "ledger"]
WORKSPACE = "workspace"
TRACKED = ("dvc.lock", "params.yaml", "reports/bill.json")
REMEMBERED = 4000  # commits, some 50 kB each
COMMITS = 40  # of those that changed dvc.lock, the newest
TABLES = tuple(f"metrics/train/{rung}.csv" for rung in RUNGS)


@dataclass(frozen=True, slots=True)
class Run:
    """One climb, or what there is of it.

    `key` names it in an address, for as long as it is there. `attempts` are those that were booked for it, oldest first; what
    several experiments share (the tables, the base) is booked with the one that made it. `commit` is the experiment's own, or
    the one that a run under way starts from.
    """

    key: str
    name: str
    kind: Kind
    commit: str | None
    made_at: float | None
    """Unix seconds: when it was saved, else when its last attempt ended."""
    files: Files
    attempts: Sequence[Attempt] = ()
    labels: Sequence[str] = ()
    """Its sweeps, and the Git tags of its commit."""

    @property
    def how(self) -> str:
        """The command that brings it to the workspace."""
        if self.kind == "experiment":  # a name may hold what a shell reads
            return f"dvc exp apply {shlex.quote(self.name) if self.key == self.name else self.commit}"
        if self.kind == "commit":
            return f"git checkout {(self.commit or '')[:10]} && dvc checkout"
        return "make run" if self.kind == WORKSPACE else ""


def all_runs(root: Path, book: Book, say: Callable[[str], object] = lambda said: None) -> list[Run]:
    """The workspace first, then by age, the newest first. `say` is told where Git does not answer: then there are no others."""
    here = _workspace(root, book)
    if not _git(root, "rev-parse", "--git-dir"):
        say(f"{root.resolve()}: no Git repository, so that experiments and commits are not shown")
        return [here]
    saved = _experiments(root, book)
    under_way = _under_way(root, book, {run.key for run in saved})
    committed = _commits(root, {_outs_key(run.files) for run in saved} | {_outs_key(here.files)})
    known = {run.name for run in (*under_way, *saved)}
    told = [_from_ledger(name, mine) for name, mine in book.by_experiment.items() if name and name not in known]
    others = [*under_way, *saved, *committed, *told]
    return [here, *sorted(others, key=lambda run: -(run.made_at or 0.0))]


def commit_address(root: Path) -> str | None:
    """Where the forge of the remote `origin` shows commits, to be followed by one; None where there is no such remote."""
    remote = _git(root, "config", "--get", "remote.origin.url").removesuffix("/").removesuffix(".git")
    found = _REMOTE.fullmatch(remote)
    return found and f"https://{found['host']}/{found['path']}/commit/"


_REMOTE = re.compile(r"(?:https?://(?:[^/@]+@)?|ssh://git@|git@)(?P<host>[\w.-]+)(?::\d+(?=/))?[:/](?P<path>[\w./~-]+)")


def locked(run: Run) -> Mapping[str, str]:
    """By stage, the identity that the run's dvc.lock records."""
    try:
        return _identities(run.files.read("dvc.lock"))
    except LadderError:
        return {}


@lru_cache(64)
def entries_of(lock: bytes) -> Mapping[str, Any]:
    """The stages of a dvc.lock; none of one that is broken."""
    return stages_of(lock) or {}


@lru_cache(1024)
def _identities(lock: bytes) -> Mapping[str, str]:
    return identities_of(entries_of(lock))


def _workspace(root: Path, book: Book) -> Run:
    mine = book.by_experiment.get(None, ())
    return Run(
        WORKSPACE, WORKSPACE, "workspace", _head(root), _ended(mine), Folder(root), mine, _sweeps(mine)
    )  # fmt: skip


def _under_way(root: Path, book: Book, taken: set[str]) -> list[Run]:
    """Each has the key that it will have once it is saved, so that an address stays good; its folder's where that is taken."""
    by_place: dict[str | None, list[Attempt]] = {}
    for one in book.attempts:
        by_place.setdefault(one.origin.workspace, []).append(one)
    found = []
    for mark in sorted((root / FOLDER).glob(f"*/runs/{SET_UP}")):
        place = mark.parent.parent.resolve()
        mine = by_place.get(str(place), [])
        name = next((one.origin.experiment for one in mine if one.origin.experiment), place.name)
        commit = next((one.origin.commit for one in mine), None)
        key = place.name if name in taken else name
        taken.add(key)
        found.append(
            Run(key, name, "under way", commit, _ended(mine), Folder(place), mine, _sweeps(mine))
        )  # fmt: skip
    return found


def _experiments(root: Path, book: Book) -> list[Run]:
    listed = experiments(root)
    contents = _contents(tuple(one.commit for one in listed), root)
    tags = _tags(root)
    names = [one.name for one in listed]
    cache = cache_of(root)
    found = []
    for one in listed:
        tracked = contents[one.commit]
        key = one.name if names.count(one.name) == 1 else f"{one.name}@{one.commit[:7]}"
        mine = book.by_experiment.get(one.name, ())
        files = Saved(tracked, _outs(tracked), cache)
        labels = (*_sweeps(mine), *tags.get(one.commit, ()))
        found.append(Run(key, one.name, "experiment", one.commit, one.saved_at, files, mine, labels))
    return found


def _commits(root: Path, known: set[tuple[str, ...]]) -> list[Run]:
    """Those whose rungs no other run has, the newest of each."""
    listed = _git(root, "log", f"--max-count={COMMITS}", "--format=%H%x09%ct%x09%s%x09", "--", "dvc.lock")
    lines = [line.split("\t", 2) for line in listed.splitlines() if line.count("\t") > 2]
    contents = _contents(tuple(commit for commit, *_ in lines), root)
    tags, cache = _tags(root), cache_of(root)
    found = []
    for commit, made_at, subject in lines:
        files = Saved(contents[commit], _outs(contents[commit]), cache)
        key = _outs_key(files)
        if any(key) and key not in known and any(files.place(table) for table in TABLES):
            known.add(key)
            name = f"{commit[:7]} {subject.strip()}"
            found.append(Run(commit[:10], name, "commit", commit, float(made_at), files, (), tags.get(commit, ())))
    return found


def _from_ledger(name: str, mine: Sequence[Attempt]) -> Run:
    return Run(name, name, "ledger", mine[-1].origin.commit, _ended(mine), Nowhere(), mine, _sweeps(mine))


def _outs_key(files: Files) -> tuple[str, ...]:
    """By which two runs are one: the tables of their rungs."""
    if isinstance(files, Saved):
        return tuple(files.outs.get(table, "") for table in TABLES)
    try:
        named = outs_of(files.read("dvc.lock"))
    except LadderError:
        return ()
    return tuple(named.get(table, "") for table in TABLES)


_known_contents: dict[str, Mapping[str, bytes]] = {}  # a commit never changes


def _contents(commits: Sequence[str], root: Path) -> Mapping[str, Mapping[str, bytes]]:
    """By commit, the files of TRACKED that it has."""
    new = [commit for commit in commits if commit not in _known_contents]
    if new:
        found = iter(blobs([f"{commit}:{path}" for commit in new for path in TRACKED], root))
        for commit in new:
            of_commit = {path: next(found) for path in TRACKED}
            while len(_known_contents) > REMEMBERED:
                _known_contents.pop(next(iter(_known_contents)))
            _known_contents[commit] = {path: content for path, content in of_commit.items() if content is not None}
    return {commit: _known_contents.get(commit, {}) for commit in commits}


def _outs(tracked: Mapping[str, bytes]) -> Mapping[str, str]:
    return _outs_of_lock(tracked.get("dvc.lock", b""))


@lru_cache(1024)
def _outs_of_lock(lock: bytes) -> Mapping[str, str]:
    return outs_of(lock)


def _sweeps(attempts: Iterable[Attempt]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.origin.sweep for one in attempts if one.origin.sweep))


def _ended(attempts: Sequence[Attempt]) -> float | None:
    return attempts[-1].heartbeat_at if attempts else None


def _head(root: Path) -> str | None:
    return _git(root, "rev-parse", "--quiet", "--verify", "HEAD") or None


def _tags(root: Path) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    listed = _git(root, "for-each-ref", "--format=%(objectname) %(*objectname) %(refname:short)", "refs/tags")
    for line in listed.splitlines():
        own, of, name = line.split(" ", 2)
        found.setdefault(of or own, []).append(name)
    return found


def _git(root: Path, *arguments: str) -> str:
    """What Git says; nothing where it knows no such thing (no commit yet, no repository). Names may be of any bytes."""
    said = subprocess.run(["git", *arguments], cwd=root, capture_output=True).stdout
    return said.decode(errors="replace").strip("\n")
