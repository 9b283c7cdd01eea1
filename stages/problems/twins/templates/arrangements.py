"""Counting arrangements and selections."""

from sympy import Integer, binomial, factorial, ff, prod

from stages.problems.twins.numerals import word
from stages.problems.twins.template import Template

WORDS = ("ELLIPSE", "ALGEBRA", "DIVISOR", "NUMERAL", "RADICAL", "SQUARES", "INTEGER", "AVERAGE", "POLYGON", "PARABOLA")


def _arrangements(w: int) -> Integer:
    return factorial(len(WORDS[w])) / prod(factorial(WORDS[w].count(letter)) for letter in set(WORDS[w]))


TEMPLATES = [
    Template(
        name="round_table_apart",
        family="counting and probability",
        benchmark="math-500",
        pattern=(
            "In how many ways can $«n»$ people sit around a round table if no two of the $3$ people Pierre,"
            " Rosa, and Thomas can sit next to each other? (Seating arrangements which are rotations of each"
            " other are treated as the same.)"
        ),
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
        pattern=(
            "In how many ways can «n» people sit around a round table if 3 of the people -- Pierre, Rosa, and"
            " Thomas -- all want to sit together?  (Two seatings are considered the same if one is a rotation"
            " of the other.)"
        ),
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
        pattern=(
            "In a class of «n» students, «a» participate in MATHCOUNTS, «b» participate in science club, and"
            " «c» students participate in neither. How many students participate in both MATHCOUNTS and"
            " science club?"
        ),
        values={"n": 50, "a": 28, "b": 21, "c": 6},
        answer="5",
        ranges={"n": range(30, 80), "a": range(12, 50), "b": range(12, 50), "c": range(3, 15)},
        where=lambda n, a, b, c: 2 <= a + b + c - n < min(a, b),
        solver=lambda n, a, b, c: Integer(a + b - (n - c)),
        independent=("«a» participate in MATHCOUNTS", "«b» participate in science club"),
        clauses="story",
    ),
    Template(
        name="outfits",
        family="counting and probability",
        benchmark="math-500",
        pattern=(
            "You have «a» shirts, «b» pairs of pants, and «c» hats.  How many outfits can you make consisting"
            " of one shirt, one pair of pants, and one hat?"
        ),
        values={"a": 5, "b": 6, "c": 8},
        answer="240",
        ranges={"a": range(3, 13), "b": range(3, 13), "c": range(3, 13)},
        solver=lambda a, b, c: Integer(a) * b * c,
        independent=("«a» shirts", "«b» pairs of pants", "«c» hats"),
        clauses="story",
    ),
    Template(
        name="boys_and_girls_chosen",
        family="counting and probability",
        benchmark="math-500",
        pattern=(
            "Mr. Brennan has «b» boys and «g» girls in his statistics class. In how many ways can he pick «p»"
            " boys and «q» girls to give a group presentation tomorrow? (The order in which the boys and"
            " girls are chosen does not matter.)"
        ),
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
        name="two_boys_together",
        family="counting and probability",
        benchmark="math-500",
        pattern=(
            "In how many ways can «g» girls and 2 boys sit in a row if the 2 boys insist on sitting next to each other?"
        ),
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
        pattern=(
            "Mikka wants to order a pizza with two different toppings. He has «n» different toppings to"
            " choose from. How many different pizzas could he order?"
        ),
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
        pattern=(
            "Pat is to select «N» cookies from a tray containing only chocolate chip, oatmeal, and peanut"
            " butter cookies. There are at least «N» of each of these three kinds of cookies on the tray. How"
            " many different assortments of «N» cookies can be selected? (Note that cookies of the same type"
            " are not distinguishable.)"
        ),
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
        pattern=(
            "A Senate committee has «r» Republicans and «d» Democrats.  In how many ways can we form a"
            " subcommittee of «k» members that has at least one member from each party?"
        ),
        values={"r": 8, "d": 6, "k": 5},
        answer="1940",
        ranges={"r": range(5, 11), "d": range(5, 11), "k": range(3, 6)},
        solver=lambda r, d, k: binomial(r + d, k) - binomial(r, k) - binomial(d, k),
        independent=("«r» Republicans", "«d» Democrats"),
        clauses="story",
    ),
    Template(
        name="books_apart",
        family="counting and probability",
        benchmark="math-500",
        pattern=(
            "Suppose that I have $«n»$ different books, $2$ of which are math books. In how many ways can I"
            " stack my $«n»$ books on a shelf if I do not want the math books to be next to each other?"
        ),
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
        pattern=(
            "If no one shares an office, in how many ways can «k» people be assigned to «n» different"
            " offices? (Each person gets exactly one office)."
        ),
        values={"k": 3, "n": 5},
        answer="60",
        ranges={"k": range(2, 6), "n": range(5, 12)},
        where=lambda k, n: k < n,
        solver=lambda k, n: ff(n, k),
        clauses="story",
    ),
]
