"""A problem as the leak gate reads it: what is compared is worked out once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from stages.problems.normalise import (
    FORMULA_WORDS,
    answer_key,
    formula_tokens,
    has_diagram,
    identity_of,
    is_number,
    number_value,
    numbers,
    readable,
    tokens,
)

FORMULA_GRAM = 4
NUMBER = "#"


class Asked(Protocol):
    """Whatever has a problem's text and its accepted answers."""

    @property
    def id(self) -> str: ...
    @property
    def problem(self) -> str: ...
    @property
    def answers(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Document:
    """`words` are the canonical tokens without diagrams, `masked` the same with every number as one sign."""

    id: str
    identity: str
    words: list[str]
    masked: list[str]
    numbers: Counter[str]
    answers: tuple[str, ...]
    answer_keys: frozenset[str]
    foreign: bool
    number_weight: float
    formulas: frozenset[tuple[str, ...]]
    """Runs of four signs in its formulas."""


def read_document(asked: Asked) -> Document:
    everything = tokens(asked.problem)
    words = tokens(asked.problem, diagrams=False) if has_diagram(asked.problem) else everything
    found = numbers(words)
    return Document(
        id=asked.id,
        identity=identity_of(everything, asked.problem),
        words=words,
        masked=[NUMBER if is_number(word) else word for word in words],
        numbers=found,
        answers=tuple(asked.answers),
        answer_keys=frozenset(key for answer in asked.answers if (key := answer_key(answer))),
        foreign=_is_foreign(words),
        number_weight=sum(number_weight(number) for number in found),
        formulas=frozenset(grams(formula_tokens(words), FORMULA_GRAM)),
    )


def embedded_text(asked: Asked) -> str:
    """What the sentence model reads: the text as it is, but for what no reader sees."""
    return readable(asked.problem)


def grams(words: Sequence[str], size: int) -> set[tuple[str, ...]]:
    return {tuple(words[place : place + size]) for place in range(len(words) - size + 1)}


def same_number(left: str, right: str) -> bool:
    return left == right or number_value(left) == number_value(right)


# How rare a number in a problem's text and how rare an answer is: minus the logarithm of its share, rounded, as counted in
# the training sets of MATH and AIME. A fixed table and no count of the sets at hand: whether a row leaks must not depend on
# what else is in the file.
_COMMON_NUMBERS = {0: 1.0, 1: 0.6, 2: 0.6, 3: 1.0, 100: 2.5, 1000: 3.5}
_NUMBERS_UP_TO = ((10, 1.6), (20, 2.7), (99, 3.5), (999, 5.0))
_ANSWERS_UP_TO = ((5, 3.5), (12, 4.0), (20, 4.5), (99, 5.3), (9_999, 6.5))
RARE = 6.0


def number_weight(number: str) -> float:
    value = Fraction(number)
    if value.denominator != 1:
        return 4.5
    if (known := _COMMON_NUMBERS.get(int(value))) is not None:
        return known
    return next((weight for bound, weight in _NUMBERS_UP_TO if value <= bound), RARE)


def answer_weight(key: str) -> float:
    try:
        value = abs(Fraction(key))
    except (ValueError, ZeroDivisionError):
        bare = key.strip("()")
        if len(bare) == 1:
            return 2.5  # the letter of a choice
        return 3.5 if bare.isalpha() else RARE  # yes, even, a colour; a formula
    if value.denominator != 1:
        return 3.5 if value == Fraction(1, 2) else 4.5 if value.denominator == 2 else 5.0
    if value >= 100 and value % 10 == 0:
        return 5.0
    return next((weight for bound, weight in _ANSWERS_UP_TO if value <= bound), RARE)


_COMMON_ENGLISH = (
    "the of and is in to what find how for that if are let be there which an on by with as from many have has than it each"
    " value all such at when can where two one number compute determine evaluate given suppose solve express simplify"
)
_ENGLISH = frozenset(_COMMON_ENGLISH.split())


_LITTLE_MORE = "a this these those its their they them then so was were will would could calculate"
_LITTLE = _ENGLISH | frozenset(_LITTLE_MORE.split())


def says_little(word: str) -> bool:
    """Whether a problem stays the same with another such word in its place, as a rule: "win a prize", "win the prize"."""
    return word in _LITTLE


def _is_foreign(words: list[str]) -> bool:
    """Written in another language: the sentence model, which learned English, can't place it."""
    prose = [word for word in words if word.isalpha() and len(word) > 1 and word not in FORMULA_WORDS]
    letters = "".join(prose)
    if sum(not letter.isascii() for letter in letters) > 0.3 * len(letters):
        return True
    known = sum(word in _ENGLISH for word in prose)
    return len(prose) >= 4 and known < 2 and known < 0.12 * len(prose)
