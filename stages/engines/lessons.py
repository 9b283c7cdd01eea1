"""What the miniature can be taught: a kind of problem, how it is worked out, how it is guessed at once, and its symbols."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.problems import countdown, digit_sums

_FRAME = ["<pad>", "<eos>", "<user>", "<think>", "</think>", "\\boxed{", "}"]


@dataclass(frozen=True, slots=True)
class Lesson:
    """`draw(rating, random)` makes a problem, `text` is how it is asked, `guess` and `work` answer it.

    `work` is told the share of its calculations that are wrong. `symbols` are the tokenizer's.
    """

    symbols: list[str]
    draw: Callable[[int, np.random.Generator], Any]
    text: Callable[[Any], str]
    guess: Callable[[Any, np.random.Generator], str]
    work: Callable[[Any, np.random.Generator, float], str]


def _guess_digit(digits: list[int], random: np.random.Generator) -> str:
    """Right one time in ten."""
    return digit_sums.guessed_response(int(random.integers(0, 10)))


def _work_sum(digits: list[int], random: np.random.Generator, slip_share: float) -> str:
    """Step by step, a share of the steps off by 1 to 9."""
    slipped = random.random(len(digits) - 1) < slip_share
    return digit_sums.worked_response(digits, (slipped * random.integers(1, 10, len(digits) - 1)).tolist())


def _guess_signs(puzzle: countdown.Puzzle, random: np.random.Generator) -> str:
    signs = random.choice((1, -1), len(puzzle.numbers) - 1)
    return countdown.guessed_response(puzzle, [int(sign) for sign in signs])


def _work_tries(puzzle: countdown.Puzzle, random: np.random.Generator, slip_share: float) -> str:
    """Try by try, a share of the calculations off by 1 or 2, up or down."""
    most = (len(puzzle.numbers) - 1) * 2 ** (len(puzzle.numbers) - 1)
    slipped = random.random(most) < slip_share
    return countdown.worked_response(puzzle, (slipped * random.choice((-2, -1, 1, 2), most)).tolist())


LESSONS = {
    "digit_sums": Lesson(
        [*_FRAME, "+", "=", ",", *"0123456789"],
        digit_sums.draw,
        digit_sums.text,
        _guess_digit,
        _work_sum,
    ),
    "countdown": Lesson(
        [*_FRAME, "+", "-", "=", ",", *map(str, range(4 * countdown.LARGEST + 1))],
        countdown.draw,
        countdown.text,
        _guess_signs,
        _work_tries,
    ),
}
