"""A number with its unit or currency, a ratio, a time of day."""

from stages.grading.reader import read_expression
from stages.grading.separators import Tokens
from stages.grading.shapes import Clock, Group, Value
from stages.grading.tokens import Token, Unreadable
from stages.grading.tree import multiply, number
from stages.grading.units import MULTIPLES, quantity
from stages.grading.words import HEDGES

_CURRENCIES = frozenset(["$", "€", "£"])
_SPACED_UNITS = frozenset(["m", "s", "g", "h", "L"])


def read_ratio(parts: list[Tokens]) -> Group:
    """1:2:3, or 8:34 p.m."""
    last = list(parts[-1])
    half = ""
    if last and last[-1].kind == "text":
        half = last.pop().text.lower().replace(".", "").replace(" ", "")
    items = tuple(Value(read_expression(part)) for part in [*parts[:-1], last])
    return Group("ratio", items, _clock([*parts[:-1], last], half))


def _clock(parts: list[Tokens], half: str) -> Clock | None:
    texts = [part[0].text for part in parts if len(part) == 1]
    if len(texts) != len(parts) or not all(text.isdigit() and len(text) == 2 for text in texts[1:]) or len(parts) > 3:
        return None
    if not texts[0].isdigit() or int(texts[0]) > 24:
        return None
    hours, minutes, seconds = (int(text) for text in [*texts, "0"][:3])
    if half in ("am", "pm"):
        hours = hours % 12 + 12 * (half == "pm")
    certain = half in ("am", "pm") or len(parts) == 3 or any(text.startswith("0") for text in texts)
    return Clock(hours * 3600 + minutes * 60 + seconds, certain)


def read_quantity(tokens: list[Token]) -> Value:
    """An expression, with a currency before it or a unit behind it."""
    currencies = [place for place, token in enumerate(tokens) if token.text in _CURRENCIES]
    unit = tokens.pop(currencies[0]).text if currencies in ([0], [1], [len(tokens) - 1]) else ""
    if tokens and tokens[0].kind == "text" and tokens[0].text.lower() in ("usd", "eur"):
        unit = tokens.pop(0).text
    end = _unit_start(tokens)
    if 0 < end < len(tokens):
        unit = _unit(tokens[end:], tokens[:end])
        tokens = tokens[:end]
    first, _, rest = unit.partition(" ")
    if first in MULTIPLES:
        return Value(multiply(read_expression(tokens), number(MULTIPLES[first])), rest)
    return Value(read_expression(tokens), unit)


def _unit_start(tokens: Tokens) -> int:
    r"""Where the words behind an expression begin: 5 \\text{ cm}^2, 10 square units, 5 m, 30 \\text{km}/\\text{h}."""
    start = next((place for place in range(1, len(tokens)) if _is_unit(tokens, place)), len(tokens))
    rest = range(start, len(tokens))
    behind = all(_is_unit(tokens, place) or _is_power(tokens[place]) or _is_per(tokens, place) for place in rest)
    return start if behind else len(tokens)


def _is_unit(tokens: Tokens, place: int) -> bool:
    token, before = tokens[place], tokens[place - 1]
    lone_letter = token.kind == "letter" and token.spaced and token.text in _SPACED_UNITS
    return token.kind == "text" or (lone_letter and before.kind == "number")


def _is_per(tokens: Tokens, place: int) -> bool:
    """The `/` of km/h, or what stands below it."""
    slash, below = (place, place + 1) if tokens[place].text == "/" else (place - 1, place)
    if tokens[slash].text != "/" or below >= len(tokens):
        return False
    return tokens[below].kind == "text" or tokens[below].text in _SPACED_UNITS


def _is_power(token: Token) -> bool:
    return token.text in ("^", "{", "}", "2", "3")


def _unit(tokens: Tokens, expression: Tokens) -> str:
    """The words behind an expression, if they can be a unit."""
    unit = " ".join(token.text for token in tokens if token.text not in ("{", "}")).replace("^ ", "^")
    words = set(unit.lower().split())
    if quantity(unit) is None and not any(token.kind in ("number", "op") for token in expression):
        raise Unreadable  # `no real roots` is no product n o
    if words & HEDGES or any(token.kind == "text" and any(map(str.isdigit, token.text)) for token in tokens):
        raise Unreadable  # 12 or more, 12 (or 13): no quantity
    return unit
