"""Intermediate algebra: extrema and radicals."""

from math import gcd

from sympy import (
    Expr,
    Integer,
    Symbol,
    diff,
    expand,
    minimal_polynomial,
    simplify,
    solve,
    sqrt,
)
from sympy.ntheory.primetest import is_square

from stages.problems.twins.template import Template

x = Symbol("x")
t = Symbol("t", positive=True)
SQUAREFREE = [2, 3, 5, 6, 7, 10, 11, 13, 14, 15, 17, 19]


def _lowest(function: Expr) -> Expr:
    """The value where a convex function of t > 0 has slope 0."""
    (place,) = solve(diff(function, t), t)
    return simplify(function.subs(t, place))


def _quotient_of_values(h: int, d: int, u: int, v: int) -> Expr:
    polynomial = minimal_polynomial(h - sqrt(d), x)
    return polynomial.subs(x, u) / polynomial.subs(x, v)


def _sum_of_cubed_parts(p: int, q: int) -> Expr:
    cube = expand((sqrt(p) + sqrt(q)) ** 3)
    return sum(cube.coeff(root) for root in (sqrt(p), sqrt(q), sqrt(p * q)))


TEMPLATES = [
    Template(
        name="lowest_of_a_quotient",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            "Find the minimum value of\n"
            r"\[\frac{(x + «p»)(x + «q»)}{x + «r»}\]for $x > 0.$"
        ),
        values={"p": 5, "q": 2, "r": 1},
        answer="9",
        ranges={"p": range(3, 30), "q": range(2, 20), "r": range(1, 6)},
        where=lambda p, q, r: p > q > r and is_square((p - r) * (q - r)) and (p - r) * (q - r) > r * r,
        solver=lambda p, q, r: _lowest((t + p) * (t + q) / (t + r)),
        variables="x",
        independent=("(x + «p»)", "(x + «q»)"),
    ),
    Template(
        name="lowest_sum_of_reciprocals",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            "Let $a,$ $b,$ $c,$ $d$ be positive real numbers such that $a + b + c + d = 1.$  Find the minimum"
            " value of\n"
            r"\[\frac{«P»}{a} + \frac{«Q»}{b} + \frac{«R»}{c} + \frac{«S»}{d}.\]"
        ),
        values={"p": 1, "q": 1, "r": 2, "s": 4},
        answer="64",
        ranges={name: range(1, 8) for name in "pqrs"},
        where=lambda p, q, r, s: len({p, q, r, s}) >= 3,
        holes=lambda p, q, r, s: {"P": p**2, "Q": q**2, "R": r**2, "S": s**2},
        # By Cauchy's inequality; reached where a, b, c, d are as the square roots.
        solver=lambda p, q, r, s: sum(sqrt(Integer(root) ** 2) for root in (p, q, r, s)) ** 2,
        variables="abcd",
    ),
    Template(
        name="lowest_sum_of_powers",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            "Let $a$ and $b$ be positive real numbers such that $ab^2 = «n».$  Find the minimum value of $a^4 + b^8.$"
        ),
        values={"n": 5},
        answer="50",
        ranges={"n": range(2, 16)},
        solver=lambda n: _lowest((n / t) ** 4 + t**4),  # t = b^2
        variables="ab",
    ),
    Template(
        name="quotient_of_values",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            r"Let $p(x)$ be a quadratic polynomial with integer coefficients which has $«h»-\sqrt{«d»}$ as a"
            r" root. Compute $\frac{p(«u»)}{p(«v»)}.$"
        ),
        values={"h": 4, "d": 11, "u": 3, "v": 4},
        answer=r"\frac{10}{11}",
        ranges={"h": range(2, 8), "d": SQUAREFREE, "u": range(1, 8), "v": range(1, 8)},
        where=lambda h, d, u, v: u != v and ((u - h) ** 2 - d) % ((v - h) ** 2 - d) != 0,
        solver=_quotient_of_values,
        variables="x",
    ),
    Template(
        name="cube_of_two_roots",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            r"The number $(\sqrt{«p»}+\sqrt{«q»})^3$ can be written in the form $a\sqrt{«p»} + b\sqrt{«q»} +"
            r" c\sqrt{«pq»}$, where $a$, $b$, and $c$ are integers.  What is $a+b+c$?"
        ),
        values={"p": 2, "q": 3},
        answer="20",
        ranges={"p": [2, 3, 5, 6, 7, 10, 11], "q": [3, 5, 7, 11, 13, 17]},
        where=lambda p, q: p < q and gcd(p, q) == 1,
        holes=lambda p, q: {"pq": p * q},
        solver=_sum_of_cubed_parts,
        variables="abc",
    ),
    Template(
        name="product_with_conjugate",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=r"Compute the product of the number $«a»+\sqrt{«d»}$ and its radical conjugate.",
        values={"a": 5, "d": 3},
        answer="22",
        ranges={"a": range(2, 20), "d": SQUAREFREE},
        solver=lambda a, d: expand((a + sqrt(d)) * (a - sqrt(d))),
    ),
]
