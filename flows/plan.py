"""What an experiment is: the checkout as it stands, edits and new files included (as `dvc exp run` takes it); its settings."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from flows.git import git
from flows.overrides import Overrides, with_overrides
from stages.errors import LadderError
from stages.params import PARAMS, parse_yaml
from stages.profile import PROFILES

MADE_BY_RUNS = ("dvc.lock", "reports/")  # what every run writes: it makes no other experiment
CHANGES_NO_BYTE = ("operations", "sweep")  # how it is run, and what a search varies


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
    commit = git("rev-parse", "HEAD")
    tree = _tree()
    listed = git("ls-tree", "-r", tree).splitlines()
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


def _tree() -> str:
    """The tree of all files that git does not ignore, as they stand; the index stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        shutil.copy2(git("rev-parse", "--git-path", "index"), index)  # knows what has not changed
        git("add", "--all", index=index)
        return git("write-tree", index=index)
