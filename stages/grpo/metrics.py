"""What a step of a rung shows, decided by its bytes: a line of its table, under TRL's names where it has one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from stages.engines.protocols import Update
from stages.grading.failures import failures
from stages.grpo.advantages import group_std
from stages.grpo.batches import MiniBatch
from stages.grpo.experience import Experience

TABLE_NAMES = {  # TRL's, where it has one and it is no name for a field
    "clip_ratio_low": "clip_ratio/low_mean",
    "clip_ratio_high": "clip_ratio/high_mean",
    "completions_mean_length": "completions/mean_length",
    "completions_min_length": "completions/min_length",
    "completions_max_length": "completions/max_length",
    "completions_p10_length": "completions/p10_length",
    "completions_p50_length": "completions/p50_length",
    "completions_p90_length": "completions/p90_length",
    "completions_clipped_ratio": "completions/clipped_ratio",
    "sampling_logp_difference_mean": "sampling/sampling_logp_difference/mean",
    "sampling_logp_difference_max": "sampling/sampling_logp_difference/max",
    "importance_ratio_mean": "sampling/importance_sampling_ratio/mean",
    "importance_ratio_max": "sampling/importance_sampling_ratio/max",
}


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One line of the rung's table. Lengths are in tokens, entropy, KL and log-probabilities in nats a token.

    Of rewards to `completions_clipped_ratio`: over all that was sampled. From `loss` on: over what was trained on, the mean of
    the step's updates (a maximum: the largest); None where nothing was.
    """

    step: int
    reward: float
    reward_std: float
    """Mean of the groups' standard deviations."""
    frac_reward_zero_std: float
    accuracy: float
    """Share of right answers: the reward without partial credit or length penalty."""
    advantage_std: float
    completions_mean_length: float
    completions_min_length: int
    completions_max_length: int
    completions_p10_length: float
    """This and the next two: quantiles of the completions' lengths, linear between two of them."""
    completions_p50_length: float
    completions_p90_length: float
    completions_clipped_ratio: float
    """Share of completions that the context cut."""
    loss: float | None
    grad_norm: float | None
    learning_rate: float
    entropy: float | None
    kl: float | None
    kl_coef: float
    kl_left_out: float
    """Share of the step's tokens whose KL term is left out: with their groups (`skip_zero_std`), or as masked answers."""
    clip_ratio_low: float | None
    clip_ratio_high: float | None
    sampling_logp_difference_mean: float | None
    sampling_logp_difference_max: float | None
    importance_ratio_mean: float | None
    importance_ratio_max: float | None
    skipped_updates: int
    """Updates left out because their loss or gradient was not finite."""
    reward_raised: int
    """Completions that made the reward function raise; then those that killed it, that it or the built-in grader could not judge
    in time, and that were too large. Each earned 0."""
    reward_died: int
    reward_timeout: int
    reward_too_large: int
    sampled_prompts: int
    sampled_tokens: int
    trained_tokens: int

    def row(self) -> dict[str, Any]:
        """The line of the table, by its columns' names."""
        return {TABLE_NAMES.get(name, name): value for name, value in asdict(self).items()}


def step_metrics(
    step: int,
    experience: Experience,
    batches: Sequence[MiniBatch],
    updates: Sequence[Update],
    rate: float,
    kl_coef: float,
) -> StepMetrics:
    """The line of `step`. An update that was skipped has no figures."""
    rollouts = [rollout for group in experience.sampled for rollout in group.rollouts]
    failed = failures(experience.grades)
    lengths = [len(rollout.token_ids) for rollout in rollouts]
    rewards_PG = np.stack([group.rewards_G for group in experience.sampled])
    p10, p50, p90 = (float(length) for length in np.quantile(lengths, (0.1, 0.5, 0.9)))
    taken = [update for update in updates if not update.skipped]
    trained = sum(len(row.rollout.token_ids) for batch in batches for row in batch.rows)
    left_out = sum(batch.tokens_left_out for batch in batches)
    return StepMetrics(
        step=step,
        reward=float(rewards_PG.mean()),
        reward_std=float(group_std(rewards_PG).mean()),
        frac_reward_zero_std=fmean(not group.teaches for group in experience.sampled),
        accuracy=fmean(float(group.right_G.mean()) for group in experience.sampled),
        advantage_std=float(experience.advantages_PG.std()),
        completions_mean_length=fmean(lengths),
        completions_min_length=min(lengths),
        completions_max_length=max(lengths),
        completions_p10_length=p10,
        completions_p50_length=p50,
        completions_p90_length=p90,
        completions_clipped_ratio=fmean(rollout.truncated for rollout in rollouts),
        loss=fmean(update.loss for update in taken) if taken else None,
        grad_norm=fmean(update.grad_norm for update in taken) if taken else None,
        learning_rate=rate,
        entropy=mean_of(taken, "entropy"),
        kl=mean_of(taken, "kl"),
        kl_coef=kl_coef,
        kl_left_out=left_out / (left_out + trained) if kl_coef > 0 else 0.0,
        clip_ratio_low=mean_of(taken, "clip_ratio_low"),
        clip_ratio_high=mean_of(taken, "clip_ratio_high"),
        sampling_logp_difference_mean=mean_of(taken, "sampling_logp_difference"),
        sampling_logp_difference_max=max_of(taken, "sampling_logp_difference"),
        importance_ratio_mean=mean_of(taken, "importance_ratio"),
        importance_ratio_max=max_of(taken, "importance_ratio"),
        skipped_updates=len(updates) - len(taken),
        reward_raised=failed["reward_raised"],
        reward_died=failed["reward_died"],
        reward_timeout=failed["timeout"],
        reward_too_large=failed["too_large"],
        sampled_prompts=len(experience.sampled),
        sampled_tokens=sum(lengths),
        trained_tokens=trained,
    )


def mean_of(updates: Sequence[Update], name: str) -> float | None:
    """Mean over the updates that saw `name`; None where none did."""
    seen = [update.means[name] for update in updates if not update.skipped and name in update.means]
    return fmean(seen) if seen else None


def max_of(updates: Sequence[Update], name: str) -> float | None:
    seen = [update.maxima[name] for update in updates if name in update.maxima]
    return max(seen) if seen else None
