"""The answers of the twins' templates a second time: by trying all cases, by floating point, or by another formula.

Nothing here uses SymPy or the templates' own functions. A way gets the values of the template; its answer is a number, or the
numbers of a point, a vector or a matrix in order.
"""

import cmath
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations, permutations, product
from math import (
    atan2,
    comb,
    cos,
    degrees,
    factorial,
    gcd,
    hypot,
    isqrt,
    lcm,
    log,
    perm,
    pi,
    prod,
    radians,
    sin,
    sqrt,
    tan,
)
from statistics import fmean

import numpy as np

from stages.problems.twins.templates.arrangements import WORDS
from stages.problems.twins.templates.complex_numbers import LEGS, RATIONAL_SIZES
from stages.problems.twins.templates.figures import RIGHT_TRIANGLES

Answer = complex | Fraction | list[float] | list[int]
LONG = range(-3000, 5000)


def only(found: Iterator[int]) -> int:
    (one,) = set(found)
    return one


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, isqrt(n) + 1))


def digit_sum(n: int) -> int:
    return sum(map(int, str(n)))


def parts_of(fraction: Fraction) -> int:
    return fraction.numerator + fraction.denominator


def root_parts(n: int) -> int:
    """m + k of sqrt(n) = m sqrt(k)."""
    m = max(m for m in range(1, isqrt(n) + 1) if n % (m * m) == 0)
    return m + n // (m * m)


def bisected(function: Callable[[float], float], low: float, high: float) -> float:
    assert function(low) < 0 < function(high)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return low


def lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """By thirds, of a function that falls and then rises."""
    for _ in range(300):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if function(left) < function(right) else (left, high)
    return function(low)


def angle(at: complex, one: complex, other: complex) -> float:
    return abs(degrees(cmath.phase((one - at) / (other - at))))


def bases(c: int, n: int) -> float:
    ratio = bisected(lambda t: log(n * t / c) - t * log(n / t), c / n * 1.0001, n)
    return (n / ratio) * (n * ratio / c)


def logarithms(p: int, q: int, r: int, a: int, b: int, c: int) -> int:
    """Two of the equations together leave one logarithm."""
    x, y, z = (-Fraction(one + other) / 2 for one, other in (
        (Fraction(1, q), Fraction(1, r)), (Fraction(1, p), Fraction(1, r)), (Fraction(1, p), Fraction(1, q))
    ))  # fmt: skip
    return parts_of(abs(a * x + b * y + c * z))


def quiz(s: int, a: int, n: int, b: int) -> int:
    return only(
        m for m in range(1, s) for k in range(1, 100)
        if m * k + s == (m + a) * (k + 1) and m * k + n * s == (m + b) * (k + n)
    )  # fmt: skip


def inverse(a: int, m: int) -> int:
    return only(t for t in range(m) if a * t % m == 1)


def two_solutions(a: int, b: int, m: int) -> float:
    return fmean([u for u in range(1, 2 * m) if (a * u - b) % m == 0][:2])


def unity(n: int) -> int:
    """((1 + i)^n - 1)((1 - i)^n - 1) in whole numbers."""
    real, imaginary = 1, 0
    for _ in range(n):
        real, imaginary = real - imaginary, real + imaginary
    return ((real - 1) ** 2 + imaginary**2) % 1000


def lost(m: int, n: int) -> int:
    """With even m a player who can leave a multiple of m + 1, or 2 more than one and so on, wins: the period is m + 1."""
    losing = [stack for stack in range(m + 1) if stack % 2 == 0 and stack < m]
    return sum(stack % (m + 1) in losing for stack in range(1, n + 1))


def unpayable(a: int, b: int, c: int) -> int:
    payable = {a * i + b * j + c * k for i in range(150) for j in range(80) for k in range(20)}
    return digit_sum(max(t for t in range(500) if t not in payable))


def period(a: int, n: int) -> int:
    digits, rest, first = 0, a % n, a % n
    while True:
        digits += rest * 10 // n
        rest = rest * 10 % n
        if rest == first:
            return digits


def total(n: int, t: int) -> int:
    ways: dict[int, Fraction] = {0: Fraction(1)}
    reached = Fraction(0)
    for _ in range(n):
        after: dict[int, Fraction] = {}
        for value, chance in ways.items():
            for face in range(1, 7):
                after[value + face] = after.get(value + face, Fraction(0)) + chance / 6
        reached += after.pop(t, Fraction(0))  # who has been there is counted once
        ways = after
    return parts_of(reached)


def data_set(*numbers: int) -> int:
    return sum(x for x in range(1, 500) if (sum(numbers) + x) % 6 == 0 and (sum(numbers) + x) // 6 in (*numbers, x))


def steps(a: int, b: int, p: int, q: int) -> int:
    ways = {(0, 0): 1}
    for x, y in product(range(a + 1), range(b + 1)):
        if (x, y) != (0, 0):
            through = (x <= p and y <= q) or (x >= p and y >= q)
            ways[x, y] = (ways.get((x - 1, y), 0) + ways.get((x, y - 1), 0)) * through
    return ways[a, b]


def fibonacci(n: int) -> int:
    one, other = 0, 1
    for _ in range(n):
        one, other = other, one + other
    return one


def polygon(t: int) -> int:
    return only(n for n in range(3, 500) if Fraction(180 * (n - 2), n) == Fraction(t, 10) * Fraction(360, n))


def altitudes(a: int, b: int) -> float:
    """The angle at the orthocenter, from coordinates: A at 0, B at 1."""
    slope_a, slope_b = tan(radians(a)), tan(radians(b))
    x = slope_b / (slope_a + slope_b)
    return angle(complex(x, x * (1 - x) / (x * slope_a)), 0, 1)


def diameter(a: int) -> float:
    return angle(1, -1, cmath.rect(1, radians(2 * a)))


def line_distance(p: int, m: int, b: int) -> float:
    return sqrt(lowest(lambda x: (x - p) ** 2 + (m * x + b) ** 2, -100, 100))


def reflected(r: int, h: int, k: int) -> list[float]:
    """The equation solved for the coefficients at three points of the image."""
    points = [(2 * h - sqrt(r) * cos(t), 2 * k - sqrt(r) * sin(t)) for t in (0, 1, 2, 3)]
    return list(np.linalg.solve([[y * y, x, y, 1] for x, y in points], [-x * x for x, _ in points]))


def altitude_foot(a: int, b: int) -> float:
    foot = a * a / hypot(a, b)
    return sqrt(a * a - foot * foot) * foot / 2


def difference_angle(p: int, q: int) -> float:
    """b of length 1, a in the direction of p; how long a is decides q."""
    length = bisected(lambda t: -angle(0, t * cmath.rect(1, radians(p)) - 1, 1) + q, 1e-3, 1e3)
    a = length * cmath.rect(1, radians(p))
    return angle(0, a, a - 1)


def plane(**v: int) -> list[float]:
    """Coefficients whose size the first whole equation decides: (A, B, C, D) with A = the least that makes them whole."""
    points = np.array([[v[name + str(i)] for name in "xyz"] for i in (1, 2, 3)], dtype=float)
    per_first = np.linalg.solve(np.column_stack([points[:, 1:], np.ones(3)]), -points[:, 0])
    return next(
        [float(k), *map(float, k * per_first)] for k in range(1, 2000)
        if all(abs(k * t - round(k * t)) < 1e-7 for t in per_first)
    )  # fmt: skip


def largest_real(i: int, k: int, a: int, b: int, r: int) -> float:
    c, d = r * (k * LEGS[i][0] - a * r), r * (b * r - k * LEGS[i][1])

    def value(t: float) -> float:
        return -((a + b * 1j) * cmath.rect(r, t) + (c + d * 1j) / cmath.rect(r, t)).real

    best = min(range(64), key=lambda step: value(step * pi / 32)) * pi / 32
    return -lowest(value, best - 0.2, best + 0.2)


def constant_term(a: int, c: int, n: int) -> Fraction:
    return sum(
        (comb(n, k) * Fraction(a) ** (n - k) * Fraction(-1, c) ** k for k in range(n + 1) if 3 * (n - k) == 2 * k),
        Fraction(0),
    )


def partial(r: int, s: int, p: int, q: int) -> float:
    """Two values of x give two equations."""
    xs = [r + 1.5, r + 2.5]
    solved = np.linalg.solve([[1 / (x - r), 1 / (x + s)] for x in xs], [(p * x + q) / ((x - r) * (x + s)) for x in xs])
    return float(np.prod(solved))


def reciprocals(**roots_: int) -> float:
    """From equal parts of 1, by moving the best amount from one part to another, pair by pair."""
    weights, parts = [root**2 for root in roots_.values()], [0.25] * 4
    for i, j in [*combinations(range(4), 2)] * 12:
        both = parts[i] + parts[j]
        low, high = 0.0, both
        for _ in range(60):  # the slope of w_i/x + w_j/(both - x)
            x = (low + high) / 2
            falls = weights[i] / x**2 > weights[j] / (both - x) ** 2
            low, high = (x, high) if falls else (low, x)
        parts[i], parts[j] = x, both - x
    return sum(weight / part for weight, part in zip(weights, parts, strict=True))


def quartic(h: int, d: int) -> int:
    def polynomial(x: int, fourth: int) -> int:
        return (x - h + d) * (x - h) * (x - h - d) * (x - fourth)

    return only(polynomial(0, fourth) + polynomial(2 * h, fourth) for fourth in (3, -7, 11))


def roots(*coefficients: float) -> np.ndarray:
    return np.roots(coefficients)


def residents(n: int, a: int, b: int, c: int, two: int, three: int) -> int:
    """Owned things, counted by person and by thing."""
    return only(four for four in range(n) if n - two - three - four + 2 * two + 3 * three + 4 * four == n + a + b + c)


def frame(a: int, b: int, w: int) -> int:
    return sum(not (w <= x < w + a and w <= y < w + b) for x in range(a + 2 * w) for y in range(b + 2 * w))


SECOND_WAYS: dict[str, Callable[..., Answer]] = {
    # equations
    "radical_equation": lambda a, b, h: only(t for t in range(h, 200) if a - b * t >= 0 and sqrt(a - b * t) + h == t),
    "double_inequality": lambda lo, m, s, hi: Fraction(lo, m) + s + Fraction(hi, m) + s,
    "half_the_value": lambda a, b, c: only(t for t in LONG if a * t - b == 2 * (t + c)),
    "equal_powers": lambda b, n, k: log(b**n) / log(b**k),
    "largest_of_absolute_value": lambda a, b, c: max(t for t in LONG if abs(a * t - b) == t + c),
    "sum_of_parts": lambda p, q, s: only(t for t in LONG if t * q + t * p == s * p * q),
    "proportion": lambda a, b, c, d: only(t for t in LONG if a * (t - d) == b * c),
    "mean_of_four": lambda a, b, c, m: only(t for t in LONG if a + b + t + c == 4 * m),
    "product_from_sums": lambda p, q, r: Fraction((p + r - q) * (p + q - r) * (q + r - p), 8),
    "sum_from_products": lambda p, q, r: p + q + r,
    "inverse_variation": lambda p, q, r: (q * sqrt(p) / r) ** 2,
    "product_of_bases": bases,
    "combined_logarithms": logarithms,
    "midpoint_on_logarithm": lambda h, k: root_parts(4 * h * h - 4 ** (k + 1)),
    "difference_of_three": lambda s, k, d: only(abs(k * t - t - d) for t in LONG if k * t + t + d + t == s),
    "squared_size": lambda n: Fraction(n, 4) + n,
    # functions
    "sum_of_values": lambda a, b, c: sum((a * t + b) / (t + c) for t in (-2, -1, 0)),
    "alternating_sum": lambda n: sum(t if t % 2 else -t for t in range(1, n + 1)),
    "geometric_term": lambda p, q, n: p**3 / q**2 * (q / p) ** (n - 1),
    "sum_of_odd_numbers": lambda s: only(n for n in range(100) if sum(range(1, 2 * n, 2)) == s),
    "difference_of_squares_twice": lambda a, b, c: (a * a - b * b - 2 * c) * (a * a - b * b),
    "completed_square": lambda p, c10: p / 20 + c10 / 10 - (p / 20) ** 2,
    "arithmetic_term": lambda i, u, j, v, k: u + (v - u) // (j - i) * (k - i),
    "highest_of_parabola": lambda a, p, q: -lowest(lambda t: -a * (t + p) * (q - t), -50, 50),
    "composed_functions": lambda a, b, c, n, d: a * n - b - d + c,
    "difference_of_squares": lambda m, d: 4 * m * d,
    "defined_operation": lambda p, q, r, s, t: p * s + q * t - s * t + r,
    "opposite_value": lambda s, t, n, v: v + 2 * s * n,
    # stories and rates
    "pencils_and_eraser": lambda m, u, n, v: only(t for t in range(500) if u - m * t == v - n * t),
    "marbles": lambda p, q, u, v, s, t: only(
        p * k for k in range(1, 100) if (p * k + u) * t == (q * k - v) * s and q * k > v
    ),
    "aptitude_test": lambda c, w, n, s: only(t for t in range(n + 1) if c * t - w * (n - t) == s),
    "dimes_and_nickels": lambda n, t: only(k for k in range(n + 1) if 5 * k + 10 * (n - k) == t),
    "across_the_field": lambda a, b: a + b - hypot(a, b),
    "aimeville": residents,
    "class_average": lambda a, s, b, t, c, u: fmean([s] * a + [t] * b + [u] * c),
    "student_council": lambda a, b, r: only(t for t in range(r + 1) if t * a == (r - t) * b),
    "gasoline_saved": lambda m, h, s: m / s - m / h,
    "quiz_mean": quiz,
    "two_cyclists": lambda d, u, v: bisected(lambda t: u * t + v * t - d, 0, 100) * u,
    "juice_and_water": lambda v, p, q: only(t for t in LONG if t >= 0 and p * v + 100 * t == q * (v + t)),
    "daps_and_baps": lambda a, b, c, d, n: n / d * c / b * a,
    # divisors
    "number_of_divisors": lambda n: len(divisors(n)),
    "greatest_common_factor_increased": lambda a, b, c: max(d for d in divisors(b) if a % d == 0) + c,
    "greatest_common_divisor_of_three": lambda g, p, q, r: max(
        d for d in divisors(g * p) if g * q % d == g * r % d == 0
    ),
    "zeroes_of_a_factorial": lambda n: n // 5 + n // 25 + n // 125,
    "sum_of_multiples": lambda k, a, b: sum(range(a + -a % k, b + 1, k)),
    "factor_to_a_cube": lambda n: next(k for k in range(1, 4000) if round((n * k) ** (1 / 3)) ** 3 == n * k),
    "primes_of_divisor_sum": lambda n: sum(p for p in divisors(sum(divisors(n))) if is_prime(p)),
    "three_divisors": lambda n: [t for t in range(1, 1400) if isqrt(t) ** 2 == t and len(divisors(t)) == 3][n - 1],
    "perfect_powers": lambda b, e: sum(e % n == 0 for n in range(2, e + 1)),
    "common_two_digit_factors": lambda a, b: sum(a % d == b % d == 0 for d in range(10, 100)),
    "squares_with_a_divisor": lambda n, k: sum(isqrt(t) ** 2 == t for t in range(k, n, k)),
    "multiple_and_divisor_known": lambda n, a, b: digit_sum(
        only(t for t in range(1, 40_000) if lcm(t, a) == lcm(n, a) and gcd(t, b) == gcd(n, b))
    ),
    "two_digit_primes_by_digit_sum": lambda s: sum(is_prime(t) and digit_sum(t) == s for t in range(10, 100)),
    "least_prime_with_remainder": lambda a, m, r: next(t for t in range(a + 1, 5000) if is_prime(t) and t % m == r),
    # residues and integers
    "product_modulo_prime": lambda r, m, p, q, s: prod(5 * m + r + t for t in (p, q, s)) % m,
    "residue_of_a_negative": lambda a, m: only(t for t in range(m) if (t + a) % m == 0),
    "modular_inverse": inverse,
    "units_digit_of_a_power": lambda a, n: int(str(a**n)[-1]),
    "remainder_of_two_powers": lambda a, m, b, n, p: (pow(a, m, p) + pow(b, n, p)) % p,
    "largest_with_remainders": lambda n, a, p, b, q, c, r: max(
        t for t in range(n) if t % a == p and t % b == q and t % c == r
    ),
    "mean_of_two_solutions": two_solutions,
    "group_sizes": lambda n, a, p, b, q: sum(t for t in range(n) if t % a == p and t % b == q),
    "product_over_roots_of_unity": unity,
    "integer_nested_roots": lambda n: isqrt(n) + 1,
    "digits_of_a_product": lambda a, b, c: int((3 * a * log(2) + (b + c) * log(5) + c * log(3)) / log(10)) + 1,
    "unpayable_amount": unpayable,
    "difference_in_a_base": lambda a, c, b: a - c,
    "number_in_a_base": lambda n, b: n,
    "continued_fraction": lambda a, b, c, d: parts_of(a + 1 / (b + 1 / (c + Fraction(1, d)))),
    "taxicab_points": lambda n: 2 * n * n + 2 * n + 1,
    "tokens_game": lost,
    "sets_by_their_maximum": lambda n: sum(i for i, bit in enumerate(reversed(f"{n:b}"), 1) if bit == "1"),
    "digit_sum_of_repeating_period": period,
    # arrangements, and counts with algebra
    "round_table_apart": lambda n: factorial(n - 1) - 6 * factorial(n - 2) + 6 * factorial(n - 3),
    "round_table_together": lambda n: n * factorial(3) * factorial(n - 3) // n,
    "in_both_clubs": lambda n, a, b, c: only(t for t in range(n) if a - t + b - t + t + c == n),
    "outfits": lambda a, b, c: len(list(product(range(a), range(b), range(c)))),
    "boys_and_girls_chosen": lambda b, g, p, q: (
        len(list(combinations(range(b), p))) * len(list(combinations(range(g), q)))
    ),
    "letters_of_a_word": lambda w: len(set(permutations(WORDS[w]))),
    "two_boys_together": lambda g: factorial(g + 2) - factorial(g) * perm(g + 1, 2),
    "two_toppings": lambda n: len(list(combinations(range(n), 2))),
    "cookies_of_three_kinds": lambda n: sum(a + b + c == n for a, b, c in product(range(n + 1), repeat=3)),
    "mixed_subcommittee": lambda r, d, k: sum(comb(r, t) * comb(d, k - t) for t in range(1, k)),
    "books_apart": lambda n: factorial(n - 2) * perm(n - 1, 2),
    "offices": lambda k, n: perm(n, k),
    "gaussian_integers_in_a_disc": lambda r: sum(2 * isqrt(r * r - a * a) + 1 for a in range(-r, r + 1)),
    "positive_intervals": lambda n: sum(
        prod((-1) ** k for k in range(1, n + 1) if t < k) > 0 for t in (place + 0.5 for place in range(n + 1))
    ),
    "sets_as_large_as_their_minimum": fibonacci,
    "polynomials_with_two_integer_roots": lambda n: len(
        {p + q for p in range(-n, n + 1) for q in range(-n, p) if p * q == n}
    ),
    "polynomials_with_three_integer_roots": lambda n: sum(
        p * q * r == -n for p, q, r in combinations([d for d in range(-n, n + 1) if d and n % d == 0], 3)
    ),
    "conjugate_powers": lambda n: n + 2,
    "paths_through_a_corner": steps,
    "binomial_coefficient": lambda n, k: comb(n, n - k),
    # probability
    "product_of_two_dice": lambda s, k: Fraction(
        sum(a * b % k == 0 for a, b in product(range(1, s + 1), repeat=2)), s * s
    ),
    "islands_with_treasure": lambda n, d, k: sum(
        (1 / d) ** sum(found) * (1 - 1 / d) ** (n - sum(found))
        for found in product((0, 1), repeat=n)
        if sum(found) == k
    ),
    "divisible_by_one_of_two": lambda n, p, q: Fraction(n // p - n // lcm(p, q), n),
    "running_total": total,
    "two_socks": lambda a, b, c: Fraction(
        sum(x == y for x, y in combinations("a" * a + "b" * b + "c" * c, 2)), comb(a + b + c, 2)
    ),
    "possible_values_in_a_data_set": lambda a, b, c, d, e: data_set(a, b, c, d, e),
    # figures and coordinates
    "area_cut_by_altitude": altitude_foot,
    "area_of_an_isosceles_triangle": lambda a, b: b / 2 * sqrt(a * a - b * b / 4),
    "median_of_an_isosceles_triangle": lambda a, b: sqrt(4 * a * a - b * b) / 2,
    "sides_without_one_angle": lambda s: only(n for n in range(3, 100) if 0 < 180 * (n - 2) - s < 180),
    "interior_and_exterior_angle": polygon,
    "speed_of_a_unicycle": lambda r, n, t: 2 * pi * r * n / t,
    "beakers_in_a_sphere": lambda h, r, R: 4 / 3 * R**3 / (r * r * h),
    "altitude_to_the_hypotenuse": lambda k, r: k * k * r,
    "cube_around_a_sphere": lambda r: (2 * r) ** 3,
    "angle_at_the_orthocenter": altitudes,
    "square_to_rectangle": lambda p, q: 100 - (100 - p) * (100 + q) / 100,
    "angle_on_a_diameter": diameter,
    "circles_of_right_triangles": lambda i, j: parts_of(
        Fraction(sum(t * t for t in RIGHT_TRIANGLES[i][:2]), sum(t * t for t in RIGHT_TRIANGLES[j][:2]))
    ),
    "area_of_a_frame": frame,
    "distance_of_points": lambda a, b, c, d: abs(complex(a, b) - complex(c, d)),
    "constant_of_a_circle": lambda p, q, r: only(c for c in LONG if p * p + q * q - 4 * c == 4 * r * r),
    "lattice_points_in_a_rectangle": lambda a, b: sum(
        abs(x) < a and abs(y) < b for x in range(-a, a + 1) for y in range(-b, b + 1)
    ),
    "equidistant_point": lambda c, p, q: [
        t := only(x for x in LONG if (x - p) ** 2 + (c - x - q) ** 2 == x * x + (c - x) ** 2),
        c - t,
    ],
    "distance_to_a_line": line_distance,
    "triangle_in_a_parabola": lambda p: 2 * bisected(lambda t: t * t / p / t - tan(pi / 3), 1e-9, 1e4),
    "reflected_circle": reflected,
    "rotated_about_a_point": lambda a, b, h, k: (h + b - k) + (k - a + h),
    # vectors and complex numbers
    "area_with_the_origin": lambda a, b, c, d, e, f: float(np.linalg.norm(np.cross([a, b, c], [d, e, f]))) / 2,
    "point_of_a_curve": lambda a, b, c, d, t: [t**3 + a, (b * t + c) * t + d],
    "coordinate_from_projection": lambda a, c, u, v, w, n: only(y for y in LONG if a * u + y * v + c * w == n),
    "dot_product": lambda a, b, c, d, e, f: a * d + b * e + c * f,
    "projection_from_dot_product": lambda u, v, w, n: [n * t / (u * u + v * v + w * w) for t in (u, v, w)],
    "line_from_parameters": lambda p, q, u, v: [v / u, q + -p / u * v],
    "plane_through_three_points": plane,
    "twice_reflected": lambda p, q, a, b: [a + a - p, b + b - q],
    "determinant": lambda a, b, c, d, e, f, g, h, i: (
        a * e * i + b * f * g + c * d * h - c * e * g - b * d * i - a * f * h
    ),
    "quarter_turn": lambda a, b: cmath.rect(abs(complex(a, b)), atan2(b, a) + pi / 2),
    "quarter_turn_around_a_point": lambda a, b, c: complex(a, b) + (c - complex(a, b)) * cmath.rect(1, -pi / 2),
    "sum_and_product_of_tangents": lambda a, b: (
        degrees(cmath.phase(1 / (cmath.rect(1, radians(a)) * cmath.rect(1, radians(b))))) % 180
    ),
    "angle_to_a_difference": difference_angle,
    "size_of_a_quotient": lambda i, j: abs(
        (RATIONAL_SIZES[i][0] * (1 + 1j) + RATIONAL_SIZES[i][1])
        / (RATIONAL_SIZES[j][0] * (1 + 1j) + RATIONAL_SIZES[j][1])
    ),
    "size_of_a_power": lambda n: 2 ** (n // 2),
    "largest_real_part": largest_real,
    # polynomials and extrema
    "constant_term": constant_term,
    "sum_of_asymptotes": lambda p, b, c: complex(sum(roots(1, b, c))),
    "horizontal_asymptote": lambda a, b, c, d, e, f, g: a / d,
    "partial_fractions": partial,
    "sum_of_roots_with_reciprocal": lambda p, q, r: complex(sum(roots(p, -q, r, 1))),
    "ends_of_a_quartic": quartic,
    "sum_of_shifted_roots": lambda a, b, k, s: complex(sum(roots(1, -a, b, -k) - s)),
    "sum_of_a_hyperbola": lambda p, q, k, d: (p + q) / 2 + k + d / 2 + sqrt((p - q) ** 2 - d * d) / 2,
    "lengthened_box": lambda k: complex(np.prod(roots(10, -39, 29, -6) + k)),
    "sum_of_squared_roots": lambda a, b, k: complex(sum(roots(a, -b, k) ** 2)),
    "remainder_at_a_root": lambda a, b, k, m, r: a * r**4 - b * r**3 + k * r - m,
    "lowest_of_a_quotient": lambda p, q, r: lowest(lambda t: (t + p) * (t + q) / (t + r), 0, 200),
    "lowest_sum_of_reciprocals": reciprocals,
    "lowest_sum_of_powers": lambda n: lowest(lambda b: (n / b**2) ** 4 + b**8, 0.01, 10),
    "quotient_of_values": lambda h, d, u, v: (
        (u - h - sqrt(d)) * (u - h + sqrt(d)) / ((v - h - sqrt(d)) * (v - h + sqrt(d)))
    ),
    "cube_of_two_roots": lambda p, q: 4 * (p + q),
    "product_with_conjugate": lambda a, d: (a + sqrt(d)) * (a - sqrt(d)),
}
