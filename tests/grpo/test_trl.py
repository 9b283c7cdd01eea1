"""Advantages, loss and every gradient against TRL's own GRPOTrainer, on the same rollouts and weights, in float32.

TRL is given our rollouts by its `rollout_func` and goes its own way from there: it scores them under the sampling weights
(old log-probabilities) and under its reference, calls the reward, makes advantages and importance weights. Then the weights
of both move on, as between two updates on the same rollouts, and each computes its loss. One mini-batch holds all rollouts:
over several, TRL's "dapo" divides by the mean mini-batch's tokens, and ours by each one's own.

What differs on purpose: our KL term is GRPO's k3, TRL 1.16 multiplies it by rho unless `use_bias_correction_kl` is off, as it
is here. What makes no difference: TRL attends to no token of a masked response, none of which counts.

Shapes: P prompts, G responses to each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from trl import GRPOConfig, GRPOTrainer
from trl.rewards import get_soft_overlong_punishment

from stages.engines.checkpoint import Checkpoint, save_checkpoint
from stages.engines.device import prepare_device
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Rollout, Sampling, TrainingRow
from stages.engines.rollout import TorchRollout
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.engines.trainer import TorchTrainer
from stages.grpo.advantages import group_advantages
from stages.grpo.loss import loss_sums, row_weights
from stages.grpo.rewards import soft_overlong_penalty
from stages.params import Grpo, MiniatureBase, Params
from stages.problems.digit_sums import text
from stages.problems.problem import Problem
from tests.conftest import small_params

pytestmark = pytest.mark.filterwarnings("ignore:You are using 'rollout_func'")

PARAMS = Params.model_validate(small_params())
GROUP, LIMIT, TEMPERATURE = 4, 14, 0.7
TOLERANCE = 1e-5
REWARDS_PG = np.array([[1.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5], [0.2, -1.0, 0.0, 1.0]])

COMMON: dict[str, Any] = {"temperature": TEMPERATURE, "kl_coef": 0.05, "clip_high": 0.3, "max_grad_norm": 1e9}
COMMON_TRL: dict[str, Any] = {"temperature": TEMPERATURE, "beta": 0.05, "epsilon_high": 0.3, "epsilon": 0.2}
COMMON_TRL["use_bias_correction_kl"] = False
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "token-mean": ({"aggregation": "token-mean"}, {"loss_type": "dapo"}),
    "seq-mean-token-mean": ({"aggregation": "seq-mean-token-mean"}, {"loss_type": "grpo"}),
    "seq-mean-token-sum-norm": ({"aggregation": "seq-mean-token-sum-norm"}, {"loss_type": "dr_grpo"}),
    "clip": ({"clip_low": 0.1, "clip_high": 0.15}, {"epsilon": 0.1, "epsilon_high": 0.15}),
    "clip-higher": ({"clip_low": 0.05, "clip_high": 2.0}, {"epsilon": 0.05, "epsilon_high": 2.0}),
    "no KL": ({"kl_coef": 0.0}, {"beta": 0.0}),
    "strong KL": ({"kl_coef": 1.0}, {"beta": 1.0}),
    "unscaled": ({"scale_advantages": False}, {"scale_rewards": "none"}),
    "temperature 1": ({"temperature": 1.0}, {"temperature": 1.0}),
    "temperature 1.5": ({"temperature": 1.5}, {"temperature": 1.5}),
    "on-policy": ({"epochs_per_step": 1}, {"num_iterations": 1}),
    "masked, token-mean": ({"truncated": "masked"}, {"mask_truncated_completions": True}),
    "masked, seq-mean-token-mean": (
        {"truncated": "masked", "aggregation": "seq-mean-token-mean"},
        {"mask_truncated_completions": True, "loss_type": "grpo"},
    ),
    "masked, seq-mean-token-sum-norm": (
        {"truncated": "masked", "aggregation": "seq-mean-token-sum-norm"},
        {"mask_truncated_completions": True, "loss_type": "dr_grpo"},
    ),
    "importance": (
        {"importance_cap": 1.1},
        {"vllm_importance_sampling_mode": "token_truncate", "vllm_importance_sampling_clip_max": 1.1},
    ),
    "importance, strong KL": (
        {"importance_cap": 2.0, "kl_coef": 1.0},
        {"vllm_importance_sampling_mode": "token_truncate", "vllm_importance_sampling_clip_max": 2.0, "beta": 1.0},
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a trainer makes of the rollouts; a gradient by parameter."""

    advantages: np.ndarray
    loss: float
    gradients: dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Setting:
    """A checkpoint on disk (TRL reads its reference from there) and rollouts from it, some of them truncated."""

    path: Path
    start: Checkpoint
    rollouts: list[Rollout]

    def model(self, moved_by: float, seed: int) -> PreTrainedModel:
        model = AutoModelForCausalLM.from_pretrained(self.path, dtype=torch.float32)
        move(model, moved_by, seed)
        return model


@torch.no_grad()
def move(model: PreTrainedModel, by: float, seed: int) -> None:
    """Change every weight a little, always alike."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter += by * torch.randn(parameter.shape, generator=generator)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    prepare_device(PARAMS.engine)
    assert isinstance(PARAMS.base, MiniatureBase)
    base = PARAMS.base.model_copy(update={"layers": 2, "hidden_size": 32, "heads": 2})
    tokenizer = build_tokenizer()
    start = Checkpoint(build_model(base, tokenizer, seed=3), tokenizer)
    path = tmp_path_factory.mktemp("trl") / "start"
    save_checkpoint(start, path)
    problems = [
        Problem(str(row), text(digits), ("0",), "", 1, "", "train", None, None)
        for row, digits in enumerate([[1, 2], [3, 4, 5, 6], [7, 8, 9]])
    ]
    sampler = TorchRollout(start.model, start.eos_token_id, start.pad_token_id, 12, "float32")
    rollouts = sampler.generate(
        encode_prompts(problems, tokenizer, "{problem}", 32), Sampling(GROUP, 1.0, LIMIT), (5, "against trl")
    )
    noise = np.random.default_rng(0)  # a sampler that is not quite the trainer
    rollouts = [
        replace(rollout, logp_T=rollout.logp_T + noise.normal(0, 0.2, len(rollout.logp_T)).astype(np.float32))
        for rollout in rollouts
    ]
    assert 2 <= sum(rollout.truncated for rollout in rollouts) <= 10
    # TRL takes a cut response whose last token is the padding's for an ended one.
    assert not any(rollout.truncated and rollout.token_ids[-1] == start.pad_token_id for rollout in rollouts)
    assert len({len(rollout.token_ids) for rollout in rollouts}) > 4
    return Setting(path, start, rollouts)


def found_by_trl(setting: Setting, options: dict[str, Any], tmp_path: Path) -> Found:
    def rollouts_of(prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        return {
            "prompt_ids": [list(rollout.prompt.token_ids) for rollout in setting.rollouts],
            "completion_ids": [list(rollout.token_ids) for rollout in setting.rollouts],
            "logprobs": [rollout.logp_T.tolist() for rollout in setting.rollouts],
        }

    rows = [{"prompt": rollout.prompt.problem_id} for rollout in setting.rollouts]
    trainer = GRPOTrainer(
        model=setting.model(0.0, seed=0),
        reward_funcs=lambda prompts, **columns: REWARDS_PG.flatten().tolist(),
        args=GRPOConfig(
            output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", gradient_checkpointing=False,
            per_device_train_batch_size=len(rows), num_generations=GROUP, max_completion_length=LIMIT,
            gradient_accumulation_steps=1, steps_per_generation=1, **({"num_iterations": 2} | COMMON_TRL | options),
        ),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=setting.start.tokenizer,
        rollout_func=rollouts_of,
    )  # fmt: skip
    if "vllm_importance_sampling_mode" in options:
        trainer.use_vllm = True  # its correction of what vLLM sampled; the rollouts are ours
        trainer._last_loaded_step = trainer.state.global_step
    if trainer.ref_model is not None:
        move(trainer.ref_model, 0.01, seed=1)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    batch = trainer._generate_and_score_completions(rows)
    if trainer.num_iterations > 1:
        move(trainer.model, 0.04, seed=2)
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    gradients = {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}
    return Found(batch["advantages"].numpy(), loss.item(), gradients)


def found_by_us(setting: Setting, grpo: Grpo, on_policy: bool) -> Found:
    policy = setting.model(0.0, seed=0)
    reference = setting.model(0.01, seed=1) if grpo.kl_coef > 0 else None
    trainer = TorchTrainer(policy, reference, PARAMS.engine, PARAMS.operations, grpo)
    gradients: dict[str, torch.Tensor] = {}
    for name, parameter in policy.named_parameters():
        parameter.register_post_accumulate_grad_hook(lambda p, name=name: gradients.update({name: p.grad.clone()}))
    rollouts = setting.rollouts
    nothing: Sequence[None] = [None] * len(rollouts)
    old: Sequence[torch.Tensor | None] = nothing if on_policy else trainer.log_probs(rollouts)
    ref: Sequence[torch.Tensor | None] = trainer.reference_log_probs(rollouts) if reference else nothing
    if not on_policy:
        move(policy, 0.04, seed=2)
    counts = [not (grpo.truncated == "masked" and rollout.truncated) for rollout in rollouts]
    weights = row_weights([len(rollout.token_ids) for rollout in rollouts], counts, grpo, LIMIT)
    advantages = group_advantages(REWARDS_PG, scale=grpo.scale_advantages).reshape(-1)
    rows = [
        TrainingRow(rollout, float(advantage), weight, old_logp_T, ref_logp_T)
        for rollout, advantage, weight, old_logp_T, ref_logp_T in zip(
            rollouts, advantages, weights, old, ref, strict=True
        )
    ]
    update = trainer.update(rows, partial(loss_sums, settings=grpo, kl_coef=grpo.kl_coef), 0.0)
    if not on_policy:  # else clipping would not have been tried
        assert update.means["clip_ratio_low"] > 0.01
        assert update.means["clip_ratio_high"] > 0.01 or grpo.clip_high > 1
    return Found(advantages, update.loss, gradients)


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", OPTIONS)
def test_loss_gradients_and_advantages_are_trls(setting: Setting, name: str, tmp_path: Path) -> None:
    ours, trls = OPTIONS[name]
    expected = found_by_trl(setting, trls, tmp_path)
    found = found_by_us(setting, PARAMS.grpo.model_copy(update=COMMON | ours), on_policy=name == "on-policy")
    np.testing.assert_allclose(found.advantages, expected.advantages, rtol=TOLERANCE, atol=1e-6)
    assert found.loss == pytest.approx(expected.loss, rel=TOLERANCE)
    assert found.gradients.keys() == expected.gradients.keys()
    for parameter, gradient in expected.gradients.items():
        assert relative_error(found.gradients[parameter], gradient) < TOLERANCE, parameter


def test_every_option_changes_the_gradient(setting: Setting) -> None:
    """Or the comparison above would have shown nothing of it."""
    seen = [
        found_by_us(setting, PARAMS.grpo.model_copy(update=COMMON | ours), on_policy=name == "on-policy")
        for name, (ours, _) in OPTIONS.items()
    ]
    parameter = "model.embed_tokens.weight"
    for index, one in enumerate(seen[1:], start=1):
        for other in seen[:index]:
            assert relative_error(one.gradients[parameter], other.gradients[parameter]) > 100 * TOLERANCE


@pytest.mark.parametrize(("limit", "buffer"), [(20, 4), (20, 19), (8192, 1024)])
def test_the_length_penalty_is_trls(limit: int, buffer: int) -> None:
    lengths = range(1, limit + 1, max(1, limit // 500))
    expected = get_soft_overlong_punishment(limit, buffer)([[0] * length for length in lengths])
    assert [soft_overlong_penalty(length, limit, buffer) for length in lengths] == pytest.approx(expected, abs=1e-12)
