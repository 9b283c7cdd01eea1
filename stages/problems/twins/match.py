"""The template of a problem that somebody has at hand."""

import re

from stages.problems import digit_sums
from stages.problems.problem import problem_id
from stages.problems.twins.template import Template
from stages.problems.twins.templates import SYMBOLIC
from stages.problems.twins.templates.digit_sums import OPERANDS, template_of

_DIGIT_SUM = re.compile(rf"[0-9](?:\+[0-9]){{{OPERANDS[0] - 1},{OPERANDS[-1] - 1}}}=")


def template_for(text: str) -> Template | None:
    """The one whose original is this problem; any of the miniature's sums has one."""
    if _DIGIT_SUM.fullmatch(text.strip()):
        return template_of(digit_sums.digits_of(text.strip()), f"digit_sum {text.strip()}")
    wanted = problem_id(text)
    return next((template for template in SYMBOLIC if problem_id(template.original) == wanted), None)
