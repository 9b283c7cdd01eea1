"""The loss of a token, and what a token counts in the loss of a mini-batch (see also stages/grpo/advantages.py).

``L = w max(-A rho, -A clip(rho, 1 - clip_low, 1 + clip_high)) + beta k3`` with ``rho = exp(logp - logp_old)`` (PPO's clip,
arXiv 1707.06347; GRPO, arXiv 2402.03300; two clips, DAPO, arXiv 2503.14476), ``k3 = exp(ref - logp) - (ref - logp) - 1``
(Schulman, "Approximating KL divergence") and ``w = min(exp(logp_old - logp_sampler), cap)`` where the sampler is not the trainer
(truncated importance sampling, Yao et al., "Your efficient RL framework secretly brings you off-policy RL training"; as in TRL it
weighs the policy term alone).

Shapes: B responses, T tokens (padded).
"""

from collections.abc import Sequence

import torch

from stages.engines.objective import LossInputs, LossSums
from stages.params import Grpo

MAX_EXPONENT = 50.0  # of an importance ratio: beyond it float32 has no number, and no cap is near


def loss_sums(inputs: LossInputs, settings: Grpo, kl_coef: float) -> LossSums:
    """The rows' part of a mini-batch's loss. `kl_coef` is the present one, where it adapts."""
    if inputs.logp_BT.shape != inputs.mask_BT.shape:
        raise ValueError(f"logp {tuple(inputs.logp_BT.shape)} and mask {tuple(inputs.mask_BT.shape)} differ in shape")
    mask_BT = inputs.mask_BT
    advantage_B1 = inputs.advantage_B[:, None]
    ratio_BT = torch.exp(inputs.logp_BT - inputs.old_logp_BT)
    clipped_BT = ratio_BT.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    loss_BT = torch.maximum(-advantage_B1 * ratio_BT, -advantage_B1 * clipped_BT)
    difference_BT = (inputs.old_logp_BT - inputs.sampler_logp_BT) * mask_BT
    importance_BT = torch.exp(difference_BT.clamp(max=MAX_EXPONENT))
    if settings.importance_cap is not None:
        loss_BT = loss_BT * importance_BT.clamp(max=settings.importance_cap)
    counted = {
        "entropy": inputs.entropy_BT,
        "clip_ratio_low": (ratio_BT < 1 - settings.clip_low) & (advantage_B1 < 0),
        "clip_ratio_high": (ratio_BT > 1 + settings.clip_high) & (advantage_B1 > 0),
        "sampling_logp_difference": difference_BT.abs(),
        "importance_ratio": importance_BT,
    }
    if inputs.ref_logp_BT is not None:
        k3_BT = k3(inputs.logp_BT, inputs.ref_logp_BT)
        loss_BT = loss_BT + kl_coef * k3_BT
        counted["kl"] = k3_BT
    with torch.no_grad():
        sums = {name: (value_BT * mask_BT).sum() for name, value_BT in counted.items()}
        maxima = {
            "sampling_logp_difference": difference_BT.abs().max(),
            "importance_ratio": (importance_BT * mask_BT).max(),
        }
    return LossSums((loss_BT * inputs.weight_B[:, None] * mask_BT).sum(), sums, maxima)


def k3(logp: torch.Tensor, ref_logp: torch.Tensor) -> torch.Tensor:
    """Schulman's low-variance, non-negative estimate of KL(policy || reference) from the policy's samples."""
    difference = ref_logp - logp
    return torch.exp(difference) - difference - 1


def row_weights(tokens: Sequence[int], counts: Sequence[bool], settings: Grpo, max_response_tokens: int) -> list[float]:
    """What each token of each response counts in the loss of the mini-batch that these responses are.

    `tokens` are the responses' lengths; one that doesn't `counts` (a masked, truncated one) weighs 0.
    ``token-mean``: 1 / the mini-batch's tokens (DAPO). ``seq-mean-token-mean``: 1 / (responses x own tokens) (GRPO).
    ``seq-mean-token-sum-norm``: 1 / (responses x max_response_tokens) (Dr. GRPO, arXiv 2503.20783). As in TRL a masked response
    counts among the responses, its tokens don't among the tokens.
    """
    match settings.aggregation:
        case "token-mean":
            total = max(1, sum(n for n, counted in zip(tokens, counts, strict=True) if counted))
            weights = [1 / total] * len(tokens)
        case "seq-mean-token-mean":
            weights = [1 / (len(tokens) * n) for n in tokens]
        case "seq-mean-token-sum-norm":
            weights = [1 / (len(tokens) * max_response_tokens)] * len(tokens)
    return [weight if counted else 0.0 for weight, counted in zip(weights, counts, strict=True)]
