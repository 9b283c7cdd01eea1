"""What a model answered to a problem, as `sample` writes it and `evaluate` reads it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer. `tokens` counts the response's, its end token included; `truncated`: cut by the context limit."""

    problem_id: str
    index: int
    greedy: bool
    response: str
    tokens: int
    truncated: bool
