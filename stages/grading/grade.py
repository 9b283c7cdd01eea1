"""Grade a response: extract its final answer, and decide whether it equals the known one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from stages.grading.extract import MAX_ANSWER_CHARACTERS, after_thinking, last_boxed
from stages.grading.rational import normalise, read_rational

Answer = str | int | float | Sequence[str | int | float]
Why = Literal["correct", "wrong", "no_answer", "unclosed_thinking", "truncated", "timeout", "too_large"]


@dataclass(frozen=True, slots=True)
class Grade:
    """`reward` is 1 or 0, `extracted` the response's final answer as it is written, `why` the reason of the reward."""

    reward: int
    extracted: str | None
    why: Why


@dataclass(frozen=True, slots=True)
class GradeItem:
    response: str
    answer: Answer
    truncated: bool = False


def grade(response: str, answer: Answer, *, truncated: bool = False, require_closed_thinking: bool = False) -> Grade:
    """The grade of one response. A truncated response earns nothing, whatever it has said so far."""
    if truncated:
        return Grade(0, None, "truncated")
    said = after_thinking(response)
    if said is None and require_closed_thinking:
        return Grade(0, None, "unclosed_thinking")
    extracted = last_boxed(response if said is None else said)
    if not extracted:
        return Grade(0, None, "no_answer")
    if len(extracted) > MAX_ANSWER_CHARACTERS:
        return Grade(0, None, "too_large")
    accepted = [answer] if isinstance(answer, str | int | float) else answer
    right = any(_equal(str(one), extracted) for one in accepted)
    return Grade(int(right), extracted, "correct" if right else "wrong")


def _equal(answer: str, extracted: str) -> bool:
    answer, extracted = normalise(answer), normalise(extracted)
    if answer == extracted:
        return True
    number = read_rational(answer)
    return number is not None and number == read_rational(extracted)


class Grader:
    """Grades batches; open for as long as a rung lasts."""

    def __init__(self, timeout_s: float, require_closed_thinking: bool) -> None:
        self._timeout_s = timeout_s
        self._require_closed_thinking = require_closed_thinking

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def grade_batch(self, items: Sequence[GradeItem]) -> list[Grade]:
        """The grades of `items`, in order."""
        return [
            grade(
                item.response,
                item.answer,
                truncated=item.truncated,
                require_closed_thinking=self._require_closed_thinking,
            )
            for item in items
        ]
