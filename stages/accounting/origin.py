"""Where an attempt comes from: the command that started it, the commit, the settings, what had been made until then."""

import os
import subprocess
import time
from pathlib import Path

import psutil

from stages.accounting.records import Origin
from stages.process import process_began
from stages.store.digest import md5

RUN, SWEEP, COMMIT = "LADDER_RUN", "LADDER_SWEEP", "LADDER_COMMIT"
MADE = (":!reports", ":!dvc.lock")  # what every run writes makes no tree dirty


def origin_of_this_process() -> Origin:
    """Of the workspace that it runs in. What can't be known is None."""
    commit = _git("rev-parse", "HEAD") or os.environ.get(COMMIT)  # a copy without Git is told what it is a copy of
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *MADE)
    return Origin(
        run=run_of_this_process(),
        sweep=os.environ.get(SWEEP),
        experiment=os.environ.get("DVC_EXP_NAME"),
        workspace=workspace(),
        commit=commit,
        dirty=None if changed is None else bool(changed),
        params_hash=_md5(Path("params.yaml")),
        lock_hash=_md5(Path("dvc.lock")),
    )


def workspace() -> str:
    return str(Path.cwd())


def run_name(kind: str, pid: int) -> str:
    """A run's name: what started it, the day (UTC), and its process, which all its stages see alike whatever the clock does."""
    began = psutil.Process(pid).create_time()
    return f"{kind}-{time.strftime('%Y%m%d', time.gmtime(began))}-{pid}-{process_began(pid):.0f}"


def run_of_this_process() -> str:
    """The flow's, which the environment names; else that of its `dvc repro`; else its own."""
    if named := os.environ.get(RUN):
        return named
    leader = os.getppid()  # DVC's shell was replaced by this process: dvc.yaml says `exec`
    if "DVC_STAGE" in os.environ and process_began(leader) is not None:
        return run_name("repro", leader)
    return run_name("stage", os.getpid())


def _md5(path: Path) -> str | None:
    return md5(path) if path.exists() else None


def _git(*arguments: str) -> str | None:
    try:
        said = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):  # no git, no repository, no commit yet
        return None
    return said.stdout.strip()
