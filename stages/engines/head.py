"""The vocabulary's layer fused with what training wants of it: the log-probability and the entropy of each token.

The logits of all tokens are never there at once (at 16,000 tokens and 152,000 words they would be 10 GB): they are made for a
chunk of tokens, used, and made again in the backward pass, as in "Cut Your Losses" (arXiv 2411.09009) and Liger Kernel's fused
linear cross-entropy. Unlike those it knows no loss: the gradient of any function of the log-probabilities goes through it.

Shapes: N tokens, C of a chunk, H hidden size, V vocabulary.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch

CHUNK_TOKENS = 4096


def linear_log_probs(
    hidden_NH: torch.Tensor, weight_VH: torch.Tensor, targets_N: torch.Tensor, temperature: float, compiled: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """log_softmax(hidden weight^T / temperature) at the targets, and the entropy of the whole, which carries no gradient.

    `hidden_NH` and `weight_VH` are of the dtype that products are computed in; softmax and sums are float32. Returns
    (N,), (N,), in float32. `compiled` has the parts that are no matrix products fused by torch.compile.
    """
    logp_N, entropy_N = _LinearLogProbs.apply(hidden_NH, weight_VH, targets_N, temperature, compiled)  # type: ignore[no-untyped-call]
    return logp_N, entropy_N


class _LinearLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_NH: torch.Tensor,
        weight_VH: torch.Tensor,
        targets_N: torch.Tensor,
        temperature: float,
        compiled: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        parts = [
            _maybe(_chosen, compiled)(hidden_CH @ weight_VH.T, targets_C, temperature)
            for hidden_CH, targets_C in zip(hidden_NH.split(CHUNK_TOKENS), targets_N.split(CHUNK_TOKENS), strict=True)
        ]
        logp_N, lse_N, entropy_N = (torch.cat(part) for part in zip(*parts, strict=True))
        ctx.save_for_backward(hidden_NH, weight_VH, targets_N, lse_N)
        ctx.temperature, ctx.compiled = temperature, compiled
        ctx.mark_non_differentiable(entropy_N)
        return logp_N, entropy_N

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None, None, None]:
        hidden_NH, weight_VH, targets_N, lse_N = ctx.saved_tensors
        grad_hidden_NH = torch.empty_like(hidden_NH)
        trained = ctx.needs_input_grad[1]  # with LoRA it is not
        grad_weight_VH = torch.zeros_like(weight_VH, dtype=torch.float32) if trained else None
        for start in range(0, len(hidden_NH), CHUNK_TOKENS):
            chunk = slice(start, start + CHUNK_TOKENS)
            logits_CV = hidden_NH[chunk] @ weight_VH.T
            grad_CV = _maybe(_logits_gradient, ctx.compiled)(
                logits_CV, targets_N[chunk], lse_N[chunk], grads[0][chunk], ctx.temperature
            )
            torch.mm(grad_CV, weight_VH, out=grad_hidden_NH[chunk])
            if grad_weight_VH is not None:
                grad_weight_VH += grad_CV.T @ hidden_NH[chunk]
        grad = None if grad_weight_VH is None else grad_weight_VH.to(weight_VH.dtype)
        return grad_hidden_NH, grad, None, None, None


def _chosen(
    logits_CV: torch.Tensor, targets_C: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The targets' log-probabilities, the logarithm of the sum of all exponentials, the entropy."""
    scaled_CV = logits_CV.float() / temperature
    lse_C = torch.logsumexp(scaled_CV, dim=-1)
    mean_C = (torch.exp(scaled_CV - lse_C[:, None]) * scaled_CV).sum(dim=-1)
    chosen_C = logits_CV.gather(1, targets_C[:, None]).squeeze(1).float() / temperature
    return chosen_C - lse_C, lse_C, lse_C - mean_C


def _logits_gradient(
    logits_CV: torch.Tensor, targets_C: torch.Tensor, lse_C: torch.Tensor, grad_C: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Of the targets' log-probabilities, in the logits' dtype: (1 at the target - the probability) / temperature."""
    p_CV = torch.exp(logits_CV.float() / temperature - lse_C[:, None])
    at_target_CV = torch.arange(logits_CV.shape[1], device=logits_CV.device) == targets_C[:, None]
    return ((at_target_CV.float() - p_CV) * (grad_C[:, None] / temperature)).to(logits_CV.dtype)


def _maybe(function: Callable[..., Any], compiled: bool) -> Callable[..., Any]:
    return _compiled(function) if compiled else function


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, dynamic=True)
