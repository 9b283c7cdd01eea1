"""A space is checked before anything starts, and what is drawn from it is what the settings then say."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution

from flows.overrides import with_overrides
from flows.sweep.space import check_space, distributions, grid
from stages.errors import LadderError
from stages.params import parse_yaml, read_yaml
from tests.conftest import CHECKOUT
from tests.flows.sweep.studied import sweep_of

SOURCE = CHECKOUT / "profiles/mini.yaml"
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"grpo.klcoef": {"low": 0.1, "high": 0.2}}, ["sweep.space: grpo.klcoef", "no such setting", "did you mean grpo.kl_coef?"]),
    ({"grpo.learning_rate": {"low": 0.01, "high": 0.2}}, ["grpo.learning_rate: 0.2", "less than or equal to 0.1"]),
    ({"grpo.kl_coef": {"low": -0.1, "high": 0.2}}, ["grpo.kl_coef: -0.1", "greater than or equal to 0"]),
    ({"rungs.r8k.steps": {"low": 10.0, "high": 20.0}}, ["rungs.r8k.steps: 10.0", "integer"]),
    ({"grpo.aggregation": {"choices": ["token-mean", "median"]}}, ["grpo.aggregation: median", "token-mean"]),
    ({"operations.devices": {"choices": [1, 2]}}, ["operations.devices", "changes no result"]),
]  # fmt: skip


@pytest.mark.parametrize(("space", "words"), WRONG)
def test_a_space_that_the_settings_refuse_is_one_line(space: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(LadderError) as refused:
        check_space(SOURCE, {}, sweep_of(space=space))
    assert "\n" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


def test_a_grid_over_a_continuous_range_is_refused() -> None:
    check_space(SOURCE, {}, sweep_of())
    with pytest.raises(LadderError, match=r"grpo.kl_coef: .*step or choices"):
        check_space(SOURCE, {}, sweep_of(sampler="grid"))


def test_a_bound_on_a_kl_that_nobody_measures_is_refused() -> None:
    bounded = {"constraints": {"max_kl": 0.5}}
    check_space(SOURCE, {}, sweep_of(**bounded))
    with pytest.raises(LadderError, match=r"max_kl 0\.5 watches a KL"):
        check_space(SOURCE, {}, sweep_of(**bounded, space={"grpo.kl_coef": {"choices": [0.1, 0.0]}}))
    with pytest.raises(LadderError, match=r"max_kl 0\.5 watches a KL"):
        check_space(SOURCE, {"grpo.kl_coef": 0.0}, sweep_of(**bounded, space={"seed": {"low": 0, "high": 3}}))


def test_whole_numbers_stay_whole_where_the_setting_is_one() -> None:
    space = {
        "seed": {"low": 0, "high": 9},
        "grpo.clip_high": {"low": 1, "high": 2},
        "grpo.kl_target": {"low": 0.1, "high": 1},
    }
    made = distributions(sweep_of(space=space).space, read_yaml(SOURCE))
    assert made == {
        "seed": IntDistribution(0, 9),
        "grpo.clip_high": FloatDistribution(1.0, 2.0),
        "grpo.kl_target": FloatDistribution(0.1, 1.0),
    }


def test_a_grid_has_every_combination_once() -> None:
    space = {
        "seed": {"low": 1, "high": 5, "step": 2},
        "grpo.clip_high": {"low": 0.1, "high": 0.3, "step": 0.1},
        "grpo.kl_target": {"choices": [None, 0.5]},
    }
    points = grid(distributions(sweep_of(space=space).space, read_yaml(SOURCE)))
    assert [tuple(point.values()) for point in points] == [
        (seed, clip, target) for seed in (1, 3, 5) for clip in (0.1, 0.2, 0.3) for target in (None, 0.5)
    ]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rate=st.floats(1e-9, 0.1), target=st.none() | st.floats(1e-6, 1.0), steps=st.integers(1, 10**6))
def test_the_settings_say_what_was_drawn_to_the_last_digit(rate: float, target: float | None, steps: int) -> None:
    point = {"grpo.learning_rate": rate, "grpo.kl_target": target, "rungs.r24k.steps": steps}
    said = parse_yaml(with_overrides(Path(SOURCE), point).decode())
    assert (said["grpo"]["learning_rate"], said["grpo"]["kl_target"], said["rungs"]["r24k"]["steps"]) == (
        rate,
        target,
        steps,
    )
