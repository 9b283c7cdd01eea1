"""An experiment beside the workspace: a git worktree of its own on the shared DVC cache, kept afterwards as a DVC experiment.

Its folder is named by what it is, so that whoever runs the same experiment after a crash goes on in it, and two never share it at
a time. Once it is saved the folder goes: what it made is in DVC's cache, `dvc exp apply NAME` brings it to the workspace.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.git import git
from flows.plan import Plan
from flows.saved import MESSAGE
from flows.workspace import MAKING, Workspace
from stages.accounting.ledger import SHARED, ledger_path
from stages.accounting.origin import SWEEP
from stages.errors import LadderError
from stages.params import PARAMS
from stages.process import try_lock
from stages.store.files import write_bytes, write_json

FOLDER = Path("runs/experiments")
SET_UP = "experiment.json"  # in a folder: it was set up to its end
SHARED_LINKS = ("external", "runs/errors", "runs/gate")  # others' data, tracebacks, embeddings: of all experiments
GIT_LOCK = FOLDER / "git.lock"  # worktrees and references are of the whole repository
PAUSE_S = 0.2


@contextmanager
def experiment(
    plan: Plan,
    name: str,
    run: str,
    sweep: str | None,
    waits: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Workspace]:
    """A worktree for `plan`, saved as the DVC experiment `name` when the block ends well, and kept to go on from when not.

    One process at a time works at the same plan; `waits` is told for whom. Raises LadderError where git or DVC does,
    and where `stopped` says so before the block begins.
    """
    root = (FOLDER / plan.key).resolve()
    with _held(FOLDER / f"{plan.key}.lock", name, waits, stopped):
        _set_up(root, plan)
        workspace = Workspace(root, run, name, _environment(sweep))
        yield workspace
        _save(workspace, plan.key)
        remove(root)


def remove(root: Path) -> None:
    """Take an experiment's folder away; what it made stays in DVC's cache."""
    with _held(GIT_LOCK):
        shutil.rmtree(root, ignore_errors=True)
        git("worktree", "prune")


def worktrees() -> list[Path]:
    """All checkouts of this repository but this one."""
    listed = git("worktree", "list", "--porcelain").splitlines()
    places = [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]
    return [place for place in places if place.is_dir() and place.resolve() != Path.cwd().resolve()]


@contextmanager
def none_begins_or_ends() -> Iterator[None]:
    """While the block runs no experiment's worktree is made, saved or removed; those under way go on."""
    with _held(GIT_LOCK):
        yield


@contextmanager
def unused(root: Path) -> Iterator[bool]:
    """Whether nobody works in an experiment's folder; if so nobody begins to while the block runs."""
    lock = try_lock(root.parent / f"{root.name}.lock")
    if lock is None:
        yield False
        return
    with lock:
        yield True


def _environment(sweep: str | None) -> dict[str, str]:
    shared = {SHARED: str(ledger_path().resolve()), MAKING: str((FOLDER / "making").resolve())}
    return shared if sweep is None else {**shared, SWEEP: sweep}


def _set_up(root: Path, plan: Plan) -> None:
    if (root / "runs" / SET_UP).exists():
        write_bytes(root / PARAMS, plan.params)  # what changes no byte may have changed since
        return
    remove(root)
    with _held(GIT_LOCK):
        git("worktree", "add", "--quiet", "--detach", str(root), plan.commit)
        git("read-tree", "-m", "-u", plan.commit, plan.tree, at=root)  # edits stay in the index: DVC saves them
    _share_cache(root)
    for link in map(Path, SHARED_LINKS):
        if link.parts[0] == "runs":
            link.mkdir(parents=True, exist_ok=True)
        if link.exists():
            (root / link).parent.mkdir(parents=True, exist_ok=True)
            (root / link).symlink_to(link.resolve())
    write_bytes(root / PARAMS, plan.params)
    write_json(root / "runs" / SET_UP, {"commit": plan.commit, "key": plan.key})


def _share_cache(root: Path) -> None:
    """The workspace's DVC cache, and whatever else its local configuration says (a remote's credentials)."""
    from dvc.config import Config  # takes a second to import
    from dvc.repo import Repo

    local = Path(".dvc/config.local")
    if local.exists():
        shutil.copy2(local, root / local)
    with Repo() as repository, Config(str(root / ".dvc"), validate=False).edit("local") as settings:
        settings.setdefault("cache", {})["dir"] = repository.cache.local_cache_dir


def _save(workspace: Workspace, key: str) -> None:
    assert workspace.experiment is not None
    with _held(GIT_LOCK):
        said = subprocess.run(
            [sys.executable, "-m", "dvc", "exp", "save", "--force", "--name", workspace.experiment, "--message", MESSAGE + key],
            cwd=workspace.root, env=workspace.child_environment(), capture_output=True, text=True,
        )  # fmt: skip
    if said.returncode:
        raise LadderError(f"dvc exp save {workspace.experiment}: {' '.join(said.stderr.split())[-600:]}")


@contextmanager
def _held(
    path: Path,
    name: str = "",
    waits: Callable[[str], None] = lambda holder: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the lock file `path`, waiting for who holds it. Raises LadderError where `stopped` says so."""
    told = False
    while stopped() or (lock := try_lock(path)) is None:
        if stopped():
            raise LadderError(f"{name}: not begun, the flow was stopped")
        if not told:
            waits(f"waits for {path.read_text().strip() or 'another run'}, which climbs the same experiment")
            told = True
        time.sleep(PAUSE_S)
    with lock:
        lock.truncate(0)
        lock.write(f"{name} (process {os.getpid()})")
        lock.flush()
        yield
