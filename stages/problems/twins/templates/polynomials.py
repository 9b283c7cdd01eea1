"""Intermediate algebra: polynomials and rational functions."""

from math import gcd

from sympy import (
    Expr,
    Poly,
    Rational,
    expand,
    limit,
    oo,
    simplify,
    solve,
    sqrt,
    symbols,
)
from sympy.ntheory.primetest import is_square

from stages.problems.twins.template import Template

x, c, d = symbols("x c d")


def _sum_of_asymptotes(p: int, b: int, c: int) -> Expr:
    function = p * x / (x**2 + b * x + c)
    return sum(solve(x**2 + b * x + c, x)) + limit(function, x, oo)


def _limit_of_quotient(a: int, b: int, c: int, d: int, e: int, f: int, g: int) -> Expr:
    return limit((a * x**3 + b * x + c) / (d * x**3 + e * x**2 + f * x + g), x, oo)


def _product_of_partial_fractions(r: int, s: int, p: int, q: int) -> Expr:
    numerator = Poly(c * (x + s) + d * (x - r) - p * x - q, x)
    found = solve(numerator.all_coeffs(), [c, d])
    return found[c] * found[d]


def _sum_of_roots(polynomial: Expr) -> Expr:
    """Vieta."""
    first, second, *_ = Poly(polynomial, x).all_coeffs()
    return -Rational(second, first)


def _ends_of_quartic(h: int, d: int) -> Expr:
    """p(0) + p(2h) of a monic quartic with the roots h - d, h, h + d: the same whatever the fourth one is."""
    polynomial = (x - h + d) * (x - h) * (x - h - d) * (x - c)
    return simplify(polynomial.subs(x, 0) + polynomial.subs(x, 2 * h))


def _sum_of_hyperbola(p: int, q: int, k: int, d: int) -> Expr:
    """h + k + a + b with the foci (p, k), (q, k) and 2a = d."""
    a, focal = Rational(d, 2), Rational(p - q, 2)
    return Rational(p + q, 2) + k + a + sqrt(focal**2 - a**2)


TEMPLATES = [
    Template(
        name="constant_term",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=r"Find the constant term in the expansion of $$\left(«a|x^3»-\frac{1}{«c|x^2»}\right)^{«n»}$$",
        values={"a": 10, "c": 2, "n": 5},
        answer="-125",
        ranges={"a": range(2, 13), "c": range(2, 7), "n": [5, 10]},
        where=lambda a, c, n: a * a % c == 0 or n == 5,
        solver=lambda a, c, n: expand((a * x**3 - 1 / (c * x**2)) ** n).coeff(x, 0),
        variables="x",
    ),
    Template(
        name="sum_of_asymptotes",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            r"The graph of $f(x)=\frac{«p|x»}{x^2«+b|x»«+c»}$ has vertical asymptotes $x=a$ and $x=b$, and"
            " horizontal asymptote $y=c$.  Find $a+b+c$."
        ),
        values={"p": 2, "b": -5, "c": -14},
        answer="5",
        ranges={"p": range(2, 10), "b": [*range(-12, 0), *range(1, 13)], "c": range(-40, 0)},
        where=lambda p, b, c: is_square(b * b - 4 * c),
        solver=_sum_of_asymptotes,
        variables="xyabc",
    ),
    Template(
        name="horizontal_asymptote",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            "At what value of $y$ is there a horizontal asymptote for the graph of the equation"
            r" $y=\frac{«a|x^3»«+b|x»«+c»}{«d|x^3»«+e|x^2»«+f|x»«+g»}$?"
        ),
        values={"a": 4, "b": 2, "c": -4, "d": 3, "e": -2, "f": 5, "g": -1},
        answer=r"\frac43",
        ranges={"a": range(2, 12), "d": range(2, 12), **{name: [*range(-9, 0), *range(1, 10)] for name in "bcefg"}},
        where=lambda a, b, c, d, e, f, g: gcd(a, d) == 1,
        solver=_limit_of_quotient,
        variables="xy",
    ),
    Template(
        name="partial_fractions",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            "Find the product $CD$ of the integers $C$ and $D$ for which\n"
            r"\[\frac{C}{x-«r»}+\frac{D}{x+«s»}=\frac{«p|x»«+q»}{x^2«+m|x»«+k»}\]for all real values of $x$"
            " except $-«s»$ and $«r»$."
        ),
        values={"r": 3, "s": 8, "p": 4, "q": -23},
        answer="-5",
        ranges={"r": range(1, 10), "s": range(1, 10), "p": range(2, 10), "q": [*range(-40, 0), *range(1, 41)]},
        where=lambda r, s, p, q: (
            r != s and (p * r + q) % (r + s) == 0 and (p * s - q) % (r + s) == 0 and p * r + q != 0 != p * s - q
        ),
        holes=lambda r, s, p, q: {"m": s - r, "k": -r * s},
        solver=_product_of_partial_fractions,
        variables="CDx",
    ),
    Template(
        name="sum_of_roots_with_reciprocal",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            r"Compute $a+b+c,$ given that $a,$ $b,$ and $c$ are the roots of \[\frac{1}{x} + «p|x^2» = «q|x» -"
            r" «r».\]"
        ),
        values={"p": 5, "q": 6, "r": 24},
        answer=r"\frac65",
        ranges={"p": range(2, 10), "q": range(2, 20), "r": range(2, 40)},
        where=lambda p, q, r: gcd(p, q) == 1,
        solver=lambda p, q, r: _sum_of_roots(expand(x * (1 / x + p * x**2 - q * x + r))),
        variables="abcx",
    ),
    Template(
        name="ends_of_a_quartic",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            "Let $p(x)$ be a monic polynomial of degree 4.  Three of the roots of $p(x)$ are «lo», «h», and"
            " «hi».  Find $p(0) + p(«e»).$"
        ),
        values={"h": 2, "d": 1},
        answer="24",
        ranges={"h": range(2, 9), "d": range(1, 6)},
        where=lambda h, d: d < h,
        holes=lambda h, d: {"lo": h - d, "hi": h + d, "e": 2 * h},
        solver=_ends_of_quartic,
        variables="x",
        independent=("«lo»", "«h»", "«hi»"),
    ),
    Template(
        name="sum_of_shifted_roots",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            "Let $f$ be the function defined by $f(x) = x^3 - «a|x^2» + «b|x» - «k»,$ and let $g(x) = f(x +"
            " «s»).$  Compute the sum of the roots of $g.$"
        ),
        values={"a": 49, "b": 623, "k": 2015, "s": 5},
        answer="34",
        ranges={"a": range(20, 80), "b": range(200, 900), "k": range(1000, 3000), "s": range(2, 12)},
        solver=lambda a, b, k, s: _sum_of_roots(expand((x**3 - a * x**2 + b * x - k).subs(x, x + s))),
        variables="x",
    ),
    Template(
        name="sum_of_a_hyperbola",
        family="intermediate algebra",
        benchmark="math-500",
        pattern=(
            "Let $F_1 = («p»,«k»)$ and $F_ 2= («q»,«k»).$  Then the set of points $P$ such that\n"
            "\\[|PF_1 - PF_2| = «d»\\]form a hyperbola.  The equation of this hyperbola can be written as\n"
            r"\[\frac{(x - h)^2}{a^2} - \frac{(y - k)^2}{b^2} = 1.\]Find $h + k + a + b.$"
        ),
        values={"p": 10, "q": -16, "k": 2, "d": 24},
        answer="16",
        ranges={"p": range(2, 30), "q": range(-40, 0), "k": range(-9, 10), "d": range(6, 60, 2)},
        where=lambda p, q, k, d: (p - q) % 2 == 0 and p - q > d and is_square(((p - q) // 2) ** 2 - (d // 2) ** 2),
        solver=_sum_of_hyperbola,
        variables="xyhkab",
        independent=("(«p»,«k»)", "(«q»,«k»)"),
    ),
    Template(
        name="lengthened_box",
        family="intermediate algebra",
        benchmark="amc-2023",
        pattern=(
            "The roots of the polynomial $10x^3 - 39x^2 + 29x - 6$ are the height, length, and width of a"
            " rectangular box (right rectangular prism). A new rectangular box is formed by lengthening each"
            " edge of the original box by $«k»$\n"
            "units. What is the volume of the new box?"
        ),
        values={"k": 2},
        answer="30",
        ranges={"k": range(2, 12)},
        solver=lambda k: -Poly(10 * x**3 - 39 * x**2 + 29 * x - 6, x).monic().eval(-k),
        variables="x",
    ),
    Template(
        name="sum_of_squared_roots",
        family="intermediate algebra",
        benchmark=None,
        pattern=(
            "Let $r$ and $s$ be the roots of $«a|x^2» - «b|x» + «k» = 0.$ Compute $r^2 + s^2.$ Express your"
            " answer as a common fraction."
        ),
        values={"a": 3, "b": 7, "k": 2},
        answer=r"\frac{37}{9}",
        ranges={"a": range(2, 8), "b": range(5, 20), "k": range(1, 12)},
        where=lambda a, b, k: (b * b - 2 * a * k) % (a * a) != 0 and b * b != 4 * a * k,
        solver=lambda a, b, k: (Rational(b, a)) ** 2 - 2 * Rational(k, a),
        variables="rsx",
    ),
    Template(
        name="remainder_at_a_root",
        family="intermediate algebra",
        benchmark=None,
        pattern="Find the remainder when $«a|x^4» - «b|x^3» + «k|x» - «m»$ is divided by $x - «r».$",
        values={"a": 2, "b": 5, "k": 3, "m": 7, "r": 3},
        answer="29",
        ranges={"a": range(1, 7), "b": range(1, 10), "k": range(1, 12), "m": range(1, 20), "r": range(2, 6)},
        solver=lambda a, b, k, m, r: Poly(a * x**4 - b * x**3 + k * x - m, x).rem(Poly(x - r, x)).as_expr(),
        variables="x",
    ),
]
