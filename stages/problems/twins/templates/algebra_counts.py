"""Counting what has an algebraic property: roots, subsets, points."""

from sympy import Integer, Poly, Symbol, binomial, divisors

from stages.problems.twins.template import Template


def _positive_intervals(n: int) -> int:
    """The sign right of n is +, and it turns at the roots of odd multiplicity."""
    sign, positive = 1, 1
    for root in range(n, 0, -1):
        sign *= (-1) ** root
        positive += sign > 0
    return positive


def _distinct_integer_roots(n: int) -> int:
    """Sets of three integers with the product -n."""
    whole = [sign * divisor for divisor in divisors(n) for sign in (1, -1)]
    return sum(p < q < -n // (p * q) for p in whole for q in whole if n % (p * q) == 0)


def _number_of_roots_of_unity(n: int) -> int:
    z = Symbol("z")
    return int(Poly(z**n - 1, z).sqf_part().degree())


TEMPLATES = [
    Template(
        name="gaussian_integers_in_a_disc",
        family="counting and probability",
        benchmark="math-500",
        pattern=r"Find the number of ordered pairs $(a,b)$ of integers such that $|a + bi| \le «r».$",
        values={"r": 5},
        answer="81",
        ranges={"r": range(3, 13)},
        solver=lambda r: Integer(sum(a * a + b * b <= r * r for a in range(-r, r + 1) for b in range(-r, r + 1))),
        variables="ab",
    ),
    Template(
        name="positive_intervals",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=(
            "When the roots of the polynomial \n"
            "\\[P(x)  = (x-1)^1 (x-2)^2 (x-3)^3 \\cdot \\cdot \\cdot (x-«n»)«^n»\\]\n"
            "are removed from the number line, what remains is the union of $«i»$ disjoint open intervals. On"
            " how many of these intervals is $P(x)$ positive?"
        ),
        values={"n": 10},
        answer="6",
        ranges={"n": range(6, 40)},
        holes=lambda n: {"i": n + 1},
        solver=_positive_intervals,
        variables="x",
    ),
    Template(
        name="sets_as_large_as_their_minimum",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=(
            r"How many nonempty subsets $B$ of ${0, 1, 2, 3, \cdots, «n»}$ have the property that the number"
            " of elements in $B$ is equal to the least element of $B$? For example, $B = {4, 6, 8, 11}$"
            " satisfies the condition."
        ),
        values={"n": 12},
        answer="144",
        ranges={"n": range(11, 21)},
        solver=lambda n: sum(binomial(n - least, least - 1) for least in range(1, n + 1)),
        variables="B",
    ),
    Template(
        name="polynomials_with_two_integer_roots",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=(
            "For how many values of the constant $k$ will the polynomial $x^{2}+kx+«n»$ have two distinct"
            " integer roots?"
        ),
        values={"n": 36},
        answer="8",
        ranges={"n": range(12, 200)},
        where=lambda n: len(divisors(n)) >= 5,
        solver=lambda n: len({p + q for p in divisors(n) for q in divisors(n) if p * q == n and p != q}) * 2,
        variables="kx",
    ),
    Template(
        name="polynomials_with_three_integer_roots",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=(
            "For how many ordered pairs $(a,b)$ of integers does the polynomial $x^3+ax^2+bx+«n»$ have $3$"
            " distinct integer roots?"
        ),
        values={"n": 6},
        answer="5",
        ranges={"n": range(6, 61)},
        where=lambda n: len(divisors(n)) >= 4,
        solver=_distinct_integer_roots,
        variables="abx",
    ),
    Template(
        name="conjugate_powers",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=(
            r"How many complex numbers satisfy the equation $z«^n»=\overline{z}$, where $\overline{z}$ is the"
            " conjugate of the complex number $z$?"
        ),
        values={"n": 5},
        answer="7",
        ranges={"n": range(3, 13)},
        solver=lambda n: 1 + _number_of_roots_of_unity(n + 1),  # 0, and where |z| = 1 the roots of z^(n+1) = 1
        variables="z",
    ),
    Template(
        name="paths_through_a_corner",
        family="counting and probability",
        benchmark=None,
        pattern=(
            "A robot moves from $(0,0)$ to $(«a»,«b»)$ in steps of one unit, each to the right or upwards. In"
            " how many ways can it do so if it must pass through $(«p»,«q»)$?"
        ),
        values={"a": 6, "b": 5, "p": 3, "q": 2},
        answer="200",
        ranges={"a": range(4, 9), "b": range(4, 9), "p": range(1, 7), "q": range(1, 7)},
        where=lambda a, b, p, q: p < a and q < b,
        solver=lambda a, b, p, q: binomial(p + q, p) * binomial(a + b - p - q, a - p),
    ),
    Template(
        name="binomial_coefficient",
        family="counting and probability",
        benchmark="math-500",
        pattern=r"Compute $\dbinom{«n»}{«k»}$.",
        values={"n": 31, "k": 28},
        answer="4495",
        ranges={"n": range(12, 40), "k": range(9, 38)},
        where=lambda n, k: 2 <= n - k <= 4,
        solver=lambda n, k: binomial(n, k),
    ),
]
