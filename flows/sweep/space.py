"""The settings that a sweep searches, as Optuna's distributions, checked before anything starts."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from flows.overrides import Overrides, with_overrides
from stages.errors import LadderError
from stages.params import Dimension, Sweep, parse_yaml

FINDS_NOTHING = ("operations", "guards", "sweep")  # they change no result of a run that goes through
Point = Mapping[str, Any]
"""A value for each dimension of a space."""


def distributions(space: Mapping[str, Dimension], settings: Any) -> dict[str, BaseDistribution]:
    """Of each dimension; `settings` are those that the sweep starts from, as YAML has them.

    Whole numbers where the ends are and the setting has one now (or null): `low: 1` of a setting of 0.5 is a float.
    """
    return {path: _distribution(dimension, value_at(settings, path)) for path, dimension in space.items()}


def _distribution(dimension: Dimension, now: Any) -> BaseDistribution:
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    low, high, step = dimension.low, dimension.high, dimension.step
    assert low is not None
    assert high is not None
    if dimension.whole and (now is None or isinstance(now, int)):
        return IntDistribution(int(low), int(high), log=dimension.log, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=dimension.log, step=None if step is None else float(step))


def check_space(source: Path, overrides: Overrides, sweep: Sweep) -> None:
    """Raise LadderError where the settings refuse a value of the space, a path is unknown, or nothing could come of a search."""
    for path, dimension in sweep.space.items():
        if path.partition(".")[0] in FINDS_NOTHING:
            raise LadderError(
                f"sweep.space: {path}: it changes no result, so that there is nothing to find; take it out"
            )
        ends = dimension.choices or [dimension.low, dimension.high]
        for end in ends:
            try:
                with_overrides(source, {**overrides, path: end})
            except LadderError as error:
                raise LadderError(f"sweep.space: {path}: {end}: {str(error).removeprefix('set: ')}") from None
    settings = parse_yaml(with_overrides(source, overrides).decode())
    coefficient = sweep.space.get("grpo.kl_coef", Dimension(choices=[settings["grpo"]["kl_coef"]]))
    if sweep.constraints.max_kl is not None and 0 in (coefficient.choices or [coefficient.low]):
        raise LadderError(
            f"sweep.constraints.max_kl {sweep.constraints.max_kl} watches a KL that grpo.kl_coef 0 does not measure; set it to "
            "null, or kl_coef above 0"
        )
    if sweep.sampler == "grid":
        grid(distributions(sweep.space, settings))


def grid(space: Mapping[str, BaseDistribution]) -> list[dict[str, Any]]:
    """Every combination, the last dimension changing fastest. Raises LadderError for a range without steps."""
    values = [list(_values(path, distribution)) for path, distribution in space.items()]
    return [dict(zip(space, combination, strict=True)) for combination in itertools.product(*values)]


def _values(path: str, distribution: BaseDistribution) -> Iterator[Any]:
    match distribution:
        case CategoricalDistribution(choices=choices):
            yield from choices
        case IntDistribution(low=low, high=high, step=step):
            yield from range(low, high + 1, step)
        case FloatDistribution(low=low, high=high, step=step) if step is not None:
            yield from (
                float(f"{low + i * step:.12g}") for i in range(round((high - low) / step) + 1)
            )  # 0.3, not 0.1 + 2 * 0.1
        case _:
            raise LadderError(
                f"sweep.space: {path}: a grid has no end between {distribution}; give it a step or choices, or take sampler tpe"
            )


def value_at(settings: Any, path: str) -> Any:
    """The value at a dotted key; None where there is none."""
    for part in path.split("."):
        if not isinstance(settings, Mapping) or part not in settings:
            return None
        settings = settings[part]
    return settings
