"""What a step's tokens were good for, counted by hand."""

import numpy as np
import pytest
import torch

from stages.accounting.flops import ModelShape, forward_flops
from stages.engines.protocols import Prompt, Rollout, TrainingRow, Update
from stages.errors import LadderError
from stages.grpo.batches import MiniBatch
from stages.grpo.costs import step_cost
from stages.grpo.experience import Experience, Group
from stages.grpo.stopwatch import Stopwatch
from tests.grpo.conftest import params_with

SHAPE = ModelShape(matmul_parameters=100, layers=2, attention_width=8)


def rollout(problem: str, index: int, tokens: int, truncated: bool = False) -> Rollout:
    return Rollout(Prompt(problem, (1, 2, 3)), index, (4,) * tokens, truncated, np.zeros(tokens, dtype=np.float32))


def test_a_steps_cost_by_hand() -> None:
    teaching = Group(
        [rollout("a", 0, 10), rollout("a", 1, 7, truncated=True)], np.array([1.0, 0.0]), np.array([1.0, 0.0])
    )
    all_wrong = Group([rollout("b", 0, 5, truncated=True), rollout("b", 1, 4)], np.zeros(2), np.zeros(2))
    again = Group([rollout("b", 2, 6), rollout("b", 3, 3)], np.array([0.0, 1.0]), np.array([0.0, 1.0]))  # refilled
    experience = Experience([teaching, all_wrong, again], [teaching, all_wrong], np.zeros((2, 2)), [])
    rows = [
        TrainingRow(one, 0.0, 0.1, None if group is teaching else torch.zeros(len(one.token_ids)), None)
        for group in (teaching, all_wrong)
        for one in group.rollouts
    ]
    updates = [Update(0.0, 1.0, skipped, {}, {}, 60, 12) for skipped in (True, False, False, False)]
    grpo = params_with(mini_batch_prompts=3, epochs_per_step=2, kl_coef=0.1).grpo
    watch = Stopwatch()
    with watch.phase("sample"):
        pass
    cost = step_cost(7, experience, [MiniBatch(rows[:2], 0), MiniBatch(rows[2:], 0)], updates, grpo, SHAPE, watch)
    assert (cost.step, cost.rollouts) == (7, 6)
    assert (cost.sampled_tokens, cost.zero_std_tokens, cost.truncated_tokens) == (35, 9, 7)
    assert (cost.trained_tokens, cost.trained_zero_std_tokens, cost.trained_truncated_tokens) == (26, 9, 7)
    assert (cost.computed_tokens, cost.padding_tokens, cost.skipped_share) == (240, 48, 0.25)
    forward = forward_flops(SHAPE, [13, 10, 8, 7])
    assert cost.update_flops == 3 * 2 * forward  # two epochs
    assert cost.reference_flops == forward + forward_flops(SHAPE, [8, 7])  # the reference's pass, and the old policy's
    # Each prompt is read once for its group.
    assert cost.sample_flops == forward_flops(SHAPE, [13, 10, 8, 7, 9, 6]) - 3 * forward_flops(SHAPE, [3])
    assert cost.idle_s >= 0
    assert cost.peak_memory_bytes > 2**20


def test_a_phase_that_fails_ends_with_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> int:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr("stages.grpo.stopwatch.memory_bytes", lost)
    watch = Stopwatch()
    with pytest.raises(LadderError, match="vLLM has failed"), watch.phase("sample"):
        raise LadderError("vLLM has failed")
    assert watch.seconds["sample"] > 0
