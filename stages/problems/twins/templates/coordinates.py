"""Geometry with coordinates."""

from sympy import Expr, I, Integer, Line, Point, Rational, expand, solve, sqrt, symbols
from sympy.ntheory.primetest import is_square

from stages.problems.twins.template import Template

x, y = symbols("x y", real=True)


def _equidistant(c: int, p: int, q: int) -> tuple[Expr, Expr]:
    """The point of y = c - x as far from (p, q) as from the origin."""
    (found,) = solve((x - p) ** 2 + (c - x - q) ** 2 - x**2 - (c - x) ** 2, x)
    return found, c - found


def _distance_to_line(p: int, m: int, b: int) -> Expr:
    """From (p, 0) to y = mx + b."""
    return Line(Point(0, b), Point(1, m + b)).distance(Point(p, 0))


def _triangle_in_parabola(p: int) -> Expr:
    """The vertices are the origin and (+-t, sqrt(3) t) of x^2 = py."""
    half = max(solve(x**2 - p * sqrt(3) * x, x))
    return 2 * half


def _reflected_circle(r: int, h: int, k: int) -> tuple[Expr, ...]:
    """(2h - x)^2 + (2k - y)^2 = r as x^2 + ay^2 + bx + cy + d = 0."""
    circle = expand((2 * h - x) ** 2 + (2 * k - y) ** 2 - r).as_poly(x, y)
    return tuple(circle.coeff_monomial(term) for term in (y**2, x, y, 1))


def _rotated(a: int, b: int, h: int, k: int) -> Expr:
    """The sum of the coordinates of (a, b), rotated by 270 degrees counterclockwise about (h, k)."""
    real, imaginary = expand((a + b * I - h - k * I) * (-I) + h + k * I).as_real_imag()
    return real + imaginary


TEMPLATES = [
    Template(
        name="distance_of_points",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "What is the distance, in units, between the points $(«a», «b»)$ and $(«c», «d»)$? Express your"
            " answer in simplest radical form."
        ),
        values={"a": 2, "b": -6, "c": -4, "d": 3},
        answer=r"3\sqrt{13}",
        ranges={name: range(-9, 10) for name in "abcd"},
        where=lambda a, b, c, d: (
            a != c
            and b != d
            and sqrt(Integer((a - c) ** 2 + (b - d) ** 2)).as_coeff_Mul()[0] > 1
            and not is_square((a - c) ** 2 + (b - d) ** 2)
        ),
        solver=lambda a, b, c, d: Point(a, b).distance(Point(c, d)),
        independent=("$(«a», «b»)$", "$(«c», «d»)$"),
    ),
    Template(
        name="constant_of_a_circle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "For what value of $c$ will the circle with equation $x^2 - «p|x» + y^2 + «q|y» + c = 0$ have a"
            " radius of length «r»?"
        ),
        values={"p": 10, "q": 6, "r": 1},
        answer="33",
        ranges={"p": range(4, 25, 2), "q": range(4, 25, 2), "r": range(1, 10)},
        solver=lambda p, q, r: solve(Rational(p, 2) ** 2 + Rational(q, 2) ** 2 - x - r**2, x)[0],
        variables="xyc",
    ),
    Template(
        name="lattice_points_in_a_rectangle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "Consider the rectangular region with the following points as vertices: $$(«a»,«b»), (-«a»,«b»),"
            " (-«a»,-«b»), («a»,-«b»).$$ How many points with integer coordinates will be strictly in the"
            " interior of this rectangular region?"
        ),
        values={"a": 5, "b": 4},
        answer="63",
        ranges={"a": range(3, 15), "b": range(3, 15)},
        where=lambda a, b: a != b,
        solver=lambda a, b: Integer(2 * a - 1) * (2 * b - 1),
    ),
    Template(
        name="equidistant_point",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "Determine the coordinates of the point $P$ on the line $y=-x+«c»$ such that $P$ is equidistant"
            " from the points $A(«p»,«q»)$ and $O(0,0)$ (that is, so that $PA=PO$).  Express your answer as"
            " an ordered pair $(a,b)$."
        ),
        values={"c": 6, "p": 10, "q": -10},
        answer="(8,-2)",
        ranges={"c": range(2, 15), "p": range(-12, 13), "q": range(-12, 13)},
        where=lambda c, p, q: p * q != 0 and p != q and (p * p + q * q - 2 * q * c) % (2 * (p - q)) == 0,
        solver=_equidistant,
        variables="xyPA",
    ),
    Template(
        name="distance_to_a_line",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "What is the shortest distance from the point $(«p», 0)$ to the line $y = «m|x»«+b»$? Express"
            " your answer in simplest radical form."
        ),
        values={"p": 6, "m": 2, "b": -2},
        answer=r"2\sqrt{5}",
        ranges={"p": range(2, 15), "m": range(2, 7), "b": [*range(-12, 0), *range(1, 13)]},
        where=lambda p, m, b: (m * p + b) % (m * m + 1) == 0 and m * p + b != 0,
        solver=_distance_to_line,
    ),
    Template(
        name="triangle_in_a_parabola",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "An equilateral triangle is inscribed in the parabola $x^2 = «p|y»,$ such that one of the"
            " vertices of the triangle coincides with the vertex of the parabola.  Find the side length of"
            " this equilateral triangle."
        ),
        values={"p": 8},
        answer=r"16 \sqrt{3}",
        ranges={"p": range(2, 30)},
        solver=_triangle_in_parabola,
        variables="xy",
    ),
    Template(
        name="reflected_circle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "If each point of the circle $x^2 + y^2 = «r»$ is reflected in the point $(«h»,«k»),$ the set of"
            " image points satisfies the equation\n"
            r"\[x^2 + ay^2 + bx + cy + d = 0.\]Compute the ordered quadruple $(a,b,c,d)$ of real numbers."
        ),
        values={"r": 25, "h": 4, "k": 1},
        answer="(1,-16,-4,43)",
        ranges={"r": [4, 9, 16, 25, 36, 49, 64], "h": range(1, 9), "k": range(1, 9)},
        solver=_reflected_circle,
        variables="xyabcd",
    ),
    Template(
        name="rotated_about_a_point",
        family="geometry",
        benchmark="amc-2023",
        pattern=(
            "What is the sum of the x and y coordinates of the new position of the point $(«a», «b»)$ after"
            r" rotating $270^{\circ}$ counterclockwise about the point $(«h», «k»)$?"
        ),
        values={"a": -1, "b": -2, "h": 3, "k": 1},
        answer="5",
        ranges={name: range(-9, 10) for name in "abhk"},
        where=lambda a, b, h, k: a != h and b != k,
        solver=_rotated,
    ),
]
