"""Whether a known answer can be read as mathematics, a choice or a word: what can't is graded by its spelling alone."""

import re

from stages.grading.answers import read_answers
from stages.grading.normalise import normalise
from stages.grading.tokens import Unreadable
from stages.grading.tree import TooLarge
from stages.grading.verdict import MAX_ANSWER_CHARACTERS
from stages.grading.words import formula, plain, read_choice, unwrapped

# What stands in an answer's column where there is none.
_NO_ANSWERS = re.compile(
    r"(n/?a|none|null|nan|unknown|unanswered|no (answer|solution given)|not (given|available|applicable)|proof( omitted)?|"
    r"see (the )?(above|below|solution|proof|figure)|answers? (may )?var(y|ies)|omitted|todo|tbd|[?.\-_*]+|\\ldots)",
    re.IGNORECASE,
)


def is_no_answer(text: str) -> bool:
    """Whether `text` says that there is no answer. ("No solution" is one.)"""
    return _NO_ANSWERS.fullmatch(plain(normalise(formula(text))).strip(" .!$") or text.strip()) is not None


def is_readable(text: str) -> bool:
    """Whether the grader understands `text`; where it doesn't, only the same characters would be right."""
    if not 0 < len(text) <= MAX_ANSWER_CHARACTERS:
        return False
    normal = normalise(formula(text))
    if read_choice(plain(normal)):
        return True
    try:
        return bool(read_answers(unwrapped(normal)))
    except (Unreadable, TooLarge):
        return False
