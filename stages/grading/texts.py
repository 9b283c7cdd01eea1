r"""Answers that are compared as texts: `choice`, the letter of an option, and `exact`, the very characters.

`choice`: the letter in the last ``\boxed{}`` after the thinking; where there is none, the letter after the last "answer is" (or
"answer:"). The letters are A to H, bare, as ``(C)``, ``C.`` or with the option's text, ``\text{(C) 12}``; a known answer is read
alike. `exact`: what stands in that box, or in the last line that is not empty, without the spaces around it.
"""

import re
from collections.abc import Sequence
from typing import Literal, Self

from stages.grading.extract import last_boxed
from stages.grading.grade import Grade, GradeItem, accepted_answers, grade_of_response
from stages.grading.normalise import normalise
from stages.grading.words import formula, plain, read_choice

# Possessive: what a model writes may be nothing but blanks, and is read once.
_SAID = re.compile(
    r"\banswer(?:\s+is\s*+:?|\s*+[*_]*+:)[\s*_$(\\{]*+(?:text\w*\{)?\(?([A-H])(?![A-Za-z'])", re.IGNORECASE
)


def letter_of(text: str) -> str | None:
    """The letter of the option that `text` is, in upper case; None where it is none."""
    if len(text) == 1 and text.upper() in "ABCDEFGH":
        return text.upper()
    choice = read_choice(plain(normalise(formula(text))))
    return choice.letter if choice else None


def chosen(said: str) -> str | None:
    """The letter that a response ends on; what stands in its box where that is none."""
    boxed = last_boxed(said)
    if boxed is not None:
        return letter_of(boxed) or boxed
    letters = [match[1] for match in _SAID.finditer(said) if match[1].isupper()]
    return letters[-1] if letters else None


def final_text(said: str) -> str | None:
    """What a response ends on: its last box, or its last line."""
    boxed = last_boxed(said)
    if boxed is not None:
        return boxed
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else None


class TextGrader:
    """Grades by equal texts; needs no worker."""

    def __init__(self, kind: Literal["choice", "exact"], require_closed_thinking: bool) -> None:
        self._kind = kind
        self._require_closed_thinking = require_closed_thinking

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    def grade_batch(self, items: Sequence[GradeItem]) -> list[Grade]:
        """The grades of `items`, in order."""
        return [self._grade(item) for item in items]

    def _grade(self, item: GradeItem) -> Grade:
        grade = grade_of_response(item, self._require_closed_thinking, chosen if self._kind == "choice" else final_text)
        known = accepted_answers(item.answer)
        if self._kind == "choice":
            known = [letter for one in known if (letter := letter_of(one))]
        return Grade(1, grade.extracted, "correct") if grade.why == "wrong" and grade.extracted in known else grade
