"""Number theory: digits, bases and whole solutions."""

from itertools import count
from math import gcd

from sympy import (
    Integer,
    Rational,
    n_order,
)

from stages.problems.twins.numerals import in_base
from stages.problems.twins.template import Template


def _digit_sum(number: int) -> int:
    return sum(map(int, str(number)))


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
        pattern=(
            "In the state of Coinland, coins have values $«a»,«b»,$ and $«c»$ cents. Suppose $x$ is the value"
            " in cents of the most expensive item in Coinland that cannot be purchased using these coins with"
            " exact change. What is the sum of the digits of $x?$"
        ),
        values={"a": 6, "b": 10, "c": 15},
        answer="11",
        ranges={"a": range(4, 16), "b": range(6, 25), "c": range(8, 31)},
        where=lambda a, b, c: a < b < c and gcd(a, b, c) == 1 and gcd(a, b) > 1 and gcd(a, c) > 1 and b % a and c % a,
        solver=lambda a, b, c: _digit_sum(_largest_unpayable(a, b, c)),
        variables="x",
        clauses="story",
    ),
    Template(
        name="continued_fraction",
        family="number theory",
        benchmark="amc-2023",
        pattern=(
            r"$\frac{m}{n}$ is the Irreducible fraction value of"
            r" \[«a»+\frac{1}{«b»+\frac{1}{«c»+\frac1«d»}}\], what is the value of $m+n$?"
        ),
        values={"a": 3, "b": 3, "c": 3, "d": 3},
        answer="142",
        ranges={name: range(2, 7) for name in "abcd"},
        solver=_continued,
    ),
    Template(
        name="taxicab_points",
        family="number theory",
        benchmark="amc-2023",
        pattern=(
            r"The $\textit{taxicab distance}$ between points $(x_1, y_1)$ and $(x_2, y_2)$ in the coordinate"
            " plane is given by \\[|x_1 - x_2| + |y_1 - y_2|.\\]\n"
            "For how many points $P$ with integer coordinates is the taxicab distance between $P$ and the"
            " origin less than or equal to $«n»$?"
        ),
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
        pattern=(
            "Alice and Bob play the following game. A stack of $n$ tokens lies before them. The players take"
            " turns with Alice going first. On each turn, the player removes either $1$ token or $«m»$ tokens"
            " from the stack. Whoever removes the last token wins. Find the number of positive integers $n$"
            " less than or equal to $«n»$ for which there exists a strategy for Bob that guarantees that Bob"
            " will win the game regardless of Alice's play."
        ),
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
        pattern=(
            "Alice chooses a set $A$ of positive integers. Then Bob lists all finite nonempty sets $B$ of"
            " positive integers with the property that the maximum element of $B$ belongs to $A$. Bob's list"
            " has «n» sets. Find the sum of the elements of A."
        ),
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
        name="digit_sum_of_repeating_period",
        family="number theory",
        benchmark=None,
        pattern=(
            "What is the sum of the digits in one repeating block of the decimal expansion of"
            r" $\frac{«a»}{«n»}$?"
        ),
        values={"a": 3, "n": 13},
        answer="27",
        ranges={"a": range(2, 40), "n": [7, 13, 21, 27, 33, 37, 39, 41, 63, 77, 91, 99, 101]},
        where=lambda a, n: a < n and gcd(a, n) == 1,
        solver=lambda a, n: _digit_sum(a * (10 ** n_order(10, n) - 1) // n),
    ),
]
