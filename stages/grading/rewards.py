"""The rewards that a task can name, as one protocol: a batch of responses in, their grades out, in order."""

from collections.abc import Sequence
from typing import Literal, Protocol, Self, cast

from stages.grading.function import FunctionGrader
from stages.grading.grade import Grade, GradeItem
from stages.grading.grader import DEFAULT_WORKERS, Grader
from stages.grading.texts import TextGrader
from stages.params import Grading, Task


class BatchGrader(Protocol):
    """Open for as long as it is used: it may keep worker processes."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def grade_batch(self, items: Sequence[GradeItem]) -> list[Grade]: ...


def make_grader(grading: Grading, task: Task, workers: int = DEFAULT_WORKERS, parts: int = 1) -> BatchGrader:
    """The grader of the reward that `task` names, for one of as many `parts` of the answers to be judged together.

    What is refused of a function is said when it is first asked.
    """
    if task.reward == "math":
        return Grader(grading.timeout_s, grading.require_closed_thinking, workers)
    if task.is_function:
        closed, share = grading.require_closed_thinking, task.max_failed_share
        return FunctionGrader(task.reward, grading.timeout_s, closed, share, workers, parts)
    return TextGrader(cast(Literal["choice", "exact"], task.reward), grading.require_closed_thinking)
