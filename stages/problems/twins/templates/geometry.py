"""Geometry: lengths, angles, areas and volumes, in the plane with coordinates and without."""

from math import gcd, isqrt

from sympy import Expr, I, Integer, Line, Point, Rational, expand, pi, solve, sqrt, symbols
from sympy.ntheory.primetest import is_square

from stages.problems.twins.numerals import decimal
from stages.problems.twins.template import Template

x, y = symbols("x y", real=True)


RIGHT_TRIANGLES = [
    (3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (12, 35, 37), (9, 40, 41), (6, 8, 10), (9, 12, 15),
    (28, 45, 53),
]  # fmt: skip


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


def _sum_of_ratio(ratio: Rational) -> int:
    return int(ratio.p + ratio.q)


TEMPLATES = [
    Template(
        name="distance_of_points",
        family="geometry",
        benchmark="math-500",
        pattern="What is the distance, in units, between the points $(«a», «b»)$ and $(«c», «d»)$? Express your answer in simplest radical"
        " form.",
        values={"a": 2, "b": -6, "c": -4, "d": 3},
        answer=r"3\sqrt{13}",
        ranges={name: range(-9, 10) for name in "abcd"},
        where=lambda a, b, c, d: (
            a != c
            and b != d
            and 1 < sqrt(Integer((a - c) ** 2 + (b - d) ** 2)).as_coeff_Mul()[0]
            and not is_square((a - c) ** 2 + (b - d) ** 2)
        ),
        solver=lambda a, b, c, d: Point(a, b).distance(Point(c, d)),
        independent=("$(«a», «b»)$", "$(«c», «d»)$"),
    ),
    Template(
        name="constant_of_a_circle",
        family="geometry",
        benchmark="math-500",
        pattern="For what value of $c$ will the circle with equation $x^2 - «p|x» + y^2 + «q|y» + c = 0$ have a radius of length «r»?",
        values={"p": 10, "q": 6, "r": 1},
        answer="33",
        ranges={"p": range(4, 25, 2), "q": range(4, 25, 2), "r": range(1, 10)},
        solver=lambda p, q, r: solve(Rational(p, 2) ** 2 + Rational(q, 2) ** 2 - x - r**2, x)[0],
        variables="xyc",
    ),
    Template(
        name="area_cut_by_altitude",
        family="geometry",
        benchmark="math-500",
        pattern="In triangle $ABC$, $AB = «c»$, $AC = «a»$, and $BC = «b»$.  Let $D$ be the foot of the altitude from $C$ to $AB$.  Find the"
        " area of triangle $ACD$.",
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
        pattern="What is the number of square units in the area of a triangle whose sides measure «a», «a» and «b» units?",
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
        pattern=r"In $\triangle PQR$, we have $PQ = QR = «a»$ and $PR = «b»$.  Find the length of median $\overline{QM}$.",
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
        pattern="How many sides would there be in a convex polygon if the sum of all but one of its interior angles is"
        r" $«s»^{\circ}$?",
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
        pattern="In a regular polygon, the measure of an interior angle is «k» times the measure of an exterior angle. How many sides does"
        " the polygon have?",
        values={"t": 65},
        answer="15",
        ranges={"t": range(25, 200, 5)},
        holes=lambda t: {"k": decimal(Rational(t, 10))},
        solver=lambda t: solve(180 - 360 / x - Rational(t, 10) * 360 / x, x)[0],
    ),
    Template(
        name="lattice_points_in_a_rectangle",
        family="geometry",
        benchmark="math-500",
        pattern="Consider the rectangular region with the following points as vertices: $$(«a»,«b»), (-«a»,«b»), (-«a»,-«b»),"
        " («a»,-«b»).$$ How many points with integer coordinates will be strictly in the interior of this rectangular region?",
        values={"a": 5, "b": 4},
        answer="63",
        ranges={"a": range(3, 15), "b": range(3, 15)},
        where=lambda a, b: a != b,
        solver=lambda a, b: Integer(2 * a - 1) * (2 * b - 1),
    ),
    Template(
        name="speed_of_a_unicycle",
        family="geometry",
        benchmark="math-500",
        pattern="Charlie is riding on his unicycle. If the unicycle's wheel has a radius of «r» inches and makes «n» revolutions every «t»"
        " seconds, what is the unicycle's speed in inches per second?",
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
        pattern="A cylindrical beaker is «h» cm high and has a radius of «r» cm. How many such beakers of water will it take to fill a"
        " spherical tank of radius «R» cm?",
        values={"h": 8, "r": 3, "R": 6},
        answer="4",
        ranges={"h": range(3, 21), "r": range(2, 8), "R": range(6, 25)},
        where=lambda h, r, R: 4 * R**3 % (3 * r * r * h) == 0 and R > r,
        solver=lambda h, r, R: Rational(4, 3) * pi * R**3 / (pi * r**2 * h),
        clauses="story",
    ),
    Template(
        name="equidistant_point",
        family="geometry",
        benchmark="math-500",
        pattern="Determine the coordinates of the point $P$ on the line $y=-x+«c»$ such that $P$ is equidistant from the points"
        " $A(«p»,«q»)$ and $O(0,0)$ (that is, so that $PA=PO$).  Express your answer as an ordered pair $(a,b)$.",
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
        pattern="What is the shortest distance from the point $(«p», 0)$ to the line $y = «m|x»«+b»$? Express your answer in simplest radical"
        " form.",
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
        pattern="An equilateral triangle is inscribed in the parabola $x^2 = «p|y»,$ such that one of the vertices of the triangle coincides"
        " with the vertex of the parabola.  Find the side length of this equilateral triangle.",
        values={"p": 8},
        answer=r"16 \sqrt{3}",
        ranges={"p": range(2, 30)},
        solver=_triangle_in_parabola,
        variables="xy",
    ),
    Template(
        name="altitude_to_the_hypotenuse",
        family="geometry",
        benchmark="math-500",
        pattern=r"In a certain isosceles right triangle, the altitude to the hypotenuse has length $«k»\sqrt{«r»}$.  What is the area of the"
        " triangle?",
        values={"k": 4, "r": 2},
        answer="32",
        ranges={"k": range(2, 10), "r": [2, 3, 5, 6, 7]},
        solver=lambda k, r: (k * sqrt(r)) * (2 * k * sqrt(r)) / 2,
    ),
    Template(
        name="cube_around_a_sphere",
        family="geometry",
        benchmark="math-500",
        pattern="A steel sphere with a «r»-inch radius is made by removing metal from the corners of a cube that has the shortest possible"
        " side lengths. How many cubic inches are in the volume of the cube?",
        values={"r": 3},
        answer="216",
        ranges={"r": range(2, 13)},
        solver=lambda r: Integer(2 * r) ** 3,
        clauses="story",
    ),
    Template(
        name="angle_at_the_orthocenter",
        family="geometry",
        benchmark="math-500",
        pattern=r"Altitudes $\overline{AD}$ and $\overline{BE}$ of $\triangle ABC$ intersect at $H$.  If $\angle BAC = «a»^\circ$ and"
        r" $\angle ABC = «b»^\circ$, then what is $\angle AHB$?",
        values={"a": 54, "b": 52},
        answer=r"106^\circ",
        ranges={"a": range(35, 85), "b": range(35, 85)},
        where=lambda a, b: a + b > 95,
        solver=lambda a, b: rf"{180 - (90 - a) - (90 - b)}^\circ",
        variables="ABCDEH",
        independent=(r"$\angle BAC = «a»^\circ$", r"$\angle ABC = «b»^\circ$"),
    ),
    Template(
        name="reflected_circle",
        family="geometry",
        benchmark="math-500",
        pattern="If each point of the circle $x^2 + y^2 = «r»$ is reflected in the point $(«h»,«k»),$ the set of image points satisfies the"
        " equation\n\\[x^2 + ay^2 + bx + cy + d = 0.\\]Compute the ordered quadruple $(a,b,c,d)$ of real numbers.",
        values={"r": 25, "h": 4, "k": 1},
        answer="(1,-16,-4,43)",
        ranges={"r": [4, 9, 16, 25, 36, 49, 64], "h": range(1, 9), "k": range(1, 9)},
        solver=_reflected_circle,
        variables="xyabcd",
    ),
    Template(
        name="square_to_rectangle",
        family="geometry",
        benchmark="math-500",
        pattern="The lengths of two opposite sides of a square are decreased by $«p»\\%$ while the lengths of the other two sides are increased"
        " by $«q»\\%$ to form a rectangle. By what percent does the square's area decrease?",
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
        pattern=r"A triangle $\triangle ABC$ with $\angle A = «a»^\circ$ is inscribed in a circle where $AB$ is a diameter. How many degrees are"
        r" in $\angle B$?",
        values={"a": 14},
        answer=r"76^\circ",
        ranges={"a": range(8, 83)},
        solver=lambda a: rf"{180 - 90 - a}^\circ",
        variables="ABC",
    ),
    Template(
        name="rotated_about_a_point",
        family="geometry",
        benchmark="amc-2023",
        pattern="What is the sum of the x and y coordinates of the new position of the point $(«a», «b»)$ after rotating $270^{\\circ}$"
        " counterclockwise about the point $(«h», «k»)$?",
        values={"a": -1, "b": -2, "h": 3, "k": 1},
        answer="5",
        ranges={name: range(-9, 10) for name in "abhk"},
        where=lambda a, b, h, k: a != h and b != k,
        solver=_rotated,
    ),
    Template(
        name="circles_of_right_triangles",
        family="geometry",
        benchmark="amc-2023",
        pattern="A $«a»-«b»-«c»$ right triangle is inscribed in circle $A$, and a $«p»-«q»-«r»$ right triangle is inscribed in circle $B$. Find"
        r" the ratio of the area of circle $A$ to the area of circle $B$. The final answer can be written in the form $\frac{m}{n}$, where"
        " $m$ and $n$ are relatively prime positive integers. What is $m+n$?",
        values={"i": 0, "j": 1},
        answer="194",
        ranges={"i": range(10), "j": range(10)},
        where=lambda i, j: i != j,
        holes=lambda i, j: dict(zip("abcpqr", RIGHT_TRIANGLES[i] + RIGHT_TRIANGLES[j], strict=True)),
        solver=lambda i, j: _sum_of_ratio(Rational(RIGHT_TRIANGLES[i][2], RIGHT_TRIANGLES[j][2]) ** 2),
        variables="AB",
    ),
    Template(
        name="area_of_a_frame",
        family="geometry",
        benchmark=None,
        pattern="A rectangular picture is «a» inches wide and «b» inches high. It has a frame that is «w» inches wide on every side. How many"
        " square inches is the area of the frame?",
        values={"a": 12, "b": 9, "w": 2},
        answer="100",
        ranges={"a": range(8, 30), "b": range(6, 30), "w": range(2, 6)},
        where=lambda a, b, w: a != b,
        solver=lambda a, b, w: expand((a + 2 * w) * (b + 2 * w) - Integer(a) * b),
        clauses="story",
    ),
]
