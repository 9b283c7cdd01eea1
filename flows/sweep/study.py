"""The study: what Optuna knows of a sweep, who makes which trial, what each one came to.

A trial's parameters are drawn all at once, by a sampler whose seed is the sweep's and the trial's number: a sweep that makes one
trial after the other tries the same after a crash as without it. In parallel, what TPE knows when it is asked depends on which
trial ended first, so that a sweep does not repeat: the trials' parameters are the record.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna import Study, Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner, PatientPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from flows.sweep.owners import Owner, is_gone
from flows.sweep.space import Point, grid
from stages.errors import LadderError
from stages.params import Sweep
from stages.params.sweep import Pruner
from stages.randomness import rng

BEGUN, OWNER, TRIAL_PLAN, PARAMS_YAML, WHY, AGAIN = "begun", "owner", "plan", "params.yaml", "why", "again"
GUARD, MAX_KL = "guard", "max_kl"  # constraints: a trial keeps to one that is 0 or less
DIRECTIONS = {"accuracy": StudyDirection.MAXIMIZE, "usd": StudyDirection.MINIMIZE}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trial ended: `values` by objective of a complete one, `why` of any other; `max_kl` where a KL was measured."""

    state: TrialState
    values: tuple[float, ...] = ()
    why: str = ""
    guard: bool = False
    max_kl: float | None = None


def trial_name(sweep: str, number: int) -> str:
    """Of a trial's DVC experiment, its run in the ledger and its task."""
    return f"{sweep}-{number:04d}"


def open_study(storage: RDBStorage, sweep: Sweep, begun: Mapping[str, Any]) -> Study:
    """The sweep's study, made if there is none yet. Raises LadderError where it was begun as another search than `begun`."""
    study = optuna.create_study(
        storage=storage,
        study_name=sweep.name,
        sampler=RandomSampler(),
        pruner=pruner_of(sweep.pruner),
        directions=[DIRECTIONS[objective] for objective in sweep.objectives],
        load_if_exists=True,
    )
    known = study.user_attrs.get(BEGUN)
    if known is None:
        study.set_user_attr(BEGUN, dict(begun))
    elif other := [key for key in begun if key != "commit" and known.get(key) != begun[key]]:
        raise LadderError(
            f"params.yaml: sweep.name {sweep.name!r}: its study was begun with another {', another '.join(other)} (at commit "
            f"{known.get('commit', 'unknown')}); bring that back, or give this search another name"
        )
    return study


def load_study(storage: RDBStorage, sweep: Sweep) -> Study:
    """The sweep's study as it is. Raises LadderError where there is none."""
    try:
        return optuna.load_study(study_name=sweep.name, storage=storage, sampler=RandomSampler())
    except KeyError:
        known = ", ".join(optuna.get_all_study_names(storage)) or "none"
        raise LadderError(
            f"params.yaml: sweep.name {sweep.name!r}: no such study; known: {known}; `python -m flows.sweep run` begins one"
        ) from None


def ask(study: Study, sweep: Sweep, space: Mapping[str, BaseDistribution], me: Owner) -> Trial | None:
    """A new trial of `me`; None where a grid has no further point."""
    trials = study.get_trials(deepcopy=False)
    if all(trial.state != TrialState.WAITING for trial in trials):
        point: Point = {}
        if sweep.sampler == "grid":
            tried = [_wanted(trial) for trial in trials]
            free = [candidate for candidate in grid(space) if candidate not in tried]
            if not free:
                return None
            point = free[0]
        study.enqueue_trial(dict(point), user_attrs={OWNER: dict(me)})  # it has an owner from its first moment on
        trials = study.get_trials(deepcopy=False)
    number = next((trial.number for trial in trials if trial.state == TrialState.WAITING), len(trials))
    study.sampler = sampler_of(sweep, number)
    trial = study.ask(fixed_distributions=dict(space))
    if trial.user_attrs.get(OWNER) != me:  # another process's, who was killed before it took it
        trial.set_user_attr(OWNER, dict(me))
    return trial


def try_again(study: Study, me: Owner) -> None:
    """Queue what has failed once more, under a new number: it goes on in the worktree that was kept. Only once."""
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get(AGAIN) for trial in trials}
    for trial in trials:
        if trial.state != TrialState.FAIL or TRIAL_PLAN not in trial.user_attrs or AGAIN in trial.user_attrs:
            continue
        if trial.number not in again:
            study.enqueue_trial(trial.params, user_attrs={OWNER: dict(me), AGAIN: trial.number})


def left_behind(study: Study, sweep: Sweep, space: Mapping[str, BaseDistribution], me: Owner) -> Trial | None:
    """The first trial under way whose process is gone, which from now on is `me`'s; None where there is none.

    It keeps its number and its parameters; those that were not drawn yet are drawn.
    """
    beats, now = study.user_attrs, time.time()
    for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not is_gone(frozen.user_attrs.get(OWNER), beats, now):
            continue
        study.sampler = sampler_of(sweep, frozen.number)
        trial = Trial(study, frozen._trial_id)
        trial.set_user_attr(OWNER, dict(me))
        for path, distribution in space.items():
            _suggest(trial, path, distribution)
        if study.trials[frozen.number].user_attrs[OWNER] == me:  # nobody else took it at the same moment
            return trial
    return None


def tell(trial: Trial, ended: Ended, sweep: Sweep) -> None:
    """Write down how `trial` ended."""
    limit = sweep.constraints.max_kl
    trial.set_user_attr(WHY, ended.why)
    trial.set_constraint(GUARD, 1.0 if ended.guard else -1.0)
    if ended.max_kl is not None:
        trial.set_user_attr(MAX_KL, ended.max_kl)
        if limit is not None:
            trial.set_constraint(MAX_KL, ended.max_kl - limit)
    complete = ended.state == TrialState.COMPLETE
    trial.study.tell(trial, list(ended.values) if complete else None, ended.state)


def feasible(trial: FrozenTrial) -> bool:
    return all(value <= 0 for value in trial.constraints.values())


def ranked(study: Study) -> list[FrozenTrial]:
    """The complete trials, the best accuracy first; after those that keep to the constraints the others."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: (not feasible(trial), -trial.values[0], trial.number))


def pareto_front(study: Study) -> list[FrozenTrial]:
    """The complete trials that keep to the constraints and that no other such trial is better than in one objective and as good
    in the others, the most accurate first.
    """
    kept = [trial for trial in ranked(study) if feasible(trial)]
    front = unbeaten({trial.number: _scores(study, trial.values) for trial in kept})
    return [trial for trial in kept if trial.number in front]


def unbeaten(scores: Mapping[int, Sequence[float]]) -> set[int]:
    """Those than which no other is better in one score and as good in the others; a score is the better the higher it is."""

    def beaten(one: Sequence[float]) -> bool:
        return any(other != one and all(b >= a for a, b in zip(one, other, strict=True)) for other in scores.values())

    return {number for number, score in scores.items() if not beaten(score)}


def sampler_of(sweep: Sweep, number: int) -> BaseSampler:
    seed = int(rng(sweep.seed, "sweep", number).integers(2**32))
    return TPESampler(seed=seed) if sweep.sampler == "tpe" else RandomSampler(seed=seed)


def pruner_of(settings: Pruner) -> BasePruner:
    """Judged at every report: how often there is one is `every_steps`."""
    if settings.kind == "none":
        return NopPruner()
    median = MedianPruner(settings.startup_trials, settings.warmup_steps)
    return median if settings.kind == "median" else PatientPruner(median, settings.patience)


def _scores(study: Study, values: Sequence[float]) -> list[float]:
    """Values, the higher the better."""
    signs = [1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in study.directions]
    return [sign * value for sign, value in zip(signs, values, strict=True)]


def _wanted(trial: FrozenTrial) -> dict[str, Any]:
    """The point of a grid that a trial was made for, before it has drawn it too."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _suggest(trial: Trial, path: str, distribution: BaseDistribution) -> None:
    match distribution:
        case CategoricalDistribution(choices=choices):
            trial.suggest_categorical(path, choices)
        case IntDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_int(path, low, high, step=step, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_float(path, low, high, step=step, log=log)
