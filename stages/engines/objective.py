"""What a trainer hands to the objective that it minimises, and what it gets back: sums over tokens, not means.

A trainer knows tokens and devices, the objective knows the algorithm (stages/grpo/loss.py). Sums of any micro-batches may
be added up before the one division by the mini-batch's tokens.

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
    advantage_B: torch.Tensor
    mask_BT: torch.Tensor


@dataclass(frozen=True, slots=True)
class LossSums:
    """Sums over the rows' tokens: divided by the mini-batch's token count they are its loss and metrics."""

    loss: torch.Tensor
    kl: float
    clipped_low: float
    clipped_high: float


Objective = Callable[[LossInputs], LossSums]
