"""Learning rate and KL coefficient, by hand."""

import pytest

from stages.grpo.schedules import adapted_kl_coef, learning_rate
from tests.grpo.conftest import params_with


@pytest.mark.parametrize(
    ("scheduler", "warmup", "rates"),
    [
        ("constant", 0, [1, 1, 1, 1, 1, 1]),
        ("constant", 2, [0.5, 1, 1, 1, 1, 1]),
        ("cosine", 0, [1, 0.9330127, 0.75, 0.5, 0.25, 0.0669873]),  # (1 + cos(k pi / 6)) / 2
        ("cosine", 2, [0.5, 1, 1, 0.8535534, 0.5, 0.1464466]),  # (1 + cos(k pi / 4)) / 2 after the warm-up
    ],
)
def test_learning_rate(scheduler: str, warmup: int, rates: list[float]) -> None:
    settings = params_with(learning_rate=0.01, lr_scheduler=scheduler, warmup_steps=warmup).grpo
    assert [learning_rate(step, 6, settings) for step in range(1, 7)] == pytest.approx([0.01 * rate for rate in rates])


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (0.1, 0.5),  # on target
        (0.11, 0.5 * (1 + 0.1 * 64 / 100)),
        (0.09, 0.5 * (1 - 0.1 * 64 / 100)),
        (9.0, 0.5 * (1 + 0.2 * 64 / 100)),  # at most a fifth
        (0.0, 0.5 * (1 - 0.2 * 64 / 100)),
    ],
)
def test_the_kl_coefficient_follows_its_target(kl: float, expected: float) -> None:
    assert adapted_kl_coef(0.5, kl, rollouts=64, target=0.1, horizon=100) == pytest.approx(expected)
