"""Algebra in words: rates, shares and means."""

from sympy import Integer, Rational, solve, symbols

from stages.problems.twins.numerals import article, word
from stages.problems.twins.template import Template

x, y = symbols("x y")


def _mean_before(s: int, a: int, n: int, b: int) -> Integer:
    """The mean x of y scores, where one more s adds a to it and n more add b."""
    (found,) = solve([x * y + s - (x + a) * (y + 1), x * y + n * s - (x + b) * (y + n)], [x, y], dict=True)
    return found[x]


def _mean_exists(s: int, a: int, n: int, b: int) -> bool:
    scores, remainder = divmod(n * (b - a), n * a - b) if n * a > b > a else (0, 1)
    return remainder == 0 and scores > 0 and s - a * (scores + 1) > 0


TEMPLATES = [
    Template(
        name="class_average",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "A class of «n» students recently took a test.  If «a» students scored «s», «b» students scored"
            " «t», and «c» students scored «u», then what was the class average (the mean) on this test?"
        ),
        values={"a": 20, "s": 80, "b": 8, "t": 90, "c": 2, "u": 100},
        answer="84",
        ranges={
            "a": range(5, 25),
            "s": range(60, 85, 5),
            "b": range(3, 15),
            "t": range(75, 95, 5),
            "c": range(2, 9),
            "u": range(85, 101, 5),
        },
        where=lambda a, s, b, t, c, u: s < t < u and (a * s + b * t + c * u) % (a + b + c) == 0,
        holes=lambda a, s, b, t, c, u: {"n": a + b + c},
        solver=lambda a, s, b, t, c, u: Rational(a * s + b * t + c * u, a + b + c),
        independent=("«a» students scored «s»", "«b» students scored «t»", "«c» students scored «u»"),
        clauses="story",
    ),
    Template(
        name="student_council",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "The 7th and 8th grades have enrollments of «a» and «b» respectively. The two grades have a total"
            " of «r» representatives on the Student Council. How many representatives should the 8th grade"
            " have if there is to be a fair representation of the two grades?"
        ),
        values={"a": 520, "b": 650, "r": 18},
        answer="10",
        ranges={"a": range(200, 700, 10), "b": range(200, 700, 10), "r": range(8, 31)},
        where=lambda a, b, r: a != b and b * r % (a + b) == 0,
        solver=lambda a, b, r: solve(x / b - Rational(r, a + b), x)[0],
        clauses="story",
    ),
    Template(
        name="gasoline_saved",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "Karla drove her vehicle «M» miles last year. How many gallons of gasoline would she have saved"
            " last year had she driven a fuel-efficient hybrid car averaging «h» miles per gallon rather than"
            " an SUV averaging «s» miles per gallon?"
        ),
        values={"m": 12000, "h": 48, "s": 15},
        answer="550",
        ranges={"m": range(6000, 20001, 600), "h": range(35, 61), "s": range(12, 26)},
        where=lambda m, h, s: m % h == m % s == 0,
        holes=lambda m, h, s: {"M": f"{m:,}"},
        solver=lambda m, h, s: Rational(m, s) - Rational(m, h),
        persons={"Karla": "she"},
        clauses="story",
    ),
    Template(
        name="quiz_mean",
        family="algebra",
        benchmark="amc-2023",
        pattern=(
            "Maureen is keeping track of the mean of her quiz scores this semester. If Maureen scores «an»"
            " $«s»$ on the next quiz, her mean will increase by $«a»$. If she scores «an» $«s»$ on each of"
            " the next «N» quizzes, her mean will increase by $«b»$. What is the mean of her quiz scores"
            " currently?"
        ),
        values={"s": 11, "a": 1, "n": 3, "b": 2},
        answer="7",
        ranges={"s": range(9, 61), "a": range(1, 7), "n": range(2, 9), "b": range(2, 13)},
        where=_mean_exists,
        holes=lambda s, a, n, b: {"N": word(n), "an": article(s)},
        solver=_mean_before,
        persons={"Maureen": "she"},
        clauses="story",
    ),
    Template(
        name="two_cyclists",
        family="algebra",
        benchmark=None,
        pattern=(
            "Nadia and Omar start cycling towards each other at the same time from two villages that are"
            " $«d»$ kilometers apart. Nadia rides at $«u»$ kilometers per hour and Omar at $«v»$ kilometers"
            " per hour. How many kilometers has Nadia ridden when they meet? Express your answer as a common"
            " fraction."
        ),
        values={"d": 45, "u": 16, "v": 18},
        answer=r"\frac{360}{17}",
        ranges={"d": range(20, 90), "u": range(11, 25), "v": range(11, 25)},
        where=lambda d, u, v: u != v and d * u % (u + v) != 0,
        solver=lambda d, u, v: u * solve(u * x + v * x - d, x)[0],
        persons={"Nadia": "any", "Omar": "any"},
        clauses="story",
    ),
    Template(
        name="juice_and_water",
        family="algebra",
        benchmark=None,
        pattern=(
            r"A pitcher holds $«v»$ ounces of a drink that is $«p»\%$ juice. How many ounces of pure juice"
            r" must be added to make a drink that is $«q»\%$ juice?"
        ),
        values={"v": 60, "p": 20, "q": 40},
        answer="20",
        ranges={"v": range(20, 121, 4), "p": range(10, 50, 5), "q": range(25, 81, 5)},
        where=lambda v, p, q: p < q and v * (q - p) % (100 - q) == 0,
        solver=lambda v, p, q: solve(Rational(p, 100) * v + x - Rational(q, 100) * (v + x), x)[0],
        clauses="story",
    ),
    Template(
        name="daps_and_baps",
        family="algebra",
        benchmark="math-500",
        pattern="If «a» daps = «b» yaps, and «c» yaps = «d» baps, how many daps equal «n» baps?",
        values={"a": 4, "b": 7, "c": 5, "d": 3, "n": 42},
        answer="40",
        ranges={"a": range(2, 10), "b": range(2, 10), "c": range(2, 10), "d": range(2, 10), "n": range(12, 91)},
        where=lambda a, b, c, d, n: a != b and c != d and n * a * c % (b * d) == 0,
        solver=lambda a, b, c, d, n: n * Rational(c, d) * Rational(a, b),
        independent=("«a» daps = «b» yaps", "«c» yaps = «d» baps"),
        clauses="story",
    ),
]
