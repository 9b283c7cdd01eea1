"""Problems and answers of two checkpoints, graded by the real grader."""

from collections.abc import Sequence

from stages.evaluation.examination import Examination, examination_of
from stages.evaluation.grade import grade_samples
from stages.evaluation.graded import Graded
from stages.params import Grading, Task
from stages.problems.problem import Problem
from stages.problems.sample import Sample

GRADING = Grading(require_closed_thinking=True, timeout_s=2.0)
TASK = Task(prompt="{problem}", reward="math", max_failed_share=0.05)
FULL = 20


def problem(id: str, answer: str = "2", source: str = "sums", rating: float | None = 3, **more: object) -> Problem:
    known: dict[str, object] = {"year": None, "twin_of": None, "change": None} | more
    return Problem(id, f"Text of {id}", (answer,), source, 1, "", "heldout", rating, **known)  # type: ignore[arg-type]


def sample(problem_id: str, index: int, answer: str | None, tokens: int = 5, greedy: bool = False) -> Sample:
    """What ends in a box with `answer`; without a box for None, cut at the full context where it has all its tokens."""
    said = "</think>I do not know" if answer is None else f"</think>\\boxed{{{answer}}}"
    return Sample(problem_id, index, greedy, said, tokens, truncated=tokens >= FULL)


def samples(answers: dict[str, Sequence[str | None]], tokens: int = 5) -> list[Sample]:
    return [sample(id, index, one, tokens) for id, given in answers.items() for index, one in enumerate(given)]


def graded(answers: dict[str, Sequence[str | None]], problems: Sequence[Problem]) -> list[Graded]:
    return grade_samples(samples(answers), problems, GRADING, TASK)


def examined(answers: dict[str, Sequence[str | None]], problems: Sequence[Problem]) -> Examination:
    return examination_of(graded(answers, problems), problems, FULL)
