"""Changes of an original's words that keep its meaning and so its answer: other names, another order, an irrelevant sentence.

Each gives None where the template has nothing to change.
"""

import re
from string import ascii_lowercase, ascii_uppercase

import numpy as np

from stages.problems.twins.template import Person, Template

NAMES: dict[Person, tuple[str, ...]] = {
    "she": ("Amara", "Ingrid", "Leila", "Olga", "Priya", "Yuki"),
    "he": ("Anders", "Diego", "Farid", "Hiro", "Kwame", "Pavel"),
}
NAMES["any"] = NAMES["she"] + NAMES["he"]

# True, and of no use to any problem; with numbers, since those distract (GSM-NoOp in arXiv 2410.05229).
CLAUSES = {
    "formula": (
        "The sign $=$ was first printed in $1557$.",
        "Leonhard Euler was born in $1707$.",
        "Carl Friedrich Gauss was born in $1777$.",
        "Emmy Noether published a famous theorem in $1918$.",
        "The first Fields Medals were awarded in $1936$.",
    ),
    "story": (
        "The house next door has $14$ windows.",
        "A bus with $23$ passengers has just gone by.",
        "It is $17$ degrees outside.",
        "The clock in the street stopped at $9$ minutes past noon.",
        "This year has $52$ Sundays.",
    ),
}

_FORMULA = re.compile(r"\$\$.*?\$\$|(?<!\\)\$(?:\\.|[^$\\])*\$|\\\[.*?\\\]", re.DOTALL)
# A letter of a formula that is no part of a command or of words in it.
_IN_FORMULA = re.compile(
    r"\\(?:begin|end|text|textit|mathbf|mathrm|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+|(?P<letter>[A-Za-z])"
)
_TAKEN = frozenset("defghijloOI")  # they mean something (a function, i), or look like digits
MAX_SHUFFLES = 50


def renamed(template: Template, random: np.random.Generator) -> str | None:
    """Other letters for its variables, other names for its persons."""
    text = template.original
    letters = _new_letters(template.variables, letters_of_formulas(text), random)
    names = _new_names(template, random)
    if not letters and not names:
        return None
    text = _FORMULA.sub(lambda formula: _with_letters(formula[0], letters), text)
    return re.sub(r"\b(" + "|".join(names) + r")\b", lambda name: names[name[0]], text) if names else text


def reordered(template: Template, random: np.random.Generator) -> str | None:
    """Its independent parts in another order; None also where every order reads the same."""
    parts = template.independent
    for _ in range(MAX_SHUFFLES if len(parts) > 1 else 0):
        order = dict(zip(parts, (parts[place] for place in random.permutation(len(parts))), strict=True))
        pattern = _exchanged(template.pattern, order)
        text = template.filled(pattern, template.values)
        if text != template.original:
            return text
    return None


def _exchanged(pattern: str, order: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, order)), lambda part: order[part[0]], pattern)


def with_clause(template: Template, random: np.random.Generator) -> str | None:
    """An irrelevant sentence before it."""
    if template.clauses is None:
        return None
    clauses = CLAUSES[template.clauses]
    return f"{clauses[int(random.integers(len(clauses)))]} {template.original}"


def letters_of_formulas(text: str) -> set[str]:
    formulas = _FORMULA.findall(text)
    return {found["letter"] for formula in formulas for found in _IN_FORMULA.finditer(formula) if found["letter"]}


def _new_letters(variables: str, used: set[str], random: np.random.Generator) -> dict[str, str]:
    """A capital for a capital, none that the text has."""
    new: dict[str, str] = {}
    for alphabet in (ascii_lowercase, ascii_uppercase):
        old = [letter for letter in variables if letter in alphabet]
        pool = [letter for letter in alphabet if letter not in used | _TAKEN]
        new |= dict(zip(old, map(str, random.permutation(pool)[: len(old)]), strict=True))
    return new


def _new_names(template: Template, random: np.random.Generator) -> dict[str, str]:
    new: dict[str, str] = {}
    for name, person in template.persons.items():
        pool = [other for other in NAMES[person] if other not in new.values() and other not in template.original]
        new[name] = pool[int(random.integers(len(pool)))]
    return new


def _with_letters(formula: str, letters: dict[str, str]) -> str:
    return _IN_FORMULA.sub(lambda found: letters.get(found["letter"] or "", found[0]), formula)
