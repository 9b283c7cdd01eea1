"""How an examination's problems were asked: what an answer and its grade depend on, besides who answers."""

from typing import Any

from stages.params import Params


def asked_with(params: Params) -> dict[str, Any]:
    """The settings, as the reports record them."""
    evaluation = params.evaluation.model_dump(
        include={"max_response_tokens", "samples_per_problem", "temperature", "top_p", "greedy"}
    )
    return evaluation | {
        "prompt": params.task.prompt,
        "reward": params.task.reward,
        "grading": params.grading.model_dump(),
    }


def asked_how(params: Params) -> str:
    """The same, as the reports' pages say it."""
    settings = params.evaluation
    return (
        f"Every problem was answered {settings.samples_per_problem} times, of at most {settings.max_response_tokens} "
        f"tokens, at temperature {settings.temperature:g} and top_p {settings.top_p:g}."
    )
