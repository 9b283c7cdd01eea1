"""How often a checkpoint solves each of some problems: the share of right answers among k samples."""

from collections.abc import Sequence

from stages.engines.protocols import Prompt, Sampling
from stages.evaluation.answers import Answerer, OnProgress
from stages.grading import make_grader
from stages.grading.failures import check_failures
from stages.params import Grading, Task
from stages.problems.problem import Problem
from stages.problems.to_grade import to_grade


def pass_rates(
    answerer: Answerer,
    problems: Sequence[Problem],
    prompts: list[Prompt],
    sampling: Sampling,
    key: tuple[str | int, ...],
    grading: Grading,
    task: Task,
    on_progress: OnProgress = lambda done: None,
) -> list[float]:
    """One a problem, in order; a truncated answer is not right."""
    samples = answerer.answers(prompts, sampling, key, on_progress)
    owners = [problem for problem in problems for _ in range(sampling.n)]
    items = [
        to_grade(owner, sample.response, sample.truncated, task.prompt)
        for sample, owner in zip(samples, owners, strict=True)
    ]
    with make_grader(grading, task) as grader:
        grades = grader.grade_batch(items)
    check_failures(grades, task.max_failed_share, "pass rates: stopped")
    rewards = [grade.reward for grade in grades]
    return [sum(rewards[start : start + sampling.n]) / sampling.n for start in range(0, len(rewards), sampling.n)]
