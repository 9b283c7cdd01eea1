"""What changes from step to step: the learning rate and, if it adapts, the coefficient of the KL term."""

import math

from stages.params import Grpo


def learning_rate(step: int, steps: int, settings: Grpo) -> float:
    """Of `step` in 1..`steps`: a linear warm-up whose last step has the full rate, then constant or half a cosine down to 0."""
    if step <= settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    if settings.lr_scheduler == "constant":
        return settings.learning_rate
    done = (step - 1 - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def adapted_kl_coef(kl_coef: float, kl: float, rollouts: int, target: float, horizon: int) -> float:
    """``beta (1 + clip(KL / target - 1, -0.2, 0.2) n / horizon)`` (Ziegler et al., arXiv 1909.08593; as in verl)."""
    error = min(0.2, max(-0.2, kl / target - 1))
    return kl_coef * (1 + error * rollouts / horizon)
