"""A response to a problem, as the grader is given it."""

from stages.grading.grade import GradeItem, Row
from stages.problems.problem import Problem, question


def to_grade(problem: Problem, response: str, truncated: bool, template: str) -> GradeItem:
    """`template` is the prompt's, in which the problem was asked."""
    columns = {"problem": problem.problem, **problem.columns}
    row = Row(f"{problem.source} {problem.record}", question(problem, template), columns)
    return GradeItem(response, problem.answers, truncated, row)
