"""The templates, a file for each subject."""

from stages.problems.twins.template import Template
from stages.problems.twins.templates import (
    algebra,
    counting,
    geometry,
    intermediate_algebra,
    number_theory,
    precalculus,
    stories,
)

SYMBOLIC: list[Template] = [
    *algebra.TEMPLATES,
    *stories.TEMPLATES,
    *number_theory.TEMPLATES,
    *counting.TEMPLATES,
    *geometry.TEMPLATES,
    *precalculus.TEMPLATES,
    *intermediate_algebra.TEMPLATES,
]
