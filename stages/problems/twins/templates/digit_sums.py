"""The miniature's problems: sums of digits modulo 10, with other digits or in another order."""

from sympy import Integer

from stages.problems import digit_sums
from stages.problems.twins.template import Template
from stages.randomness import rng

OPERANDS = range(3, 9)
ORIGINALS = 10
"""Sums of each length. They depend on no seed: other seeds have other twins of the same ones."""


def _template(operands: int, number: int) -> Template:
    digits = digit_sums.draw(operands, rng("twins", "digit_sums", operands, number))
    names = [f"d{place}" for place in range(operands)]
    return Template(
        name=f"digit_sum_{operands}_{number}",
        family="digit sums",
        benchmark=None,
        pattern="+".join(f"«{name}»" for name in names) + "=",
        values=dict(zip(names, digits, strict=True)),
        answer=str(digit_sums.answer(digits)),
        ranges={name: range(10) for name in names},
        solver=lambda **values: Integer(sum(values.values())) % 10,
        independent=tuple(f"«{name}»" for name in names),
        clauses=None,
        rating=float(operands),
    )


TEMPLATES = [_template(operands, number) for operands in OPERANDS for number in range(1, ORIGINALS + 1)]
