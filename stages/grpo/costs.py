"""What a step's work was spent on: seconds by phase, and tokens by what they were good for."""

from collections.abc import Sequence

from stages.accounting.flops import TRAINING, ModelShape, forward_flops
from stages.accounting.records import StepCost
from stages.engines.protocols import Rollout, Update
from stages.grpo.batches import MiniBatch
from stages.grpo.experience import Experience, Group
from stages.grpo.stopwatch import Stopwatch
from stages.params import Grpo


def step_cost(
    step: int,
    experience: Experience,
    batches: Sequence[MiniBatch],
    updates: Sequence[Update],
    grpo: Grpo,
    shape: ModelShape,
    watch: Stopwatch,
) -> StepCost:
    """Of a step that has ended. `updates` are those of all epochs over `batches`."""
    sampled = [rollout for group in experience.sampled for rollout in group.rollouts]
    trained = [row.rollout for batch in batches for row in batch.rows]
    zero_std_rollouts = {_key(one) for group in experience.sampled if not group.teaches for one in group.rollouts}

    def tokens(rollouts: Sequence[Rollout], zero_std: bool | None = None, truncated: bool = False) -> int:
        return sum(
            len(rollout.token_ids)
            for rollout in rollouts
            if (zero_std is None or (_key(rollout) in zero_std_rollouts) == zero_std)
            and (rollout.truncated or not truncated)
        )

    def forward(rollouts: Sequence[Rollout]) -> float:
        return forward_flops(shape, (len(rollout.prompt.token_ids) + len(rollout.token_ids) for rollout in rollouts))

    # The pass that an update needs as well is not counted twice.
    scored = [row.rollout for batch in batches for row in batch.rows if row.old_logp_T is not None]
    reference = trained if grpo.kl_coef > 0 else []
    return StepCost(
        step=step,
        rollouts=len(sampled),
        sampled_tokens=tokens(sampled),
        zero_std_tokens=tokens(sampled, zero_std=True),
        truncated_tokens=tokens(sampled, zero_std=False, truncated=True),
        trained_tokens=tokens(trained),
        trained_zero_std_tokens=tokens(trained, zero_std=True),
        trained_truncated_tokens=tokens(trained, zero_std=False, truncated=True),
        computed_tokens=sum(update.computed_tokens for update in updates),
        padding_tokens=sum(update.padding_tokens for update in updates),
        skipped_share=sum(update.skipped for update in updates) / max(1, len(updates)),
        sample_flops=_sampling_flops(experience.sampled, shape),
        reference_flops=forward(scored) + forward(reference),
        update_flops=TRAINING * grpo.epochs_per_step * forward(trained),
        peak_memory_bytes=watch.peak_memory_bytes,
        idle_s=watch.idle_s(),
        **{f"{phase}_s": taken for phase, taken in watch.seconds.items()},
    )


def _key(rollout: Rollout) -> tuple[str, int]:
    return rollout.prompt.problem_id, rollout.index


def _sampling_flops(groups: Sequence[Group], shape: ModelShape) -> float:
    """A prompt is read once for all of its completions."""
    total = 0.0
    for group in groups:
        prompt = len(group.rollouts[0].prompt.token_ids)
        whole = forward_flops(shape, (prompt + len(rollout.token_ids) for rollout in group.rollouts))
        total += whole - (len(group.rollouts) - 1) * forward_flops(shape, [prompt])
    return total
