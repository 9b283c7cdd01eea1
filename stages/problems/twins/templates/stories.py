"""Algebra in words: two unknowns."""

from math import gcd

from sympy import Integer, Rational, solve, sqrt, symbols
from sympy.ntheory.primetest import is_square

from stages.problems.twins.numerals import dollars, word
from stages.problems.twins.template import Template

x, y = symbols("x y")


def _blue_before(p: int, q: int, u: int, v: int, s: int, t: int) -> Rational:
    """blue : yellow = p : q, then (blue + u) : (yellow - v) = s : t."""
    return solve([q * x - p * y, t * (x + u) - s * (y - v)], [x, y])[x]


def _blue_is_whole(p: int, q: int, u: int, v: int, s: int, t: int) -> bool:
    if gcd(p, q) != 1 or gcd(s, t) != 1 or s * q <= t * p:
        return False
    share, remainder = divmod(s * v + t * u, s * q - t * p)
    return remainder == 0 and v < q * share and p * share < 60


def _counts_are_possible(c: int, w: int, n: int, s: int) -> bool:
    right, remainder = divmod(s + w * n, c + w)
    return remainder == 0 and n / 2 < right < n


def _residents_exist(n: int, a: int, b: int, c: int, two: int, three: int) -> bool:
    """Candy aside: `three` own two of the three things. A pair has at least those that the third thing's owners can't be."""
    four, remainder = divmod(a + b + c - two - 2 * three, 3)
    pairs = sum(max(0, three - (owners - four)) for owners in (a, b, c))
    return remainder == 0 and 10 < four < min(a, b, c) and two + three + four <= n and pairs <= three


TEMPLATES = [
    Template(
        name="pencils_and_eraser",
        family="algebra",
        benchmark="math-500",
        pattern=(
            r"«M» pencils and a jumbo eraser cost $\$«U»$. «N» pencils and a jumbo eraser cost $\$«V»$. No"
            " prices include tax. In cents, what is the cost of a pencil?"
        ),
        values={"m": 3, "u": 124, "n": 5, "v": 182},
        answer="29",
        ranges={"m": range(2, 7), "u": range(90, 260), "n": range(4, 13), "v": range(120, 500)},
        where=lambda m, u, n, v: (
            m < n and (v - u) % (n - m) == 0 and (v - u) // (n - m) > 8 and u > m * (v - u) // (n - m) + 9
        ),
        holes=lambda m, u, n, v: {
            "M": word(m).capitalize(),
            "U": dollars(u),
            "N": word(n).capitalize(),
            "V": dollars(v),
        },
        solver=lambda m, u, n, v: solve([m * x + y - u, n * x + y - v], [x, y])[x],
        independent=(
            r"«M» pencils and a jumbo eraser cost $\$«U»$.",
            r"«N» pencils and a jumbo eraser cost $\$«V»$.",
        ),
        clauses="story",
    ),
    Template(
        name="marbles",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "I have a bag with yellow and blue marbles in it. At the moment, the ratio of blue marbles to"
            " yellow marbles is «p»:«q». If I add «u» blue marbles and remove «v» yellow marbles, the ratio"
            " will be «s»:«t». How many blue marbles were in the bag before I added more?"
        ),
        values={"p": 4, "q": 3, "u": 5, "v": 3, "s": 7, "t": 3},
        answer="16",
        ranges={
            "p": range(2, 9),
            "q": range(2, 9),
            "u": range(2, 10),
            "v": range(2, 10),
            "s": range(2, 10),
            "t": range(1, 8),
        },
        where=_blue_is_whole,
        solver=_blue_before,
        independent=("add «u» blue marbles", "remove «v» yellow marbles"),
        clauses="story",
    ),
    Template(
        name="aptitude_test",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "Recently, Frank took a one-hundred question aptitude test where each correct answer scored $«c»$"
            " points, each incorrect answer scored $-«w»$ points, and each question not answered scored zero"
            " points. Frank answered $«n»$ questions and scored $«s»$ points. How many questions did he"
            " answer correctly?"
        ),
        values={"c": 5, "w": 2, "n": 80, "s": 232},
        answer="56",
        ranges={"c": range(3, 9), "w": range(2, 5), "n": range(60, 99), "s": range(100, 500)},
        where=_counts_are_possible,
        solver=lambda c, w, n, s: solve([x + y - n, c * x - w * y - s], [x, y])[x],
        persons={"Frank": "he"},
        independent=(
            "each correct answer scored $«c»$ points",
            "each incorrect answer scored $-«w»$ points",
        ),
        clauses="story",
    ),
    Template(
        name="dimes_and_nickels",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "Hillary has «N» coins, all dimes and nickels. In total, the coins are worth «t» cents. How many"
            " nickels does she have?"
        ),
        values={"n": 11, "t": 75},
        answer="7",
        ranges={"n": range(8, 21), "t": range(50, 200, 5)},
        where=lambda n, t: 2 <= (10 * n - t) // 5 <= n - 2,
        holes=lambda n, t: {"N": word(n)},
        solver=lambda n, t: solve([x + y - n, 5 * x + 10 * y - t], [x, y])[x],
        persons={"Hillary": "she"},
        clauses="story",
    ),
    Template(
        name="across_the_field",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "Jim and Martha are standing together at the corner of a rectangular field. Jim walks diagonally"
            " across the field. Martha gets to the same location by walking along its length and width. The"
            " field is «a» feet wide and «b» feet long. How many feet less than Martha does Jim walk?"
        ),
        values={"a": 300, "b": 400},
        answer="200",
        ranges={"a": range(50, 500, 10), "b": range(100, 800, 10)},
        where=lambda a, b: a < b and is_square(a * a + b * b),
        solver=lambda a, b: a + b - sqrt(Integer(a) ** 2 + b**2),
        persons={"Jim": "any", "Martha": "any"},
        independent=("«a» feet wide", "«b» feet long"),
        clauses="story",
    ),
    Template(
        name="aimeville",
        family="algebra",
        benchmark="aime-2024",
        pattern=(
            "Among the «n» residents of Aimeville, there are «a» who own a diamond ring, «b» who own a set of"
            " golf clubs, and «c» who own a garden spade. In addition, each of the «n» residents owns a bag"
            " of candy hearts. There are «two» residents who own exactly two of these things, and «three»"
            " residents who own exactly three of these things. Find the number of residents of Aimeville who"
            " own all four of these things."
        ),
        values={"n": 900, "a": 195, "b": 367, "c": 562, "two": 437, "three": 234},
        answer="073",
        ranges={
            "n": range(500, 1000, 50),
            "a": range(150, 400),
            "b": range(200, 500),
            "c": range(250, 600),
            "two": range(200, 500),
            "three": range(100, 300),
        },
        where=_residents_exist,
        solver=lambda n, a, b, c, two, three: solve(
            [x + two + three + y - n, x + 2 * two + 3 * three + 4 * y - n - a - b - c], [x, y]
        )[y],
        independent=("«a» who own a diamond ring", "«b» who own a set of golf clubs"),
        clauses="story",
    ),
]
