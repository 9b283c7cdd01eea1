r"""Answers that are rational numbers, read exactly: integers, decimals, ``\frac{a}{b}``, a/b, thousands separators."""

import re
from fractions import Fraction

MAX_DIGITS = 1_000  # a longer literal is no answer to a problem, and costs quadratic time to convert

_DECORATION = re.compile(r"\\left|\\right|\\!|\\,|\\;|\\:|\\ |~|\$|\s+")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_LATEX_FRACTION = re.compile(r"([+-]?)\\[dtc]?frac\{([^{}]+)\}\{([^{}]+)\}")
_LATEX_DIGITS_FRACTION = re.compile(r"([+-]?)\\[dtc]?frac(\d)(\d)")


def normalise(text: str) -> str:
    """The answer without what does not change it: spaces, dollar signs, sizing commands, a unit in ``\\text``."""
    text = text.replace("−", "-").replace("{,}", ",").strip().rstrip(".")
    return _DECORATION.sub("", text)


def read_rational(text: str) -> Fraction | None:
    """The number that a normalised `text` spells; None where it is not plainly one."""
    if len(text) > MAX_DIGITS:
        return None
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if _NUMBER.fullmatch(text):
        return Fraction(text)
    match = _LATEX_FRACTION.fullmatch(text) or _LATEX_DIGITS_FRACTION.fullmatch(text)
    if match:
        return _quotient(match[2], match[3], negative=match[1] == "-")
    above, slash, below = text.partition("/")
    return _quotient(above, below, negative=False) if slash else None


def _quotient(above: str, below: str, negative: bool) -> Fraction | None:
    if not _NUMBER.fullmatch(above) or not _NUMBER.fullmatch(below):
        return None
    divisor = Fraction(below)
    if divisor == 0:
        return None
    return (-1 if negative else 1) * Fraction(above) / divisor
