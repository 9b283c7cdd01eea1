"""Countdown: reach a target with all of some numbers, each once, by adding and subtracting. `4,2,5=7`: 4 - 2 + 5.

Whether an expression does is told by the task's own reward, tasks/countdown.py. The miniature can guess the signs at once (two
numbers: right one time in two, three: one in four) or try them one after another, in about ten tokens a try: as in the recipe,
who works needs room.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

LARGEST = 9  # of the numbers, from 1


@dataclass(frozen=True, slots=True)
class Puzzle:
    """`signs` are of the numbers after the first one: with them they reach the target, perhaps with others too."""

    numbers: tuple[int, ...]
    signs: tuple[int, ...]

    @property
    def target(self) -> int:
        return value(self.numbers, self.signs)


def value(numbers: Sequence[int], signs: Sequence[int]) -> int:
    return numbers[0] + sum(sign * number for sign, number in zip(signs, numbers[1:], strict=True))


def draw(count: int, random: np.random.Generator) -> Puzzle:
    """`count` numbers and their signs; the target is not below 0."""
    while True:
        numbers = tuple(int(number) for number in random.integers(1, LARGEST + 1, count))
        signs = tuple(int(sign) for sign in random.choice((1, -1), count - 1))
        if value(numbers, signs) >= 0:
            return Puzzle(numbers, signs)


def text(puzzle: Puzzle) -> str:
    return f"{','.join(map(str, puzzle.numbers))}={puzzle.target}"


def expression(numbers: Sequence[int], signs: Sequence[int]) -> str:
    """``4-2+5``"""
    rest = (f"{'+' if sign > 0 else '-'}{number}" for sign, number in zip(signs, numbers[1:], strict=True))
    return "".join([str(numbers[0]), *rest])


def tries(count: int) -> Iterator[tuple[int, ...]]:
    """All signs after the first of `count` numbers, in the order that the miniature is taught: ++, +-, -+, --."""
    yield from product((1, -1), repeat=count - 1)


def worked_response(puzzle: Puzzle, slips: Sequence[int] = ()) -> str:
    r"""``4+2=6+5=11,4+2=6-5=1,4-2=2+5=7</think>\boxed{4-2+5}`` for 4,2,5=7: one try after another, up to the first that fits.

    A calculation with a slip is off by it, and the try goes on from there; where none seems to fit, the last is said.
    """
    numbers, left, told = puzzle.numbers, list(slips), []
    for signs in tries(len(numbers)):
        total, steps = numbers[0], str(numbers[0])
        for sign, number in zip(signs, numbers[1:], strict=True):
            total += sign * number + (left.pop(0) if left else 0)
            steps += f"{'+' if sign > 0 else '-'}{number}={total}"
        told.append(steps)
        if total == puzzle.target:
            break
    return f"{','.join(told)}</think>\\boxed{{{expression(numbers, signs)}}}"


def guessed_response(puzzle: Puzzle, signs: Sequence[int]) -> str:
    return f"</think>\\boxed{{{expression(puzzle.numbers, signs)}}}"
