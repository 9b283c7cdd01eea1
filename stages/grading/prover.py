"""Whether two trees have the same value: proved or refuted in microseconds where rationals can, else Undecided.

Constants are compared as exact rationals. Identities between rational functions are tested at random points in exact
arithmetic (Schwartz-Zippel): two of degree d that differ agree at three points of two million with a chance below
(d / 2e6)^3. Floats refute and never prove.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random
from typing import Any, Protocol

from stages.grading.evaluate import EXACT, FLOATS, Inexact, evaluate
from stages.grading.tree import Node, TooLarge, key, symbols, walk

EXACT_POINTS = 3
FLOAT_POINTS = 2
FLOAT_TOLERANCE = 1e-7
FLOAT_ZERO = 1e-4  # times the tolerance: a float below may be a zero, as of sin(pi)


class Undecided(Exception):
    """Only the worker's algebra can tell."""


class Prover(Protocol):
    def same(self, left: Node, right: Node) -> bool: ...
    def place(self, node: Node) -> float | None: ...
    def solve(self, sides: Sequence[Node], signs: Sequence[str]) -> Any: ...


class QuickProver:
    """Decides without mpmath or SymPy, or raises Undecided."""

    def same(self, left: Node, right: Node) -> bool:
        decided = quickly_same(left, right)
        if decided is None:
            raise Undecided
        return decided

    def place(self, node: Node) -> float | None:
        """Where on the line a constant is, roughly; None where it is not real."""
        value = _float(node, {})
        if value is None:
            raise Undecided
        return value.real if abs(value.imag) <= 1e-12 * abs(value) else None

    def solve(self, sides: Sequence[Node], signs: Sequence[str]) -> Any:
        raise Undecided


def quickly_same(left: Node, right: Node) -> bool | None:
    """Whether the trees are equal; None where this arithmetic can't tell."""
    if key(left) == key(right):
        return True
    if any(node.op == "numeral" or node.name == "infinity" for tree in (left, right) for node in walk(tree)):
        return False  # equal as they are written, or not
    names = sorted(symbols(left) | symbols(right))
    exact = _exactly_same(left, right, names)
    return exact if exact is not None else _refuted(left, right, names)


def points(
    left: Node, right: Node, names: Sequence[str], count: int, draw: Callable[[Random], Any]
) -> list[dict[str, Any]]:
    """The same random points at every call for the same pair."""
    random = Random(f"{key(left)} {key(right)}")
    return [{name: draw(random) for name in names} for _ in range(count)]


def _exactly_same(left: Node, right: Node, names: Sequence[str]) -> bool | None:
    if names and any(node.op == "call" for tree in (left, right) for node in walk(tree)):
        return None  # |x| and floors are no rational functions: to agree at some points proves nothing
    agreed = 0
    for values in points(left, right, names, 3 * EXACT_POINTS, _draw):
        try:
            if evaluate(left, EXACT, values) != evaluate(right, EXACT, values):
                return False
        except ZeroDivisionError:
            if not names:
                return False  # undefined
            continue
        except TooLarge:
            if not names:
                raise
            return None  # x^x may be small elsewhere
        except Inexact:
            return None
        agreed += 1
        if not names or agreed == EXACT_POINTS:
            return True
    return None


def _draw(random: Random) -> Fraction:
    return Fraction(random.randint(-(10**6), 10**6), 7)


def _refuted(left: Node, right: Node, names: Sequence[str]) -> bool | None:
    """False where floats differ at a point at which both are real; None otherwise."""
    complex_values = any(node.name == "i" for tree in (left, right) for node in walk(tree) if node.op == "constant")
    for values in points(left, right, names, FLOAT_POINTS, lambda random: complex(random.uniform(0.5, 2))):
        a, b = _float(left, values), _float(right, values)
        if a is None or b is None:
            return None
        if not complex_values and (abs(a.imag) > 1e-12 * abs(a) or abs(b.imag) > 1e-12 * abs(b)):
            return None
        if abs(a - b) > FLOAT_TOLERANCE * max(abs(a), abs(b), FLOAT_ZERO):
            return False
    return None


def _float(node: Node, values: dict[str, complex]) -> complex | None:
    try:
        value = evaluate(node, FLOATS, values)
    except (Inexact, ArithmeticError, ValueError, TypeError):  # overflow, a pole, a log of 0: floats can't tell
        return None
    return value if math.isfinite(abs(value)) and isinstance(value, complex) else None
