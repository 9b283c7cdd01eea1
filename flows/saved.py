"""The DVC experiments there are, and their files, wherever those are: in Git, in the cache, at a remote."""

import re
from dataclasses import dataclass
from pathlib import Path

from flows.git import git
from flows.plan import Plan

MESSAGE = "GRPO Ladder: experiment "  # of its commit, before its plan's key
REF = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")  # after the commit it starts from; others are DVC's own


@dataclass(frozen=True, slots=True)
class Experiment:
    """A DVC experiment: whether, and of which plan, it was made here. Of a name there may be one for each commit that it starts
    from: `ref` tells them apart.
    """

    ref: str
    name: str
    commit: str
    saved_at: float
    """Unix seconds."""
    plan_key: str | None


def experiments(repository: Path = Path()) -> list[Experiment]:
    """All of them, whoever made them, the newest first."""
    form = "%(refname) %(objectname) %(committerdate:unix) %(contents:subject)"
    listed = git("for-each-ref", "--sort=-committerdate", f"--format={form}", "refs/exps", at=repository)
    found = []
    for ref, commit, saved_at, said in (line.split(" ", 3) for line in listed.splitlines()):
        if named := REF.fullmatch(ref):
            key = said.removeprefix(MESSAGE) if said.startswith(MESSAGE) else None
            found.append(Experiment(ref, named[1], commit, float(saved_at), key))
    return found


def saved(plan: Plan) -> str | None:
    """The newest DVC experiment that was made of `plan`."""
    return next((one.name for one in experiments() if one.plan_key == plan.key), None)


def free_name(wanted: str, id: str) -> str:
    """A name for an experiment: what Git and DVC allow of `wanted`, and the beginning of `id` where another one has it."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-.") or "run"
    return f"{name}-{id[:8]}" if name in [one.name for one in experiments()] else name


class SavedExperiment:
    def __init__(self, name: str, repository: Path = Path()) -> None:
        from dvc.api import DVCFileSystem  # takes a second to import

        self._files = DVCFileSystem(str(repository.resolve()), rev=name)

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError where the experiment did not make it."""
        content: bytes = self._files.read_bytes(path)
        return content
