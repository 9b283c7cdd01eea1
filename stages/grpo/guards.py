"""When a rung is stopped because going on would waste money: params.yaml's `guards`.

A guard ends the attempt with its name in the message, which the ledger keeps. It changes no byte of a rung that goes through.
"""

from collections.abc import Sequence
from itertools import takewhile

from stages.errors import GuardFired
from stages.grpo.metrics import StepMetrics
from stages.params import Guards


def check_guards(rung: str, metrics: Sequence[StepMetrics], guards: Guards) -> None:
    """Raise GuardFired where the last of `metrics` says that the rung has gone wrong."""
    last = metrics[-1]
    if guards.max_kl is not None and last.kl is not None and last.kl > guards.max_kl:
        _stop(
            rung,
            last.step,
            "max_kl",
            f"KL is {last.kl:.4g}",
            guards.max_kl,
            "lower grpo.learning_rate or raise grpo.kl_coef",
        )
    if guards.max_entropy is not None and last.entropy is not None and last.entropy > guards.max_entropy:
        _stop(
            rung,
            last.step,
            "max_entropy",
            f"entropy is {last.entropy:.4g}",
            guards.max_entropy,
            "lower grpo.learning_rate",
        )
    if guards.min_entropy is not None and last.entropy is not None and last.entropy < guards.min_entropy:
        _stop(
            rung, last.step, "min_entropy", f"entropy is {last.entropy:.4g}", guards.min_entropy, "raise grpo.clip_high"
        )
    unrewarded = sum(1 for _ in takewhile(lambda step: step.accuracy == 0, reversed(metrics)))
    if guards.zero_reward_steps is not None and unrewarded >= guards.zero_reward_steps:
        mend = "give it easier problems or a longer context"
        _stop(
            rung,
            last.step,
            "zero_reward_steps",
            f"no right answer in {unrewarded} steps",
            guards.zero_reward_steps,
            mend,
        )


def check_finite(rung: str, step: int, in_a_row: int, guards: Guards) -> None:
    """Raise GuardFired after so many updates in a row without a finite loss and gradient."""
    if in_a_row >= guards.non_finite_updates:
        seen = f"{in_a_row} updates in a row had a loss or gradient that is not finite"
        _stop(
            rung,
            step,
            "non_finite_updates",
            seen,
            guards.non_finite_updates,
            "lower grpo.learning_rate or grpo.max_grad_norm",
        )


def _stop(rung: str, step: int, guard: str, seen: str, limit: float, mend: str) -> None:
    raise GuardFired(
        f"train@{rung}: stopped at step {step} by guards.{guard} ({limit}): {seen}; {mend}, or change the guard"
    )
