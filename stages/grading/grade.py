"""What a grade is, and what the response alone says of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stages.errors import LadderError
from stages.grading.extract import after_thinking, last_boxed, listed_boxes
from stages.grading.verdict import MAX_ANSWER_CHARACTERS

Answer = str | int | float | Sequence[str | int | float]
Why = Literal[
    "correct", "wrong", "no_answer", "unclosed_thinking", "truncated", "timeout", "too_large", "reward_raised", "reward_died"
]  # fmt: skip
FAILURES: tuple[Why, ...] = (
    "reward_raised",
    "reward_died",
    "timeout",
    "too_large",
)  # no answer's fault, or not for sure


@dataclass(frozen=True, slots=True)
class Grade:
    """`reward` is 1 or 0, `extracted` the response's final answer as it is written, `why` the reason of the reward.

    `note` is a line on how a reward function failed; None where it did not.
    """

    reward: int
    extracted: str | None
    why: Why
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What a reward function is given with a completion, and where that stands: `place` names it, ``SOURCE RECORD``."""

    place: str
    prompt: str
    columns: Mapping[str, Any]


NOWHERE = Row("", "", {})


@dataclass(frozen=True, slots=True)
class GradeItem:
    response: str
    answer: Answer
    truncated: bool = False
    row: Row = NOWHERE


def accepted_answers(answer: Answer) -> list[str]:
    """The accepted answers as texts; of a known answer that stands in a box, what is in it."""
    many = answer if isinstance(answer, Sequence) and not isinstance(answer, str | bytes) else [answer]
    texts = []
    for one in many:
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise LadderError(
                f"answer: {one!r} is of type {type(one).__name__}; give a string, a number or a list of them"
            )
        text = one.strip() if isinstance(one, str) else _number_text(one)
        boxed = listed_boxes(text) if "\\boxed" in text else text
        if boxed:
            texts.append(boxed)
    return texts


def _number_text(value: int | float) -> str:
    """142.0 is 142."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else repr(value)


def grade_of_response(
    item: GradeItem, require_closed_thinking: bool, final_answer: Callable[[str], str | None] = last_boxed
) -> Grade:
    """What the response alone decides; else `wrong`, until an accepted answer says better.

    `final_answer` finds it in what follows the thinking.
    """
    if item.truncated:
        return Grade(0, None, "truncated")
    said = after_thinking(item.response, require_closed_thinking)
    if said is None:
        return Grade(0, None, "unclosed_thinking")
    extracted = final_answer(said)
    if not extracted:
        return Grade(0, None, "no_answer")
    if len(extracted) > MAX_ANSWER_CHARACTERS:
        return Grade(0, extracted[:MAX_ANSWER_CHARACTERS], "too_large")
    return Grade(0, extracted, "wrong")
