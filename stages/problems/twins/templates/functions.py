"""Algebra: values of functions and expressions, and sequences."""

from math import gcd

from sympy import Integer, Rational, diff, linsolve, simplify, solve, summation, symbols

from stages.problems.twins.numerals import decimal, ordinal
from stages.problems.twins.template import Template

x, y = symbols("x y", real=True)


def _sum_of_completed_square(p: int, c10: int) -> str:
    """b + c where x^2 + (p/10)x + c10/10 = (x + b)^2 + c."""
    b, c = symbols("b c")
    found = solve([2 * b - Rational(p, 10), b**2 + c - Rational(c10, 10)], [b, c], dict=True)[0]
    return decimal(found[b] + found[c])


def _arithmetic_term(i: int, u: int, j: int, v: int, k: int) -> Rational:
    (found,) = linsolve([x + (i - 1) * y - u, x + (j - 1) * y - v], x, y)
    return found[0] + (k - 1) * found[1]


def _opposite_value(s: int, t: int, n: int, v: int) -> Integer:
    """f(n) of f(x) = ax^4 - bx^2 + sx + t with f(-n) = v."""
    a, b = symbols("a b")
    f = a * x**4 - b * x**2 + s * x + t
    return simplify(f.subs(x, n).subs(b, solve(f.subs(x, -n) - v, b)[0]))


def _highest(a: int, p: int, q: int) -> Rational:
    parabola = a * (x + p) * (q - x)
    return parabola.subs(x, solve(diff(parabola, x), x)[0])


TEMPLATES = [
    Template(
        name="sum_of_values",
        family="algebra",
        benchmark="math-500",
        pattern=(
            r"If $f(x) = \frac{«a|x»«+b»}{x«+c»}$, what is the value of $f(-2) +f(-1)+f(0)$? Express your"
            " answer as a common fraction."
        ),
        values={"a": 3, "b": -2, "c": -2},
        answer=r"\frac{14}{3}",
        ranges={"a": range(1, 8), "b": [*range(-9, 0), *range(1, 10)], "c": range(-9, 0)},
        where=lambda a, b, c: a * c != b and sum(Rational(a * t + b, t + c) for t in (-2, -1, 0)).q > 1,
        solver=lambda a, b, c: sum(Rational(a * t + b, t + c) for t in (-2, -1, 0)),
        variables="x",
    ),
    Template(
        name="alternating_sum",
        family="algebra",
        benchmark="math-500",
        pattern=r"Compute: $1-2+3-4+5- \dots +«m»-«n»$.",
        values={"n": 100},
        answer="-50",
        ranges={"n": range(40, 400, 2)},
        holes=lambda n: {"m": n - 1},
        solver=lambda n: summation((-1) ** (x + 1) * x, (x, 1, n)),
    ),
    Template(
        name="geometric_term",
        family="algebra",
        benchmark="math-500",
        pattern=(
            r"Consider the geometric sequence $\frac{«p3»}{«q2»}, \frac{«p2»}{«q»}, «p», «q», \ldots$. What is"
            " the «nth» term of the sequence? Express your answer as a common fraction."
        ),
        values={"p": 5, "q": 3, "n": 8},
        answer=r"\frac{243}{625}",
        ranges={"p": range(3, 10), "q": range(2, 9), "n": range(6, 10)},
        where=lambda p, q, n: q < p and gcd(p, q) == 1,
        holes=lambda p, q, n: {"p3": p**3, "p2": p**2, "q2": q**2, "nth": ordinal(n)},
        solver=lambda p, q, n: Rational(p**3, q**2) * Rational(q, p) ** (n - 1),
    ),
    Template(
        name="sum_of_odd_numbers",
        family="algebra",
        benchmark="math-500",
        pattern="The sum of the first $N$ positive odd numbers is «s». What is the value of $N$?",
        values={"s": 121},
        answer="11",
        ranges={"s": [root**2 for root in range(7, 41)]},
        solver=lambda s: max(solve(summation(2 * y - 1, (y, 1, x)) - s, x)),
        variables="N",
    ),
    Template(
        name="difference_of_squares_twice",
        family="algebra",
        benchmark="math-500",
        pattern="What is the value of $(«a»^2 - «b»^2 - «c»)^2 - «c»^2$?",
        values={"a": 26, "b": 24, "c": 10},
        answer="8000",
        ranges={"a": range(15, 60), "b": range(13, 60), "c": range(5, 31)},
        where=lambda a, b, c: 1 <= a - b <= 4,
        solver=lambda a, b, c: (Integer(a) ** 2 - b**2 - c) ** 2 - c**2,
    ),
    Template(
        name="completed_square",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "The quadratic $x^2+(«B»)x+«C»$ can be written in the form $(x+b)^2+c$, where $b$ and $c$ are"
            " constants. What is $b+c$ (as a decimal)?"
        ),
        values={"p": 26, "c10": 36},
        answer="3.21",
        ranges={"p": range(12, 60, 2), "c10": range(11, 90)},
        where=lambda p, c10: p % 10 and c10 % 10,
        holes=lambda p, c10: {"B": decimal(Rational(p, 10)), "C": decimal(Rational(c10, 10))},
        solver=_sum_of_completed_square,
        variables="x",
    ),
    Template(
        name="arithmetic_term",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "If the «ith» term of an arithmetic sequence is $«u»$ and the «jth» term is $«v»$, what is the «kth» term?"
        ),
        values={"i": 4, "u": 200, "j": 8, "v": 500, "k": 6},
        answer="350",
        ranges={"i": range(2, 6), "u": range(20, 300), "j": range(5, 12), "v": range(100, 600), "k": range(3, 12)},
        where=lambda i, u, j, v, k: i < k < j and u < v and (v - u) % (j - i) == 0,
        holes=lambda i, u, j, v, k: {"ith": ordinal(i), "jth": ordinal(j), "kth": ordinal(k)},
        solver=_arithmetic_term,
    ),
    Template(
        name="highest_of_parabola",
        family="algebra",
        benchmark="math-500",
        pattern="What is the maximum value of $«a»(x + «p»)(«q» - x)$, over all real numbers $x$?",
        values={"a": 4, "p": 7, "q": 2},
        answer="81",
        ranges={"a": range(2, 10), "p": range(1, 14), "q": range(1, 14)},
        where=lambda a, p, q: p != q and a * (p + q) ** 2 % 4 == 0,
        solver=_highest,
        variables="x",
    ),
    Template(
        name="composed_functions",
        family="algebra",
        benchmark="math-500",
        pattern="Let $f(x) = «a|x»-«b»$ and $g(x) = x+«c»$. What is the value of $g(f(«n»)-«d»)$?",
        values={"a": 2, "b": 3, "c": 1, "n": 5, "d": 1},
        answer="7",
        ranges={"a": range(2, 9), "b": range(1, 12), "c": range(1, 12), "n": range(2, 12), "d": range(1, 9)},
        solver=lambda a, b, c, n, d: (x + c).subs(x, (a * x - b).subs(x, n) - d),
        variables="x",
        independent=("$f(x) = «a|x»-«b»$", "$g(x) = x+«c»$"),
    ),
    Template(
        name="difference_of_squares",
        family="algebra",
        benchmark="math-500",
        pattern="What is the value of $«a»^2 - «b»^2$?",
        values={"m": 500, "d": 13},
        answer="26000",
        ranges={"m": range(150, 1001, 50), "d": range(6, 40)},
        holes=lambda m, d: {"a": m + d, "b": m - d},
        solver=lambda m, d: ((x - y) * (x + y)).subs({x: m + d, y: m - d}),
    ),
    Template(
        name="defined_operation",
        family="algebra",
        benchmark="math-500",
        pattern=r"If $a\star b = «p|a»+«q|b»-ab+«r»$, what is the value of $«s»\star«t»$?",
        values={"p": 9, "q": 2, "r": 5, "s": 5, "t": 1},
        answer="47",
        ranges={"p": range(2, 12), "q": range(2, 12), "r": range(1, 12), "s": range(2, 10), "t": range(1, 10)},
        where=lambda p, q, r, s, t: p != q and s != t,
        solver=lambda p, q, r, s, t: (p * x + q * y - x * y + r).subs({x: s, y: t}),
        variables="ab",
    ),
    Template(
        name="opposite_value",
        family="algebra",
        benchmark="math-500",
        pattern="If $f(x)=ax^4-bx^2«+s|x»+«t»$ and $f(-«n»)=«v»,$ then what is the value of $f(«n»)$?",
        values={"s": 1, "t": 5, "n": 3, "v": 2},
        answer="8",
        ranges={"s": [*range(-6, 0), *range(1, 7)], "t": range(1, 12), "n": range(2, 8), "v": range(2, 20)},
        solver=_opposite_value,
        variables="xab",
    ),
]
