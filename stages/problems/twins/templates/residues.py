"""Number theory: remainders and congruences."""

from math import gcd, lcm

from sympy import (
    Integer,
    Rational,
    Symbol,
    igcd,
    mod_inverse,
    resultant,
)
from sympy.ntheory.modular import crt

from stages.problems.twins.numerals import article, suffix
from stages.problems.twins.template import Template


def _mean_of_two_solutions(a: int, b: int, m: int) -> Rational:
    shared = igcd(a, m)
    period = m // shared
    first = b // shared * mod_inverse(a // shared, period) % period or period
    return Rational(2 * first + period, 2)


def _largest_with_remainders(n: int, a: int, p: int, b: int, q: int, c: int, r: int) -> int:
    residue, modulus = map(int, crt([a, b, c], [p, q, r]))
    return residue + (n - 1 - residue) // modulus * modulus


def _sum_of_group_sizes(n: int, a: int, p: int, b: int, q: int) -> int:
    residue, modulus = map(int, crt([a, b], [p, q]))
    return sum(range(residue, n, modulus))


def _product_over_roots_of_unity(n: int) -> int:
    """The product of z^2 - 2z + 2 over z^n = 1 is a resultant."""
    z = Symbol("z")
    return int(resultant(z**n - 1, z**2 - 2 * z + 2, z)) % 1000


TEMPLATES = [
    Template(
        name="product_modulo_prime",
        family="number theory",
        benchmark="math-500",
        pattern=(
            r"If $n \equiv «r» \pmod{«m»}$, then find the remainder when $(n + «p»)(n + «q»)(n + «s»)$ is"
            " divided by «m»."
        ),
        values={"r": 2, "m": 7, "p": 2, "q": 4, "s": 6},
        answer="3",
        ranges={"r": range(2, 12), "m": [7, 11, 13], "p": range(1, 12), "q": range(2, 12), "s": range(3, 12)},
        where=lambda r, m, p, q, s: r < m and p < q < s < m and (r + p) * (r + q) * (r + s) % m != 0,
        solver=lambda r, m, p, q, s: Integer((r + p) * (r + q) * (r + s)) % m,
        variables="n",
        independent=("(n + «p»)", "(n + «q»)", "(n + «s»)"),
    ),
    Template(
        name="residue_of_a_negative",
        family="number theory",
        benchmark="math-500",
        pattern=r"What integer $n$ satisfies $0\le n<«m»$ and $$n\equiv -«a»\pmod{«m»}~?$$",
        values={"a": 11213141, "m": 18},
        answer="13",
        ranges={"a": range(10_000_000, 100_000_000), "m": range(11, 40)},
        where=lambda a, m: a % m != 0,
        solver=lambda a, m: Integer(-a) % m,
        variables="n",
    ),
    Template(
        name="modular_inverse",
        family="number theory",
        benchmark="math-500",
        pattern="Compute $«a»^{-1}$ modulo $«m»$. Express your answer as an integer from $0$ to $«last»$.",
        values={"a": 997, "m": 1000},
        answer="333",
        ranges={"a": range(80, 1000), "m": range(100, 1001, 50)},
        where=lambda a, m: 2 <= m - a <= 30 and gcd(a, m) == 1,
        holes=lambda a, m: {"last": m - 1},
        solver=lambda a, m: mod_inverse(a, m),
    ),
    Template(
        name="units_digit_of_a_power",
        family="number theory",
        benchmark="math-500",
        pattern="Find the units digit of $«a»«^n».$",
        values={"a": 18, "n": 6},
        answer="4",
        ranges={"a": range(12, 99), "n": range(5, 31)},
        where=lambda a, n: a % 10 in (2, 3, 7, 8),
        solver=lambda a, n: pow(a, n, 10),
    ),
    Template(
        name="remainder_of_two_powers",
        family="number theory",
        benchmark="math-500",
        pattern="What is the remainder when $«a»«^m»+«b»«^n»$ is divided by $«p»$?",
        values={"a": 129, "m": 34, "b": 96, "n": 38, "p": 11},
        answer="9",
        ranges={
            "a": range(20, 200),
            "m": range(20, 60),
            "b": range(20, 200),
            "n": range(20, 60),
            "p": [7, 11, 13, 17],
        },
        where=lambda a, m, b, n, p: a % p > 1 and b % p > 1,
        solver=lambda a, m, b, n, p: (Integer(a) ** m + Integer(b) ** n) % p,
        independent=("«a»«^m»", "«b»«^n»"),
    ),
    Template(
        name="largest_with_remainders",
        family="number theory",
        benchmark="math-500",
        pattern=(
            "What is the largest integer less than $«n»$ that has a remainder of $«p»$ when divided by $«a»,$"
            " a remainder of $«q»$ when divided by $«b»,$ and a remainder of $«r»$ when divided by $«c»$?"
        ),
        values={"n": 2010, "a": 7, "p": 5, "b": 11, "q": 10, "c": 13, "r": 10},
        answer="1440",
        ranges={
            "n": range(1500, 4000, 10),
            "a": range(5, 9),
            "p": range(2, 8),
            "b": range(7, 14),
            "q": range(2, 13),
            "c": range(9, 18),
            "r": range(2, 17),
        },
        where=lambda n, a, p, b, q, c, r: p < a < b < c and q < b and r < c and lcm(a, b, c) == a * b * c < n,
        solver=_largest_with_remainders,
        independent=("«p»$ when divided by $«a»", "«q»$ when divided by $«b»", "«r»$ when divided by $«c»"),
    ),
    Template(
        name="mean_of_two_solutions",
        family="number theory",
        benchmark="math-500",
        pattern=(
            "What is the average of the two smallest positive integer solutions to the congruence $$«a»u"
            r" \equiv «b» \pmod{«m»}~?$$"
        ),
        values={"a": 14, "b": 46, "m": 100},
        answer="64",
        ranges={"a": range(6, 40, 2), "b": range(10, 98, 2), "m": range(50, 201, 10)},
        where=lambda a, b, m: gcd(a, m) == 2 and m % 4 == 0 and b < m,
        solver=_mean_of_two_solutions,
        variables="u",
    ),
    Template(
        name="group_sizes",
        family="number theory",
        benchmark="math-500",
        pattern=(
            "A group of $N$ students, where $N < «n»$, is on a field trip. If their teacher puts them in"
            " groups of «a», the last group has «p» students. If their teacher instead puts them in groups of"
            " «b», the last group has «q» students. What is the sum of all possible values of $N$?"
        ),
        values={"n": 50, "a": 8, "p": 5, "b": 6, "q": 3},
        answer="66",
        ranges={"n": range(40, 101, 10), "a": range(5, 13), "p": range(2, 11), "b": range(4, 12), "q": range(2, 10)},
        where=lambda n, a, p, b, q: (
            p < a != b > q and (p - q) % gcd(a, b) == 0 and a % b and b % a and 24 <= lcm(a, b) <= n / 2
        ),
        solver=_sum_of_group_sizes,
        variables="N",
        clauses="story",
    ),
    Template(
        name="product_over_roots_of_unity",
        family="number theory",
        benchmark="aime-2024",
        pattern=(
            r"Let $\omega\neq 1$ be «a» «n»«th» root of unity. Find the remainder when"
            r" \[\prod_{k=0}^{«last»}(2-2\omega^k+\omega^{2k})\] is divided by 1000."
        ),
        values={"n": 13},
        answer="321",
        ranges={"n": [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]},
        holes=lambda n: {"a": article(n), "th": suffix(n), "last": n - 1},
        solver=_product_over_roots_of_unity,
        variables="k",
    ),
]
