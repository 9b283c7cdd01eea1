"""Geometry: lengths, angles, areas and volumes."""

from math import gcd, isqrt

from sympy import Expr, Integer, Line, Point, Rational, Symbol, expand, pi, solve, sqrt
from sympy.ntheory.primetest import is_square

from stages.problems.twins.numerals import article, decimal
from stages.problems.twins.template import Template

x = Symbol("x", real=True)
RIGHT_TRIANGLES = [
    (3, 4, 5),
    (5, 12, 13),
    (8, 15, 17),
    (7, 24, 25),
    (20, 21, 29),
    (12, 35, 37),
    (9, 40, 41),
    (6, 8, 10),
    (9, 12, 15),
    (28, 45, 53),
]


def _area_of_sides(a: int, b: int, c: int) -> Expr:
    """Heron's formula."""
    s = Rational(a + b + c, 2)
    return sqrt(s * (s - a) * (s - b) * (s - c))


def _area_cut_by_altitude(a: int, b: int) -> Expr:
    """The triangle between A, C and the foot of C's altitude, where CA = a and CB = b meet in a right angle."""
    corner, end, other = Point(0, 0), Point(a, 0), Point(0, b)
    foot = Line(end, other).projection(corner)
    return corner.distance(foot) * end.distance(foot) / 2


def _sides_without_one_angle(s: int) -> int:
    sides = 3
    while 180 * (sides - 2) <= s:
        sides += 1
    return sides


def _two_triangles(i: int, j: int) -> dict[str, int | str]:
    first, second = RIGHT_TRIANGLES[i], RIGHT_TRIANGLES[j]
    articles = {"An": article(first[0]).capitalize(), "an": article(second[0])}
    return {**dict(zip("abcpqr", first + second, strict=True)), **articles}


def _sum_of_ratio(ratio: Rational) -> int:
    return int(ratio.p + ratio.q)


TEMPLATES = [
    Template(
        name="area_cut_by_altitude",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "In triangle $ABC$, $AB = «c»$, $AC = «a»$, and $BC = «b»$.  Let $D$ be the foot of the altitude"
            " from $C$ to $AB$.  Find the area of triangle $ACD$."
        ),
        values={"a": 8, "b": 15},
        answer=r"\frac{3840}{289}",
        ranges={"a": range(5, 41), "b": range(5, 41)},
        where=lambda a, b: is_square(a * a + b * b),
        holes=lambda a, b: {"c": isqrt(a * a + b * b)},
        solver=_area_cut_by_altitude,
        variables="ABCD",
        independent=("$AB = «c»$", "$AC = «a»$", "$BC = «b»$"),
    ),
    Template(
        name="area_of_an_isosceles_triangle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "What is the number of square units in the area of a triangle whose sides measure «a», «a» and «b» units?"
        ),
        values={"a": 5, "b": 6},
        answer="12",
        ranges={"a": range(5, 60), "b": range(6, 90, 2)},
        where=lambda a, b: b < 2 * a and is_square(a * a - b * b // 4),
        solver=lambda a, b: _area_of_sides(a, a, b),
    ),
    Template(
        name="median_of_an_isosceles_triangle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            r"In $\triangle PQR$, we have $PQ = QR = «a»$ and $PR = «b»$.  Find the length of median"
            r" $\overline{QM}$."
        ),
        values={"a": 34, "b": 32},
        answer="30",
        ranges={"a": range(10, 80), "b": range(10, 120, 2)},
        where=lambda a, b: b < 2 * a and is_square(a * a - b * b // 4),
        solver=lambda a, b: sqrt(Integer(a) ** 2 - Rational(b, 2) ** 2),
        variables="PQRM",
        independent=("$PQ = QR = «a»$", "$PR = «b»$"),
    ),
    Template(
        name="sides_without_one_angle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "How many sides would there be in a convex polygon if the sum of all but one of its interior"
            r" angles is $«s»^{\circ}$?"
        ),
        values={"s": 1070},
        answer="8",
        ranges={"s": range(800, 3000, 10)},
        where=lambda s: s % 180 != 0,
        solver=_sides_without_one_angle,
    ),
    Template(
        name="interior_and_exterior_angle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "In a regular polygon, the measure of an interior angle is «k» times the measure of an exterior"
            " angle. How many sides does the polygon have?"
        ),
        values={"t": 65},
        answer="15",
        ranges={"t": range(25, 200, 5)},
        holes=lambda t: {"k": decimal(Rational(t, 10))},
        solver=lambda t: solve(180 - 360 / x - Rational(t, 10) * 360 / x, x)[0],
    ),
    Template(
        name="speed_of_a_unicycle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "Charlie is riding on his unicycle. If the unicycle's wheel has a radius of «r» inches and makes"
            " «n» revolutions every «t» seconds, what is the unicycle's speed in inches per second?"
        ),
        values={"r": 9, "n": 2, "t": 3},
        answer=r"12\pi",
        ranges={"r": range(6, 19), "n": range(2, 9), "t": range(2, 9)},
        where=lambda r, n, t: gcd(n, t) == 1 and 2 * r * n % t == 0,
        solver=lambda r, n, t: 2 * pi * r * Rational(n, t),
        persons={"Charlie": "he"},
        clauses="story",
    ),
    Template(
        name="beakers_in_a_sphere",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "A cylindrical beaker is «h» cm high and has a radius of «r» cm. How many such beakers of water"
            " will it take to fill a spherical tank of radius «R» cm?"
        ),
        values={"h": 8, "r": 3, "R": 6},
        answer="4",
        ranges={"h": range(3, 21), "r": range(2, 8), "R": range(6, 25)},
        where=lambda h, r, R: 4 * R**3 % (3 * r * r * h) == 0 and r < R,
        solver=lambda h, r, R: Rational(4, 3) * pi * R**3 / (pi * r**2 * h),
        clauses="story",
    ),
    Template(
        name="altitude_to_the_hypotenuse",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "In a certain isosceles right triangle, the altitude to the hypotenuse has length"
            r" $«k»\sqrt{«r»}$.  What is the area of the triangle?"
        ),
        values={"k": 4, "r": 2},
        answer="32",
        ranges={"k": range(2, 10), "r": [2, 3, 5, 6, 7]},
        solver=lambda k, r: (k * sqrt(r)) * (2 * k * sqrt(r)) / 2,
    ),
    Template(
        name="cube_around_a_sphere",
        family="geometry",
        benchmark="math-500",
        pattern=(
            "A steel sphere with «an» «r»-inch radius is made by removing metal from the corners of a cube that"
            " has the shortest possible side lengths. How many cubic inches are in the volume of the cube?"
        ),
        values={"r": 3},
        answer="216",
        ranges={"r": range(2, 13)},
        holes=lambda r: {"an": article(r)},
        solver=lambda r: Integer(2 * r) ** 3,
        clauses="story",
    ),
    Template(
        name="angle_at_the_orthocenter",
        family="geometry",
        benchmark="math-500",
        pattern=(
            r"Altitudes $\overline{AD}$ and $\overline{BE}$ of $\triangle ABC$ intersect at $H$.  If $\angle"
            r" BAC = «a»^\circ$ and $\angle ABC = «b»^\circ$, then what is $\angle AHB$?"
        ),
        values={"a": 54, "b": 52},
        answer=r"106^\circ",
        ranges={"a": range(35, 85), "b": range(35, 85)},
        where=lambda a, b: a + b > 95,
        solver=lambda a, b: rf"{180 - (90 - a) - (90 - b)}^\circ",
        variables="ABCDEH",
        independent=(r"$\angle BAC = «a»^\circ$", r"$\angle ABC = «b»^\circ$"),
    ),
    Template(
        name="square_to_rectangle",
        family="geometry",
        benchmark="math-500",
        pattern=(
            r"The lengths of two opposite sides of a square are decreased by $«p»\%$ while the lengths of the"
            r" other two sides are increased by $«q»\%$ to form a rectangle. By what percent does the square's"
            " area decrease?"
        ),
        values={"p": 40, "q": 50},
        answer="10",
        ranges={"p": range(10, 90, 5), "q": range(10, 95, 5)},
        where=lambda p, q: (100 - p) * (100 + q) % 100 == 0 and (100 - p) * (100 + q) < 10000,
        solver=lambda p, q: 100 * (1 - (1 - Rational(p, 100)) * (1 + Rational(q, 100))),
    ),
    Template(
        name="angle_on_a_diameter",
        family="geometry",
        benchmark="math-500",
        pattern=(
            r"A triangle $\triangle ABC$ with $\angle A = «a»^\circ$ is inscribed in a circle where $AB$ is a"
            r" diameter. How many degrees are in $\angle B$?"
        ),
        values={"a": 14},
        answer=r"76^\circ",
        ranges={"a": range(8, 83)},
        solver=lambda a: rf"{180 - 90 - a}^\circ",
        variables="ABC",
    ),
    Template(
        name="circles_of_right_triangles",
        family="geometry",
        benchmark="amc-2023",
        pattern=(
            "«An» $«a»-«b»-«c»$ right triangle is inscribed in circle $A$, and «an» $«p»-«q»-«r»$ right triangle is"
            " inscribed in circle $B$. Find the ratio of the area of circle $A$ to the area of circle $B$."
            r" The final answer can be written in the form $\frac{m}{n}$, where $m$ and $n$ are relatively"
            " prime positive integers. What is $m+n$?"
        ),
        values={"i": 0, "j": 1},
        answer="194",
        ranges={"i": range(10), "j": range(10)},
        where=lambda i, j: i != j,
        holes=_two_triangles,
        solver=lambda i, j: _sum_of_ratio(Rational(RIGHT_TRIANGLES[i][2], RIGHT_TRIANGLES[j][2]) ** 2),
        variables="AB",
    ),
    Template(
        name="area_of_a_frame",
        family="geometry",
        benchmark=None,
        pattern=(
            "A rectangular picture is «a» inches wide and «b» inches high. It has a frame that is «w» inches"
            " wide on every side. How many square inches is the area of the frame?"
        ),
        values={"a": 12, "b": 9, "w": 2},
        answer="100",
        ranges={"a": range(8, 30), "b": range(6, 30), "w": range(2, 6)},
        where=lambda a, b, w: a != b,
        solver=lambda a, b, w: expand((a + 2 * w) * (b + 2 * w) - Integer(a) * b),
        clauses="story",
    ),
]
