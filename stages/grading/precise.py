"""The worker's prover: mpmath to refute, and to prove what exact rationals can't: roots, logarithms, trigonometry.

Two values that agree to `PROOF_DIGITS` are equal if all their parts are moderate: numbers of at most `MODERATE_DIGITS` digits and
no intermediate value beyond 10^+-`MODERATE_DIGITS`. A closed form of so few and so small parts is not that near to another one by
chance, and a decimal approximation has too few digits to come near. Whatever is not moderate must be proved by SymPy.
"""

from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import Any

import mpmath
from mpmath import mp

from stages.grading.evaluate import Inexact, evaluate
from stages.grading.prover import points, quickly_same
from stages.grading.regions import Piece
from stages.grading.solving import difference_is_zero, solution_pieces
from stages.grading.tree import Node, TooLarge, substitute, symbols, walk

REFUTING_DIGITS = 60
PROOF_DIGITS = 600
MODERATE_DIGITS = 40
MAX_MAGNITUDE = 20_000  # decimal digits before or after the point
MAX_ARGUMENT = 10**5
SCALES = (0.3, 2.0, 17.0, 900.0)
TRIES = 24
AGREEMENTS = 4


class Precise:
    """mpmath under the limits above; `moderate` tells whether all values so far were."""

    def __init__(self) -> None:
        self.moderate = True

    def _checked(self, value: Any) -> Any:
        if not mp.isfinite(value):
            raise Inexact
        size = abs(value)
        if size != 0:
            digits = abs(int(mp.mag(size)) * 0.30103)
            if digits > MAX_MAGNITUDE:
                raise TooLarge
            self.moderate = self.moderate and digits <= MODERATE_DIGITS
        return value

    def number(self, value: Fraction) -> Any:
        longest = max(value.numerator.bit_length(), value.denominator.bit_length())
        self.moderate = self.moderate and longest <= MODERATE_DIGITS / 0.30103
        return mp.mpf(value.numerator) / value.denominator

    def constant(self, name: str) -> Any:
        if name == "infinity":
            raise Inexact
        return {"pi": +mp.pi, "e": +mp.e, "i": mp.mpc(0, 1)}[name]

    def add(self, left: Any, right: Any) -> Any:
        return self._checked(left + right)

    def multiply(self, left: Any, right: Any) -> Any:
        return self._checked(left * right)

    def power(self, base: Any, exponent: Any) -> Any:
        if base == 0:
            if mp.re(exponent) <= 0:
                raise Inexact
            return mp.mpf(0)
        if abs(mp.re(exponent)) * abs(int(mp.mag(abs(base)))) > MAX_MAGNITUDE * 4:
            raise TooLarge
        if mp.im(base) == 0 and mp.re(base) < 0 and mp.im(exponent) == 0:
            return self._checked(_real_power(mp.re(base), mp.re(exponent)))
        return self._checked(mp.power(base, exponent))

    def root(self, radicand: Any, index: Any) -> Any:
        if index == 0:
            raise Inexact
        if mp.im(radicand) == 0 and mp.re(radicand) < 0 and mp.isint(index) and int(mp.re(index)) % 2:
            return self._checked(-mp.root(-mp.re(radicand), int(mp.re(index))))
        return self._checked(mp.power(radicand, 1 / mp.mpf(1) / index)) if radicand != 0 else mp.mpf(0)

    def call(self, name: str, args: list[Any]) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None or any(abs(arg) > MAX_ARGUMENT for arg in args):
            raise Inexact if function is None else TooLarge
        return self._checked(function(*args))


def _real_power(base: Any, exponent: Any) -> Any:
    """A negative base: the real root where the exponent's denominator is odd, as in x^{2/3}."""
    fraction = _small_fraction(exponent)
    if fraction is None or fraction.denominator % 2 == 0:
        return mp.power(base, exponent)
    value = mp.power(-base, exponent)
    return value if fraction.numerator % 2 == 0 else -value


def _small_fraction(value: Any) -> Fraction | None:
    for below in range(1, 30):
        above = value * below
        if abs(above - mp.nint(above)) < mp.mpf(10) ** (20 - mp.dps):
            return Fraction(int(mp.nint(above)), below)
    return None


def _real(function: Any) -> Any:
    def checked(*args: Any) -> Any:
        if any(mp.im(arg) != 0 for arg in args):
            raise Inexact
        return function(*(mp.re(arg) for arg in args))

    return checked


_FUNCTIONS: dict[str, Any] = {
    **{
        name: getattr(mpmath, name)
        for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch asinh acosh atanh ln".split()
    },
    **{f"arc{name}": getattr(mpmath, f"a{name}") for name in "sin cos tan cot sec csc".split()},
    "log": mpmath.ln,
    "log10": mpmath.log10,
    "abs": abs,
    "floor": _real(mpmath.floor),
    "ceil": _real(mpmath.ceil),
    "max": _real(max),
    "min": _real(min),
    "sign": _real(mpmath.sign),
    "factorial": mpmath.factorial,
    "binom": mpmath.binomial,
    "mod": _real(lambda value, modulus: value - modulus * mpmath.floor(value / modulus)),
    "Re": mpmath.re,
    "Im": mpmath.im,
}


class PreciseProver:
    """Decides whatever it is asked: what it can't prove is not equal."""

    def same(self, left: Node, right: Node) -> bool:
        quick = quickly_same(left, right)
        if quick is not None:
            return quick
        if _same_values(left, right):
            return True
        if any(node.name == "log" for tree in (left, right) for node in walk(tree) if node.op == "call"):
            return _same_values(
                _decadic(left), _decadic(right)
            )  # log is the natural one in one book, of base 10 in the next
        return False

    def place(self, node: Node) -> float | None:
        with mp.workdps(REFUTING_DIGITS):
            value = _value(node, {}, complex_values=False)
            return None if value is None else float(mp.re(value))

    def solve(self, sides: Sequence[Node], signs: Sequence[str]) -> list[Piece]:
        return solution_pieces(sides, signs)


def _decadic(node: Node) -> Node:
    name = "log10" if node.op == "call" and node.name == "log" else node.name
    return Node(node.op, tuple(_decadic(arg) for arg in node.args), name, node.value)


def _same_values(left: Node, right: Node) -> bool:
    names = sorted(symbols(left) | symbols(right))
    complex_values = any(node.op == "constant" and node.name == "i" for tree in (left, right) for node in walk(tree))
    agreed = 0
    for values in points(left, right, names, TRIES if names else 1, _draw):
        verdict = _agree(left, right, values, REFUTING_DIGITS, complex_values or not names)
        if verdict is False:
            return False
        agreed += verdict is True
        if agreed == AGREEMENTS or (agreed and not names):
            return _proved(left, right, values, complex_values or not names)
    return False


def _draw(random: Random) -> Fraction:
    """A number of few digits, of either sign and any of the scales."""
    return Fraction(int(random.choice(SCALES) * random.randint(100, 999)) * random.choice((1, 1, -1)), 997)


def _agree(left: Node, right: Node, values: dict[str, Fraction], digits: int, complex_values: bool) -> bool | None:
    """True or False where both are defined at the point; None where neither is."""
    with mp.workdps(digits):
        numbers = {name: mp.mpf(value.numerator) / value.denominator for name, value in values.items()}
        a, b = _value(left, numbers, complex_values), _value(right, numbers, complex_values)
        if a is None or b is None:
            return None if a is b and values else False
        return bool(abs(a - b) <= mp.mpf(10) ** (15 - digits) * max(abs(a), abs(b)))


def _value(node: Node, values: dict[str, Any], complex_values: bool) -> Any:
    try:
        value = evaluate(node, Precise(), values)
    except TooLarge:
        if not values:
            raise
        return None  # too large at this point
    except (Inexact, ArithmeticError, ValueError):  # undefined at this point: a pole, a log of 0
        return None
    if not complex_values and abs(mp.im(value)) > mp.mpf(10) ** (15 - mp.dps) * abs(value):
        return None
    return value


def _proved(left: Node, right: Node, values: dict[str, Fraction], complex_values: bool) -> bool:
    for name, value in values.items():
        left = substitute(left, name, Node("number", value=value))
        right = substitute(right, name, Node("number", value=value))
    with mp.workdps(PROOF_DIGITS):
        arithmetic = Precise()
        try:
            evaluate(left, arithmetic, {})
            evaluate(right, arithmetic, {})
        except (Inexact, ArithmeticError, ValueError):  # undefined after all
            return False
        if arithmetic.moderate:
            return _agree(left, right, {}, PROOF_DIGITS, complex_values) is True
    return difference_is_zero(left, right)
