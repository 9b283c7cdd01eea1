"""A task tried before anything is spent on it: what made-up answers to a few problems earn."""

from collections.abc import Sequence
from dataclasses import dataclass

from stages.errors import LadderError
from stages.grading import Grade, make_grader
from stages.grading.extract import THINKING_END
from stages.params import Params
from stages.problems.problem import Problem, question
from stages.problems.to_grade import to_grade
from stages.terminal import printable

FEW = 3  # problems of a source that are answered
KNOWN, EMPTY, WRONG = "the known answer", "an empty one", "a wrong one"


@dataclass(frozen=True, slots=True)
class Tried:
    """A made-up answer (`KNOWN`, `EMPTY` or `WRONG`) to the problem at `place`, and its grade."""

    place: str
    prompt: str
    answer: str
    grade: Grade


def graded_answers(problems: Sequence[Problem], params: Params) -> list[Tried]:
    """Made-up answers to `problems`, graded. Raises LadderError where the reward is none, or fails on all of a source's."""
    closing = THINKING_END if params.grading.require_closed_thinking else ""
    given = [
        (problem, answer, response)
        for problem in problems
        for answer, response in (
            *((KNOWN, f"{closing}\\boxed{{{one}}}") for one in problem.answers[:1]),
            (EMPTY, closing),
            (WRONG, f"{closing}\\boxed{{no answer}}"),
        )
    ]
    template = params.task.prompt
    patient = params.task.model_copy(update={"max_failed_share": 1.0})
    items = [to_grade(problem, response, False, template) for problem, _, response in given]
    first = sum(problem is problems[0] for problem, _, _ in given)  # alone: who hangs on them is not asked all
    with make_grader(params.grading, patient, workers=1) as grader:
        grades: list[Grade] = []
        for some in (items[:first], items[first:]):
            grades += grader.grade_batch(some)
            for source in dict.fromkeys(problem.source for problem in problems):
                of_source = [
                    grade for (problem, _, _), grade in zip(given, grades, strict=False) if problem.source == source
                ]
                if of_source and all(grade.note is not None for grade in of_source):
                    raise LadderError(
                        f"params.yaml: task.reward: {params.task.reward!r} fails on every made-up answer to {source} "
                        f"({of_source[0].why}), first on {of_source[0].note}; mend it"
                    )
    return [
        Tried(f"{problem.source} {problem.record}", question(problem, template), answer, grade)
        for (problem, answer, _), grade in zip(given, grades, strict=True)
    ]


def table(tried: Sequence[Tried]) -> str:
    """As a terminal shows it."""
    rows = [("row", "answer", "reward", "why")]
    rows += [(one.place, one.answer, str(one.grade.reward), one.grade.note or one.grade.why) for one in tried]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        printable("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
        for row in rows
    )
