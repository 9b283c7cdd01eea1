"""Samples become graded answers: the grader decides each, and which of a problem's are the same."""

from collections.abc import Sequence

from stages.errors import LadderError
from stages.evaluation.classes import answer_classes
from stages.evaluation.graded import Graded
from stages.grading import Grade, make_grader
from stages.grading.failures import check_failures
from stages.params import Grading, Task
from stages.problems.problem import Problem
from stages.problems.sample import Sample
from stages.problems.to_grade import to_grade


def grade_samples(samples: Sequence[Sample], problems: Sequence[Problem], grading: Grading, task: Task) -> list[Graded]:
    """The graded samples, one benchmark's problem after another.

    Raises LadderError for samples of other problems, and where the reward function fails on too many.
    """
    held_out = {problem.id for problem in problems}
    answers: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.problem_id not in held_out:
            raise LadderError(
                f"samples: problem {sample.problem_id} is not held out; `dvc repro` makes samples of the right problems"
            )
        answers.setdefault(sample.problem_id, []).append(sample)
    # A problem that two benchmarks have is sampled once, and graded by the answer of each.
    asked = [(problem, answers.get(problem.id, [])) for problem in problems]
    items = [to_grade(problem, one.response, one.truncated, task.prompt) for problem, given in asked for one in given]
    with make_grader(grading, task) as grader:
        grades = grader.grade_batch(items)
    check_failures(grades, task.max_failed_share, "examination: stopped")
    each = iter(grades)
    return [row for problem, given in asked for row in _graded(problem, given, [next(each) for _ in given])]


def _graded(problem: Problem, samples: Sequence[Sample], grades: Sequence[Grade]) -> list[Graded]:
    return [
        Graded(
            problem_id=problem.id,
            benchmark=problem.source,
            index=sample.index,
            greedy=sample.greedy,
            tokens=sample.tokens,
            truncated=sample.truncated,
            reward=grade.reward,
            why=grade.why,
            extracted=grade.extracted,
            answer_class=answer_class,
            response=sample.response,
        )
        for sample, grade, answer_class in zip(samples, grades, answer_classes(grades), strict=True)
    ]
