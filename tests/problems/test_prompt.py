"""The prompt's template: what it puts in, what it leaves alone, and that the profiles ask what they always asked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.params import Params, filled, load_params
from stages.problems.problem import Problem, question
from tests.conftest import CHECKOUT, small_params

BOXED = "Let's think step by step and output the final answer within \\boxed{}."
APPENDED = {  # to every problem, with a space between
    "mini": "",
    "laptop": BOXED,
    "deepscaler": BOXED,
    "smollm2": "Write the calculation with the final answer within \\boxed{}, like 2 + 4 = \\boxed{6}.",
}


PROMPTS = {name: load_params(CHECKOUT / f"profiles/{name}.yaml").task.prompt for name in APPENDED}


@given(text=st.text(max_size=40))
def test_the_profiles_ask_the_problem_and_then_what_the_recipe_appends(text: str) -> None:
    for name, appended in APPENDED.items():
        assert question(problem(text), PROMPTS[name]) == (f"{text} {appended}" if appended else text)


def test_columns_stand_where_they_are_named_and_braces_stay() -> None:
    template = "Use {numbers} to make {target}, as \\boxed{}, \\frac{1}{2} or {{target}}: {problem}"
    made = filled(template, {"problem": "{target} \\boxed{x} {{x}}", "numbers": [3, 5], "target": 8})
    assert made == "Use [3, 5] to make 8, as \\boxed{}, \\frac{1}{2} or {target}: {target} \\boxed{x} {{x}}"


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Think.", "task.prompt: 'Think.' has no {problem}"),
        ("{{problem}}", "task.prompt: '{{problem}}' has no {problem}"),
        ("{problem} {target}", "task.prompt: '{problem} {target}' has {target}, but problems.sources.0 (digit_sums) keeps only"),
        ("{problem} \\boxed{x}", "write {{x}} where that very text is meant"),
    ],
)  # fmt: skip
def test_a_template_that_asks_nothing_or_for_no_column_is_refused(prompt: str, said: str) -> None:
    with pytest.raises(ValueError, match="prompt") as raised:
        Params.model_validate(small_params() | {"task": task(prompt=prompt)})
    assert said.removeprefix("task.prompt: ") in str(raised.value)


def test_a_problem_without_the_column_is_named() -> None:
    with pytest.raises(LadderError, match=r"\{target\}, but own 3 has only problem, numbers; correct the prompt"):
        question(problem("x", columns={"numbers": [1]}), "{problem} {target}")


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        ("maths", "'maths' is no reward; choose math, choice, exact or tasks.MODULE:FUNCTION"),
        ("trl.rewards:accuracy", "put it in tasks/rewards.py, or import it there, and name 'tasks.rewards:accuracy'"),
        ("own:reward", "put it in tasks/own.py, or import it there, and name 'tasks.own:reward'"),
        ("tasks.own", "'tasks.own' is no reward"),
        ("tasks.own:", "'tasks.own:' is no reward"),
    ],
)
def test_another_reward_is_refused(reward: str, said: str) -> None:
    with pytest.raises(ValueError, match="reward") as raised:
        Params.model_validate(small_params() | {"task": task(reward=reward)})
    assert said in str(raised.value)


def problem(text: str, **more: Any) -> Problem:
    return Problem("id", text, ("1",), "own", 3, "", "train", None, None, **more)


def task(**changes: Any) -> dict[str, Any]:
    return small_params()["task"] | changes
