"""AdamW as DeepSpeed drives it: clipped by the norm of all ranks' gradients, and no step where that is not finite.

DeepSpeed (0.19) looks for gradients that are not finite in float16 and bfloat16 alone and would take a step on NaN here, whose
weights are float32; and each of its ZeRO stages clips by code of its own. Both are done here, in the one place that all stages
come by, with torch's formula (``clip_grad_norm_``): g * min(1, max_norm / (norm + 1e-6)).
"""

from collections.abc import Iterable

import torch
import torch.distributed

MOMENTS = ("exp_avg", "exp_avg_sq")


class GuardedAdamW(torch.optim.AdamW):
    """`sharded` says whether each rank is given a part of the gradient (ZeRO 1 to 3), or all of it; `fused` takes torch's one
    kernel for a whole step.

    `step` is called once for an update, with all that this rank owns: no ZeRO sub-groups, no second parameter group.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        learning_rate: float,
        weight_decay: float,
        max_grad_norm: float,
        sharded: bool,
        fused: bool,
    ) -> None:
        super().__init__(parameters, lr=learning_rate, weight_decay=weight_decay, fused=fused)
        self._max_grad_norm = max_grad_norm
        self._sharded = sharded
        self.refused = False
        """Set before a step that must not be taken, whatever its gradient."""
        self.grad_norm = 0.0
        """Of the last step, before clipping; over all ranks."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        # In float64: the sum of the shards' squares is then as near the whole's as float32 can tell.
        squares = [torch.linalg.vector_norm(gradient, dtype=torch.float64) ** 2 for gradient in gradients]
        square = torch.stack(squares).sum()
        if self._sharded and torch.distributed.get_world_size() > 1:  # a group that vLLM made knows no tensors of a CPU
            torch.distributed.all_reduce(square)
        self.grad_norm = float(square.sqrt())
        if self.refused or not square.isfinite():
            return
        scale = self._max_grad_norm / (self.grad_norm + 1e-6)
        if scale < 1:
            for gradient in gradients:
                gradient.mul_(scale)
        super().step()

    def start_from(self, parameters: Iterable[torch.Tensor], step: torch.Tensor) -> None:
        """Give `parameters` the state that AdamW would at its first step, all 0, and `step` as the steps taken so far."""
        for parameter in parameters:
            self.state[parameter] = {"step": step.detach().clone().float().cpu()} | {
                moment: torch.zeros_like(parameter) for moment in MOMENTS
            }
