"""Precalculus: vectors, lines and planes."""

from math import gcd

from sympy import Eq, Expr, Integer, Matrix, Rational, sqrt, symbols
from sympy.ntheory.primetest import is_square

from stages.problems.twins.template import Template

x, y, z = symbols("x y z", real=True)


def _area_with_origin(a: int, b: int, c: int, d: int, e: int, f: int) -> Expr:
    return sqrt(Integer(_cross_squared(a, b, c, d, e, f))) / 2


def _cross_squared(a: int, b: int, c: int, d: int, e: int, f: int) -> int:
    return int((b * f - c * e) ** 2 + (c * d - a * f) ** 2 + (a * e - b * d) ** 2)


def _plane(**values: int) -> Expr:
    """The equation through three points, in lowest terms and with a positive coefficient of x."""
    first, second, third = (Matrix([values[name + str(point)] for name in "xyz"]) for point in (1, 2, 3))
    normal = (second - first).cross(third - first)
    whole = gcd(*map(int, normal), int(normal.dot(first)))
    normal = normal / (whole if normal[0] > 0 else -whole)
    return Eq(normal.dot(Matrix([x, y, z])) - normal.dot(first), 0)


def _plane_is_general(**values: int) -> bool:
    first, second, third = (Matrix([values[name + str(point)] for name in "xyz"]) for point in (1, 2, 3))
    normal = (second - first).cross(third - first)
    return 0 not in (*normal, normal.dot(first)) and max(map(abs, normal)) <= 60


def _line(p: int, q: int, u: int, v: int) -> tuple[Expr, Expr]:
    """(m, b) of y = mx + b through (p, q) along (u, v)."""
    slope = Rational(v, u)
    return slope, q - slope * p


TEMPLATES = [
    Template(
        name="area_with_the_origin",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            r"The points $O,$ $A,$ and $B$ satisfy $\overrightarrow{OA} = \begin{pmatrix} «a» \\ «b» \\ «c»"
            r" \end{pmatrix}$ and $\overrightarrow{OB} = \begin{pmatrix} «d» \\ «e» \\ «f» \end{pmatrix}.$"
            "  Find the area of triangle $OAB.$"
        ),
        values={"a": 1, "b": 2, "c": 3, "d": -3, "e": -2, "f": 1},
        answer=r"3 \sqrt{5}",
        ranges={name: range(-5, 6) for name in "abcdef"},
        where=lambda **values: _cross_squared(**values) % 4 == 0 and not is_square(_cross_squared(**values)),
        solver=_area_with_origin,
        variables="AB",
    ),
    Template(
        name="point_of_a_curve",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            "A curve is parameterized by\n"
            r"\[(x,y) = (t^3 «+ a», «b|t^2» «+ c|t» «+ d»).\]Find the point the curve passes through at $t ="
            " «t».$"
        ),
        values={"a": 7, "b": -3, "c": -6, "d": -5, "t": 2},
        answer="(15,-29)",
        ranges={**{name: [*range(-9, 0), *range(1, 10)] for name in "abcd"}, "t": [-3, -2, 2, 3, 4]},
        solver=lambda a, b, c, d, t: (Integer(t) ** 3 + a, Integer(b) * t**2 + c * t + d),
        variables="xyt",
    ),
    Template(
        name="coordinate_from_projection",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            r"The projection of $\begin{pmatrix} «a» \\ y \\ «c» \end{pmatrix}$ onto $\begin{pmatrix} «u» \\ «v»"
            " \\\\ «w» \\end{pmatrix}$ is\n"
            r"\[\frac{«n»}{«N»} \begin{pmatrix} «u» \\ «v» \\ «w» \end{pmatrix}.\]Find $y.$"
        ),
        values={"a": 2, "c": -5, "u": 1, "v": -2, "w": 1, "n": 5},
        answer="-4",
        ranges={
            "a": range(-6, 7),
            "c": range(-6, 7),
            "u": [-2, -1, 1, 2],
            "v": [-3, -2, 2, 3],
            "w": [-2, -1, 1, 2],
            "n": range(2, 14),
        },
        where=lambda a, c, u, v, w, n: (n - a * u - c * w) % v == 0 and gcd(n, u * u + v * v + w * w) == 1,
        holes=lambda a, c, u, v, w, n: {"N": u * u + v * v + w * w},
        solver=lambda a, c, u, v, w, n: Rational(n - a * u - c * w, v),  # the dot product is n
        variables="y",
    ),
    Template(
        name="dot_product",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            r"Find the dot product of $\begin{pmatrix} «a» \\ «b» \\ «c» \end{pmatrix}$ and $\begin{pmatrix}"
            r" «d» \\ «e» \\ «f» \end{pmatrix}.$"
        ),
        values={"a": -2, "b": 0, "c": 7, "d": 3, "e": 4, "f": -5},
        answer="-41",
        ranges={name: range(-9, 10) for name in "abcdef"},
        solver=lambda a, b, c, d, e, f: Matrix([a, b, c]).dot(Matrix([d, e, f])),
        independent=(
            r"$\begin{pmatrix} «a» \\ «b» \\ «c» \end{pmatrix}",
            r"$\begin{pmatrix} «d» \\ «e» \\ «f» \end{pmatrix}",
        ),
    ),
    Template(
        name="projection_from_dot_product",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            r"Find the projection of $\mathbf{a}$ onto $\mathbf{b} = \begin{pmatrix} «u» \\ «v» \\ «w»"
            r" \end{pmatrix}$ if $\mathbf{a} \cdot \mathbf{b} = «n».$"
        ),
        values={"u": 2, "v": 6, "w": 3, "n": 8},
        answer=r"\begin{pmatrix} 16/49 \\ 48/49 \\ 24/49 \end{pmatrix}",
        ranges={**{name: [*range(-7, 0), *range(1, 8)] for name in "uvw"}, "n": range(2, 15)},
        where=lambda u, v, w, n: is_square(u * u + v * v + w * w),
        solver=lambda u, v, w, n: Rational(n, u * u + v * v + w * w) * Matrix([u, v, w]),
    ),
    Template(
        name="line_from_parameters",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            "A line is parameterized by\n"
            r"\[\begin{pmatrix} x \\ y \end{pmatrix} = \begin{pmatrix} «p» \\ «q» \end{pmatrix} + t"
            r" \begin{pmatrix} «u» \\ «v» \end{pmatrix}.\]The equation of the line can be expressed in the"
            " form $y = mx + b.$  Enter the ordered pair $(m,b).$"
        ),
        values={"p": 8, "q": -1, "u": 2, "v": 3},
        answer=r"\left( \frac{3}{2}, -13 \right)",
        ranges={"p": range(-9, 10), "q": range(-9, 10), "u": range(2, 7), "v": [*range(-9, -1), *range(2, 10)]},
        where=lambda p, q, u, v: gcd(u, v) == 1 and p * v % u == 0 and p != 0,
        solver=_line,
        variables="xytmb",
    ),
    Template(
        name="plane_through_three_points",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            "Find the equation of the plane containing the points $(«x1»,«y1»,«z1»),$ $(«x2»,«y2»,«z2»),$ and"
            " $(«x3»,«y3»,«z3»).$  Enter your answer in the form\n"
            r"\[Ax + By + Cz + D = 0,\]where $A,$ $B,$ $C,$ $D$ are integers such that $A > 0$ and"
            r" $\gcd(|A|,|B|,|C|,|D|) = 1.$"
        ),
        values={"x1": 0, "y1": -1, "z1": -1, "x2": -4, "y2": 4, "z2": 4, "x3": 4, "y3": 5, "z3": 1},
        answer="5x - 7y + 11z + 4 = 0",
        ranges={name + str(point): range(-5, 6) for point in (1, 2, 3) for name in "xyz"},
        where=_plane_is_general,
        solver=_plane,
        independent=("(«x1»,«y1»,«z1»)", "(«x2»,«y2»,«z2»)", "(«x3»,«y3»,«z3»)"),
    ),
    Template(
        name="angle_to_a_difference",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            r"Let $\mathbf{a}$ and $\mathbf{b}$ be vectors such that the angle between $\mathbf{a}$ and"
            r" $\mathbf{b}$ is $«p»^\circ,$ and the angle between $\mathbf{b}$ and $\mathbf{a} - \mathbf{b}$"
            r" is $«q»^\circ.$  Find the angle between $\mathbf{a}$ and $\mathbf{a} - \mathbf{b}.$"
        ),
        values={"p": 29, "q": 84},
        answer=r"55^\circ",
        ranges={"p": range(15, 70), "q": range(40, 120)},
        where=lambda p, q: q - p >= 15,
        solver=lambda p, q: rf"{180 - p - (180 - q)}^\circ",  # the angles of a triangle
    ),
    Template(
        name="twice_reflected",
        family="precalculus",
        benchmark="math-500",
        pattern=(
            "The point $(«p»,«q»)$ is reflected over the vertical line $x=«a»$.  When its image is then"
            " reflected over the line $y=«b»$, what is the resulting point?\n"
            "\n"
            "Write your answer in the form $(x, y)$ where $x$ and $y$ are real numbers."
        ),
        values={"p": 0, "q": 0, "a": 1, "b": 2},
        answer="(2,4)",
        ranges={"p": range(-5, 6), "q": range(-5, 6), "a": range(-6, 7), "b": range(-6, 7)},
        where=lambda p, q, a, b: p != a and q != b,
        solver=lambda p, q, a, b: (Integer(2 * a - p), Integer(2 * b - q)),
    ),
    Template(
        name="determinant",
        family="precalculus",
        benchmark=None,
        pattern=r"Compute $\begin{vmatrix} «a» & «b» & «c» \\ «d» & «e» & «f» \\ «g» & «h» & «i» \end{vmatrix}.$",
        values={"a": 2, "b": -1, "c": 4, "d": 0, "e": 3, "f": 5, "g": -2, "h": 1, "i": 6},
        answer="60",
        ranges={name: range(-6, 7) for name in "abcdefghi"},
        solver=lambda a, b, c, d, e, f, g, h, i: Matrix([[a, b, c], [d, e, f], [g, h, i]]).det(),
    ),
]
