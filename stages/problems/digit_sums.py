"""The miniature's problems: the sum of k digits modulo 10.

An answer can be guessed at once (right one time in ten) or worked out digit by digit, in six tokens a step. Longer
sums need a longer answer: difficulty grows in lockstep with the context that it needs, as in the recipe.
"""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np


def text(digits: list[int]) -> str:
    return "+".join(str(digit) for digit in digits) + "="


def answer(digits: list[int]) -> int:
    return sum(digits) % 10


def worked_response(digits: list[int], slips: Sequence[int] = ()) -> str:
    """``3+5=8,8+8=6</think>\\boxed{6}`` for 3+5+8; a step with a slip is off by it, and the rest follows from there."""
    steps, total = [], digits[0]
    for digit, slip in zip_longest(digits[1:], slips, fillvalue=0):
        result = (total + digit + slip) % 10
        steps.append(f"{total}+{digit}={result}")
        total = result
    return f"{','.join(steps)}</think>\\boxed{{{total}}}"


def guessed_response(guess: int) -> str:
    return f"</think>\\boxed{{{guess}}}"


def digits_of(problem_text: str) -> list[int]:
    return [int(digit) for digit in problem_text.removesuffix("=").split("+")]


def draw(operands: int, random: np.random.Generator) -> list[int]:
    return [int(digit) for digit in random.integers(0, 10, operands)]
