"""The templates: a file for a subject, or for the part of one."""

from stages.problems.twins.template import Template
from stages.problems.twins.templates import (
    algebra_counts,
    arrangements,
    complex_numbers,
    coordinates,
    divisors,
    equations,
    extrema,
    figures,
    functions,
    integers,
    polynomials,
    probability,
    rates,
    residues,
    stories,
    vectors,
)

SYMBOLIC: list[Template] = [
    *equations.TEMPLATES,
    *functions.TEMPLATES,
    *stories.TEMPLATES,
    *rates.TEMPLATES,
    *divisors.TEMPLATES,
    *residues.TEMPLATES,
    *integers.TEMPLATES,
    *arrangements.TEMPLATES,
    *algebra_counts.TEMPLATES,
    *probability.TEMPLATES,
    *figures.TEMPLATES,
    *coordinates.TEMPLATES,
    *vectors.TEMPLATES,
    *complex_numbers.TEMPLATES,
    *polynomials.TEMPLATES,
    *extrema.TEMPLATES,
]
