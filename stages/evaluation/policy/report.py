"""A policy's figures as those of a checkpoint, in the same rows, beside the rungs'."""

from collections.abc import Sequence
from typing import Any

from stages.evaluation.examination import examination_of
from stages.evaluation.figures import rounded
from stages.evaluation.grade import grade_samples
from stages.evaluation.graded import Graded
from stages.evaluation.intervals import Resampling
from stages.evaluation.policy.kept import Answer
from stages.evaluation.policy.questions import Question
from stages.evaluation.report import Row, report
from stages.params import Params
from stages.problems.problem import Problem
from stages.problems.sample import Sample


def graded_answers(
    questions: Sequence[Question], answers: Sequence[Answer], problems: Sequence[Problem], params: Params
) -> list[Graded]:
    samples = [
        Sample(asked.problem_id, asked.index, asked.greedy, said.text, said.tokens, said.truncated)
        for asked, said in zip(questions, answers, strict=True)
    ]
    return grade_samples(samples, problems, params.grading, params.task)


def policy_report(
    model: str, url: str, graded: Sequence[Graded], problems: Sequence[Problem], params: Params
) -> dict[str, list[Row]]:
    """The sections of stages/evaluation/report.py for one model at one context, the full one."""
    settings = params.evaluation
    context = settings.max_response_tokens
    examination = examination_of(graded, problems, context)
    ks = [k for k in settings.at_k if k <= examination.sampled.samples]
    resampling = Resampling(params.seed, settings.bootstrap_draws, settings.confidence)
    made = report({model: examination}, {model: context}, ks, resampling, [], params.base.training_cutoff)
    made["rows"] = [row | {"source": url} for row in made["rows"] if row["at"] == "full"]
    found: dict[str, list[Row]] = rounded(made)
    return found


def beside(policy: dict[str, list[Row]], evaluation: Any) -> dict[str, list[Row]]:
    """The policy's sections after those of `evaluation`, what reports/evaluation.json holds; None where there is no such file."""
    rungs = evaluation if isinstance(evaluation, dict) else {}
    return {name: [*rungs.get(name, []), *rows] for name, rows in policy.items()}
