"""Counting and probability."""

from sympy import Integer, Poly, Rational, Symbol, binomial, divisors, factorial, ff, prod

from stages.problems.twins.numerals import word
from stages.problems.twins.template import Template

WORDS = ("ELLIPSE", "ALGEBRA", "DIVISOR", "NUMERAL", "RADICAL", "SQUARES", "INTEGER", "AVERAGE", "POLYGON", "PARABOLA")


def _product_is_multiple(s: int, k: int) -> Rational:
    """For two dice of s sides."""
    return Rational(sum(a * b % k == 0 for a in range(1, s + 1) for b in range(1, s + 1)), s**2)


def _arrangements(w: int) -> Integer:
    return factorial(len(WORDS[w])) / prod(factorial(WORDS[w].count(letter)) for letter in set(WORDS[w]))


def _possible_values(numbers: list[int]) -> list[int]:
    """Every X for which the mean of the numbers and X is one of them: X is a mean's rest, or it is the mean itself."""
    total, size = sum(numbers), len(numbers) + 1
    found = {mean * size - total for mean in numbers}
    if total % (size - 1) == 0:
        found.add(total // (size - 1))
    return sorted(value for value in found if value > 0)


def _passes_total(n: int, t: int) -> int:
    """The chance that n dice, added one by one, make t at some point: m + n of m/n."""
    x = Symbol("x")
    die = Poly(sum(x**face for face in range(1, 7)), x)
    chance = sum(Rational((die**rolls).coeff_monomial(x**t), 6**rolls) for rolls in range(1, n + 1))
    return int(chance.p + chance.q)


def _positive_intervals(n: int) -> int:
    """The sign right of n is +, and it turns at the roots of odd multiplicity."""
    sign, positive = 1, 1
    for root in range(n, 0, -1):
        sign *= (-1) ** root
        positive += sign > 0
    return positive


def _distinct_integer_roots(n: int) -> int:
    """Sets of three integers with the product -n."""
    whole = [sign * divisor for divisor in divisors(n) for sign in (1, -1)]
    return sum(p < q < -n // (p * q) for p in whole for q in whole if n % (p * q) == 0)


def _number_of_roots_of_unity(n: int) -> int:
    z = Symbol("z")
    return int(Poly(z**n - 1, z).sqf_part().degree())


TEMPLATES = [
    Template(
        name="round_table_apart",
        family="counting and probability",
        benchmark="math-500",
        pattern="In how many ways can $«n»$ people sit around a round table if no two of the $3$ people Pierre, Rosa, and Thomas can sit"
        " next to each other? (Seating arrangements which are rotations of each other are treated as the same.)",
        values={"n": 7},
        answer="144",
        ranges={"n": range(6, 14)},
        solver=lambda n: factorial(n - 4) * ff(n - 3, 3),  # the others first, then three of the gaps
        persons={"Pierre": "any", "Rosa": "any", "Thomas": "any"},
        independent=("Pierre", "Rosa", "Thomas"),
        clauses="story",
    ),
    Template(
        name="round_table_together",
        family="counting and probability",
        benchmark="math-500",
        pattern="In how many ways can «n» people sit around a round table if 3 of the people -- Pierre, Rosa, and Thomas -- all want to"
        " sit together?  (Two seatings are considered the same if one is a rotation of the other.)",
        values={"n": 8},
        answer="720",
        ranges={"n": range(6, 14)},
        solver=lambda n: factorial(n - 3) * factorial(3),
        persons={"Pierre": "any", "Rosa": "any", "Thomas": "any"},
        independent=("Pierre", "Rosa", "Thomas"),
        clauses="story",
    ),
    Template(
        name="in_both_clubs",
        family="counting and probability",
        benchmark="math-500",
        pattern="In a class of «n» students, «a» participate in MATHCOUNTS, «b» participate in science club, and «c» students participate"
        " in neither. How many students participate in both MATHCOUNTS and science club?",
        values={"n": 50, "a": 28, "b": 21, "c": 6},
        answer="5",
        ranges={"n": range(30, 80), "a": range(12, 50), "b": range(12, 50), "c": range(3, 15)},
        where=lambda n, a, b, c: 2 <= a + b + c - n < min(a, b),
        solver=lambda n, a, b, c: Integer(a + b - (n - c)),
        independent=("«a» participate in MATHCOUNTS", "«b» participate in science club"),
        clauses="story",
    ),
    Template(
        name="product_of_two_dice",
        family="counting and probability",
        benchmark="math-500",
        pattern="Two fair, «s»-sided dice are thrown.  What is the probability that the product of the two numbers is a multiple of «k»?"
        "  Express your answer as a common fraction.",
        values={"s": 6, "k": 5},
        answer=r"\frac{11}{36}",
        ranges={"s": [4, 6, 8, 10, 12, 20], "k": range(3, 12)},
        where=lambda s, k: k < s,
        solver=_product_is_multiple,
    ),
    Template(
        name="outfits",
        family="counting and probability",
        benchmark="math-500",
        pattern="You have «a» shirts, «b» pairs of pants, and «c» hats.  How many outfits can you make consisting of one shirt, one pair"
        " of pants, and one hat?",
        values={"a": 5, "b": 6, "c": 8},
        answer="240",
        ranges={"a": range(3, 13), "b": range(3, 13), "c": range(3, 13)},
        solver=lambda a, b, c: Integer(a) * b * c,
        independent=("«a» shirts", "«b» pairs of pants", "«c» hats"),
        clauses="story",
    ),
    Template(
        name="islands_with_treasure",
        family="counting and probability",
        benchmark="math-500",
        pattern=r"A pirate searches «N» islands for buried treasure. If each island has a $\frac{1}{«d»}$ chance of having treasure, what"
        " is the probability that exactly «k» of the islands have treasure?",
        values={"n": 7, "d": 5, "k": 4},
        answer=r"\frac{448}{15625}",
        ranges={"n": range(5, 10), "d": range(3, 7), "k": range(2, 8)},
        where=lambda n, d, k: k <= n - 2,
        holes=lambda n, d, k: {"N": word(n)},
        solver=lambda n, d, k: binomial(n, k) * Rational(1, d) ** k * Rational(d - 1, d) ** (n - k),
        clauses="story",
    ),
    Template(
        name="boys_and_girls_chosen",
        family="counting and probability",
        benchmark="math-500",
        pattern="Mr. Brennan has «b» boys and «g» girls in his statistics class. In how many ways can he pick «p» boys and «q» girls to"
        " give a group presentation tomorrow? (The order in which the boys and girls are chosen does not matter.)",
        values={"b": 7, "g": 4, "p": 3, "q": 2},
        answer="210",
        ranges={"b": range(4, 12), "g": range(4, 12), "p": range(2, 6), "q": range(2, 6)},
        where=lambda b, g, p, q: p < b and q < g,
        solver=lambda b, g, p, q: binomial(b, p) * binomial(g, q),
        independent=("«p» boys", "«q» girls"),
        clauses="story",
    ),
    Template(
        name="letters_of_a_word",
        family="counting and probability",
        benchmark="math-500",
        pattern="Determine the number of ways to arrange the letters of the word «word».",
        values={"w": 0},
        answer="1260",
        ranges={"w": range(len(WORDS))},
        holes=lambda w: {"word": WORDS[w]},
        solver=_arrangements,
    ),
    Template(
        name="gaussian_integers_in_a_disc",
        family="counting and probability",
        benchmark="math-500",
        pattern=r"Find the number of ordered pairs $(a,b)$ of integers such that $|a + bi| \le «r».$",
        values={"r": 5},
        answer="81",
        ranges={"r": range(3, 13)},
        solver=lambda r: Integer(sum(a * a + b * b <= r * r for a in range(-r, r + 1) for b in range(-r, r + 1))),
        variables="ab",
    ),
    Template(
        name="divisible_by_one_of_two",
        family="counting and probability",
        benchmark="math-500",
        pattern=r"What is the probability that a randomly selected integer in the set $$\{1,2,3,\ldots,«n»\}$$  is divisible by «p» and not"
        " divisible by «q»? Express your answer as a common fraction.",
        values={"n": 100, "p": 2, "q": 3},
        answer=r"\dfrac{17}{50}",
        ranges={"n": range(50, 301, 10), "p": range(2, 8), "q": range(2, 8)},
        where=lambda n, p, q: p % q != 0 and q != p,
        solver=lambda n, p, q: Rational(sum(t % p == 0 and t % q != 0 for t in range(1, n + 1)), n),
    ),
    Template(
        name="two_boys_together",
        family="counting and probability",
        benchmark="math-500",
        pattern="In how many ways can «g» girls and 2 boys sit in a row if the 2 boys insist on sitting next to each other?",
        values={"g": 6},
        answer=r"10,\!080",
        ranges={"g": range(3, 11)},
        solver=lambda g: 2 * factorial(g + 1),
        clauses="story",
    ),
    Template(
        name="two_toppings",
        family="counting and probability",
        benchmark="math-500",
        pattern="Mikka wants to order a pizza with two different toppings. He has «n» different toppings to choose from. How many different"
        " pizzas could he order?",
        values={"n": 8},
        answer="28",
        ranges={"n": range(5, 25)},
        solver=lambda n: binomial(n, 2),
        persons={"Mikka": "he"},
        clauses="story",
    ),
    Template(
        name="cookies_of_three_kinds",
        family="counting and probability",
        benchmark="math-500",
        pattern="Pat is to select «N» cookies from a tray containing only chocolate chip, oatmeal, and peanut butter cookies. There are at"
        " least «N» of each of these three kinds of cookies on the tray. How many different assortments of «N» cookies can be selected?"
        " (Note that cookies of the same type are not distinguishable.)",
        values={"n": 6},
        answer="28",
        ranges={"n": range(4, 16)},
        holes=lambda n: {"N": word(n)},
        solver=lambda n: binomial(n + 2, 2),
        persons={"Pat": "any"},
        clauses="story",
    ),
    Template(
        name="mixed_subcommittee",
        family="counting and probability",
        benchmark="math-500",
        pattern="A Senate committee has «r» Republicans and «d» Democrats.  In how many ways can we form a subcommittee of «k» members that"
        " has at least one member from each party?",
        values={"r": 8, "d": 6, "k": 5},
        answer="1940",
        ranges={"r": range(5, 11), "d": range(5, 11), "k": range(3, 6)},
        solver=lambda r, d, k: binomial(r + d, k) - binomial(r, k) - binomial(d, k),
        independent=("«r» Republicans", "«d» Democrats"),
        clauses="story",
    ),
    Template(
        name="binomial_coefficient",
        family="counting and probability",
        benchmark="math-500",
        pattern=r"Compute $\dbinom{«n»}{«k»}$.",
        values={"n": 31, "k": 28},
        answer="4495",
        ranges={"n": range(12, 40), "k": range(9, 38)},
        where=lambda n, k: 2 <= n - k <= 4,
        solver=lambda n, k: binomial(n, k),
    ),
    Template(
        name="books_apart",
        family="counting and probability",
        benchmark="math-500",
        pattern="Suppose that I have $«n»$ different books, $2$ of which are math books. In how many ways can I stack my $«n»$ books on a"
        " shelf if I do not want the math books to be next to each other?",
        values={"n": 6},
        answer="480",
        ranges={"n": range(4, 13)},
        solver=lambda n: factorial(n) - 2 * factorial(n - 1),
        clauses="story",
    ),
    Template(
        name="offices",
        family="counting and probability",
        benchmark="math-500",
        pattern="If no one shares an office, in how many ways can «k» people be assigned to «n» different offices? (Each person gets exactly"
        " one office).",
        values={"k": 3, "n": 5},
        answer="60",
        ranges={"k": range(2, 6), "n": range(5, 12)},
        where=lambda k, n: k < n,
        solver=lambda k, n: ff(n, k),
        clauses="story",
    ),
    Template(
        name="possible_values_in_a_data_set",
        family="counting and probability",
        benchmark="amc-2023",
        pattern="A data set consists of $6$ (not distinct) positive integers: $«a»$, $«b»$, $«c»$, $«d»$, $«e»$, and $X$. The average"
        " (arithmetic mean) of the $6$ numbers equals a value in the data set. What is the sum of all possible values of $X$?",
        values={"a": 1, "b": 7, "c": 5, "d": 2, "e": 5},
        answer="36",
        ranges={name: range(1, 13) for name in "abcde"},
        where=lambda a, b, c, d, e: len({a, b, c, d, e}) == 4 and len(_possible_values([a, b, c, d, e])) >= 2,
        solver=lambda a, b, c, d, e: sum(_possible_values([a, b, c, d, e])),
        variables="X",
        independent=("$«a»$", "$«b»$", "$«c»$", "$«d»$", "$«e»$"),
    ),
    Template(
        name="running_total",
        family="counting and probability",
        benchmark="amc-2023",
        pattern="Janet rolls a standard $6$-sided die $«n»$ times and keeps a running total of the numbers she rolls. What is the probability"
        r" that at some point, her running total will equal $«t»$? The final answer can be written in the form $\frac{m}{n}$, where $m$"
        " and $n$ are relatively prime positive integers. What is $m+n$?",
        values={"n": 4, "t": 3},
        answer="265",
        ranges={"n": range(3, 7), "t": range(2, 8)},
        solver=_passes_total,
        persons={"Janet": "she"},
        clauses="story",
    ),
    Template(
        name="positive_intervals",
        family="counting and probability",
        benchmark="amc-2023",
        pattern="When the roots of the polynomial \n"
        r"\[P(x)  = (x-1)^1 (x-2)^2 (x-3)^3 \cdot \cdot \cdot (x-«n»)«^n»\]"
        "\nare removed from the number line, what remains is the union of $«i»$ disjoint open intervals. On how many of these intervals is"
        " $P(x)$ positive?",
        values={"n": 10},
        answer="6",
        ranges={"n": range(6, 40)},
        holes=lambda n: {"i": n + 1},
        solver=_positive_intervals,
        variables="x",
    ),
    Template(
        name="sets_as_large_as_their_minimum",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=r"How many nonempty subsets $B$ of ${0, 1, 2, 3, \cdots, «n»}$ have the property that the number of elements in $B$ is equal"
        " to the least element of $B$? For example, $B = {4, 6, 8, 11}$ satisfies the condition.",
        values={"n": 12},
        answer="144",
        ranges={"n": range(11, 21)},
        solver=lambda n: sum(binomial(n - least, least - 1) for least in range(1, n + 1)),
        variables="B",
    ),
    Template(
        name="polynomials_with_two_integer_roots",
        family="counting and probability",
        benchmark="amc-2023",
        pattern="For how many values of the constant $k$ will the polynomial $x^{2}+kx+«n»$ have two distinct integer roots?",
        values={"n": 36},
        answer="8",
        ranges={"n": range(12, 200)},
        where=lambda n: len(divisors(n)) >= 5,
        solver=lambda n: len({p + q for p in divisors(n) for q in divisors(n) if p * q == n and p != q}) * 2,
        variables="kx",
    ),
    Template(
        name="polynomials_with_three_integer_roots",
        family="counting and probability",
        benchmark="amc-2023",
        pattern="For how many ordered pairs $(a,b)$ of integers does the polynomial $x^3+ax^2+bx+«n»$ have $3$ distinct integer roots?",
        values={"n": 6},
        answer="5",
        ranges={"n": range(6, 61)},
        where=lambda n: len(divisors(n)) >= 4,
        solver=_distinct_integer_roots,
        variables="abx",
    ),
    Template(
        name="conjugate_powers",
        family="counting and probability",
        benchmark="amc-2023",
        pattern=r"How many complex numbers satisfy the equation $z«^n»=\overline{z}$, where $\overline{z}$ is the conjugate of the complex"
        " number $z$?",
        values={"n": 5},
        answer="7",
        ranges={"n": range(3, 13)},
        solver=lambda n: 1 + _number_of_roots_of_unity(n + 1),  # 0, and where |z| = 1 the roots of z^(n+1) = 1
        variables="z",
    ),
    Template(
        name="two_socks",
        family="counting and probability",
        benchmark=None,
        pattern="A drawer contains «a» black socks, «b» white socks and «c» gray socks. Two socks are taken out at random without"
        " replacement. What is the probability that they have the same color? Express your answer as a common fraction.",
        values={"a": 6, "b": 4, "c": 2},
        answer=r"\frac{1}{3}",
        ranges={"a": range(2, 11), "b": range(2, 11), "c": range(2, 11)},
        solver=lambda a, b, c: Rational(sum(binomial(t, 2) for t in (a, b, c)), binomial(a + b + c, 2)),
        independent=("«a» black socks", "«b» white socks"),
        clauses="story",
    ),
    Template(
        name="paths_through_a_corner",
        family="counting and probability",
        benchmark=None,
        pattern="A robot moves from $(0,0)$ to $(«a»,«b»)$ in steps of one unit, each to the right or upwards. In how many ways can it do so"
        " if it must pass through $(«p»,«q»)$?",
        values={"a": 6, "b": 5, "p": 3, "q": 2},
        answer="200",
        ranges={"a": range(4, 9), "b": range(4, 9), "p": range(1, 7), "q": range(1, 7)},
        where=lambda a, b, p, q: p < a and q < b,
        solver=lambda a, b, p, q: binomial(p + q, p) * binomial(a + b - p - q, a - p),
    ),
]
