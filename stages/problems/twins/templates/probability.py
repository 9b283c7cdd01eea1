"""Probability and data."""

from sympy import Poly, Rational, Symbol, binomial

from stages.problems.twins.numerals import word
from stages.problems.twins.template import Template


def _product_is_multiple(s: int, k: int) -> Rational:
    """For two dice of s sides."""
    return Rational(sum(a * b % k == 0 for a in range(1, s + 1) for b in range(1, s + 1)), s**2)


def _possible_values(numbers: list[int]) -> list[int]:
    """Every X for which the mean of the numbers and X is one of them: X is a mean's rest, or it is the mean itself."""
    total, size = sum(numbers), len(numbers) + 1
    found = {mean * size - total for mean in numbers}
    if total % (size - 1) == 0:
        found.add(total // (size - 1))
    return sorted(value for value in found if value > 0)


def _passes_total(n: int, t: int) -> int:
    """The chance that n dice, added one by one, make t at some point: m + n of m/n."""
    x = Symbol("x")
    die = Poly(sum(x**face for face in range(1, 7)), x)
    chance = sum(Rational((die**rolls).coeff_monomial(x**t), 6**rolls) for rolls in range(1, n + 1))
    return int(chance.p + chance.q)


TEMPLATES = [
    Template(
        name="product_of_two_dice",
        family="counting and probability",
        benchmark="math-500",
        pattern=(
            "Two fair, «s»-sided dice are thrown.  What is the probability that the product of the two"
            " numbers is a multiple of «k»?  Express your answer as a common fraction."
        ),
        values={"s": 6, "k": 5},
        answer=r"\frac{11}{36}",
        ranges={"s": [4, 6, 8, 10, 12, 20], "k": range(3, 12)},
        where=lambda s, k: k < s,
        solver=_product_is_multiple,
    ),
    Template(
        name="islands_with_treasure",
        family="counting and probability",
        benchmark="math-500",
        pattern=(
            r"A pirate searches «N» islands for buried treasure. If each island has a $\frac{1}{«d»}$ chance"
            " of having treasure, what is the probability that exactly «k» of the islands have treasure?"
        ),
        values={"n": 7, "d": 5, "k": 4},
        answer=r"\frac{448}{15625}",
        ranges={"n": range(5, 10), "d": range(3, 7), "k": range(2, 8)},
        where=lambda n, d, k: k <= n - 2,
        holes=lambda n, d, k: {"N": word(n)},
        solver=lambda n, d, k: binomial(n, k) * Rational(1, d) ** k * Rational(d - 1, d) ** (n - k),
        clauses="story",
    ),
    Template(
        name="divisible_by_one_of_two",
        family="counting and probability",
        benchmark="math-500",
        pattern=(
            r"What is the probability that a randomly selected integer in the set $$\{1,2,3,\ldots,«n»\}$$  is"
            " divisible by «p» and not divisible by «q»? Express your answer as a common fraction."
        ),
        values={"n": 100, "p": 2, "q": 3},
        answer=r"\dfrac{17}{50}",
        ranges={"n": range(50, 301, 10), "p": range(2, 8), "q": range(2, 8)},
        where=lambda n, p, q: p % q != 0 and q != p,
        solver=lambda n, p, q: Rational(sum(t % p == 0 and t % q != 0 for t in range(1, n + 1)), n),
    ),
    Template(
        name="running_total",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=(
            "Janet rolls a standard $6$-sided die $«n»$ times and keeps a running total of the numbers she"
            " rolls. What is the probability that at some point, her running total will equal $«t»$? The"
            r" final answer can be written in the form $\frac{m}{n}$, where $m$ and $n$ are relatively prime"
            " positive integers. What is $m+n$?"
        ),
        values={"n": 4, "t": 3},
        answer="265",
        ranges={"n": range(3, 7), "t": range(2, 8)},
        solver=_passes_total,
        persons={"Janet": "she"},
        clauses="story",
    ),
    Template(
        name="two_socks",
        family="counting and probability",
        benchmark=None,
        pattern=(
            "A drawer contains «a» black socks, «b» white socks and «c» gray socks. Two socks are taken out"
            " at random without replacement. What is the probability that they have the same color? Express"
            " your answer as a common fraction."
        ),
        values={"a": 6, "b": 4, "c": 2},
        answer=r"\frac{1}{3}",
        ranges={"a": range(2, 11), "b": range(2, 11), "c": range(2, 11)},
        solver=lambda a, b, c: Rational(sum(binomial(t, 2) for t in (a, b, c)), binomial(a + b + c, 2)),
        independent=("«a» black socks", "«b» white socks"),
        clauses="story",
    ),
    Template(
        name="possible_values_in_a_data_set",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=(
            "A data set consists of $6$ (not distinct) positive integers: $«a»$, $«b»$, $«c»$, $«d»$, $«e»$,"
            " and $X$. The average (arithmetic mean) of the $6$ numbers equals a value in the data set. What"
            " is the sum of all possible values of $X$?"
        ),
        values={"a": 1, "b": 7, "c": 5, "d": 2, "e": 5},
        answer="36",
        ranges={name: range(1, 13) for name in "abcde"},
        where=lambda a, b, c, d, e: len({a, b, c, d, e}) == 4 and len(_possible_values([a, b, c, d, e])) >= 2,
        solver=lambda a, b, c, d, e: sum(_possible_values([a, b, c, d, e])),
        variables="X",
        independent=("$«a»$", "$«b»$", "$«c»$", "$«d»$", "$«e»$"),
    ),
]
