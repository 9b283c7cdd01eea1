"""The value of a tree under an arithmetic: exact rationals, or floats that only ever say "different".

Both are bounded: what would grow beyond the limits is TooLarge, what the arithmetic can't express is Inexact.
"""

import cmath
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Protocol

from stages.grading.tree import Node, TooLarge, walk

MAX_BITS = 40_000
MAX_TERMS = 1_000
MAX_FACTORIAL = 2_000


class Inexact(Exception):
    """No value under this arithmetic: irrational for the exact one, undefined or overflowing for the float one."""


class Arithmetic(Protocol):
    def number(self, value: Fraction) -> Any: ...
    def constant(self, name: str) -> Any: ...
    def add(self, left: Any, right: Any) -> Any: ...
    def multiply(self, left: Any, right: Any) -> Any: ...
    def power(self, base: Any, exponent: Any) -> Any: ...
    def root(self, radicand: Any, index: Any) -> Any: ...
    def call(self, name: str, args: list[Any]) -> Any: ...


def evaluate(node: Node, arithmetic: Arithmetic, values: Mapping[str, Any]) -> Any:
    """The value of `node` where its symbols have `values`."""
    if node.op == "number":
        return arithmetic.number(node.value)
    if node.op == "symbol":
        if node.name not in values:
            raise Inexact
        return values[node.name]
    if node.op == "constant":
        return arithmetic.constant(node.name)
    if node.op == "call" and node.name in ("sum", "prod"):
        return _series(node, arithmetic, values)
    args = [evaluate(arg, arithmetic, values) for arg in node.args]
    if node.op in ("add", "mul"):
        combine = arithmetic.add if node.op == "add" else arithmetic.multiply
        total = args[0]
        for arg in args[1:]:
            total = combine(total, arg)
        return total
    if node.op == "pow":
        return arithmetic.power(args[0], args[1])
    if node.op == "root":
        return arithmetic.root(args[0], args[1])
    if node.op == "percent":
        return arithmetic.multiply(args[0], arithmetic.number(Fraction(1, 100)))
    if node.op == "degree":
        turned = arithmetic.multiply(args[0], arithmetic.constant("pi"))
        return arithmetic.multiply(turned, arithmetic.number(Fraction(1, 180)))
    if node.op == "call":
        return arithmetic.call(node.name, args)
    raise Inexact  # a numeral: its base is part of the answer


def _series(node: Node, arithmetic: Arithmetic, values: Mapping[str, Any]) -> Any:
    index, first, last, body = node.args
    low, high = evaluate(first, EXACT, {}), evaluate(last, EXACT, {})
    if low.denominator != 1 or high.denominator != 1:
        raise Inexact
    if high - low >= MAX_TERMS or any(inner.name in ("sum", "prod") for inner in walk(body) if inner.op == "call"):
        raise TooLarge
    total = arithmetic.number(Fraction(node.name == "prod"))
    combine = arithmetic.add if node.name == "sum" else arithmetic.multiply
    for place in range(int(low), int(high) + 1):
        term = evaluate(body, arithmetic, {**values, index.name: arithmetic.number(Fraction(place))})
        total = combine(total, term)
    return total


class Exact:
    """Rational arithmetic; an irrational value is Inexact."""

    def number(self, value: Fraction) -> Fraction:
        return value

    def constant(self, name: str) -> Fraction:
        raise Inexact

    def add(self, left: Fraction, right: Fraction) -> Fraction:
        return _bounded(left + right)

    def multiply(self, left: Fraction, right: Fraction) -> Fraction:
        return _bounded(left * right)

    def power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1:
            return self.root(self.power(base, Fraction(exponent.numerator)), Fraction(exponent.denominator))
        if base == 0 and exponent <= 0:
            raise Inexact
        if abs(base) not in (0, 1) and _bits(base) * abs(exponent) > MAX_BITS:
            raise TooLarge
        return base ** int(exponent) if abs(base) != 1 else base ** (int(exponent) % 2)

    def root(self, radicand: Fraction, index: Fraction) -> Fraction:
        if index.denominator != 1 or not 1 <= index <= 64 or (radicand < 0 and index % 2 == 0):
            raise Inexact
        sign = -1 if radicand < 0 else 1
        above = _integer_root(abs(radicand.numerator), int(index))
        below = _integer_root(radicand.denominator, int(index))
        return Fraction(sign * above, below)

    def call(self, name: str, args: list[Fraction]) -> Fraction:
        if name == "abs":
            return abs(args[0])
        if name == "floor":
            return Fraction(math.floor(args[0]))
        if name == "ceil":
            return Fraction(math.ceil(args[0]))
        if name == "max":
            return max(args)
        if name == "min":
            return min(args)
        if any(arg.denominator != 1 for arg in args):
            raise Inexact
        whole = [int(arg) for arg in args]
        if name == "factorial" and whole[0] >= 0:
            if whole[0] > MAX_FACTORIAL:
                raise TooLarge
            return Fraction(math.factorial(whole[0]))
        if name == "binom" and whole[0] >= 0 and whole[1] >= 0:
            if min(whole[1], whole[0] - whole[1]) * whole[0].bit_length() > MAX_BITS:
                raise TooLarge
            return Fraction(math.comb(*whole))
        if name == "gcd":
            return Fraction(math.gcd(*whole))
        if name == "lcm":
            return Fraction(math.lcm(*whole))
        if name == "mod" and whole[1] > 0:
            return Fraction(whole[0] % whole[1])
        raise Inexact


class Floats:
    """Complex floats, for telling different values apart at the cost of microseconds."""

    def number(self, value: Fraction) -> complex:
        return complex(float(value))

    def constant(self, name: str) -> complex:
        if name == "infinity":
            raise Inexact
        return {"pi": complex(math.pi), "e": complex(math.e), "i": 1j}[name]

    def add(self, left: complex, right: complex) -> complex:
        total = left + right
        if abs(total) < 1e-6 * max(abs(left), abs(right)):
            raise Inexact  # too many digits cancelled for a float to tell anything
        return total

    def multiply(self, left: complex, right: complex) -> complex:
        return left * right

    def power(self, base: complex, exponent: complex) -> complex:
        if base.imag == 0 and base.real < 0 and exponent.imag == 0 and not exponent.real.is_integer():
            raise Inexact  # which branch depends on the exact exponent
        return base**exponent

    def root(self, radicand: complex, index: complex) -> complex:
        if radicand.imag == 0 and radicand.real < 0 and index.imag == 0 and index.real % 2 == 1:
            return complex(-(abs(radicand) ** (1 / index.real)))
        return complex(radicand ** (1 / index))

    def call(self, name: str, args: list[complex]) -> complex:
        function = _FLOAT_FUNCTIONS.get(name)
        if function is None:
            raise Inexact
        return complex(function(*args))


_FLOAT_FUNCTIONS: dict[str, Any] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "exp": cmath.exp,
    "ln": cmath.log,
    "abs": abs,
}

EXACT = Exact()
FLOATS = Floats()


def exact_value(node: Node) -> Fraction | None:
    """The rational number that a tree without symbols is; None where it is none."""
    try:
        value = evaluate(node, EXACT, {})
    except (Inexact, ZeroDivisionError):
        return None
    return value if isinstance(value, Fraction) else None


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _bounded(value: Fraction) -> Fraction:
    if _bits(value) > MAX_BITS:
        raise TooLarge
    return value


def _integer_root(value: int, index: int) -> int:
    """The exact root of an integer, by Newton's method on integers."""
    if value < 2:
        return value
    guess = 1 << -(-value.bit_length() // index)
    while True:
        better = ((index - 1) * guess + value // guess ** (index - 1)) // index
        if better >= guess:
            break
        guess = better
    if guess**index != value:
        raise Inexact
    return guess
