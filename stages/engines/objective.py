"""What a trainer hands to the objective that it minimises, and what it gets back: sums over tokens, not means.

A trainer knows tokens and devices, the objective knows the algorithm (stages/grpo/loss.py). A row's weight says what its
tokens count in the mini-batch's loss, so that sums of any micro-batches, on any rank, may be added up.

Shapes: B responses, T tokens (padded).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class LossInputs:
    """What the loss of some rows is made of; `mask_BT` is 1 where a response has a token."""

    logp_BT: torch.Tensor
    old_logp_BT: torch.Tensor
    ref_logp_BT: torch.Tensor | None
    sampler_logp_BT: torch.Tensor
    entropy_BT: torch.Tensor
    advantage_B: torch.Tensor
    weight_B: torch.Tensor
    mask_BT: torch.Tensor


@dataclass(frozen=True, slots=True)
class LossSums:
    """The rows' part of the mini-batch's `loss`, and by metric the `sums` and `maxima` over their tokens (scalars, detached)."""

    loss: torch.Tensor
    sums: dict[str, torch.Tensor]
    maxima: dict[str, torch.Tensor]


Objective = Callable[[LossInputs], LossSums]
