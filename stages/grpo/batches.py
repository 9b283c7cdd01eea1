"""A step's experience as mini-batches of rows to train on: their weights in the loss, their old and reference log-probabilities.

Only rows that carry a gradient are trained on. A group of equal rewards has no advantage; it owes the KL term, which the
settings may leave out, and where there is none it owes nothing. What is left out stays in the denominators.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.engines.protocols import Rollout, TrainEngine, TrainingRow
from stages.grpo.experience import Experience
from stages.grpo.loss import row_weights
from stages.grpo.stopwatch import Stopwatch
from stages.params import Grpo


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """The rows of one optimizer step; `tokens_left_out` are those of its responses that are no rows."""

    rows: list[TrainingRow]
    tokens_left_out: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    rollout: Rollout
    advantage: float
    weight: float


def mini_batches(
    experience: Experience, trainer: TrainEngine, settings: Grpo, max_response_tokens: int, watch: Stopwatch
) -> list[MiniBatch]:
    """The step's mini-batches of whole groups, in order."""
    size = settings.mini_batch_prompts
    candidates, left_out = [], []
    for start in range(0, len(experience.kept), size):
        trained, tokens = _candidates(experience, slice(start, start + size), settings, max_response_tokens)
        candidates.append(trained)
        left_out.append(tokens)
    rollouts = [candidate.rollout for batch in candidates for candidate in batch]
    # The step's first update is made by the old policy itself, and its forward pass serves both, unless its rows come again.
    first = len(candidates[0]) if candidates and settings.epochs_per_step == 1 else 0
    with watch.phase("reference"):
        old = [None] * first + (trainer.log_probs(rollouts[first:]) if rollouts[first:] else [])
        ref = trainer.reference_log_probs(rollouts) if settings.kl_coef > 0 and rollouts else [None] * len(rollouts)
    scored = zip(old, ref, strict=True)
    return [
        MiniBatch([TrainingRow(c.rollout, c.advantage, c.weight, *next(scored)) for c in batch], tokens)
        for batch, tokens in zip(candidates, left_out, strict=True)
    ]


def _candidates(
    experience: Experience, groups: slice, settings: Grpo, max_response_tokens: int
) -> tuple[list[_Candidate], int]:
    """The responses of some groups that are trained on, and the tokens of those that are not."""
    kept: Sequence[Rollout] = [rollout for group in experience.kept[groups] for rollout in group.rollouts]
    group_size = experience.advantages_PG.shape[1]
    teaches = np.repeat([group.teaches for group in experience.kept[groups]], group_size)
    counts = [not (settings.truncated == "masked" and rollout.truncated) for rollout in kept]
    weights = row_weights([len(rollout.token_ids) for rollout in kept], counts, settings, max_response_tokens)
    owes_kl = settings.kl_coef > 0 and not settings.skip_zero_std
    trained, left_out = [], 0
    for rollout, advantage, weight, taught in zip(
        kept, experience.advantages_PG[groups].reshape(-1), weights, teaches, strict=True
    ):
        if weight > 0 and (taught or owes_kl):
            trained.append(_Candidate(rollout, float(advantage), weight))
        else:
            left_out += len(rollout.token_ids)
    return trained, left_out
