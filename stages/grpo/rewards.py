r"""What a completion earns: 1 for a right answer, `partial_credit` for a finished wrong one, 0 for anything else.

With `partial_credit` 0 it is the recipe's binary outcome reward (rLLM's `RewardConfig`: correct 1, incorrect 0, format error 0).
Above 0 it is the credit for the form that others give beside it: verl's `format_score` (`verl/utils/reward_score/gsm8k.py`:
score if right, format_score if there is an answer, 0 if there is none), TinyZero's 0.1 (`countdown.py`), and the format reward
that DeepSeek-R1 (arXiv 2501.12948, section 2.2.2) and open-r1 add to the accuracy's. Those who add let a right answer in a wrong
form earn some of it; here, as in verl, a right answer has the form, so the two are one number between 0 and 1.

Finished is what the grader could read: not cut by the context, thinking closed (where `grading.require_closed_thinking` asks),
and a box with something in it. An answer that the grader could not decide in time, or that is too large for it, is finished too:
a slow machine must not turn a credit into nothing. One on which a reward function of the user's failed earns nothing.

In a group without a right answer the division by the standard deviation makes any credit count as much as a right answer would:
A is the same for rewards of 0 and 0.1 as for 0 and 1, but for its epsilon. How large the credit is matters in groups that have
right answers, and where `scale_advantages` is off.
"""

from collections.abc import Sequence

import numpy as np

from stages.engines.protocols import Rollout
from stages.grading import Grade
from stages.params import Grpo


def answer_rewards(grades: Sequence[Grade], partial_credit: float) -> np.ndarray:
    """What each of G graded completions earns by its answer, without a length penalty. Returns (G,), within [0, 1]."""
    return np.array([1.0 if grade.reward else _credit(grade, partial_credit) for grade in grades])


def _credit(grade: Grade, partial_credit: float) -> float:
    return partial_credit if grade.extracted is not None and grade.note is None else 0.0


def rewards(rollouts: Sequence[Rollout], grades: Sequence[Grade], settings: Grpo, limit: int) -> np.ndarray:
    """What each of a prompt's G completions earns: by its answer, less the length penalty where the settings ask for one.

    `limit`: the context in response tokens. Returns (G,), within [-1, 1].
    """
    earned_G = answer_rewards(grades, settings.partial_credit)
    if settings.truncated != "soft-penalty":
        return earned_G
    buffer = settings.overlong_buffer_tokens
    penalties_G = np.array([soft_overlong_penalty(len(rollout.token_ids), limit, buffer) for rollout in rollouts])
    return np.asarray(earned_G + penalties_G)


def soft_overlong_penalty(tokens: int, max_response_tokens: int, buffer_tokens: int) -> float:
    """What a long response pays: 0 up to the buffer, then linearly to -1 at the limit (DAPO, arXiv 2503.14476, eq. 13)."""
    begins = max_response_tokens - buffer_tokens
    return min(0.0, max(-1.0, (begins - tokens) / buffer_tokens))
