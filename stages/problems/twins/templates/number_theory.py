"""Number theory: divisors, remainders, digits and bases."""

from collections.abc import Iterator
from itertools import count
from math import gcd, lcm

from sympy import (
    Integer,
    Rational,
    Symbol,
    divisor_count,
    divisor_sigma,
    divisors,
    factorial,
    factorint,
    igcd,
    ilcm,
    isprime,
    mod_inverse,
    multiplicity,
    n_order,
    prime,
    primefactors,
    primerange,
    resultant,
)
from sympy.ntheory.modular import crt

from stages.problems.twins.numerals import in_base, ordinal, suffix
from stages.problems.twins.template import Template


def _least_cube_factor(n: int) -> int:
    factor = 1
    for base, exponent in factorint(n).items():
        factor *= base ** (-exponent % 3)
    return factor


def _digit_sum(number: int) -> int:
    return sum(map(int, str(number)))


def _mean_of_two_solutions(a: int, b: int, m: int) -> Rational:
    shared = igcd(a, m)
    period = m // shared
    first = b // shared * mod_inverse(a // shared, period) % period or period
    return Rational(2 * first + period, 2)


def _numbers_with(a: int, multiple: int, b: int, divisor: int) -> Iterator[int]:
    """Every n with lcm(n, a) = multiple and gcd(n, b) = divisor."""
    for n in divisors(multiple):
        if ilcm(n, a) == multiple and igcd(n, b) == divisor:
            yield int(n)


def _is_a_riddle(n: int, a: int, b: int) -> bool:
    """Whether neither the multiple nor the divisor is one of the numbers itself."""
    return lcm(n, a) not in (n, a) and gcd(n, b) not in (n, b) and gcd(n, a) > 1 and gcd(n, b) > 1


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


def _lost_stacks(m: int, n: int) -> int:
    """Stacks up to n from which the player to move loses: every move leaves one from which the other wins."""
    lost = [True]
    for stack in range(1, n + 1):
        lost.append(not (lost[stack - 1] or (stack >= m and lost[stack - m])))
    return sum(lost[1:])


def _largest_unpayable(a: int, b: int, c: int) -> int:
    """Past it a whole coin's worth of values in a row can be paid."""
    payable, gap, last = [True], 0, 0
    for value in count(1):
        payable.append(any(value >= coin and payable[value - coin] for coin in (a, b, c)))
        gap, last = (gap + 1, last) if payable[value] else (0, value)
        if gap == a:
            return last
    raise AssertionError("unreachable: the coins have no common divisor")


def _continued(a: int, b: int, c: int, d: int) -> int:
    value = a + 1 / (b + 1 / (c + Rational(1, d)))
    return int(value.p + value.q)


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
        name="product_modulo_prime",
        family="number theory",
        benchmark="math-500",
        pattern=r"If $n \equiv «r» \pmod{«m»}$, then find the remainder when $(n + «p»)(n + «q»)(n + «s»)$ is divided by «m».",
        values={"r": 2, "m": 7, "p": 2, "q": 4, "s": 6},
        answer="3",
        ranges={"r": range(2, 12), "m": [7, 11, 13], "p": range(1, 12), "q": range(2, 12), "s": range(3, 12)},
        where=lambda r, m, p, q, s: r < m and p < q < s < m and (r + p) * (r + q) * (r + s) % m != 0,
        solver=lambda r, m, p, q, s: Integer((r + p) * (r + q) * (r + s)) % m,
        variables="n",
        independent=("(n + «p»)", "(n + «q»)", "(n + «s»)"),
    ),
    Template(
        name="difference_in_a_base",
        family="number theory",
        benchmark="math-500",
        pattern="Compute $«A»_«b» - «C»_«b».$ Express your answer in base $«b».$",
        values={"a": 53, "c": 17, "b": 9},
        answer="40_9",
        ranges={"a": range(20, 81), "c": range(8, 60), "b": range(5, 10)},
        where=lambda a, c, b: b <= c < a < b * b and a - c >= b,
        holes=lambda a, c, b: {"A": in_base(a, b), "C": in_base(c, b)},
        solver=lambda a, c, b: f"{in_base(a - c, b)}_{b}",
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
        name="number_in_a_base",
        family="number theory",
        benchmark="math-500",
        pattern="Express $«n»_{10}$ in base $«b»$.",
        values={"n": 555, "b": 5},
        answer="4210_{5}",
        ranges={"n": range(200, 1000), "b": range(4, 8)},
        where=lambda n, b: len(in_base(n, b)) == 4,
        solver=lambda n, b: f"{in_base(n, b)}_{{{b}}}",
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
        name="zeroes_of_a_factorial",
        family="number theory",
        benchmark="math-500",
        pattern="How many zeroes are at the end of $«n»!$ («n» factorial)?  (Reminder: The number $n!$ is the product of the integers"
        r" from 1 to $n$.  For example, $5!=5\cdot 4\cdot3\cdot2\cdot 1= 120$.)",
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
        pattern="The product of integers «n» and $k$ is a perfect cube. What is the smallest possible positive value of $k$?",
        values={"n": 240},
        answer="900",
        ranges={"n": range(60, 800)},
        where=lambda n: max(factorint(n).values()) >= 2 and 1 < _least_cube_factor(n) <= 3000,
        solver=_least_cube_factor,
        variables="k",
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
        name="primes_of_divisor_sum",
        family="number theory",
        benchmark="math-500",
        pattern="If $A$ is the sum of the positive divisors of $«n»$, what is the sum of the distinct prime divisors of $A$?",
        values={"n": 500},
        answer="25",
        ranges={"n": range(100, 1000)},
        where=lambda n: 2 <= len(factorint(n)) <= 3 and max(factorint(n).values()) >= 2 and max(factorint(n)) <= 31,
        solver=lambda n: sum(primefactors(divisor_sigma(n))),
        variables="A",
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
        },  # fmt: skip
        where=lambda a, m, b, n, p: a % p > 1 and b % p > 1,
        solver=lambda a, m, b, n, p: (Integer(a) ** m + Integer(b) ** n) % p,
        independent=("«a»«^m»", "«b»«^n»"),
    ),
    Template(
        name="largest_with_remainders",
        family="number theory",
        benchmark="math-500",
        pattern="What is the largest integer less than $«n»$ that has a remainder of $«p»$ when divided by $«a»,$ a remainder of $«q»$"
        " when divided by $«b»,$ and a remainder of $«r»$ when divided by $«c»$?",
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
        },  # fmt: skip
        where=lambda n, a, p, b, q, c, r: p < a < b < c and q < b and r < c and lcm(a, b, c) == a * b * c < n,
        solver=_largest_with_remainders,
        independent=("«p»$ when divided by $«a»", "«q»$ when divided by $«b»", "«r»$ when divided by $«c»"),
    ),
    Template(
        name="mean_of_two_solutions",
        family="number theory",
        benchmark="math-500",
        pattern="What is the average of the two smallest positive integer solutions to the congruence"
        r" $$«a»u \equiv «b» \pmod{«m»}~?$$",
        values={"a": 14, "b": 46, "m": 100},
        answer="64",
        ranges={"a": range(6, 40, 2), "b": range(10, 98, 2), "m": range(50, 201, 10)},
        where=lambda a, b, m: gcd(a, m) == 2 and m % 4 == 0 and b < m,
        solver=_mean_of_two_solutions,
        variables="u",
    ),
    Template(
        name="three_divisors",
        family="number theory",
        benchmark="math-500",
        pattern="When the positive integers with exactly three positive divisors are listed in ascending order, what is the «nth»"
        " number listed?",
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
        pattern=r"For how many positive integers $n>1$ is it true that $«b»«^e»$ is a perfect $n^{\text{th}}$ power?",
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
        name="integer_nested_roots",
        family="number theory",
        benchmark="math-500",
        pattern=r"For how many real values of $x$ is $\sqrt{«n»-\sqrt{x}}$ an integer?",
        values={"n": 120},
        answer="11",
        ranges={"n": range(50, 500)},
        solver=lambda n: Integer(sum(root**2 <= n for root in range(n))),  # each root gives one x = (n - root^2)^2
        variables="x",
    ),
    Template(
        name="group_sizes",
        family="number theory",
        benchmark="math-500",
        pattern="A group of $N$ students, where $N < «n»$, is on a field trip. If their teacher puts them in groups of «a», the last"
        " group has «p» students. If their teacher instead puts them in groups of «b», the last group has «q» students. What is the"
        " sum of all possible values of $N$?",
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
        name="digits_of_a_product",
        family="number theory",
        benchmark="amc-2023",
        pattern=r"How many digits are in the base-ten representation of $8«^a» \cdot 5«^b» \cdot 15«^c»$?",
        values={"a": 5, "b": 10, "c": 5},
        answer="18",
        ranges={"a": range(3, 12), "b": range(4, 20), "c": range(3, 12)},
        where=lambda a, b, c: 10 <= 3 * a <= b + c + 3,
        solver=lambda a, b, c: len(str(Integer(8) ** a * Integer(5) ** b * Integer(15) ** c)),
        independent=("8«^a»", "5«^b»", "15«^c»"),
    ),
    Template(
        name="unpayable_amount",
        family="number theory",
        benchmark="amc-2023",
        pattern="In the state of Coinland, coins have values $«a»,«b»,$ and $«c»$ cents. Suppose $x$ is the value in cents of the most"
        " expensive item in Coinland that cannot be purchased using these coins with exact change. What is the sum of the digits of"
        " $x?$",
        values={"a": 6, "b": 10, "c": 15},
        answer="11",
        ranges={"a": range(4, 16), "b": range(6, 25), "c": range(8, 31)},
        where=lambda a, b, c: a < b < c and gcd(a, b, c) == 1 and gcd(a, b) > 1 and gcd(a, c) > 1 and b % a and c % a,
        solver=lambda a, b, c: _digit_sum(_largest_unpayable(a, b, c)),
        variables="x",
        clauses="story",
    ),
    Template(
        name="multiple_and_divisor_known",
        family="number theory",
        benchmark="amc-2023",
        pattern="The least common multiple of a positive integer $n$ and $«a»$ is $«l»$, and the greatest common divisor of $n$ and"
        " $«b»$ is $«g»$. What is the sum of the digits of $n$?",
        values={"n": 60, "a": 18, "b": 45},
        answer="6",
        ranges={"n": range(20, 400), "a": range(6, 60), "b": range(10, 90)},
        where=lambda n, a, b: _is_a_riddle(n, a, b) and [*_numbers_with(a, lcm(n, a), b, gcd(n, b))] == [n],
        holes=lambda n, a, b: {"l": lcm(n, a), "g": gcd(n, b)},
        solver=lambda n, a, b: sum(_digit_sum(found) for found in _numbers_with(a, lcm(n, a), b, gcd(n, b))),
        variables="n",
    ),
    Template(
        name="continued_fraction",
        family="number theory",
        benchmark="amc-2023",
        pattern=r"$\frac{m}{n}$ is the Irreducible fraction value of \[«a»+\frac{1}{«b»+\frac{1}{«c»+\frac1«d»}}\], what is the value"
        " of $m+n$?",
        values={"a": 3, "b": 3, "c": 3, "d": 3},
        answer="142",
        ranges={name: range(2, 7) for name in "abcd"},
        solver=_continued,
    ),
    Template(
        name="taxicab_points",
        family="number theory",
        benchmark="amc-2023",
        pattern=r"The $\textit{taxicab distance}$ between points $(x_1, y_1)$ and $(x_2, y_2)$ in the coordinate plane is given by"
        " \\[|x_1 - x_2| + |y_1 - y_2|.\\]\nFor how many points $P$ with integer coordinates is the taxicab distance between $P$ and"
        " the origin less than or equal to $«n»$?",
        values={"n": 20},
        answer="841",
        ranges={"n": range(8, 60)},
        solver=lambda n: Integer(sum(2 * (n - abs(x)) + 1 for x in range(-n, n + 1))),
        variables="P",
    ),
    Template(
        name="tokens_game",
        family="number theory",
        benchmark="aime-2024",
        pattern="Alice and Bob play the following game. A stack of $n$ tokens lies before them. The players take turns with Alice going"
        " first. On each turn, the player removes either $1$ token or $«m»$ tokens from the stack. Whoever removes the last token"
        " wins. Find the number of positive integers $n$ less than or equal to $«n»$ for which there exists a strategy for Bob that"
        " guarantees that Bob will win the game regardless of Alice's play.",
        values={"m": 4, "n": 2024},
        answer="809",
        ranges={"m": range(4, 13, 2), "n": range(1000, 3000)},
        solver=_lost_stacks,
        persons={"Alice": "any", "Bob": "any"},
        variables="n",
        clauses="story",
    ),
    Template(
        name="sets_by_their_maximum",
        family="number theory",
        benchmark="aime-2024",
        pattern="Alice chooses a set $A$ of positive integers. Then Bob lists all finite nonempty sets $B$ of positive integers with"
        " the property that the maximum element of $B$ belongs to $A$. Bob's list has «n» sets. Find the sum of the elements of A.",
        values={"n": 2024},
        answer="055",
        ranges={"n": range(500, 5000)},
        where=lambda n: n.bit_count() >= 4,
        # The sets with maximum k are 2^(k-1): A is where n has a bit.
        solver=lambda n: sum(place for place in range(1, n.bit_length() + 1) if n >> (place - 1) & 1),
        persons={"Alice": "any", "Bob": "any"},
        clauses="story",
    ),
    Template(
        name="product_over_roots_of_unity",
        family="number theory",
        benchmark="aime-2024",
        pattern=r"Let $\omega\neq 1$ be «a» «n»«th» root of unity. Find the remainder when"
        r" \[\prod_{k=0}^{«last»}(2-2\omega^k+\omega^{2k})\] is divided by 1000.",
        values={"n": 13},
        answer="321",
        ranges={"n": [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]},
        holes=lambda n: {"a": "an" if n == 11 else "a", "th": suffix(n), "last": n - 1},
        solver=_product_over_roots_of_unity,
        variables="k",
    ),
    Template(
        name="digit_sum_of_repeating_period",
        family="number theory",
        benchmark=None,
        pattern=r"What is the sum of the digits in one repeating block of the decimal expansion of $\frac{«a»}{«n»}$?",
        values={"a": 3, "n": 13},
        answer="27",
        ranges={"a": range(2, 40), "n": [7, 13, 21, 27, 33, 37, 39, 41, 63, 77, 91, 99, 101]},
        where=lambda a, n: a < n and gcd(a, n) == 1,
        solver=lambda a, n: _digit_sum(a * (10 ** n_order(10, n) - 1) // n),
    ),
    Template(
        name="least_prime_with_remainder",
        family="number theory",
        benchmark=None,
        pattern="What is the smallest prime number greater than $«a»$ that leaves a remainder of $«r»$ when divided by $«m»$?",
        values={"a": 100, "m": 12, "r": 7},
        answer="103",
        ranges={"a": range(60, 400, 10), "m": range(7, 25), "r": range(3, 20)},
        where=lambda a, m, r: r < m and gcd(r, m) == 1,
        solver=lambda a, m, r: next(Integer(n) for n in count(a + 1) if n % m == r and isprime(n)),
    ),
]
