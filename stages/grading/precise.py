"""The worker's prover: mpmath to refute, and to prove what exact rationals can't: roots, logarithms, trigonometry.

Two values that agree to `PROOF_DIGITS` are equal if all their parts are moderate: numbers of at most `MODERATE_DIGITS`
digits and no intermediate value beyond 10^+-`MODERATE_DIGITS`. A closed form of so few and so small parts is not that
near to another one by chance, and a decimal approximation has too few digits to come near. Whatever is not moderate
must be proved by SymPy.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import mpmath
from mpmath import mp

from stages.grading.evaluate import Inexact, evaluate
from stages.grading.prover import points, quickly_same
from stages.grading.regions import Piece
from stages.grading.solving import difference_is_zero, solution_pieces
from stages.grading.tree import Node, TooLarge, constant, number, substitute, symbols, walk

REFUTING_DIGITS = 60
PROOF_DIGITS = 300
MODERATE_DIGITS = 40
MAX_MAGNITUDE = 20_000  # decimal digits before or after the point
MAX_ARGUMENT = 10**5
IMAGINARY = constant("i")
STEPS = frozenset(["floor", "ceil", "mod", "gcd", "lcm"])
POINTS = 24
SCALES = (1, 7, 60, 900)
MIN_AGREEMENTS = 4
PROOF_TRIES = 8


class Precise:
    """mpmath under the limits above."""

    def __init__(self, real: bool) -> None:
        """`real`: what is not a real number is undefined. `moderate` tells whether all values so far were."""
        self._real = real
        self.moderate = True

    def _checked(self, value: Any) -> Any:
        if not mp.isfinite(value) or (self._real and mp.im(value) != 0):
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
        total = left + right
        if abs(total) < mp.mpf(10) ** (25 - mp.dps) * max(abs(left), abs(right)):
            return mp.mpf(0)  # every digit that counts has cancelled
        return self._checked(total)

    def multiply(self, left: Any, right: Any) -> Any:
        return self._checked(left * right)

    def power(self, base: Any, exponent: Any) -> Any:
        if base == 0:
            if mp.re(exponent) <= 0:
                raise Inexact
            return mp.mpf(0)
        if abs(exponent) > MAX_ARGUMENT or abs(mp.re(exponent)) * abs(int(mp.mag(abs(base)))) > MAX_MAGNITUDE * 4:
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
        value = function(*args)
        if 0 < abs(value) < mp.mpf(10) ** (25 - mp.dps):  # sin(pi), or too small to tell from it
            self.moderate = False
            return mp.mpf(0)
        return self._checked(value)


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


def _binomial(n: Any, k: Any) -> Any:
    """n over a small whole k as a product: mpmath would go by gamma functions, a thousand times slower."""
    if not mp.isint(k) or not 0 <= k <= 50:
        return mpmath.binomial(n, k)
    return mp.fprod((n - place) / (place + 1) for place in range(int(k)))


_CIRCULAR = ("sin", "cos", "tan", "cot", "sec", "csc")
_HYPERBOLIC = ("sinh", "cosh", "tanh", "coth", "sech", "csch", "asinh", "acosh", "atanh")
_FUNCTIONS: dict[str, Any] = {
    **{name: getattr(mpmath, name) for name in (*_CIRCULAR, *_HYPERBOLIC)},
    **{f"arc{name}": getattr(mpmath, f"a{name}") for name in _CIRCULAR},
    "ln": mpmath.ln,
    "log": mpmath.ln,
    "log10": mpmath.log10,
    "abs": abs,
    "floor": _real(mpmath.floor),
    "ceil": _real(mpmath.ceil),
    "max": _real(max),
    "min": _real(min),
    "sign": _real(mpmath.sign),
    "factorial": mpmath.factorial,
    "binom": _binomial,
    "mod": _real(lambda value, modulus: value - modulus * mpmath.floor(value / modulus)),
}


class PreciseProver:
    """Decides whatever it is asked: what it can't prove is not equal."""

    def same(self, left: Node, right: Node) -> bool:
        quick = quickly_same(left, right)
        if quick is not None:
            return quick
        if _same_values(left, right):
            return True
        # log is the natural one in one book and of base 10 in the next
        without_base = any(node.name == "log" for tree in (left, right) for node in walk(tree) if node.op == "call")
        return without_base and _same_values(_decadic(left), _decadic(right))

    def place(self, node: Node) -> float | None:
        with mp.workdps(REFUTING_DIGITS):
            value = _value(node, {}, Precise(real=False))
            return None if value is None or mp.im(value) != 0 else float(mp.re(value))

    def solve(self, sides: Sequence[Node], signs: Sequence[str]) -> list[Piece]:
        return solution_pieces(sides, signs)


def _decadic(node: Node) -> Node:
    name = "log10" if node.op == "call" and node.name == "log" else node.name
    return Node(node.op, tuple(_decadic(arg) for arg in node.args), name, node.value)


def _same_values(left: Node, right: Node) -> bool:
    """Whether the values agree wherever both are defined, and can be proved to, at one of these points or by SymPy."""
    names = sorted(symbols(left) | symbols(right))
    real = bool(names) and not any(node == IMAGINARY for tree in (left, right) for node in walk(tree))
    if names and any(node.name in STEPS for tree in (left, right) for node in walk(tree) if node.op == "call"):
        return difference_is_zero(left, right)  # a step may be anywhere between the points
    agreed: list[dict[str, Fraction]] = []
    for values in _points(left, right, names):
        verdict = _agree(left, right, values, REFUTING_DIGITS, real)
        if verdict is False:
            return False
        if verdict:
            agreed.append(values)
    if len(agreed) < (MIN_AGREEMENTS if names else 1):
        return False
    proofs = (_proved(left, right, values, real) for values in agreed[:PROOF_TRIES])
    proof = next((proof for proof in proofs if proof is not None), None)
    return difference_is_zero(left, right) if proof is None else proof


def _points(left: Node, right: Node, names: Sequence[str]) -> list[dict[str, Fraction]]:
    """Points of all scales and all combinations of signs."""
    drawn = points(left, right, names, POINTS if names else 1, lambda random: Fraction(random.randint(1, 996), 997))
    return [
        {
            name: value * SCALES[(place // 2 + turn) % len(SCALES)] * (-1) ** (place >> turn % 3 & 1)
            for turn, (name, value) in enumerate(values.items())
        }
        for place, values in enumerate(drawn)
    ]


def _agree(left: Node, right: Node, values: dict[str, Fraction], digits: int, real: bool) -> bool | None:
    """Whether the values are the same to `digits` at the point; None where one is undefined there."""
    with mp.workdps(digits):
        a, b = _value(left, values, Precise(real)), _value(right, values, Precise(real))
        return None if a is None or b is None else _close(a, b)


def _close(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= mp.mpf(10) ** (15 - mp.dps) * max(abs(a), abs(b)))


def _value(node: Node, values: dict[str, Fraction], arithmetic: Precise) -> Any:
    numbers = {name: mp.mpf(value.numerator) / value.denominator for name, value in values.items()}
    try:
        return evaluate(node, arithmetic, numbers)
    except TooLarge:
        if not values:
            raise
        return None  # at this point
    except (Inexact, ArithmeticError, ValueError):  # undefined at this point: a pole, a log of 0
        return None


def _proved(left: Node, right: Node, values: dict[str, Fraction], real: bool) -> bool | None:
    """Whether the values agree to the last of many digits at the point; None where its parts are not moderate."""
    for name, value in values.items():
        left = substitute(left, name, number(value))
        right = substitute(right, name, number(value))
    with mp.workdps(PROOF_DIGITS):
        arithmetic = Precise(real)
        a, b = _value(left, {}, arithmetic), _value(right, {}, arithmetic)
        return None if a is None or b is None or not arithmetic.moderate else _close(a, b)
