"""One rung of GRPO: sample a group for every prompt, grade it, take one optimizer step a mini-batch.

The rung's starting weights are the KL term's reference (as in the release, whose rungs are new runs). Problems are visited
once an epoch in an order that the seed decides; everything random is named by (seed, rung, step, problem, sample), so
a resumed rung goes on with the very same numbers.
"""

import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from stages.engines.checkpoint import Checkpoint
from stages.engines.prompts import encode_fitting
from stages.engines.rollout import Rollout, Sampling, TorchRollout
from stages.engines.trainer import TorchTrainer, TrainingRow, UpdateMetrics
from stages.errors import LadderError
from stages.grading import GradeItem, Grader
from stages.grpo.advantages import group_advantages
from stages.grpo.loss import loss_sums
from stages.grpo.resume import ResumeState
from stages.params import Engine, Grpo, Rung
from stages.problems.problem import Problem
from stages.randomness import rng


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One line of the rung's table. Shares are of rollouts, lengths in tokens, entropy and KL in nats a token."""

    step: int
    reward: float
    kl: float
    entropy: float
    mean_length: float
    truncated: float
    mixed_groups: float
    """Share of groups with right and wrong answers: the others carry no policy gradient."""
    loss: float
    clipped_low: float
    clipped_high: float
    grad_norm: float
    sampled_tokens: int


@dataclass(frozen=True, slots=True)
class RungSettings:
    """What decides a rung's bytes, besides its problems and its starting weights."""

    name: str
    seed: int
    instruction: str
    engine: Engine
    grpo: Grpo
    rung: Rung


class GrpoRung:
    def __init__(self, settings: RungSettings, start: Checkpoint, problems: Sequence[Problem], grader: Grader) -> None:
        self._settings = settings
        self._grader = grader
        self._tokenizer = start.tokenizer
        limit = settings.grpo.max_prompt_tokens
        fitting = encode_fitting(problems, start.tokenizer, settings.instruction, limit)
        if fitting.too_long:
            print(
                f"train@{settings.name}: {fitting.too_long} of {len(problems)} problems are set aside, their prompts are "
                f"longer than grpo.max_prompt_tokens ({limit})",
                file=sys.stderr,
                flush=True,
            )
        self._problems, self._prompts = fitting.problems, fitting.prompts
        self._reference = _frozen_copy(start.model) if settings.grpo.kl_coef > 0 else None
        self._trainer = TorchTrainer(start.model, settings.engine, settings.grpo)
        self._sampler = TorchRollout(
            start.model,
            start.eos_token_id,
            start.pad_token_id,
            settings.engine.rollout_batch_rows,
            settings.engine.dtype,
        )
        self._metrics: list[StepMetrics] = []

    def climb(
        self,
        resume: ResumeState | None,
        checkpoint_every_steps: int,
        on_step: Callable[[StepMetrics], None] = lambda metrics: None,
    ) -> list[StepMetrics]:
        """Take the steps that are left, from `resume` if it holds a state, and return the metrics of all steps."""
        state = resume.load(self._trainer.policy.device) if resume else None
        if state:
            self._trainer.load_state_dict(state["trainer"])
            self._metrics = [StepMetrics(**row) for row in state["metrics"]]
        for step in range(len(self._metrics) + 1, self._settings.rung.steps + 1):
            self._metrics.append(self._step(step))
            on_step(self._metrics[-1])
            if resume and step % checkpoint_every_steps == 0 and step < self._settings.rung.steps:
                resume.save(self._state())
        return self._metrics

    def _state(self) -> dict[str, Any]:
        return {"trainer": self._trainer.state_dict(), "metrics": [asdict(row) for row in self._metrics]}

    def _step(self, step: int) -> StepMetrics:
        settings, group = self._settings, self._settings.rung.rollouts_per_prompt
        chosen = self._visit(step)
        rollouts = self._sampler.generate(
            [self._prompts[index] for index in chosen],
            Sampling(group, settings.grpo.temperature, settings.rung.max_response_tokens),
            (settings.seed, "rollout", settings.name, step),
        )
        rewards_PG = self._rewards([self._problems[index] for index in chosen], rollouts).reshape(len(chosen), group)
        advantages_PG = group_advantages(rewards_PG)
        try:
            updates = self._update(rollouts, advantages_PG.reshape(-1), group)
        except FloatingPointError as error:
            raise LadderError(
                f"train@{settings.name}: step {step} diverged ({error}); lower grpo.learning_rate "
                f"({settings.grpo.learning_rate}) and run it again"
            ) from None
        lengths = [len(rollout.token_ids) for rollout in rollouts]
        return StepMetrics(
            step=step,
            reward=float(rewards_PG.mean()),
            kl=_mean([update.kl for update in updates]),
            entropy=_mean([update.entropy for update in updates]),
            mean_length=_mean(lengths),
            truncated=_mean([rollout.truncated for rollout in rollouts]),
            mixed_groups=_mean(rewards_PG.std(axis=1) > 0),
            loss=_mean([update.loss for update in updates]),
            clipped_low=_mean([update.clipped_low for update in updates]),
            clipped_high=_mean([update.clipped_high for update in updates]),
            grad_norm=_mean([update.grad_norm for update in updates]),
            sampled_tokens=sum(lengths),
        )

    def _visit(self, step: int) -> list[int]:
        """The problems of a step: a window on the epochs' orders laid end to end."""
        wanted, total = self._settings.grpo.prompts_per_step, len(self._problems)
        chosen: list[int] = []
        for position in range((step - 1) * wanted, step * wanted):
            epoch, place = divmod(position, total)
            if place == 0 or not chosen:
                order = rng(self._settings.seed, "order", self._settings.name, epoch).permutation(total)
            chosen.append(int(order[place]))
        return chosen

    def _rewards(self, problems: Sequence[Problem], rollouts: Sequence[Rollout]) -> np.ndarray:
        """1 for a right answer, 0 otherwise; rollouts are grouped by problem, in order."""
        group = len(rollouts) // len(problems)
        texts = self._tokenizer.batch_decode(
            [list(rollout.token_ids) for rollout in rollouts], skip_special_tokens=True
        )
        items = [
            GradeItem(text, problems[row // group].answers, rollout.truncated)
            for row, (text, rollout) in enumerate(zip(texts, rollouts, strict=True))
        ]
        return np.array([grade.reward for grade in self._grader.grade_batch(items)], dtype=np.float64)

    def _update(self, rollouts: Sequence[Rollout], advantages: np.ndarray, group: int) -> list[UpdateMetrics]:
        """One optimizer step a mini-batch of whole groups."""
        mini_batch = self._settings.grpo.mini_batch_prompts * group
        on_policy = mini_batch == len(
            rollouts
        )  # then the policy is its own old policy, and its forward pass serves both
        old: Sequence[Any] = [None] * len(rollouts)
        if not on_policy:
            old = self._trainer.log_probs(self._trainer.policy, rollouts)
        reference: Sequence[Any] = [None] * len(rollouts)
        if self._reference is not None:
            reference = self._trainer.log_probs(self._reference, rollouts)
        rows = [
            TrainingRow(rollout, float(advantage), old_logp_T, ref_logp_T)
            for rollout, advantage, old_logp_T, ref_logp_T in zip(rollouts, advantages, old, reference, strict=True)
        ]
        objective = partial(loss_sums, settings=self._settings.grpo)
        return [
            self._trainer.update(rows[start : start + mini_batch], objective)
            for start in range(0, len(rows), mini_batch)
        ]


def _frozen_copy(model: PreTrainedModel) -> PreTrainedModel:
    reference = copy.deepcopy(model)
    reference.requires_grad_(False)
    return reference


def _mean(values: Any) -> float:
    return float(np.mean(values))
