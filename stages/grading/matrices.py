"""Matrices as they are written, and sums and products of them, worked out entry by entry."""

from collections.abc import Callable, Sequence

from stages.grading.reader import read_expression
from stages.grading.shapes import Group, Matrix, Shape, Value
from stages.grading.tokens import Token, Unreadable
from stages.grading.tree import ONE, Node, TooLarge, add, multiply, negative

MAX_ENTRIES = 100

ReadEntry = Callable[[Sequence[Token]], Shape]


def read_matrix(tokens: Sequence[Token], read_entry: ReadEntry) -> Shape:
    """A matrix, a sum of products of matrices and scalars, or the rows of a system of equations."""
    tokens = _without_brackets(tokens)
    if tokens[0].text == "cases" and _environment_end(tokens, 0) == len(tokens) - 1:
        rows = [row for row in _split(tokens[1:-1], "row") if row]
        return Group("list", tuple(read_entry(row[:-1] if row[-1].text == "," else row) for row in rows))
    total: Matrix | None = None
    for negated, term in _terms(tokens):
        product = _product(term, read_entry)
        if negated:
            product = _map(negative, product)
        total = product if total is None else _sum(total, product)
    if total is None:
        raise Unreadable
    return total


def _without_brackets(tokens: Sequence[Token]) -> Sequence[Token]:
    """[\\begin{array}...] is the matrix in it."""
    while (
        len(tokens) > 2 and tokens[0].text in ("(", "[") and tokens[-1].text in (")", "]") and tokens[1].kind == "open"
    ):
        if _environment_end(tokens, 1) != len(tokens) - 2:
            break
        tokens = tokens[1:-1]
    return tokens


def _environment_end(tokens: Sequence[Token], start: int) -> int:
    depth = 0
    for place in range(start, len(tokens)):
        depth += (tokens[place].kind == "open") - (tokens[place].kind == "close")
        if depth == 0:
            return place
    raise Unreadable


def _split(tokens: Sequence[Token], separator: str) -> list[Sequence[Token]]:
    parts: list[Sequence[Token]] = []
    depth = start = 0
    for place, token in enumerate(tokens):
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.text == separator and token.kind == "op":
            parts.append(tokens[start:place])
            start = place + 1
    return [*parts, tokens[start:]]


def _terms(tokens: Sequence[Token]) -> list[tuple[bool, Sequence[Token]]]:
    terms: list[tuple[bool, Sequence[Token]]] = []
    depth = start = 0
    negated = False
    for place, token in enumerate([*tokens, Token("op", "+")]):
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.kind == "op" and token.text in ("+", "-"):
            if place > start:
                terms.append((negated, tokens[start:place]))
            negated = token.text == "-"
            start = place + 1
    return terms


def _product(tokens: Sequence[Token], read_entry: ReadEntry) -> Matrix:
    scalar: list[Token] = []
    result: Matrix | None = None
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.kind == "open" and token.text.endswith(("matrix", "array")):
            end = _environment_end(tokens, place)
            factor = _literal(tokens[place + 1 : end], read_entry)
            result = factor if result is None else _matrix_product(result, factor)
            place = end + 1
        else:
            scalar.append(token)
            place += 1
    if result is None:
        raise Unreadable
    while scalar and scalar[-1].text == "*":
        scalar.pop()
    return result if not scalar else _scaled(read_expression(scalar), result)


def _literal(tokens: Sequence[Token], read_entry: ReadEntry) -> Matrix:
    rows = [row for row in _split(tokens, "row") if row]
    entries = tuple(tuple(read_entry(entry) for entry in _split(row, "&")) for row in rows)
    if sum(len(row) for row in entries) > MAX_ENTRIES:
        raise TooLarge
    if not entries or len({len(row) for row in entries}) != 1:
        raise Unreadable
    return Matrix(entries)


def _node(shape: Shape) -> Node:
    if not isinstance(shape, Value):
        raise Unreadable
    return shape.node


def _map(function: Callable[[Node], Node], matrix: Matrix) -> Matrix:
    return Matrix(tuple(tuple(Value(function(_node(entry))) for entry in row) for row in matrix.rows))


def _scaled(scalar: Node, matrix: Matrix) -> Matrix:
    return matrix if scalar == ONE else _map(lambda entry: multiply(scalar, entry), matrix)


def _sum(left: Matrix, right: Matrix) -> Matrix:
    if len(left.rows) != len(right.rows) or len(left.rows[0]) != len(right.rows[0]):
        raise Unreadable
    return Matrix(
        tuple(
            tuple(Value(add(_node(a), _node(b))) for a, b in zip(above, below, strict=True))
            for above, below in zip(left.rows, right.rows, strict=True)
        )
    )


def _matrix_product(left: Matrix, right: Matrix) -> Matrix:
    if len(left.rows[0]) != len(right.rows):
        raise Unreadable
    columns = list(zip(*right.rows, strict=True))
    return Matrix(
        tuple(
            tuple(
                Value(add(*(multiply(_node(a), _node(b)) for a, b in zip(row, column, strict=True))))
                for column in columns
            )
            for row in left.rows
        )
    )
