"""Advantages and loss against numbers worked out by hand and autograd's own derivative. (TRL's: tests/grpo/test_trl.py.)"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.engines.objective import LossInputs
from stages.grpo.advantages import group_advantages, group_std
from stages.grpo.loss import k3, loss_sums, row_weights
from stages.params import Grpo
from tests.grpo.conftest import params_with

SETTINGS = params_with(clip_low=0.2, clip_high=0.3, kl_coef=0.1).grpo


def settings(**changes: Any) -> Grpo:
    return SETTINGS.model_copy(update=changes)


def inputs(
    logp: list[list[float]], old: list[list[float]], advantage: list[float], mask: list[list[int]]
) -> LossInputs:
    """The sampler agrees with the old policy, and every row weighs 1."""
    return LossInputs(
        logp_BT=torch.tensor(logp, dtype=torch.float64, requires_grad=True),
        old_logp_BT=torch.tensor(old, dtype=torch.float64),
        ref_logp_BT=None,
        sampler_logp_BT=torch.tensor(old, dtype=torch.float64),
        entropy_BT=torch.ones(len(logp), len(logp[0]), dtype=torch.float64),
        advantage_B=torch.tensor(advantage, dtype=torch.float64),
        weight_B=torch.ones(len(advantage), dtype=torch.float64),
        mask_BT=torch.tensor(mask, dtype=torch.float64),
    )


def gradient(batch: LossInputs) -> list[list[float]]:
    assert batch.logp_BT.grad is not None
    return batch.logp_BT.grad.tolist()


def test_advantages_by_hand() -> None:
    # r = 1, 0, 0, 0: mean 1/4, Bessel's std 1/2
    rewards_PG = np.array([[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    scaled, centred = group_advantages(rewards_PG, scale=True), group_advantages(rewards_PG, scale=False)
    np.testing.assert_allclose(scaled[0], np.array([0.75, -0.25, -0.25, -0.25]) / (0.5 + 1e-4), rtol=1e-12)
    np.testing.assert_allclose(centred[0], [0.75, -0.25, -0.25, -0.25], rtol=1e-12)
    np.testing.assert_array_equal([scaled[1:], centred[1:]], 0)
    np.testing.assert_allclose(group_std(rewards_PG), [0.5, 0, 0])


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=4), min_size=1, max_size=8), st.booleans())
def test_a_groups_advantages_sum_to_zero_and_follow_the_rewards(rewards: list[list[float]], scale: bool) -> None:
    rewards_PG = np.array(rewards)
    found = group_advantages(rewards_PG, scale)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-12)
    assert ((found > 0) == (rewards_PG > rewards_PG.mean(axis=1, keepdims=True))).all()


@given(st.floats(-2, 2), st.integers(2, 9))
def test_equal_rewards_have_no_spread_whatever_they_are(reward: float, group: int) -> None:
    """The mean of equal numbers may be another in its last bit."""
    assert group_std(np.full((1, group), reward)).tolist() == [0.0]


def test_a_group_of_one_has_no_advantage() -> None:
    with pytest.raises(ValueError, match=r"group >= 2"):
        group_advantages(np.ones((3, 1)), scale=True)


def test_at_ratio_one_the_gradient_is_minus_the_advantage() -> None:
    batch = inputs([[-1.0, -2.0]], [[-1.0, -2.0]], [0.5], [[1, 1]])
    sums = loss_sums(batch, SETTINGS, 0.1)
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(-1.0)
    assert gradient(batch) == [[-0.5, -0.5]]
    assert "kl" not in sums.sums


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "expected", "low", "high"),
    [
        (1.5, 1.0, -1.3, 0.0, 0, 1),  # above 1 + clip_high with a gain: clipped, no gradient
        (1.5, -1.0, 1.5, 1.5, 0, 0),  # the same with a loss: not clipped, so that it can come back
        (0.5, -1.0, 0.8, 0.0, 1, 0),  # below 1 - clip_low with a loss: clipped
        (0.5, 1.0, -0.5, -0.5, 0, 0),
        (1.25, 1.0, -1.25, -1.25, 0, 0),  # within clip-higher
    ],
)
def test_clipping_by_hand(ratio: float, advantage: float, loss: float, expected: float, low: int, high: int) -> None:
    batch = inputs([[math.log(ratio)]], [[0.0]], [advantage], [[1]])
    sums = loss_sums(batch, SETTINGS, 0.1)
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(loss)
    assert gradient(batch)[0] == pytest.approx([expected])
    assert (sums.sums["clip_ratio_low"], sums.sums["clip_ratio_high"]) == (low, high)


def test_k3_by_hand_and_in_the_loss() -> None:
    logp, ref = torch.tensor([-1.0], dtype=torch.float64), torch.tensor([-1.5], dtype=torch.float64)
    assert k3(logp, ref).item() == pytest.approx(math.exp(-0.5) + 0.5 - 1)
    batch = replace(inputs([[-1.0]], [[-1.0]], [0.0], [[1]]), ref_logp_BT=ref[None])
    sums = loss_sums(batch, SETTINGS, kl_coef=0.3)
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(0.3 * (math.exp(-0.5) - 0.5))
    assert gradient(batch)[0] == pytest.approx([0.3 * (1 - math.exp(-0.5))])
    assert sums.sums["kl"].item() == pytest.approx(math.exp(-0.5) - 0.5)


def test_importance_weighs_the_policy_term_alone_up_to_its_cap() -> None:
    ref = torch.tensor([[-1.5, -1.5]], dtype=torch.float64)
    sampler = torch.tensor([[-1.0 - math.log(1.4), -1.0 - math.log(9.0)]], dtype=torch.float64)
    batch = replace(inputs([[-1.0, -1.0]], [[-1.0, -1.0]], [2.0], [[1, 1]]), ref_logp_BT=ref, sampler_logp_BT=sampler)
    sums = loss_sums(batch, settings(importance_cap=2.0), kl_coef=0.3)
    sums.loss.backward()
    kl_gradient = 0.3 * (1 - math.exp(-0.5))
    assert gradient(batch)[0] == pytest.approx([-2.0 * 1.4 + kl_gradient, -2.0 * 2.0 + kl_gradient])
    assert sums.maxima["importance_ratio"].item() == pytest.approx(9.0)
    assert sums.maxima["sampling_logp_difference"].item() == pytest.approx(math.log(9.0))
    assert sums.sums["importance_ratio"].item() == pytest.approx(1.4 + 9.0)
    uncapped = loss_sums(batch, settings(importance_cap=None), kl_coef=0.0)
    assert uncapped.loss.item() == pytest.approx(-4.0)


def test_masked_tokens_count_for_nothing() -> None:
    batch = inputs([[-1.0, -9.0], [-3.0, -4.0]], [[-1.0, 5.0], [0.0, 0.0]], [1.0, 1.0], [[1, 0], [0, 0]])
    sums = loss_sums(batch, SETTINGS, 0.1)
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(-1.0)
    assert gradient(batch) == [[-1.0, 0.0], [0.0, 0.0]]
    assert sums.sums["entropy"].item() == 1.0


@pytest.mark.parametrize(
    ("aggregation", "weights", "masked"),
    [  # lengths 1, 3, 4 in a context of 10; then with the last one masked
        ("token-mean", [1 / 8] * 3, [1 / 4, 1 / 4, 0]),
        ("seq-mean-token-mean", [1 / 3, 1 / 9, 1 / 12], [1 / 3, 1 / 9, 0]),
        ("seq-mean-token-sum-norm", [1 / 30] * 3, [1 / 30, 1 / 30, 0]),
    ],
)
def test_what_a_token_weighs(aggregation: str, weights: list[float], masked: list[float]) -> None:
    grpo = settings(aggregation=aggregation)
    assert row_weights([1, 3, 4], [True] * 3, grpo, 10) == pytest.approx(weights)
    assert row_weights([1, 3, 4], [True, True, False], grpo, 10) == pytest.approx(masked)
    assert row_weights([4], [False], grpo, 10) == [0.0]


@pytest.mark.parametrize("aggregation", ["token-mean", "seq-mean-token-mean", "seq-mean-token-sum-norm"])
def test_the_rows_add_up_to_the_aggregations_own_formula(aggregation: str) -> None:
    """Summed over any split of the rows, the loss is the mean that the aggregation is named after."""
    random = np.random.default_rng(0)
    lengths, limit = [1, 3, 6, 2], 8
    logp, old = random.normal(-1, 0.3, (2, 4, 6))
    advantages = random.normal(size=4)
    mask = (np.arange(6) < np.array(lengths)[:, None]).astype(int)
    ratio = np.exp(logp - old)
    loss = np.maximum(-advantages[:, None] * ratio, -advantages[:, None] * ratio.clip(0.8, 1.3)) * mask
    expected = {
        "token-mean": loss.sum() / 12,
        "seq-mean-token-mean": np.mean(loss.sum(axis=1) / lengths),
        "seq-mean-token-sum-norm": np.mean(loss.sum(axis=1) / limit),
    }[aggregation]
    weights = row_weights(lengths, [True] * 4, settings(aggregation=aggregation), limit)
    for split in ([[0, 1, 2, 3]], [[2], [0, 3], [1]]):
        total = 0.0
        for rows in split:
            batch = inputs(logp[rows].tolist(), old[rows].tolist(), advantages[rows].tolist(), mask[rows].tolist())
            weighed = replace(batch, weight_B=torch.tensor([weights[row] for row in rows], dtype=torch.float64))
            total += loss_sums(weighed, SETTINGS, 0.1).loss.item()
        assert total == pytest.approx(expected, rel=1e-12)


def test_shapes_that_differ_are_named() -> None:
    with pytest.raises(ValueError, match=r"logp \(1, 2\) and mask \(1, 1\)"):
        loss_sums(inputs([[-1.0, -2.0]], [[-1.0, -2.0]], [0.5], [[1]]), SETTINGS, 0.1)
