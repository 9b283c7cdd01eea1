"""What the model is asked, and what earns its reward."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from stages.params.section import Section, Share

BUILT_IN = ("math", "choice", "exact")
OWN_CODE = "tasks"  # the folder of this checkout that a reward's code lies in: a dependency of every stage that grades
REWARD_ARGUMENTS = ("completions", "prompts", "problem", "answer")  # what every reward function is given
_OWN = re.compile(rf"{OWN_CODE}(\.[A-Za-z_]\w*)+:[A-Za-z_]\w*")
_FUNCTION = re.compile(r"([A-Za-z_][\w.]*\.)?([A-Za-z_]\w*):([A-Za-z_]\w*)")
_PLACE = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")


class Task(Section):
    """The same task for training and examination."""

    prompt: str
    """What is asked: `{problem}` stands for the problem's text, `{name}` for what it has in a column that its source keeps
    (`columns.extra`). `{{name}}` is the text `{name}` itself; any other brace stands for itself, as in `\\boxed{}`."""
    reward: str
    """`math` (the grader's equality), `choice` (the letter), `exact` (the same text), or `tasks.MODULE:FUNCTION`, a function of
    this checkout called as TRL calls a reward: see stages/grading/function.py."""
    max_failed_share: Share
    """A step, or an examination, is stopped where a larger share of its answers made the reward function fail (raise, hang, die).
    Like a guard it changes no byte of what goes through."""

    @field_validator("prompt")
    @classmethod
    def _asks_the_problem(cls, prompt: str) -> str:
        if "problem" not in columns_in(prompt):
            raise ValueError(f"{prompt!r} has no {{problem}}, so every problem would be asked alike; put it in")
        return prompt

    @field_validator("reward")
    @classmethod
    def _is_a_reward(cls, reward: str) -> str:
        if reward in BUILT_IN or _OWN.fullmatch(reward):
            return reward
        known = f"{', '.join(BUILT_IN)} or {OWN_CODE}.MODULE:FUNCTION"
        if named := _FUNCTION.fullmatch(reward):
            module, function = named[2], named[3]
            raise ValueError(
                f"{reward!r} lies outside of {OWN_CODE}/, so that its bytes would be no part of the experiment; put it in "
                f"{OWN_CODE}/{module}.py, or import it there, and name {f'{OWN_CODE}.{module}:{function}'!r}"
            )
        raise ValueError(f"{reward!r} is no reward; choose {known}")

    @property
    def is_function(self) -> bool:
        """Whether the reward is a function of the user's."""
        return self.reward not in BUILT_IN


def columns_in(template: str) -> list[str]:
    """The columns that a prompt's template names, in order, each once."""
    return list(dict.fromkeys(place[2] for place in _PLACE.finditer(template) if place[2]))


def filled(template: str, row: Mapping[str, Any]) -> str:
    """`template` with the columns of `row` in their places; what is no text is written as JSON. Raises KeyError.

    What is put in is not looked at again: braces in a problem's text stay.
    """

    def put(place: re.Match[str]) -> str:
        if place[1]:
            return f"{{{place[1]}}}"
        value = row[place[2]]
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return _PLACE.sub(put, template)
