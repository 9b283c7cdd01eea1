r"""An answer read from text: separators, relations and brackets first, then the expressions between them.

From the outside in: `;`, then "and"/"or", then commas, then relation signs, then set operations, then one
bracketed group, matrix, ratio, quantity or expression.
"""

from collections.abc import Sequence
from fractions import Fraction

from stages.grading.matrices import read_matrix
from stages.grading.reader import read_expression
from stages.grading.shapes import Claimed, Clock, Group, Named, Relation, SetOf, Shape, Special, Value, Words
from stages.grading.tokens import Token, Unreadable, tokenise
from stages.grading.tree import Node, TooLarge, number, symbols
from stages.grading.words import NUMBER_WORDS, SET_PHRASES, plain

MAX_NESTING = 8
_SIGNS = frozenset(["=", "<", "<=", ">", ">=", "!=", "in"])
_SPECIALS = frozenset(["empty", "reals", "integers", "naturals", "rationals", "complexes"])
_KINDS = {"()": "()", "[]": "[]", "[)": "[)", "(]": "(]", "<(>)": "()", "set(set)": "set", "{}": "list"}
_SPACED_UNITS = frozenset("m s g h L".split())
_NAME_OPERATORS = frozenset(["_", "frac", "|", ":", "/", "'", ",", "*", "overline"])

Tokens = Sequence[Token]


def read_answers(text: str) -> list[Shape]:
    """The readings of a normalised text, the likeliest first: 1,234 is a number, or else a list of two."""
    words = plain(text)
    if words.lower() in SET_PHRASES:
        return [Special(SET_PHRASES[words.lower()])]
    tokens = tokenise(text)
    if len(words) > 2 and len(tokens) == len(words) and words.isalpha():
        return [Words(words)]  # a word, of letters in this order
    merged = _merge_thousands(tokens)
    readings = [_read(merged, 0)]
    if merged != tokens and any(token.text == "," for token in tokens):
        readings.append(_read(tokens, 0))
    if len(tokens) == 3 and tokens[1].text == "," and _is_decimal_comma(tokens[0], tokens[2]):
        readings.append(Value(number(Fraction(f"{tokens[0].text}.{tokens[2].text}"))))
    return readings


def _is_decimal_comma(whole: Token, rest: Token) -> bool:
    """1000,99 and 0,111 can be decimals; 1,234 is a thousand and 1,2 a list."""
    digits = whole.text.isdigit() and rest.text.isdigit() and not rest.spaced
    return digits and len(rest.text) > 1 and (len(rest.text) != 3 or whole.text == "0") and len(rest.text) < 20


def _merge_thousands(tokens: list[Token]) -> list[Token]:
    """1,234 and 1 234 as one number, outside of brackets that would make the first a pair."""
    merged: list[Token] = []
    depth = 0
    running = False  # the last token is a number that may go on with three more digits
    for token in tokens:
        depth += (token.text in ("(", "[", "set(")) - (token.text in (")", "]", "set)"))
        three = token.kind == "number" and len(token.text.partition(".")[0]) == 3 and "e" not in token.text.lower()
        if three and running and token.spaced and merged[-1].kind == "number":
            merged[-1] = Token("number", merged[-1].text + token.text, merged[-1].spaced)
        elif three and running and not token.spaced and merged[-1].text == "," and not merged[-1].spaced and not depth:
            merged.pop()
            merged[-1] = Token("number", merged[-1].text + token.text, merged[-1].spaced)
        else:
            if token.text != "," or not merged or merged[-1].kind != "number":
                running = (
                    token.kind == "number" and token.text.isdigit() and len(token.text) <= 3 and token.text[0] != "0"
                )
            merged.append(token)
            continue
        running = token.text.isdigit()
    return merged


def split(tokens: Tokens, separators: frozenset[str]) -> list[Tokens]:
    """The parts between separators that stand outside of brackets."""
    parts: list[Tokens] = []
    depth = start = 0
    for place, token in enumerate(tokens):
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.kind == "op" and token.text in separators:
            parts.append(tokens[start:place])
            start = place + 1
    parts.append(tokens[start:])
    return parts


def _read(tokens: Tokens, depth: int) -> Shape:
    """Everything: parts between semicolons, connectives and commas."""
    if depth > MAX_NESTING:
        raise TooLarge
    parts = [part for part in split(tokens, frozenset([";"])) if part]
    if len(parts) > 1:
        return Group("list", tuple(_as_tuple(_read_connected(part, depth)) for part in parts))
    return _read_connected(tokens, depth)


def _as_tuple(shape: Shape) -> Shape:
    return Group("()", shape.items) if isinstance(shape, Group) and shape.kind == "list" else shape


def _read_connected(tokens: Tokens, depth: int) -> Shape:
    parts = [_read_commas(part, depth) for part in split(tokens, frozenset(["and", "or"])) if part]
    if not parts:
        raise Unreadable
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, Relation) and part.signs[0] != "=" for part in parts):
        joined = "cap" if any(token.text == "and" for token in tokens) else "cup"
        return SetOf(joined, tuple(parts))
    if all(isinstance(part, Group) and part.kind == "list" and _is_solution(part) for part in parts):
        return Group("list", tuple(_as_tuple(part) for part in parts))
    return _collected([item for part in parts for item in _items(part)])


def _is_solution(group: Group) -> bool:
    """x = 1, y = 2: one value for each of several names."""
    names = [item.name for item in group.items if isinstance(item, Named)]
    return len(names) == len(group.items) == len(set(names))


def _items(shape: Shape) -> tuple[Shape, ...]:
    return shape.items if isinstance(shape, Group) and shape.kind == "list" else (shape,)


def _read_commas(tokens: Tokens, depth: int) -> Shape:
    parts = [part for part in split(tokens, frozenset([","])) if part]
    if len(parts) <= 1:
        return read_statement(parts[0] if parts else tokens, depth)
    return _collected([read_statement(part, depth) for part in parts])


def _collected(items: list[Shape]) -> Shape:
    """A list; all of one name (x = 1, x = 2; or x = 1, 2) is that name's list."""
    first = items[0]
    if isinstance(first, Named) and all(not isinstance(item, Named) or item.name == first.name for item in items):
        if not any(isinstance(item, Relation) for item in items):
            values = (item.value if isinstance(item, Named) else item for item in items)
            return Named(first.name, Group("list", tuple(values)), first.left)
    return Group("list", tuple(inner for item in items for inner in _items(item)))


def read_statement(tokens: Tokens, depth: int = 0) -> Shape:
    """A relation, or what has no relation sign."""
    exact, *approximate = split(tokens, frozenset(["~"]))
    if approximate:
        tokens = approximate[0] if not exact or _is_name(exact) else exact
        if exact and _is_name(exact):
            return Named(_name(exact), read_statement(tokens, depth), None)
    sides = split(tokens, _SIGNS)
    if len(sides) == 1:
        return _read_sets(tokens, depth)
    if any(not side for side in sides):
        raise Unreadable
    signs = [token.text for token in _signs(tokens)]
    if signs[-1] == "in":
        if len(sides) != 2:
            raise Unreadable
        return Named(_name(sides[0]), _read_sets(sides[1], depth), None)
    if all(sign == "=" for sign in signs):
        return _read_equation(sides, depth)
    return Relation(tuple(read_expression(side) for side in sides), tuple(signs))


def _signs(tokens: Tokens) -> list[Token]:
    depth, signs = 0, []
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.kind == "op" and token.text in _SIGNS:
            signs.append(token)
    return signs


def _read_equation(sides: list[Tokens], depth: int) -> Shape:
    if not _is_name(sides[0]) and len(sides) == 2 and _is_name(sides[1]):
        sides = [sides[1], sides[0]]
    if _is_name(sides[0]):
        shapes = tuple(_read_sets(side, depth) for side in sides[1:])
        value = shapes[0] if len(shapes) == 1 else Claimed(shapes[-1], shapes)
        return Named(_name(sides[0]), value, _expression_or_none(sides[0]))
    shapes = tuple(_read_sets(side, depth) for side in sides)
    nodes = [shape.node for shape in shapes if isinstance(shape, Value)]
    if len(nodes) == len(shapes) and any(symbols(node) for node in nodes):
        return Relation(tuple(nodes), ("=",) * (len(nodes) - 1))
    return Claimed(shapes[-1], shapes)


def _is_name(tokens: Tokens) -> bool:
    """x, f(x), AB, |AB|, S_1, S_1:S_2, (x, y), Area: letters, and digits in a subscript or an argument alone."""
    depth = 0
    named = False
    for place, token in enumerate(tokens):
        depth += (token.kind == "open") - (token.kind == "close")
        named = named or token.kind in ("letter", "text")
        if token.kind == "number" and not (depth and named) and (not place or tokens[place - 1].text != "_"):
            return False
        if token.kind == "func" or (token.kind == "op" and token.text not in _NAME_OPERATORS and not depth):
            return False
    return named


def _name(tokens: Tokens) -> str:
    return "".join(token.text for token in tokens if token.text not in ("{", "}"))


def _expression_or_none(tokens: Tokens) -> Node | None:
    try:
        return read_expression(tokens)
    except Unreadable:
        return None


def _read_sets(tokens: Tokens, depth: int) -> Shape:
    """Sets joined by operations, or one shape; with a plus-minus, both of its values."""
    if any(token.text in ("pm", "mp") for token in tokens if token.kind == "op"):
        upper = [_resolved(token, {"pm": "+", "mp": "-"}) for token in tokens]
        lower = [_resolved(token, {"pm": "-", "mp": "+"}) for token in tokens]
        both = (_read_sets(upper, depth), _read_sets(lower, depth))
        if isinstance(both[0], Group) and isinstance(both[1], Group) and both[0].kind in ("set", "list"):
            return Group(
                both[0].kind, both[0].items + tuple(item for item in both[1].items if item not in both[0].items)
            )
        return Group("list", both)
    for operation in ("cup", "minus", "cap"):
        parts = split(tokens, frozenset([operation]))
        if len(parts) > 1:
            return SetOf(operation, tuple(_read_sets(part, depth) for part in parts))
    if len(tokens) > 1 and tokens[0].text == "reals" and tokens[1].text == "-":
        return SetOf("minus", (Special("reals"), _read_sets(tokens[2:], depth)))
    return _read_shape(tokens, depth)


def _resolved(token: Token, meaning: dict[str, str]) -> Token:
    return Token("op", meaning[token.text], token.spaced) if token.text in meaning and token.kind == "op" else token


def _read_shape(tokens: Tokens, depth: int) -> Shape:
    if not tokens:
        raise Unreadable
    if len(tokens) == 1 and tokens[0].text in _SPECIALS and tokens[0].kind == "op":
        return Special(tokens[0].text)
    if any(token.kind == "open" and token.text.endswith(("matrix", "array", "cases")) for token in tokens):
        return read_matrix(tokens, lambda inner: read_statement(inner, depth + 1))
    if tokens[0].kind == "open" and _closing(tokens) == len(tokens) - 1:
        shape = _read_group(tokens, depth)
        if shape is not None:
            return shape
    ratio = split(tokens, frozenset([":"]))
    if len(ratio) > 1:
        return _read_ratio(ratio, depth)
    if all(token.kind == "text" for token in tokens):
        text = " ".join(token.text for token in tokens)
        value = NUMBER_WORDS.get(text.lower())
        return Words(text) if value is None else Value(number(value))
    return _read_quantity(list(tokens))


def _closing(tokens: Tokens) -> int:
    """The place of the bracket that closes the first one."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0:
            return place
    raise Unreadable


def _read_group(tokens: Tokens, depth: int) -> Shape | None:
    """What stands in one pair of brackets; None where it is a plain expression in parentheses."""
    brackets = tokens[0].text + tokens[-1].text
    inner = tokens[1:-1]
    if brackets not in _KINDS:
        return None
    kind = _KINDS[brackets]
    if kind == "list":
        return None if any(token.text in ("over", "choose") for token in inner) else _read(inner, depth + 1)
    if kind == "set":
        return _read_set(inner, depth)
    parts = split(inner, frozenset([",", ";"]))
    if len(parts) > 1:
        return Group(kind, tuple(read_statement(part, depth + 1) for part in parts))
    return _read(inner, depth + 1) if brackets == "()" and not _is_plain(inner) else None


def _is_plain(tokens: Tokens) -> bool:
    return not any(token.kind in ("open", "text") or token.text in _SIGNS for token in tokens)


def _read_set(inner: Tokens, depth: int) -> Shape:
    if not inner:
        return Special("empty")
    for bar in ("|", ":"):
        parts = split(inner, frozenset([bar]))
        if len(parts) == 2 and parts[0] and _is_name(split(parts[0], frozenset(["in"]))[0]):
            return _read_connected(parts[1], depth + 1)
    items = (read_statement(part, depth + 1) for part in split(inner, frozenset([",", ";"])) if part)
    return Group("set", tuple(value for item in items for value in _items(item)))


def _read_ratio(parts: list[Tokens], depth: int) -> Shape:
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


def _read_quantity(tokens: list[Token]) -> Value:
    """An expression, with a currency before it or a unit behind it."""
    unit = ""
    if tokens[0].text == "-" and len(tokens) > 1 and tokens[1].text == "$":
        tokens = [tokens[0], *tokens[2:]]
        unit = "$"
    elif tokens[0].text == "$" or tokens[-1].text == "$":
        tokens = tokens[1:] if tokens[0].text == "$" else tokens[:-1]
        unit = "$"
    end = _unit_start(tokens)
    if 0 < end < len(tokens):
        unit = _unit(tokens[end:])
        tokens = tokens[:end]
    return Value(read_expression(tokens), unit)


def _unit_start(tokens: Tokens) -> int:
    """Where the words behind an expression begin: 5 \\text{ cm}^2, 10 square units, 5 m."""
    end = len(tokens)
    while (
        end and tokens[end - 1].text == "}" and end > 3 and tokens[end - 3].text == "{" and tokens[end - 4].text == "^"
    ):
        end -= 4
        if not end or not _is_unit(tokens, end - 1):
            return len(tokens)
    if end > 2 and tokens[end - 2].text == "^" and _is_unit(tokens, end - 3):
        end -= 2
    if end == len(tokens) or _is_unit(tokens, end - 1):
        while end and _is_unit(tokens, end - 1):
            end -= 1
    return end


def _is_unit(tokens: Tokens, place: int) -> bool:
    token = tokens[place]
    if token.kind == "text":
        return True
    before = tokens[place - 1] if place else None
    return (
        token.kind == "letter"
        and token.spaced
        and token.text in _SPACED_UNITS
        and before is not None
        and before.kind == "number"
    )


def _unit(tokens: Tokens) -> str:
    return " ".join(token.text for token in tokens if token.text not in ("{", "}")).replace("^ ", "^")
