"""How often a checkpoint solves each of some problems: the share of right answers among k samples."""

from collections.abc import Sequence

from stages.engines.protocols import Prompt, Sampling
from stages.evaluation.answers import Answerer, OnProgress
from stages.grading import GradeItem, Grader
from stages.params import Grading
from stages.problems.problem import Problem


def pass_rates(
    answerer: Answerer,
    problems: Sequence[Problem],
    prompts: list[Prompt],
    sampling: Sampling,
    key: tuple[str | int, ...],
    grading: Grading,
    on_progress: OnProgress = lambda done: None,
) -> list[float]:
    """One a problem, in order; a truncated answer is not right."""
    samples = answerer.answers(prompts, sampling, key, on_progress)
    owners = [problem for problem in problems for _ in range(sampling.n)]
    items = [
        GradeItem(sample.response, owner.answers, sample.truncated)
        for sample, owner in zip(samples, owners, strict=True)
    ]
    with Grader(grading.timeout_s, grading.require_closed_thinking) as grader:
        rewards = [grade.reward for grade in grader.grade_batch(items)]
    return [sum(rewards[start : start + sampling.n]) / sampling.n for start in range(0, len(rewards), sampling.n)]
