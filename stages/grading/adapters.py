"""Our grader as TRL and verl call a reward: for who wants the grader alone.

TRL (`GRPOTrainer(reward_funcs=accuracy_reward)`) passes completions and the dataset's columns by name, and takes None
for "no reward for this one". verl (`custom_reward_function.path=stages/grading/adapters.py` and
`custom_reward_function.name=compute_score`) passes one solution. Both need this checkout on PYTHONPATH.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.errors import LadderError
from stages.grading.grade import Answer, GradeItem
from stages.grading.grader import grade, grade_together

Completion = str | Sequence[Mapping[str, Any]]


def accuracy_reward(
    completions: Sequence[Completion],
    answer: Sequence[Answer | None] | None = None,
    solution: Sequence[Answer | None] | None = None,
    **columns: object,
) -> list[float | None]:
    """TRL's reward: 1.0 or 0.0 for each completion, None where the dataset has no answer."""
    answers = solution if answer is None else answer
    if answers is None:
        raise LadderError(
            f"accuracy_reward: no column `answer` or `solution` among {sorted(columns)}; rename the dataset's"
        )
    pairs = list(zip(completions, answers, strict=True))
    grades = iter(grade_together([GradeItem(_text(said), known) for said, known in pairs if known is not None]))
    return [None if known is None else float(next(grades).reward) for _, known in pairs]


def _text(completion: Completion) -> str:
    """A completion's text: a plain one, or what the last message of a conversation says."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1].get("content") or "") if completion else ""


def compute_score(
    data_source: str, solution_str: str, ground_truth: Answer, extra_info: object = None, **settings: object
) -> float:
    """verl's reward: 1.0 or 0.0, whatever the data source."""
    return float(grade(solution_str, ground_truth).reward)
