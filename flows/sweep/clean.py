"""Free what a sweep no longer needs: the DVC experiments of all trials but the best, worktrees that nobody goes on with, and of
DVC's cache what then nothing names any more: no commit, no experiment that is left, neither this workspace nor one under way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optuna import Study
from optuna.trial import FrozenTrial

from flows.cache import collect_garbage, dvc, unnamed
from flows.experiment import FOLDER, remove, unused, worktrees
from flows.plan import Plan
from flows.saved import Experiment, experiments
from flows.sweep.study import PARAMS_YAML, TRIAL_PLAN, pareto_front, ranked, trial_name
from stages.params import Sweep


@dataclass(frozen=True, slots=True)
class Unneeded:
    experiments: tuple[Experiment, ...]
    folders: tuple[Path, ...]
    cache_bytes: int
    folder_bytes: int

    @property
    def empty(self) -> bool:
        return not (self.experiments or self.folders or self.cache_bytes)

    def said(self) -> str:
        if self.empty:
            return "nothing to free"
        names = ", ".join(sorted(one.name for one in self.experiments)) or "none"
        return (
            f"{self.cache_bytes + self.folder_bytes} bytes can be freed: {self.cache_bytes} in DVC's cache once "
            f"{len(self.experiments)} experiments are removed ({names}), {self.folder_bytes} in "
            f"{len(self.folders)} worktrees of trials that have ended"
        )


def to_free(study: Study, sweep: Sweep, keep: int) -> Unneeded:
    """What is left over but the best `keep` trials and the Pareto front. Raises LadderError for a cache that others use too."""
    trials = study.get_trials(deepcopy=False)
    front = pareto_front(study) if len(sweep.objectives) > 1 else []
    kept = {trial.number for trial in [*ranked(study)[:keep], *front]}
    ended = [trial for trial in trials if trial.state.is_finished()]
    made = experiments()
    # By name and plan: an earlier study of the same name may have left its own.
    unkept = {(trial_name(sweep.name, trial.number), _key(trial)) for trial in ended if trial.number not in kept}
    removed = [one for one in made if one.plan_key is not None and (one.name, one.plan_key) in unkept]
    going_on = {_key(trial) for trial in trials if not trial.state.is_finished()}  # a failed one may be tried again
    keys = dict.fromkeys(key for trial in ended if (key := _key(trial)) is not None and key not in going_on)
    folders = [folder for key in keys for folder in _abandoned(key)]
    others = [place for place in worktrees() if place.resolve() not in folders]
    revisions = [one.commit for one in made if one not in removed]
    files = unnamed(revisions, others)
    return Unneeded(
        tuple(removed),
        tuple(folders),
        sum(path.stat().st_size for path in files),
        sum(file.lstat().st_size for folder in folders for file in folder.rglob("*") if not file.is_dir()),
    )


def free(unneeded: Unneeded) -> None:
    """Raises LadderError where DVC does."""
    for folder in unneeded.folders:
        with unused(folder) as idle:
            if idle:
                remove(folder)
    if unneeded.experiments:
        dvc("exp", "remove", *(one.ref for one in unneeded.experiments))
    collect_garbage()


def _key(trial: FrozenTrial) -> str | None:
    """Of a trial's plan; None before it has one."""
    if TRIAL_PLAN not in trial.user_attrs:
        return None
    return Plan(**trial.user_attrs[TRIAL_PLAN], params=trial.user_attrs[PARAMS_YAML].encode()).key


def _abandoned(key: str) -> Iterator[Path]:
    """The worktree of a plan, where there is one and nobody works in it (another run of the same)."""
    folder = (FOLDER / key).resolve()
    if folder.exists():
        with unused(folder) as idle:
            if idle:
                yield folder
