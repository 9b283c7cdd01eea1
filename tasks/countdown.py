"""Countdown's reward: whether an expression reaches the target with all of the numbers, each once.

`task.reward: tasks.countdown:reward`. The expression is what stands in the last box after the thinking, and may add, subtract,
multiply, divide and have parentheses. It is read by the small reader below, never evaluated as code; values are exact fractions.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from stages.grading.extract import after_thinking, last_boxed

MAX_CHARACTERS = 200  # and so at most as many parentheses within one another
_TOKEN = re.compile(r"\s*(?:(\d+)|([-+*/()×·÷−]))")
_SIGNS = {"×": "*", "·": "*", "÷": "/", "−": "-"}


class Unreadable(Exception):
    """A text that is no expression, or divides by 0."""


def reward(
    completions: Sequence[str], target: Sequence[int], numbers: Sequence[list[int]], **columns: object
) -> list[bool]:
    return [reaches(said, aim, given) for said, aim, given in zip(completions, target, numbers, strict=True)]


def reaches(completion: str, target: int, numbers: Sequence[int]) -> bool:
    """Whether the completion's boxed expression is `target`, made of all of `numbers`."""
    said = after_thinking(completion, require_closed=False)
    boxed = None if said is None else last_boxed(said)
    if boxed is None or len(boxed) > MAX_CHARACTERS:
        return False
    try:
        reader = Reader(boxed)
        value = reader.whole()
    except Unreadable:
        return False
    return value == target and sorted(reader.numbers) == sorted(numbers)


class Reader:
    """sum = product (+|- product)*; product = factor (*|/ factor)*; factor = number | ( sum ). `numbers`: those read so far."""

    def __init__(self, text: str) -> None:
        self.numbers: list[int] = []
        self._tokens = _tokens(text)
        self._at = 0

    def whole(self) -> Fraction:
        """The value of all of the text. Raises Unreadable."""
        value = self._sum()
        if self._next():
            raise Unreadable(self._next())
        return value

    def _sum(self) -> Fraction:
        value = self._product()
        while (sign := self._next()) in ("+", "-"):
            self._at += 1
            term = self._product()
            value = value + term if sign == "+" else value - term
        return value

    def _product(self) -> Fraction:
        value = self._factor()
        while (sign := self._next()) in ("*", "/"):
            self._at += 1
            factor = self._factor()
            if sign == "/" and factor == 0:
                raise Unreadable("a division by 0")
            value = value * factor if sign == "*" else value / factor
        return value

    def _factor(self) -> Fraction:
        token = self._next()
        self._at += 1
        if token == "(":
            value = self._sum()
            if self._next() != ")":
                raise Unreadable("a parenthesis is open")
            self._at += 1
            return value
        if not token.isdigit():
            raise Unreadable(token)
        self.numbers.append(int(token))
        return Fraction(int(token))

    def _next(self) -> str:
        """The token that is to be read; "" at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(text[at:])
        tokens.append(match[1] or _SIGNS.get(match[2], match[2]))
        at = match.end()
    return tokens
