"""Algebra: equations and inequalities."""

from math import gcd

from sympy import Eq, Integer, Rational, Symbol, linsolve, simplify, solve, sqrt, symbols

from stages.problems.twins.template import Template

x, y, z = symbols("x y z", real=True)


def _roots_of_radical(a: int, b: int, h: int) -> list[Integer]:
    """x = sqrt(a - bx) + h: the roots of the squared equation that are at least h."""
    return [root for root in solve(Eq((x - h) ** 2, a - b * x), x) if root >= h]


def _largest_of_absolute(a: int, b: int, c: int) -> Rational:
    """|ax - b| = x + c on both sides of x = b/a."""
    roots = [*solve(a * x - b - x - c, x), *solve(b - a * x - x - c, x)]
    return max(root for root in roots if root + c >= 0)


def _product_from_sums(p: int, q: int, r: int) -> Integer:
    (found,) = linsolve([x + y - p, y + z - q, x + z - r], x, y, z)
    return found[0] * found[1] * found[2]


def _sum_from_products(p: int, q: int, r: int) -> Integer:
    """xy = pq, xz = pr and yz = qr, all positive: x^2 = (xy)(xz)/(yz) and so on."""
    xy, xz, yz = p * q, p * r, q * r
    return sqrt(Rational(xy * xz, yz)) + sqrt(Rational(xy * yz, xz)) + sqrt(Rational(xz * yz, xy))


def _squared_size(n: int) -> Integer:
    """a^2 + b^2 where a^2 + b^2 i = (a + bi)^2 + n."""
    real_part, imaginary_part = x**2 - (x**2 - y**2 + n), y**2 - 2 * x * y
    (size,) = {found[x] ** 2 + found[y] ** 2 for found in solve([real_part, imaginary_part], [x, y], dict=True)}
    return size


def _product_of_bases(c: int, n: int) -> Integer:
    """xy where log_x(y^x) = n = log_y(x^(cy)): with L = log_x y, xL = n and cy/L = n."""
    ratio = Symbol("L", positive=True)
    return simplify(solve(x * ratio - n, x)[0] * solve(c * y / ratio - n, y)[0])


def _combined_logarithms(p: int, q: int, r: int, a: int, b: int, c: int) -> int:
    (found,) = linsolve([x - y - z - Rational(1, p), y - x - z - Rational(1, q), z - x - y - Rational(1, r)], x, y, z)
    value = abs(a * found[0] + b * found[1] + c * found[2])
    return int(value.p + value.q)


def _midpoint_on_logarithm(h: int, k: int) -> Integer:
    """The x-coordinates add to 2h, and to 2k their logarithms."""
    outside, root = sqrt(Integer(2 * h) ** 2 - 4 * Integer(2) ** (2 * k)).as_coeff_Mul()
    return outside + root**2


def _has_root_in_lowest_terms(number: int) -> bool:
    """Whether its root is m sqrt(n) with n > 1 and m, n relatively prime."""
    if number <= 0:
        return False
    outside, root = sqrt(Integer(number)).as_coeff_Mul()
    return outside > 1 and root != 1 and gcd(int(outside), int(root**2)) == 1


def _difference_of_three(s: int, k: int, d: int) -> Integer:
    (found,) = linsolve([x + y + z - s, x - k * z, z - (y - d)], x, y, z)
    return abs(found[0] - found[1])


TEMPLATES = [
    Template(
        name="radical_equation",
        family="algebra",
        benchmark="math-500",
        pattern=r"Find all values of $x$ that satisfy the equation $x = \!\sqrt{«a»-«b|x»} + «h»$.",
        values={"a": 11, "b": 2, "h": 4},
        answer="x=5",
        ranges={"a": range(5, 90), "b": range(1, 7), "h": range(1, 10)},
        where=lambda a, b, h: any((t - h) ** 2 == a - b * t for t in range(h + 1, 40)),
        solver=_roots_of_radical,
    ),
    Template(
        name="double_inequality",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "The solution to $«lo» < «m»(x - «s») < «hi»$ is expressed in the form $a < x < b$. Find the"
            " value of $a + b$."
        ),
        values={"lo": -4, "m": 2, "s": 1, "hi": 8},
        answer="4",
        ranges={"lo": range(-40, 0), "m": range(2, 9), "s": range(1, 10), "hi": range(1, 60)},
        where=lambda lo, m, s, hi: lo % m == hi % m == 0,
        solver=lambda lo, m, s, hi: solve(m * (x - s) - lo, x)[0] + solve(m * (x - s) - hi, x)[0],
        variables="xab",
    ),
    Template(
        name="half_the_value",
        family="algebra",
        benchmark="math-500",
        pattern="Half the value of $«a|x»-«b»$ is $x+«c»$. What is the value of $x$?",
        values={"a": 3, "b": 9, "c": 37},
        answer="83",
        ranges={"a": range(3, 8), "b": range(1, 30), "c": range(2, 60)},
        where=lambda a, b, c: (2 * c + b) % (a - 2) == 0,
        solver=lambda a, b, c: solve((a * x - b) / 2 - (x + c), x)[0],
        variables="x",
    ),
    Template(
        name="equal_powers",
        family="algebra",
        benchmark="math-500",
        pattern="If $«b»«^n»=«c»^x$, what is the value of $x$?",
        values={"b": 2, "n": 8, "k": 2},
        answer="4",
        ranges={"b": range(2, 8), "n": range(4, 31), "k": range(2, 6)},
        where=lambda b, n, k: n % k == 0 and n > k,
        holes=lambda b, n, k: {"c": b**k},
        solver=lambda b, n, k: solve(n - x * k, x)[0],  # b^n = (b^k)^x
        variables="x",
    ),
    Template(
        name="largest_of_absolute_value",
        family="algebra",
        benchmark="math-500",
        pattern="Find the largest value of $x$ that satisfies the equation $|«a|x»-«b»|=x+«c»$.",
        values={"a": 5, "b": 1, "c": 3},
        answer="1",
        ranges={"a": range(2, 8), "b": range(1, 20), "c": range(1, 20)},
        where=lambda a, b, c: (b + c) % (a - 1) == 0,
        solver=_largest_of_absolute,
        variables="x",
    ),
    Template(
        name="sum_of_parts",
        family="algebra",
        benchmark="math-500",
        pattern=r"Solve for $x$: $\frac{x}«p» + \frac{x}«q» = «s»$",
        values={"p": 2, "q": 3, "s": 5},
        answer="6",
        ranges={"p": range(2, 9), "q": range(3, 10), "s": range(2, 40)},
        where=lambda p, q, s: p < q and s * p * q % (p + q) == 0,
        solver=lambda p, q, s: solve(x / p + x / q - s, x)[0],
        variables="x",
    ),
    Template(
        name="proportion",
        family="algebra",
        benchmark="math-500",
        pattern=r"Solve the following equation for $x$: \[ \ \frac{«a»}{«b»} = \frac{«c»}{x-«d»}.\]",
        values={"a": 2, "b": 3, "c": 4, "d": 5},
        answer="11",
        ranges={"a": range(2, 10), "b": range(3, 14), "c": range(2, 25), "d": range(1, 15)},
        where=lambda a, b, c, d: gcd(a, b) == 1 and b * c % a == 0,
        solver=lambda a, b, c, d: solve(Rational(a, b) - c / (x - d), x)[0],
        variables="x",
    ),
    Template(
        name="mean_of_four",
        family="algebra",
        benchmark="math-500",
        pattern="The arithmetic mean of «a», «b», $x$ and «c» is «m». What is the value of $x$?",
        values={"a": 7, "b": 2, "c": 10, "m": 9},
        answer="17",
        ranges={"a": range(2, 20), "b": range(2, 20), "c": range(2, 20), "m": range(5, 18)},
        where=lambda a, b, c, m: len({a, b, c, m}) == 4 and 4 * m - a - b - c > 0,
        solver=lambda a, b, c, m: solve((a + b + x + c) / 4 - m, x)[0],
        variables="x",
        independent=("«a»", "«b»"),
    ),
    Template(
        name="product_from_sums",
        family="algebra",
        benchmark="math-500",
        pattern="If $a+b=«p»$, $b+c=«q»$, and $a+c= «r»$, what is the value of the product $abc$?",
        values={"p": 8, "q": -3, "r": -5},
        answer="-120",
        ranges={"p": range(-12, 13), "q": range(-12, 13), "r": range(-12, 13)},
        where=lambda p, q, r: (p + q + r) % 2 == 0 and 0 not in (p, q, r, p + q - r, p + r - q, q + r - p),
        solver=_product_from_sums,
        variables="abc",
        independent=("$a+b=«p»$", "$b+c=«q»$", "$a+c= «r»$"),
    ),
    Template(
        name="sum_from_products",
        family="algebra",
        benchmark="math-500",
        pattern=(
            "If $x$, $y$, and $z$ are positive with $xy = «pq»$, $xz = «pr»$, and $yz = «qr»$, then find $x + y + z.$"
        ),
        values={"p": 4, "q": 6, "r": 12},
        answer="22",
        ranges={"p": range(2, 15), "q": range(2, 15), "r": range(2, 15)},
        where=lambda p, q, r: len({p, q, r}) == 3,
        holes=lambda p, q, r: {"pq": p * q, "pr": p * r, "qr": q * r},
        solver=_sum_from_products,
        variables="xyz",
        independent=("$xy = «pq»$", "$xz = «pr»$", "$yz = «qr»$"),
    ),
    Template(
        name="inverse_variation",
        family="algebra",
        benchmark="math-500",
        pattern=(
            r"The value of $y$ varies inversely as $\sqrt x$ and when $x=«p»$, $y=«q»$. What is $x$ when"
            " $y=«r»$?"
        ),
        values={"p": 24, "q": 15, "r": 3},
        answer="600",
        ranges={"p": range(2, 41), "q": range(6, 41), "r": range(2, 12)},
        where=lambda p, q, r: q % r == 0 and 2 <= q // r <= 8,
        solver=lambda p, q, r: solve(sqrt(x) - Rational(q, r) * sqrt(p), x)[0],
        variables="xy",
    ),
    Template(
        name="product_of_bases",
        family="algebra",
        benchmark="aime-2024",
        pattern=(
            "There exist real numbers $x$ and $y$, both greater than 1, such that"
            r" $\log_x\left(y^x\right)=\log_y\left(x^{«c|y»}\right)=«n»$. Find $xy$."
        ),
        values={"c": 4, "n": 10},
        answer="025",
        ranges={"c": range(2, 10), "n": range(6, 31)},
        where=lambda c, n: n**2 % c == 0 and n**2 > 2 * c,  # then log_x y has a value between c/n and n
        solver=_product_of_bases,
        variables="xy",
    ),
    Template(
        name="combined_logarithms",
        family="algebra",
        benchmark="aime-2024",
        pattern=(
            "Let $x,y$ and $z$ be positive real numbers that satisfy the following system of equations:"
            r" \[\log_2\left({x \over yz}\right) = {1 \over «p»}\]\[\log_2\left({y \over xz}\right) = {1 \over"
            r" «q»}\]\[\log_2\left({z \over xy}\right) = {1 \over «r»}\] Then the value of"
            r" $\left|\log_2(x^«a»y^«b»z^«c»)\right|$ is $\tfrac{m}{n}$ where $m$ and $n$ are relatively prime"
            " positive integers. Find $m+n$."
        ),
        values={"p": 2, "q": 3, "r": 4, "a": 4, "b": 3, "c": 2},
        answer="033",
        ranges={name: range(2, 8) for name in "pqrabc"},
        where=lambda p, q, r, a, b, c: len({p, q, r}) == 3 and len({a, b, c}) == 3,
        solver=_combined_logarithms,
        variables="xyz",
        independent=(
            r"\[\log_2\left({x \over yz}\right) = {1 \over «p»}\]",
            r"\[\log_2\left({y \over xz}\right) = {1 \over «q»}\]",
            r"\[\log_2\left({z \over xy}\right) = {1 \over «r»}\]",
        ),
    ),
    Template(
        name="midpoint_on_logarithm",
        family="algebra",
        benchmark="amc-2023",
        pattern=(
            r"Points $A$ and $B$ lie on the graph of $y=\log_{2}x$. The midpoint of $\overline{AB}$ is $(«h»,"
            " «k»)$. What is the positive difference between the $x$-coordinates of $A$ and $B$? The final"
            r" answer can be written in the form $m \sqrt{n}$, where $m$ and $n$ are relatively prime positive"
            " integers. What is $m+n$?"
        ),
        values={"h": 6, "k": 2},
        answer="9",
        ranges={"h": range(4, 41), "k": range(1, 5)},
        where=lambda h, k: _has_root_in_lowest_terms((2 * h) ** 2 - 4 ** (k + 1)),
        solver=_midpoint_on_logarithm,
        variables="AB",
    ),
    Template(
        name="difference_of_three",
        family="algebra",
        benchmark="amc-2023",
        pattern=(
            "The sum of three numbers is $«s».$ The first number is $«k»$ times the third number, and the"
            " third number is $«d»$ less than the second number. What is the absolute value of the difference"
            " between the first and second numbers?"
        ),
        values={"s": 96, "k": 6, "d": 40},
        answer="5",
        ranges={"s": range(60, 200), "k": range(3, 10), "d": range(5, 60)},
        where=lambda s, k, d: s > d and (s - d) % (k + 2) == 0 and (k - 1) * (s - d) != d * (k + 2),
        solver=_difference_of_three,
    ),
    Template(
        name="squared_size",
        family="algebra",
        benchmark="amc-2023",
        pattern=(
            "For complex number $u = a+bi$ and $v = c+di$ (where $i=\\sqrt{-1}$), define the binary operation\n"
            "$u \\otimes v = ac + bdi$\n"
            r"Suppose $z$ is a complex number such that $z\otimes z = z^{2}+«n»$. What is $|z|^2$?"
        ),
        values={"n": 40},
        answer="50",
        ranges={"n": range(12, 200, 4)},
        solver=_squared_size,
        variables="uvz",
    ),
]
