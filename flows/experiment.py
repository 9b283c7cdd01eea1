"""An experiment beside the workspace: a git worktree of its own on the shared DVC cache, kept afterwards as a DVC experiment.

It is the checkout as it stands, edits and new files included (as `dvc exp run` takes it), with other settings. Its folder
is named by what it is, so that whoever runs the same experiment after a crash goes on in it, and two never share it at a time.
Once it is saved the folder goes: what it made is in DVC's cache, `dvc exp apply NAME` brings it to the workspace.
"""

import fcntl
import hashlib
import json
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
from stages.params import PARAMS, parse_yaml
from stages.profile import PROFILES
from stages.store.files import write_bytes, write_json

FOLDER = Path("runs/experiments")
MADE_BY_RUNS = ("dvc.lock", "reports/")  # what every run writes: it makes no other experiment
CHANGES_NO_BYTE = ("operations", "sweep")  # how it is run, and what a search varies
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
EXPERIMENT_REF = re.compile(
    r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)"
)  # after the commit it starts from; others are DVC's own
PAUSE_S = 0.2
_DVC = (sys.executable, "-m", "dvc")


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment is: the commit it starts from, the tree of all files as they stand, its params.yaml.

    `code` is a hash of the commit and of all files that a run does not write.
    """

    commit: str
    tree: str
    code: str
    params: bytes

    @property
    def key(self) -> str:
        """The same for what makes the same bytes: with a higher budget or on other devices it is no other experiment."""
        settings = parse_yaml(self.params.decode())
        what = {section: value for section, value in settings.items() if section not in CHANGES_NO_BYTE}
        return hashlib.sha256(json.dumps([self.code, what], sort_keys=True).encode()).hexdigest()[:16]


def plan_experiment(profile: str | None, overrides: Overrides) -> Plan:
    """The present checkout with `profile` (None: its own params.yaml) and `overrides`. Raises LadderError."""
    params = with_overrides(settings_file(profile), overrides)
    commit = _git("rev-parse", "HEAD")
    tree = _tree()
    listed = _git("ls-tree", "-r", tree).splitlines()
    ours = [line for line in listed if not line.partition("\t")[2].startswith((*MADE_BY_RUNS, PARAMS.name))]
    code = hashlib.sha256("\n".join([commit, *ours]).encode()).hexdigest()
    return Plan(commit, tree, code, params)


def settings_file(profile: str | None) -> Path:
    """Of a profile, or (None) of the checkout. Raises LadderError."""
    source = PARAMS if profile is None else PROFILES / f"{profile}.yaml"
    if not source.exists():
        known = ", ".join(sorted(file.stem for file in PROFILES.glob("*.yaml")))
        raise LadderError(f"profile {profile!r}: there is no {source}; choose one of {known}")
    return source


@dataclass(frozen=True, slots=True)
class Experiment:
    """A DVC experiment: its commit, and whether (and of which plan) it was made here."""

    name: str
    commit: str
    plan_key: str | None


def experiments() -> list[Experiment]:
    """All of them, whoever made them, the newest first."""
    listed = _git(
        "for-each-ref", "--sort=-committerdate", "--format=%(refname) %(objectname) %(contents:subject)", "refs/exps"
    )
    found = []
    for ref, commit, said in (line.split(" ", 2) for line in listed.splitlines()):
        if named := EXPERIMENT_REF.fullmatch(ref):
            found.append(Experiment(named[1], commit, said.removeprefix(MESSAGE) if said.startswith(MESSAGE) else None))
    return found


def saved(plan: Plan) -> str | None:
    """The newest DVC experiment that was made of `plan`."""
    return next((one.name for one in experiments() if one.plan_key == plan.key), None)


def free_name(wanted: str, run_id: str) -> str:
    """A name for an experiment: what Git and DVC allow of `wanted`, and the run's id where another experiment has it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-.") or "run"
    return f"{name}-{run_id[:8]}" if name in [one.name for one in experiments()] else name


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


def worktrees() -> list[Path]:
    """All checkouts of this repository but this one."""
    listed = _git("worktree", "list", "--porcelain").splitlines()
    places = [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]
    return [place for place in places if place.is_dir() and place.resolve() != Path.cwd().resolve()]


@contextmanager
def unused(root: Path) -> Iterator[bool]:
    """Whether nobody works in an experiment's folder; if so nobody begins to while the block runs."""
    lock = root.parent / f"{root.name}.lock"
    with lock.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _environment(sweep: str | None) -> dict[str, str]:
    shared = {SHARED: str(ledger_path().resolve()), MAKING: str((FOLDER / "making").resolve())}
    return shared if sweep is None else {**shared, SWEEP: sweep}


def _set_up(root: Path, plan: Plan) -> None:
    if (root / "runs" / ENDED).exists():
        write_bytes(root / PARAMS, plan.params)  # what changes no byte may have changed since
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
