r"""An answer read from text: separators, relations and brackets first, then the expressions between them.

From the outside in: `;`, then "and"/"or", then commas, then relation signs, then set operations, then one
bracketed group, matrix, ratio, quantity or expression.
"""

from fractions import Fraction

from stages.grading.matrices import read_matrix
from stages.grading.quantities import read_quantity, read_ratio
from stages.grading.reader import read_expression
from stages.grading.separators import Tokens, is_decimal_comma, merge_thousands, split
from stages.grading.shapes import Claimed, Group, Modular, Named, Relation, SetOf, Shape, Special, Value, Words
from stages.grading.tokens import Token, Unreadable, tokenise
from stages.grading.tree import Node, TooLarge, number, symbols
from stages.grading.words import NUMBER_WORDS, SET_PHRASES, plain

MAX_NESTING = 8
_SIGNS = frozenset(["=", "<", "<=", ">", ">=", "!=", "in"])
_SPECIALS = frozenset(["empty", "reals", "integers", "naturals", "rationals", "complexes"])
_KINDS = {"()": "()", "[]": "[]", "[)": "[)", "(]": "(]", "<(>)": "()", "set(set)": "set", "{}": "list"}
_NAME_OPERATORS = frozenset(["_", "frac", "|", ":", "/", "'", ",", "*", "overline"])


def read_answers(text: str) -> list[Shape]:
    """The readings of a normalised text, the likeliest first: 1,234 is a number, or else a list of two."""
    words = plain(text)
    if words.lower() in SET_PHRASES:
        return [Special(SET_PHRASES[words.lower()])]
    if words.lower() in NUMBER_WORDS:
        return [Value(number(NUMBER_WORDS[words.lower()]))]
    tokens = tokenise(text)
    if len(words) > 2 and len(tokens) == len(words) and words.isalpha():
        return [Words(words)]  # a word, of letters in this order
    merged = merge_thousands(tokens)
    readings = [_read(merged, 0)]
    if merged != tokens and any(token.text == "," for token in tokens):
        readings.append(_read(tokens, 0))
    if len(tokens) == 3 and tokens[1].text == "," and is_decimal_comma(tokens[0], tokens[2]):
        readings.append(Value(number(Fraction(f"{tokens[0].text}.{tokens[2].text}"))))
    return readings


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
    if all(isinstance(item, Relation) and item.signs[0] != "=" for item in items):
        sides = [symbols(side) for item in items if isinstance(item, Relation) for side in item.sides]
        if len(frozenset[str]().union(*sides)) == 1:
            return SetOf("comma", tuple(items))
    first = items[0]
    others = [item for item in items if not isinstance(item, Named)]
    names = {item.name for item in items if isinstance(item, Named)}
    if isinstance(first, Named) and len(names) == 1 and not any(isinstance(item, Relation) for item in others):
        values = (item.value if isinstance(item, Named) else item for item in items)
        return Named(first.name, Group("list", tuple(values)), first.left)
    return Group("list", tuple(inner for item in items for inner in _items(item)))


def read_statement(tokens: Tokens, depth: int = 0) -> Shape:
    """A relation, or what has no relation sign."""
    residue, *modulus = split(tokens, frozenset(["pmod"]))
    if modulus:
        return Modular(read_statement(residue, depth), read_expression(modulus[-1]))
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
    signs = [token.text for token in _signs_of(tokens)]
    if "in" in signs:
        if len(signs) != 1:
            raise Unreadable
        return Named(_name(sides[0]), _read_sets(sides[1], depth), None)
    if all(sign == "=" for sign in signs):
        return _read_equation(sides, depth)
    return Relation(tuple(read_expression(side) for side in sides), tuple(signs))


def _signs_of(tokens: Tokens) -> list[Token]:
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
    if tokens[0].kind == "letter" and tokens[0].text.isupper() and len(split(tokens[2:-1], frozenset([","]))) > 1:
        tokens = tokens[1:]  # the point A(2, 3)
    if tokens[0].kind == "open" and _closing(tokens) == len(tokens) - 1:
        shape = _read_group(tokens, depth)
        if shape is not None:
            return shape
    ratio = split(tokens, frozenset([":"]))
    if len(ratio) > 1:
        return read_ratio(ratio)
    if all(token.kind == "text" for token in tokens):
        return Words(" ".join(token.text for token in tokens))
    return read_quantity(list(tokens))


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
