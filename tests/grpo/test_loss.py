"""Advantages and loss against numbers worked out by hand and against autograd's own derivative."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.engines.objective import LossInputs
from stages.grpo.advantages import group_advantages
from stages.grpo.loss import k3, loss_sums
from stages.params import Grpo

SETTINGS = Grpo(
    learning_rate=1e-3, weight_decay=0.0, prompts_per_step=1, mini_batch_prompts=1, max_prompt_tokens=8,
    temperature=1.0, kl_coef=0.1, clip_low=0.2, clip_high=0.3, max_grad_norm=1.0,
)  # fmt: skip


def inputs(
    logp: list[list[float]], old: list[list[float]], advantage: list[float], mask: list[list[int]]
) -> LossInputs:
    return LossInputs(
        logp_BT=torch.tensor(logp, dtype=torch.float64, requires_grad=True),
        old_logp_BT=torch.tensor(old, dtype=torch.float64),
        ref_logp_BT=None,
        advantage_B=torch.tensor(advantage, dtype=torch.float64),
        mask_BT=torch.tensor(mask, dtype=torch.float64),
    )


def test_advantages_by_hand() -> None:
    # r = 1, 0, 0, 0: mean 1/4, Bessel's std 1/2
    found = group_advantages(np.array([[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]))
    expected = np.array([0.75, -0.25, -0.25, -0.25]) / (0.5 + 1e-4)
    np.testing.assert_allclose(found, [expected, [0] * 4, [0] * 4], rtol=1e-12)


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=4), min_size=1, max_size=8))
def test_a_groups_advantages_sum_to_zero_and_follow_the_rewards(rewards: list[list[float]]) -> None:
    rewards_PG = np.array(rewards)
    found = group_advantages(rewards_PG)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-12)
    assert ((found > 0) == (rewards_PG > rewards_PG.mean(axis=1, keepdims=True))).all()


def test_a_group_of_one_has_no_advantage() -> None:
    with pytest.raises(ValueError, match=r"group >= 2"):
        group_advantages(np.ones((3, 1)))


def test_at_ratio_one_the_gradient_is_minus_the_advantage() -> None:
    batch = inputs([[-1.0, -2.0]], [[-1.0, -2.0]], [0.5], [[1, 1]])
    sums = loss_sums(batch, SETTINGS)
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(-1.0)
    assert batch.logp_BT.grad is not None
    assert batch.logp_BT.grad.tolist() == [[-0.5, -0.5]]


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient", "low", "high"),
    [
        (1.5, 1.0, -1.3, 0.0, 0, 1),  # above 1 + clip_high with a gain: clipped, no gradient
        (1.5, -1.0, 1.5, 1.5, 0, 0),  # the same with a loss: not clipped, so that it can come back
        (0.5, -1.0, 0.8, 0.0, 1, 0),  # below 1 - clip_low with a loss: clipped
        (0.5, 1.0, -0.5, -0.5, 0, 0),
        (1.25, 1.0, -1.25, -1.25, 0, 0),  # within clip-higher
    ],
)
def test_clipping_by_hand(ratio: float, advantage: float, loss: float, gradient: float, low: int, high: int) -> None:
    batch = inputs([[math.log(ratio)]], [[0.0]], [advantage], [[1]])
    sums = loss_sums(batch, SETTINGS)
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(loss)
    assert batch.logp_BT.grad is not None
    assert batch.logp_BT.grad.item() == pytest.approx(gradient)
    assert (sums.clipped_low, sums.clipped_high) == (low, high)


def test_k3_by_hand_and_in_the_loss() -> None:
    logp, ref = torch.tensor([-1.0], dtype=torch.float64), torch.tensor([-1.5], dtype=torch.float64)
    assert k3(logp, ref).item() == pytest.approx(math.exp(-0.5) + 0.5 - 1)
    batch = inputs([[-1.0]], [[-1.0]], [0.0], [[1]])
    with_ref = LossInputs(batch.logp_BT, batch.old_logp_BT, ref[None], batch.advantage_B, batch.mask_BT)
    sums = loss_sums(with_ref, SETTINGS)
    assert sums.loss.item() == pytest.approx(0.1 * (math.exp(-0.5) - 0.5))
    assert sums.kl == pytest.approx(math.exp(-0.5) - 0.5)


def test_masked_tokens_count_for_nothing() -> None:
    batch = inputs([[-1.0, -9.0], [-3.0, -4.0]], [[-1.0, 5.0], [0.0, 0.0]], [1.0, 1.0], [[1, 0], [0, 0]])
    sums = loss_sums(batch, SETTINGS)
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(-1.0)
    assert batch.logp_BT.grad is not None
    assert batch.logp_BT.grad.tolist() == [[-1.0, 0.0], [0.0, 0.0]]


def test_shapes_that_differ_are_named() -> None:
    with pytest.raises(ValueError, match=r"logp \(1, 2\) and mask \(1, 1\)"):
        loss_sums(inputs([[-1.0, -2.0]], [[-1.0, -2.0]], [0.5], [[1]]), SETTINGS)
