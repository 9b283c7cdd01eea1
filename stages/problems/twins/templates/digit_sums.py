"""The miniature's problems: sums of digits modulo 10, with other digits or in another order."""

from collections.abc import Sequence

from sympy import Integer

from stages.problems import digit_sums
from stages.problems.twins.template import Template
from stages.randomness import rng

OPERANDS = range(3, 9)
ORIGINALS = 10
"""Sums of each length. They depend on no seed: other seeds have other twins of the same ones."""


def template_of(digits: Sequence[int], name: str) -> Template:
    """The template whose original is the sum of `digits`."""
    names = [f"d{place}" for place in range(len(digits))]
    return Template(
        name=name,
        family="digit sums",
        benchmark=None,
        pattern="+".join(f"«{name}»" for name in names) + "=",
        values=dict(zip(names, digits, strict=True)),
        answer=str(digit_sums.answer(list(digits))),
        ranges={name: range(10) for name in names},
        solver=lambda **values: Integer(sum(values.values())) % 10,
        independent=tuple(f"«{name}»" for name in names),
        clauses=None,
        rating=float(len(digits)),
    )


TEMPLATES = [
    template_of(
        digit_sums.draw(operands, rng("twins", "digit_sums", operands, number)), f"digit_sum_{operands}_{number}"
    )
    for operands in OPERANDS
    for number in range(1, ORIGINALS + 1)
]
