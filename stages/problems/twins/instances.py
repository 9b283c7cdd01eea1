"""The twins of a template: the original, the same problem with other numbers, and with other words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.errors import LadderError
from stages.problems.twins.changes import renamed, reordered, with_clause
from stages.problems.twins.template import Template
from stages.randomness import rng

Kind = Literal["original", "numbers", "renamed", "reordered", "clause"]
MAX_TWIN_DRAWS = 300

_CHANGES: dict[Kind, Callable[[Template, np.random.Generator], str | None]] = {
    "renamed": renamed,
    "reordered": reordered,
    "clause": with_clause,
}


@dataclass(frozen=True, slots=True)
class Twin:
    """`template` is the name of the template; a twin with other words has the original's answer as published."""

    template: str
    kind: Kind
    problem: str
    answer: str


def twins(template: Template, count: int, seed: int) -> list[Twin]:
    """The original, `count` twins with other numbers and one for each change of words that the template allows.

    Raises LadderError where the template hasn't as many.
    """
    made = [Twin(template.name, "original", template.original, template.answer), *_number_twins(template, count, seed)]
    for kind, change in _CHANGES.items():
        text = change(template, rng(seed, "twins", template.name, kind))
        if text is not None:
            made.append(Twin(template.name, kind, text, template.answer))
    return made


def _number_twins(template: Template, count: int, seed: int) -> list[Twin]:
    """Distinct texts, none with the original's answer: who remembers that one is never right.

    More of them never change the first ones.
    """
    random = rng(seed, "twins", template.name, "numbers")
    known = template.solve(template.values)
    found: dict[str, str] = {}
    for _ in range(MAX_TWIN_DRAWS):
        values = template.draw(random)
        text = template.text(values)
        if text not in found and (answer := template.solve(values)) != known:
            found[text] = answer
            if len(found) == count:
                return [Twin(template.name, "numbers", text, answer) for text, answer in found.items()]
    raise LadderError(
        f"template {template.name!r} has {len(found)} twins of the {count} wanted; ask for fewer per_template"
    )
