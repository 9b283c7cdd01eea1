"""Free what a sweep no longer needs: the DVC experiments of all trials but the best, worktrees that nobody goes on with, and of
DVC's cache what then nothing names any more: no commit, no experiment that is left, neither this workspace nor one under way.
"""

import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from flows.experiment import FOLDER, remove, unused, worktrees
from flows.plan import Plan
from flows.saved import experiments
from flows.sweep.study import PARAMS_YAML, TRIAL_PLAN, pareto_front, ranked
from flows.sweep.trial import trial_name
from stages.errors import LadderError
from stages.params import Sweep

_DVC = (sys.executable, "-m", "dvc")


@dataclass(frozen=True, slots=True)
class Unneeded:
    """`projects` are the worktrees that share the cache and whose outs stay."""

    experiments: tuple[str, ...]
    folders: tuple[Path, ...]
    projects: tuple[Path, ...]
    cache_bytes: int
    folder_bytes: int

    @property
    def empty(self) -> bool:
        return not (self.experiments or self.folders or self.cache_bytes)

    def said(self) -> str:
        if self.empty:
            return "nothing to free"
        return (
            f"{self.cache_bytes + self.folder_bytes} bytes can be freed: {self.cache_bytes} in DVC's cache once "
            f"{len(self.experiments)} experiments are removed ({', '.join(self.experiments) or 'none'}), {self.folder_bytes} in "
            f"{len(self.folders)} worktrees of trials that have ended"
        )


def to_free(study: Study, sweep: Sweep, keep: int) -> Unneeded:
    """What is left over but the best `keep` trials and the Pareto front. Raises LadderError for a cache that others use too."""
    trials = study.get_trials(deepcopy=False)
    front = pareto_front(study) if len(sweep.objectives) > 1 else []
    kept = {trial.number for trial in [*ranked(study)[:keep], *front]}
    ended = [trial for trial in trials if trial.state.is_finished()]
    made = experiments()
    names = {trial_name(sweep, trial.number) for trial in ended if trial.number not in kept}
    removed = [one for one in made if one.plan_key is not None and one.name in names]
    folders = list(dict.fromkeys(folder for trial in ended for folder in _abandoned(trial)))
    others = [place for place in worktrees() if place.resolve() not in folders]
    revisions = [one.commit for one in made if one not in removed]
    unnamed, projects = _unnamed(revisions, others)
    return Unneeded(
        tuple(sorted(one.name for one in removed)),
        tuple(folders),
        tuple(projects),
        sum(path.stat().st_size for path in unnamed),
        sum(file.lstat().st_size for folder in folders for file in folder.rglob("*") if not file.is_dir()),
    )


def free(unneeded: Unneeded) -> None:
    """Raises LadderError where DVC does."""
    for folder in unneeded.folders:
        with unused(folder) as idle:
            if idle:
                remove(folder)
    if unneeded.experiments:
        _dvc("exp", "remove", *unneeded.experiments)
    projects = ["--projects", *map(str, unneeded.projects)] if unneeded.projects else []
    _dvc("gc", "--workspace", "--all-commits", "--all-experiments", "--force", *projects)


def _abandoned(trial: FrozenTrial) -> Iterator[Path]:
    """The worktree of a trial that has ended, where there is one and nobody works in it (another run of the same)."""
    if TRIAL_PLAN not in trial.user_attrs:
        return
    plan = Plan(**trial.user_attrs[TRIAL_PLAN], params=trial.user_attrs[PARAMS_YAML].encode())
    folder = (FOLDER / plan.key).resolve()
    if folder.exists():
        with unused(folder) as idle:
            if idle:
                yield folder


def _unnamed(experiments: list[str], places: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The files of the cache that neither this workspace, nor a commit, nor one of `experiments` (commits too) needs, nor one of
    `places` that share the cache; and these places.
    """
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)  # a warning for each output of each commit that has made none
    with Repo() as repo:
        cache = Path(repo.cache.local_cache_dir).resolve()
        if not cache.is_relative_to(Path(repo.root_dir).resolve()):
            raise LadderError(
                f"{cache}: DVC's cache lies outside of this checkout, so that others may need what is in it; free it by hand: "
                "`dvc exp remove NAME ...`, then `dvc gc --workspace --all-commits --all-experiments --projects OTHER ...`"
            )
        used = set(_used(repo.used_objs(all_commits=True, revs=experiments)))
        sharing = []
        for place in places:
            with Repo(str(place)) as other:
                if Path(other.cache.local_cache_dir).resolve() == cache:
                    used.update(_used(other.used_objs()))
                    sharing.append(place)
        unnamed = []
        for _, store in repo.cache.by_scheme():
            if store is not None and store.fs.protocol == "local":
                known = {info.value for info in used if info.name == store.hash_name}
                unnamed += [Path(store.oid_to_path(oid)) for oid in store.all() if oid not in known]
    return list(dict.fromkeys(unnamed)), sharing


def _used(by_store: dict[Any, set[Any]]) -> Iterator[Any]:
    for infos in by_store.values():
        yield from infos


def _dvc(*arguments: str) -> None:
    done = subprocess.run([*_DVC, "--wait-for-lock", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise LadderError(f"dvc {arguments[0]}: {' '.join(done.stderr.split())[-600:]}")
