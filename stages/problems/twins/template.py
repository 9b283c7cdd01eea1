"""A problem with holes: what it says for other numbers, and what the answer is then.

In the spirit of GSM-Symbolic (arXiv 2410.05229) and MATH-Perturb (arXiv 2502.06453). The pattern with the original's values in
its holes is the original's text to the letter, so that a twin is matched to its benchmark problem by `problem_id`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import sympy

from stages.errors import LadderError

Values = Mapping[str, int]
Family = Literal[
    "algebra", "number theory", "counting and probability", "geometry", "precalculus", "intermediate algebra", "digit sums"
]  # fmt: skip
Benchmark = Literal["math-500", "aime-2024", "amc-2023"]
Person = Literal["she", "he", "any"]
"""Which pronoun the text uses; `any` where it uses none."""

MAX_DRAWS = 20_000
_HOLE = re.compile(r"«(?P<form>\+ ?|\^)?(?P<name>\w+)(?:\|(?P<unit>[^»]+))?»")


def _always(**values: int) -> bool:
    return True


def _nothing(**values: int) -> Mapping[str, int | str]:
    return {}


@dataclass(frozen=True, slots=True)
class Template:
    """Holes of `pattern`: «n» is a value, «+n» and «+ n» have its sign before it, «n|x» is a coefficient of x (no 1x), «^n» an
    exponent. `holes` computes the ones that are no values (a word, a difference). `ranges` and `where` keep the problem
    well-posed and about as hard. `solver` works out the answer from the values, in SymPy or by trying all cases.
    """

    name: str
    family: Family
    benchmark: Benchmark | None
    """Whose problem the original is; None for one of our own."""
    pattern: str
    values: Values
    """The original's."""
    answer: str
    """The original's, as published."""
    ranges: Mapping[str, Sequence[int]]
    solver: Callable[..., object]
    where: Callable[..., bool] = _always
    holes: Callable[..., Mapping[str, int | str]] = _nothing
    variables: str = ""
    """Letters of the formulas that may be called otherwise: the answer has none of them."""
    persons: Mapping[str, Person] = field(default_factory=dict)
    independent: tuple[str, ...] = ()
    """Parts of the pattern whose order says nothing; each stands there once."""
    clauses: Literal["formula", "story"] | None = "formula"
    """Which pool an irrelevant sentence comes from; None where the reader knows no sentences."""
    rating: float | None = None

    @property
    def original(self) -> str:
        return self.text(self.values)

    def draw(self, random: np.random.Generator) -> dict[str, int]:
        """Values for which the problem is well-posed. Raises LadderError where the ranges hardly have any."""
        for _ in range(MAX_DRAWS):
            values = {name: range_[int(random.integers(len(range_)))] for name, range_ in self.ranges.items()}
            if self.where(**values):
                return values
        raise LadderError(f"template {self.name!r}: no values of {MAX_DRAWS} draws are well-posed; widen its ranges")

    def text(self, values: Values) -> str:
        return self.filled(self.pattern, values)

    def filled(self, pattern: str, values: Values) -> str:
        """`pattern` (this one's, or one in another order) with `values` in its holes."""
        contents = {**values, **self.holes(**values)}
        return _HOLE.sub(lambda hole: _written(contents[hole["name"]], hole["form"], hole["unit"]), pattern)

    def solve(self, values: Values) -> str:
        return answer_text(self.solver(**values))


def answer_text(answer: object) -> str:
    """LaTeX as the grader reads it: a tuple is a point, a list several answers, a string stands as it is."""
    match answer:
        case str():
            return answer
        case tuple():
            return f"({','.join(map(answer_text, answer))})"
        case list():
            return ", ".join(map(answer_text, answer))
        case _:
            return str(sympy.latex(answer, mat_str="pmatrix", mat_delim=""))


def _written(content: int | str, form: str | None, unit: str | None) -> str:
    if isinstance(content, str):
        return content
    if form == "^":
        return f"^{content}" if 0 <= content < 10 else f"^{{{content}}}"
    size = abs(content) if form else content
    number = {1: unit, -1: f"-{unit}"}.get(size, f"{size}{unit}") if unit else str(size)
    return f"{form.replace('+', '-') if content < 0 else form}{number}" if form else str(number)
