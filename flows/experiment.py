"""An experiment beside the workspace: a git worktree of its own on the shared DVC cache, kept afterwards as a DVC experiment.

It is the checkout as it stands, edits and new files included (as `dvc exp run` takes it), with other settings. Its folder
is named by what it is, so that whoever runs the same experiment after a crash goes on in it, and two never share it at a time.
Once it is saved the folder goes: what it made is in DVC's cache, `dvc exp apply NAME` brings it to the workspace.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.overrides import Overrides, with_overrides
from flows.workspace import Workspace
from stages.accounting.ledger import SHARED, ledger_path
from stages.accounting.origin import SWEEP
from stages.errors import LadderError
from stages.params import PARAMS
from stages.profile import PROFILES
from stages.store.files import write_bytes, write_json

FOLDER = Path("runs/experiments")
MADE_BY_RUNS = ("dvc.lock", "reports/")  # what every run writes: it makes no other experiment
ENDED = "experiment.json"  # in a folder: it was set up to its end
SHARED_LINKS = ("external", "runs/errors", "runs/gate")  # others' data, tracebacks, embeddings: of all experiments
MAKING = "LADDER_MAKING"  # the folder of locks by which two experiments never make the same at once
NOBODY = (
    "-c",
    "user.name=GRPO Ladder",
    "-c",
    "user.email=nobody@localhost",
)  # a commit that stays here asks for no name
MESSAGE = "GRPO Ladder: experiment "  # of its commit, before the key
PAUSE_S = 0.2
_DVC = (sys.executable, "-m", "dvc")


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment is: the commit it starts from, the tree of all files as they stand, its params.yaml."""

    commit: str
    tree: str
    params: bytes
    key: str


def plan_experiment(profile: str | None, overrides: Overrides) -> Plan:
    """The present checkout with `profile` (None: its own params.yaml) and `overrides`. Raises LadderError."""
    source = PARAMS if profile is None else PROFILES / f"{profile}.yaml"
    if not source.exists():
        known = ", ".join(sorted(file.stem for file in PROFILES.glob("*.yaml")))
        raise LadderError(f"profile {profile!r}: there is no {source}; choose one of {known}")
    params = with_overrides(source, overrides)
    commit = _git("rev-parse", "HEAD")
    tree = _tree()
    listed = _git("ls-tree", "-r", tree).splitlines()
    ours = [line for line in listed if not line.partition("\t")[2].startswith((*MADE_BY_RUNS, PARAMS.name))]
    key = hashlib.sha256("\n".join([commit, *ours]).encode() + params).hexdigest()[:16]
    return Plan(commit, tree, params, key)


def saved(plan: Plan) -> str | None:
    """The newest DVC experiment that was made of `plan`."""
    listed = _git(
        "for-each-ref", "--sort=-committerdate", "--format=%(refname:lstrip=-1) %(contents:subject)", "refs/exps"
    )
    names = [
        name for name, _, said in (line.partition(" ") for line in listed.splitlines()) if said == MESSAGE + plan.key
    ]
    return names[0] if names else None


def free_name(wanted: str, run_id: str) -> str:
    """A name for an experiment: what Git and DVC allow of `wanted`, and the run's id where another experiment has it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-.") or "run"
    taken = _git("for-each-ref", "--format=%(refname:lstrip=-1)", "refs/exps").splitlines()
    return f"{name}-{run_id[:8]}" if name in taken else name


@contextmanager
def experiment(plan: Plan, name: str, run: str, sweep: str | None, waits: Callable[[str], None]) -> Iterator[Workspace]:
    """A worktree for `plan`, saved as the DVC experiment `name` when the block ends well, and kept to go on from when not.

    One process at a time works at the same plan; `waits` is told for whom. Raises LadderError where git or DVC does.
    """
    root = (FOLDER / plan.key).resolve()
    with _held(FOLDER / f"{plan.key}.lock", name, waits):
        _set_up(root, plan)
        workspace = Workspace(root, run, name, _environment(sweep))
        yield workspace
        _save(workspace, plan.key)
        remove(root)


def remove(root: Path) -> None:
    """Take an experiment's folder away; what it made stays in DVC's cache."""
    with _held(FOLDER / "git.lock"):
        shutil.rmtree(root, ignore_errors=True)
        _git("worktree", "prune")


def _environment(sweep: str | None) -> dict[str, str]:
    shared = {SHARED: str(ledger_path().resolve()), MAKING: str((FOLDER / "making").resolve())}
    return shared if sweep is None else {**shared, SWEEP: sweep}


def _set_up(root: Path, plan: Plan) -> None:
    if (root / "runs" / ENDED).exists():
        return
    remove(root)
    with _held(FOLDER / "git.lock"):
        _git("worktree", "add", "--quiet", "--detach", str(root), plan.commit)
        _git("read-tree", "-m", "-u", plan.commit, plan.tree, at=root)  # edits stay in the index: DVC saves them
    _share_cache(root)
    for link in map(Path, SHARED_LINKS):
        if link.parts[0] == "runs":
            link.mkdir(parents=True, exist_ok=True)
        if link.exists():
            (root / link).parent.mkdir(parents=True, exist_ok=True)
            (root / link).symlink_to(link.resolve())
    write_bytes(root / PARAMS, plan.params)
    write_json(root / "runs" / ENDED, {"commit": plan.commit, "key": plan.key})


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
    with _held(FOLDER / "git.lock"):
        said = subprocess.run(
            [*_DVC, "exp", "save", "--force", "--name", workspace.experiment, "--message", MESSAGE + key],
            cwd=workspace.root, env=workspace.child_environment(), capture_output=True, text=True,
        )  # fmt: skip
    if said.returncode:
        raise LadderError(f"dvc exp save {workspace.experiment}: {' '.join(said.stderr.split())[-600:]}")


@contextmanager
def _held(path: Path, name: str = "", waits: Callable[[str], None] = lambda holder: None) -> Iterator[None]:
    """Hold the lock file `path`, waiting for who holds it; the kernel frees it with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    lock.seek(0)
                    waits(f"waits for {lock.read().strip() or 'another run'}, which climbs the same experiment")
                    told = True
                time.sleep(PAUSE_S)
        lock.truncate(0)
        lock.write(f"{name} (process {os.getpid()})")
        lock.flush()
        yield


def _tree() -> str:
    """The tree of all files that git does not ignore, as they stand; the index stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        shutil.copy2(_git("rev-parse", "--git-path", "index"), index)  # knows what has not changed
        _git("add", "--all", index=index)
        return _git("write-tree", index=index)


def _git(*arguments: str, at: Path = Path(), index: Path | None = None) -> str:
    environment = os.environ if index is None else os.environ | {"GIT_INDEX_FILE": str(index)}
    done = subprocess.run(["git", *arguments], cwd=at, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise LadderError(f"git {' '.join(arguments)}: {' '.join(done.stderr.split())}")
    return done.stdout.strip()
