"""Number theory: divisors, multiples and primes."""

from collections.abc import Iterator
from itertools import count
from math import gcd, lcm

from sympy import (
    Integer,
    divisor_count,
    divisor_sigma,
    divisors,
    factorial,
    factorint,
    igcd,
    ilcm,
    isprime,
    multiplicity,
    prime,
    primefactors,
    primerange,
)

from stages.problems.twins.numerals import ordinal
from stages.problems.twins.template import Template


def _least_cube_factor(n: int) -> int:
    factor = 1
    for base, exponent in factorint(n).items():
        factor *= base ** (-exponent % 3)
    return factor


def _digit_sum(number: int) -> int:
    return sum(map(int, str(number)))


def _numbers_with(a: int, multiple: int, b: int, divisor: int) -> Iterator[int]:
    """Every n with lcm(n, a) = multiple and gcd(n, b) = divisor."""
    for n in divisors(multiple):
        if ilcm(n, a) == multiple and igcd(n, b) == divisor:
            yield int(n)


def _is_a_riddle(n: int, a: int, b: int) -> bool:
    """Whether neither the multiple nor the divisor is one of the numbers itself."""
    return lcm(n, a) not in (n, a) and gcd(n, b) not in (n, b) and gcd(n, a) > 1 and gcd(n, b) > 1


TEMPLATES = [
    Template(
        name="number_of_divisors",
        family="number theory",
        benchmark="math-500",
        pattern="How many positive whole-number divisors does «n» have?",
        values={"n": 196},
        answer="9",
        ranges={"n": range(60, 500)},
        where=lambda n: len(factorint(n)) >= 2 and len(factorint(n)) < sum(factorint(n).values()),
        solver=lambda n: divisor_count(n),
    ),
    Template(
        name="greatest_common_factor_increased",
        family="number theory",
        benchmark="math-500",
        pattern="What is the result when the greatest common factor of «a» and «b» is increased by «c»?",
        values={"a": 6432, "b": 132, "c": 11},
        answer="23",
        ranges={"a": range(2000, 10000), "b": range(60, 400), "c": range(5, 30)},
        where=lambda a, b, c: 5 < gcd(a, b) < b,
        solver=lambda a, b, c: igcd(a, b) + c,
        independent=("«a»", "«b»"),
    ),
    Template(
        name="greatest_common_divisor_of_three",
        family="number theory",
        benchmark="math-500",
        pattern="Find the greatest common divisor of $«a»$, $«b»$, and $«c»$.",
        values={"g": 21, "p": 159, "q": 141, "r": 71},
        answer="21",
        ranges={"g": range(11, 40), "p": range(60, 200), "q": range(60, 200), "r": range(60, 200)},
        where=lambda g, p, q, r: gcd(p, q) > gcd(p, q, r) and len({p, q, r}) == 3,
        holes=lambda g, p, q, r: {"a": g * p, "b": g * q, "c": g * r},
        solver=lambda g, p, q, r: igcd(g * p, g * q, g * r),
        independent=("$«a»$", "$«b»$", "$«c»$"),
    ),
    Template(
        name="zeroes_of_a_factorial",
        family="number theory",
        benchmark="math-500",
        pattern=(
            "How many zeroes are at the end of $«n»!$ («n» factorial)?  (Reminder: The number $n!$ is the"
            r" product of the integers from 1 to $n$.  For example, $5!=5\cdot 4\cdot3\cdot2\cdot 1= 120$.)"
        ),
        values={"n": 42},
        answer="9",
        ranges={"n": range(26, 150)},
        solver=lambda n: multiplicity(10, factorial(n)),
        variables="n",
    ),
    Template(
        name="sum_of_multiples",
        family="number theory",
        benchmark="math-500",
        pattern="What is the sum of all of the multiples of «k» between «a» and «b»?",
        values={"k": 7, "a": 100, "b": 200},
        answer="2107",
        ranges={"k": range(6, 20), "a": range(50, 300, 10), "b": range(150, 500, 10)},
        where=lambda k, a, b: a % k and b % k and 60 <= b - a <= 150,
        solver=lambda k, a, b: Integer(sum(n for n in range(a, b) if n % k == 0)),
    ),
    Template(
        name="factor_to_a_cube",
        family="number theory",
        benchmark="math-500",
        pattern=(
            "The product of integers «n» and $k$ is a perfect cube. What is the smallest possible positive"
            " value of $k$?"
        ),
        values={"n": 240},
        answer="900",
        ranges={"n": range(60, 800)},
        where=lambda n: max(factorint(n).values()) >= 2 and 1 < _least_cube_factor(n) <= 3000,
        solver=_least_cube_factor,
        variables="k",
    ),
    Template(
        name="primes_of_divisor_sum",
        family="number theory",
        benchmark="math-500",
        pattern=(
            "If $A$ is the sum of the positive divisors of $«n»$, what is the sum of the distinct prime"
            " divisors of $A$?"
        ),
        values={"n": 500},
        answer="25",
        ranges={"n": range(100, 1000)},
        where=lambda n: 2 <= len(factorint(n)) <= 3 and max(factorint(n).values()) >= 2 and max(factorint(n)) <= 31,
        solver=lambda n: sum(primefactors(divisor_sigma(n))),
        variables="A",
    ),
    Template(
        name="three_divisors",
        family="number theory",
        benchmark="math-500",
        pattern=(
            "When the positive integers with exactly three positive divisors are listed in ascending order,"
            " what is the «nth» number listed?"
        ),
        values={"n": 5},
        answer="121",
        ranges={"n": range(3, 13)},
        holes=lambda n: {"nth": ordinal(n)},
        solver=lambda n: prime(n) ** 2,
    ),
    Template(
        name="perfect_powers",
        family="number theory",
        benchmark="math-500",
        pattern=(
            r"For how many positive integers $n>1$ is it true that $«b»«^e»$ is a perfect $n^{\text{th}}$"
            " power?"
        ),
        values={"b": 2, "e": 24},
        answer="7",
        ranges={"b": [2, 3, 5, 7], "e": range(12, 100)},
        where=lambda b, e: len(factorint(e)) >= 2,
        solver=lambda b, e: divisor_count(e) - 1,
        variables="n",
    ),
    Template(
        name="common_two_digit_factors",
        family="number theory",
        benchmark="math-500",
        pattern="How many positive two-digit integers are factors of both «a» and «b»?",
        values={"a": 100, "b": 150},
        answer="3",
        ranges={"a": range(60, 400, 10), "b": range(60, 400, 10)},
        where=lambda a, b: a < b and 30 <= gcd(a, b) < a,
        solver=lambda a, b: sum(10 <= divisor <= 99 for divisor in divisors(igcd(a, b))),
        independent=("«a»", "«b»"),
    ),
    Template(
        name="squares_with_a_divisor",
        family="number theory",
        benchmark="amc-2023",
        pattern="How many positive perfect squares less than $«n»$ are divisible by $«k»$?",
        values={"n": 2023, "k": 5},
        answer="8",
        ranges={"n": range(1000, 5000), "k": range(3, 13)},
        solver=lambda n, k: Integer(sum(root**2 % k == 0 for root in range(1, n) if root**2 < n)),
    ),
    Template(
        name="multiple_and_divisor_known",
        family="number theory",
        benchmark="amc-2023",
        pattern=(
            "The least common multiple of a positive integer $n$ and $«a»$ is $«l»$, and the greatest common"
            " divisor of $n$ and $«b»$ is $«g»$. What is the sum of the digits of $n$?"
        ),
        values={"n": 60, "a": 18, "b": 45},
        answer="6",
        ranges={"n": range(20, 400), "a": range(6, 60), "b": range(10, 90)},
        where=lambda n, a, b: _is_a_riddle(n, a, b) and [*_numbers_with(a, lcm(n, a), b, gcd(n, b))] == [n],
        holes=lambda n, a, b: {"l": lcm(n, a), "g": gcd(n, b)},
        solver=lambda n, a, b: sum(_digit_sum(found) for found in _numbers_with(a, lcm(n, a), b, gcd(n, b))),
        variables="n",
    ),
    Template(
        name="two_digit_primes_by_digit_sum",
        family="number theory",
        benchmark="math-500",
        pattern="For how many two-digit primes is the sum of the digits equal to «s»?",
        values={"s": 8},
        answer="3",
        ranges={"s": [2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17]},
        solver=lambda s: sum(_digit_sum(number) == s for number in primerange(10, 100)),
    ),
    Template(
        name="least_prime_with_remainder",
        family="number theory",
        benchmark=None,
        pattern=(
            "What is the smallest prime number greater than $«a»$ that leaves a remainder of $«r»$ when"
            " divided by $«m»$?"
        ),
        values={"a": 100, "m": 12, "r": 7},
        answer="103",
        ranges={"a": range(60, 400, 10), "m": range(7, 25), "r": range(3, 20)},
        where=lambda a, m, r: r < m and gcd(r, m) == 1,
        solver=lambda a, m, r: next(Integer(n) for n in count(a + 1) if n % m == r and isprime(n)),
    ),
]
