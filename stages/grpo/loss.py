"""The loss of a token, and of a mini-batch (see also stages/grpo/advantages.py).

``L = max(-A rho, -A clip(rho, 1 - clip_low, 1 + clip_high)) + beta k3`` with ``rho = exp(logp - logp_old)`` (PPO's
clip, arXiv 1707.06347; GRPO, arXiv 2402.03300) and ``k3 = exp(ref - logp) - (ref - logp) - 1`` (Schulman,
"Approximating KL divergence"). The tokens of a whole mini-batch count alike (`token-mean`, DAPO, arXiv 2503.14476;
verl's default, which the recipe used).

Shapes: B responses, T tokens (padded).
"""

import torch

from stages.engines.objective import LossInputs, LossSums
from stages.params import Grpo


def loss_sums(inputs: LossInputs, settings: Grpo) -> LossSums:
    """The summed loss of the rows; rows of any micro-batch may be added up before the one division."""
    if inputs.logp_BT.shape != inputs.mask_BT.shape:
        raise ValueError(f"logp {tuple(inputs.logp_BT.shape)} and mask {tuple(inputs.mask_BT.shape)} differ in shape")
    advantage_B1 = inputs.advantage_B[:, None]
    ratio_BT = torch.exp(inputs.logp_BT - inputs.old_logp_BT)
    clipped_BT = ratio_BT.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    loss_BT = torch.maximum(-advantage_B1 * ratio_BT, -advantage_B1 * clipped_BT)
    kl = 0.0
    if inputs.ref_logp_BT is not None:
        k3_BT = k3(inputs.logp_BT, inputs.ref_logp_BT)
        loss_BT = loss_BT + settings.kl_coef * k3_BT
        kl = float((k3_BT.detach() * inputs.mask_BT).sum())
    low_BT = (ratio_BT < 1 - settings.clip_low) & (advantage_B1 < 0)
    high_BT = (ratio_BT > 1 + settings.clip_high) & (advantage_B1 > 0)
    return LossSums(
        loss=(loss_BT * inputs.mask_BT).sum(),
        kl=kl,
        clipped_low=float((low_BT * inputs.mask_BT).sum()),
        clipped_high=float((high_BT * inputs.mask_BT).sum()),
    )


def k3(logp: torch.Tensor, ref_logp: torch.Tensor) -> torch.Tensor:
    """Schulman's low-variance, non-negative estimate of KL(policy || reference) from the policy's samples."""
    difference = ref_logp - logp
    return torch.exp(difference) - difference - 1
