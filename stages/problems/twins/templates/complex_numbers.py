"""Precalculus: complex numbers and trigonometry."""

from sympy import Abs, Expr, I, Integer, expand, re, simplify, sqrt

from stages.problems.twins.template import Template

RATIONAL_SIZES = [(3, 1), (5, 7), (8, 7), (7, 17), (20, 1), (9, 31), (12, 23), (28, 17)]
"""p and q for which p(1 + i) + q is at a whole distance from 0."""
LEGS = [(3, 4), (4, 3), (5, 12), (12, 5), (8, 15), (15, 8)]


def _turned(number: Expr, centre: Expr, turn: Expr) -> Expr:
    return expand((number - centre) * turn + centre)


def _linear(i: int, j: int) -> dict[str, int]:
    return dict(zip("pqrs", RATIONAL_SIZES[i] + RATIONAL_SIZES[j], strict=True))


def _size_of_quotient(i: int, j: int) -> Expr:
    (p, q), (r, s) = RATIONAL_SIZES[i], RATIONAL_SIZES[j]
    return simplify(Abs((p * (1 + I) + q) / (r * (1 + I) + s)))


def _largest_real_part(i: int, k: int, a: int, b: int, r: int) -> Expr:
    """Of (a + bi) z + (c + di) / z on |z| = r: with z = r(cos t + i sin t) it is A cos t + B sin t, at most |A + iB|."""
    c, d = _numerator(i, k, a, b, r)
    at_zero, at_right_angle = (re(expand((a + b * I) * r * unit + (c + d * I) / r / unit)) for unit in (Integer(1), I))
    return sqrt(at_zero**2 + at_right_angle**2)


def _numerator(i: int, k: int, a: int, b: int, r: int) -> tuple[int, int]:
    """The c and d for which A and -B are k times two legs: the answer is whole then."""
    return r * (k * LEGS[i][0] - a * r), r * (b * r - k * LEGS[i][1])


TEMPLATES = [
    Template(
        name="quarter_turn",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            r"A $90^\circ$ rotation around the origin in the counter-clockwise direction is applied to $«a» «+ b|i».$"
            "  What is the resulting complex number?"
        ),
        values={"a": 7, "b": 2},
        answer="-2 + 7i",
        ranges={name: [*range(-9, -1), *range(2, 10)] for name in "ab"},
        solver=lambda a, b: _turned(a + b * I, Integer(0), I),
    ),
    Template(
        name="quarter_turn_around_a_point",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            r"A $90^\circ$ rotation around $«a» «+ b|i»$ in the clockwise direction is applied to $«c»$ (as a"
            " complex number).  What is the resulting complex number?"
        ),
        values={"a": -4, "b": -5, "c": 3},
        answer="1 - 12i",
        ranges={name: [*range(-9, 0), *range(1, 10)] for name in "abc"},
        where=lambda a, b, c: a != c and c + b != 0,
        solver=lambda a, b, c: _turned(Integer(c), a + b * I, -I),
    ),
    Template(
        name="sum_and_product_of_tangents",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            "For some value of $x,$ $0 < x < 180,$\n"
            r"\[\tan «a»^\circ \tan «b»^\circ \tan x^\circ = \tan «a»^\circ + \tan «b»^\circ + \tan"
            r" x^\circ.\]Find $x.$"
        ),
        values={"a": 53, "b": 81},
        answer="46",
        ranges={"a": range(31, 89), "b": range(31, 89)},
        where=lambda a, b: a < b and a + b != 90,
        solver=lambda a, b: Integer(-a - b) % 180,  # tan x = -tan(a + b)
        variables="x",
    ),
    Template(
        name="size_of_a_quotient",
        family="precalculus",
        benchmark="math-500",
        pattern=r"Let $z = 1+i$ and $w = \dfrac{«p|z»+«q»}{«r|z»+«s»}$. Find $|w|$.",
        values={"i": 0, "j": 1},
        answer=r"\frac{5}{13}",
        ranges={name: range(len(RATIONAL_SIZES)) for name in "ij"},
        where=lambda i, j: i != j,
        holes=_linear,
        solver=_size_of_quotient,
        variables="zw",
    ),
    Template(
        name="size_of_a_power",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            "Riproarin' Ringo was roping a recalcitrant dogie. Ringo decided to give the dogie a reprieve by"
            r" calculating \[|(1-i)«^n»|\]before riding after the dogie. What answer should Ringo have found?"
        ),
        values={"n": 8},
        answer="16",
        ranges={"n": range(4, 25, 2)},
        solver=lambda n: Abs((1 - I) ** n),
        clauses="story",
    ),
    Template(
        name="largest_real_part",
        family="precalculus",
        benchmark="aime-2024",
        pattern=(
            r"Find the largest possible real part of \[(«a»+«b|i»)z+\frac{«c»+«d|i»}{z}\]where $z$ is a"
            " complex number with $|z|=«r»$."
        ),
        values={"i": 0, "k": 108, "a": 75, "b": 117, "r": 4},
        answer="540",
        ranges={
            "i": range(len(LEGS)),
            "k": range(10, 120),
            "a": range(20, 120),
            "b": range(20, 160),
            "r": range(2, 7),
        },
        where=lambda i, k, a, b, r: all(10 < n < 200 for n in _numerator(i, k, a, b, r)),
        holes=lambda i, k, a, b, r: dict(zip("cd", _numerator(i, k, a, b, r), strict=True)),
        solver=_largest_real_part,
        variables="z",
    ),
]
