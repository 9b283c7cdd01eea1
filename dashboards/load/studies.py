"""Optuna's storage, opened read-only: which studies there are, and what each one has tried, as frames."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stages.errors import LadderError
from stages.params import load_params

if TYPE_CHECKING:  # Optuna takes half a second: who opens another page doesn't wait for it
    from optuna.distributions import BaseDistribution
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting that was searched: a range with its ends, or `choices`, told as text."""

    path: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[str, ...] = ()

    def place(self, value: Any) -> float:
        """Where `value` is on the axis, 0 at its lower end and 1 at its upper one; NaN of a trial that has none."""
        if pd.isna(value):
            return math.nan
        if self.choices:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, float(value)))
        return (at - low) / (high - low) if high > low else 0.5

    def marks(self) -> list[tuple[float, str]]:
        """Its ends, or all of its choices: places on the axis, each with what stands there."""
        if self.choices:
            return [(self.place(choice), choice) for choice in self.choices]
        if self.low == self.high:
            return [(self.place(self.low), f"{self.low:.3g}")]
        return [(0.0, f"{self.low:.3g}"), (1.0, f"{self.high:.3g}")]


@dataclass(frozen=True, slots=True)
class Searched:
    """A study. `trials`: a row a trial, by number, with a column for each axis under its path. `reports`: the mean rewards that a
    pruner was told, by trial and step. `begun` is False of a study that no sweep of this project made.
    """

    name: str
    objectives: tuple[str, ...]
    sampler: str
    seed: int
    axes: tuple[Axis, ...]
    trials: pd.DataFrame
    reports: pd.DataFrame
    longest: int | None
    """The most steps that a rung may have: every rung takes as many in the count of `reports`."""
    begun: bool = True

    def axis(self, path: str) -> Axis:
        return next(axis for axis in self.axes if axis.path == path)


def kept_at() -> str:
    """The address of the studies, by the settings. Raises LadderError where these are broken."""
    from flows.sweep.storage import address_of

    return address_of(load_params().sweep)


def studies(address: str) -> tuple[str, ...]:
    """The names of all studies, the newest first; none where there is no storage yet. Raises LadderError where it is broken."""
    return _studies(address, _version(address))


def searched(address: str, name: str) -> Searched:
    """The study `name`. Raises LadderError where the storage is broken, or has no such study any more."""
    return _searched(address, name, _version(address))


def importance(address: str, study: Searched) -> Mapping[str, Mapping[str, float]] | None:
    """By objective, each setting's share of the variance among the finished trials; None where they are too few."""
    complete = study.trials[study.trials["state"] == "complete"]
    results = tuple(zip(complete["number"], complete["accuracy"], strict=True))
    return _importance(address, study.name, study.objectives, study.seed, results)


def _version(address: str) -> object:
    """Another one whenever the database may say something else; None where its file is not there."""
    backend, _, rest = address.partition("://")
    if not backend.startswith("sqlite"):
        return object()  # never the same: a server is asked each time
    try:
        state = Path(rest.removeprefix("/").partition("?")[0]).stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


@lru_cache(4)
def _studies(address: str, version: object) -> tuple[str, ...]:
    from flows.sweep.storage import stored

    with stored(address) as opened:
        if opened is None:
            return ()
        found = sorted(opened.get_all_studies(), key=lambda study: -study._study_id)
    return tuple(study.study_name for study in found)


@lru_cache(8)
def _searched(address: str, name: str, version: object) -> Searched:
    from flows.sweep.storage import stored

    with stored(address) as opened:
        if opened is None:
            raise LadderError(f"{address}: no study yet; `python -m flows.sweep run` begins one")
        return _read(opened, name)


def _read(opened: "RDBStorage", name: str) -> Searched:
    from optuna import load_study

    from flows.sweep.study import BEGUN

    try:
        study = load_study(study_name=name, storage=opened)
    except KeyError:
        raise LadderError(f"{name!r}: no such study any more; choose another") from None
    begun = study.user_attrs.get(BEGUN)
    told = begun or {}
    found = study.get_trials(deepcopy=False)
    axes = _axes(found, list(told.get("space", ())))
    return Searched(
        name,
        tuple(told.get("objectives", ("accuracy",))),
        str(told.get("sampler", "unknown")),
        int(told.get("seed", 0)),
        axes,
        _trials(name, found, axes),
        _reports(name, found),
        _longest(found),
        begun is not None,
    )


def _axes(trials: "Sequence[FrozenTrial]", order: Sequence[str]) -> tuple[Axis, ...]:
    """Of every setting that some trial drew, in the order of the sweep's space."""
    known = {path: distribution for trial in trials for path, distribution in trial.distributions.items()}
    paths = sorted(known, key=lambda path: order.index(path) if path in order else len(order))
    return tuple(_axis(path, known[path]) for path in paths)


def _axis(path: str, distribution: "BaseDistribution") -> Axis:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return Axis(path, choices=tuple(str(choice) for choice in distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return Axis(path, distribution.low, distribution.high, distribution.log)


def _trials(name: str, trials: "Sequence[FrozenTrial]", axes: Sequence[Axis]) -> pd.DataFrame:
    from flows.sweep.report import state_of
    from flows.sweep.study import MAX_KL, WHY, feasible, trial_name

    rows = [
        {
            "number": trial.number,
            "trial": trial_name(name, trial.number),
            "state": state_of(trial),
            **{axis.path: _drawn(trial, axis) for axis in axes},
            "accuracy": values[0] if (values := _values(trial)) else math.nan,
            "usd": values[1] if len(values) > 1 else math.nan,
            "max_kl": trial.user_attrs.get(MAX_KL, math.nan),
            "feasible": feasible(trial),
            "why": trial.user_attrs.get(WHY, ""),
        }
        for trial in trials
    ]
    paths = [axis.path for axis in axes]
    columns = ["number", "trial", "state", *paths, "accuracy", "usd", "max_kl", "feasible", "why"]
    return pd.DataFrame(rows, columns=columns)


def _drawn(trial: "FrozenTrial", axis: Axis) -> Any:
    """NaN where the trial has not drawn it yet."""
    value = trial.params.get(axis.path, math.nan)
    return str(value) if axis.choices and axis.path in trial.params else value


def _values(trial: "FrozenTrial") -> Sequence[float]:
    """Of a finished one: Optuna takes a pruned one's last mean reward for its value."""
    return trial.values if trial.state.name == "COMPLETE" else ()


def _reports(name: str, trials: "Sequence[FrozenTrial]") -> pd.DataFrame:
    from flows.sweep.report import state_of
    from flows.sweep.study import trial_name

    rows = [
        (trial.number, trial_name(name, trial.number), state_of(trial), step, reward)
        for trial in trials
        for step, reward in sorted(trial.intermediate_values.items())
    ]
    return pd.DataFrame(rows, columns=["number", "trial", "state", "step", "reward"])


def _longest(trials: "Sequence[FrozenTrial]") -> int | None:
    """By the first trial's settings, where this version of the project still reads them."""
    from ruamel.yaml.error import YAMLError

    from flows.sweep.study import PARAMS_YAML
    from flows.sweep.watch import longest_rung
    from stages.params import Params, parse_yaml

    text = next((trial.user_attrs[PARAMS_YAML] for trial in trials if PARAMS_YAML in trial.user_attrs), None)
    try:
        settings = Params.model_validate(parse_yaml(text or ""))
    except (ValueError, YAMLError):
        return None
    return longest_rung(settings, settings.sweep)


@lru_cache(8)
def _importance(
    address: str, name: str, objectives: tuple[str, ...], seed: int, results: tuple[tuple[int, float], ...]
) -> Mapping[str, Mapping[str, float]] | None:
    """With other `results` the shares are others."""
    from optuna import load_study

    from flows.sweep.report import FEWEST
    from flows.sweep.report import importance as shares
    from flows.sweep.storage import stored

    if len(results) < FEWEST:
        return None
    with stored(address) as opened:
        if opened is None:
            return None
        return shares(load_study(study_name=name, storage=opened), objectives, seed)
