"""What an alignment says of two texts that are the same but for a number, its spelling, a word or the answer."""

import pytest

from stages.problems.document import read_document
from stages.problems.ngrams import Relation, align, relation
from stages.problems.rows import Row
from tests.problems.planted import PLANTS

COIN = (
    "A bent coin shows heads with probability {}, and it is flipped until heads has come up as often as tails. Find the"
    " probability that this has happened after {} flips."
)
BALLS = "A bag holds {} red and {} blue balls, and two of them are drawn at random. Find the chance that their colours differ."
RAFFLE = (
    "Ten people take part in a raffle, and three of them win a prize. Ann and Bob are two of these people. What is the"
    " probability that both of them win a prize?"
)
PUPILS = "There are {} pupils in a class, and each of them sends a card to every other one. How many cards are sent?"


def related(train: str, benchmark: str, same_answer: bool | None) -> Relation | None:
    left, right = (read_document(Row(text, text, ())) for text in (train, benchmark))
    return relation(left, right, align(left, right), same_answer)


@pytest.mark.parametrize("same_answer", [True, None, False])
@pytest.mark.parametrize(
    ("spelled", "text"),
    [
        ((r"$\frac{1}{2}$", "six"), COIN.format("$0.5$", "6")),
        ((r"$\frac{3}{4}$", "$0.5$"), COIN.format("$0.75$", r"$\frac{1}{2}$")),
        (("$0.5$", "two hundred"), COIN.format(r"$\frac{1}{2}$", "$200$")),
        ((r"$\frac{2}{4}$", "$6$"), COIN.format(r"$\frac{1}{2}$", "$6$")),
    ],
)
def test_another_spelling_of_a_number_is_no_other_number(
    spelled: tuple[str, str], text: str, same_answer: bool | None
) -> None:
    for train, benchmark in ((COIN.format(*spelled), text), (text, COIN.format(*spelled))):
        assert related(train, benchmark, same_answer) in ("copy", "near")
        for other in ("0.4", r"\frac{1}{3}"):  # even where the answer stays
            assert related(COIN.format(other, "$6$"), benchmark, same_answer) == "variant"


def test_a_number_in_words() -> None:
    assert related(PUPILS.format("twenty-one"), PUPILS.format("21"), True) == "copy"
    assert related(PUPILS.format("twenty-one"), PUPILS.format("20"), True) == "variant"


def test_a_number_that_moved_with_its_clause_is_no_other_number() -> None:
    text = (
        "A train of length $120$ metres crosses a bridge of length $480$ metres. From the moment its front enters the bridge to"
        " the moment its end leaves it, $30$ seconds pass. Find its speed in metres a second."
    )
    moved = text.replace("A train of length $120$ metres crosses", "A train crosses").replace(
        " Find its speed", " The length of the train is $120$ metres. Find its speed"
    )
    assert related(moved, text, True) == "near"
    assert related(moved.replace("120", "110"), text, True) is None


@pytest.mark.parametrize(("same_answer", "kind"), [(True, "near"), (None, "variant"), (False, "variant")])
def test_of_numbers_in_another_order_the_answer_decides(same_answer: bool | None, kind: Relation) -> None:
    assert related(BALLS.format(3, 5), BALLS.format(5, 3), same_answer) == kind
    assert related(BALLS.format(3, 5), BALLS.format(3, 6), same_answer) == "variant"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("win a prize?", "win the prize?"),
        ("What is", "Determine"),
        ("What is the probability that both", "Calculate the probability that then both"),
    ],
)
def test_a_copy_with_a_wrong_answer_is_near(before: str, after: str) -> None:
    assert before in RAFFLE
    for train, benchmark in ((RAFFLE.replace(before, after), RAFFLE), (RAFFLE, RAFFLE.replace(before, after))):
        assert related(train, benchmark, False) == "near"


ASKED = (
    "The real numbers $r$ and $s$ are the two roots of $x^2-7x+3=0$, and $r>s$. A line through the point $(r,s)$ has slope $-1$"
    " and meets the axes in $P$ and $Q$. Find the sum of the lengths $OP$ and $OQ$, if they are at least $1$."
)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (RAFFLE, "three", "four"),
        (RAFFLE, "both", "exactly one"),  # a number more
        (RAFFLE, "both of them win a prize", "none of the tallest is a winner"),
        (RAFFLE, "prize?", "car?"),
        (ASKED, "sum", "product"),
        (ASKED, "sum", "value"),  # a word of the trade in the place of one that tells
        (ASKED, "-7x", "+7x"),
        (ASKED, "r>s", "r<s"),
        (ASKED, "OP", "PQ"),
        (ASKED, "at least", "at most"),
    ],
)
def test_one_word_may_make_another_problem_of_a_long_text(text: str, before: str, after: str) -> None:
    assert before in text
    for train, benchmark in ((text.replace(before, after), text), (text, text.replace(before, after))):
        assert related(train, benchmark, False) == "variant"


def test_a_number_less_is_another_problem() -> None:
    assert related(RAFFLE.replace("two of these people", "these people"), RAFFLE, False) == "variant"


def test_many_words_that_tell_little_tell_something() -> None:
    text = "How many of the arrangements of all the letters of the word BANANA begin and end with the same letter?"
    asked = text.replace(
        "How many of the arrangements of all the letters", "What number of these arrangements of the letters"
    )
    assert related(asked, text, False) == "variant" and related(asked, text, True) == "near"


def test_a_word_as_an_object_of_the_problem() -> None:
    text = "How many of the arrangements of all the letters of the word {} begin and end with the same letter?"
    assert related(text.format("BANANA"), text.format("BANDANA"), False) == "variant"
    assert related(text.format("BANANA"), text.format("BANANA").replace("all the", "all of the"), False) == "near"


def test_no_opening_and_no_variant_is_taken_for_a_copy() -> None:
    planted = [(form, plant.problem) for plant in PLANTS for form in (plant.opening, plant.variant) if form]
    assert len(planted) >= 50
    assert not [text for (text, _), benchmark in planted if related(text, benchmark, False) in ("copy", "near")]
