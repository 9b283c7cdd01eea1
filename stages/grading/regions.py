"""Sets of real numbers as sorted pieces between ends, so that x <= 3 is (-inf, 3] and [0,1] u (1,2) is [0,2).

An end is a tree; two ends are compared by the prover, and ordered by their floats.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from stages.grading.prover import Prover
from stages.grading.shapes import Claimed, Group, Named, Relation, SetOf, Shape, Special, Value
from stages.grading.tree import Node, constant, key, negative, symbols

MAX_PIECES = 40
_BRACKETS = {"()": (False, False), "[]": (True, True), "[)": (True, False), "(]": (False, True)}
INFINITY = constant("infinity")
MINUS_INFINITY = negative(INFINITY)


class NoRegion(Exception):
    """The shape is no set of real numbers that can be compared piece by piece."""


@dataclass(frozen=True, slots=True)
class Piece:
    low: Node
    high: Node
    low_closed: bool
    high_closed: bool


Region = list[Piece]

EVERYTHING = [Piece(MINUS_INFINITY, INFINITY, False, False)]


def region(shape: Shape, prover: Prover) -> Region:
    """The pieces of a shape, sorted and merged."""
    if isinstance(shape, Named | Claimed):
        return region(shape.value, prover)
    if isinstance(shape, Special) and shape.name in ("reals", "empty"):
        return list(EVERYTHING) if shape.name == "reals" else []
    if isinstance(shape, Value):
        return _merged([Piece(shape.node, shape.node, True, True)], prover)
    if isinstance(shape, Group) and shape.kind in ("set", "list"):
        if not all(isinstance(item, Value) or _is_interval(item) for item in shape.items):
            raise NoRegion
        return _merged([piece for item in shape.items for piece in region(item, prover)], prover)
    if isinstance(shape, Group) and _is_interval(shape):
        ends = [item.node for item in shape.items if isinstance(item, Value)]
        if len(ends) != 2 or order(ends[0], prover) >= order(ends[1], prover):
            raise NoRegion  # a point, or a pair of something else
        low_closed, high_closed = _BRACKETS[shape.kind]
        return [Piece(ends[0], ends[1], low_closed, high_closed)]
    if isinstance(shape, SetOf):
        return _joined(shape, prover)
    if isinstance(shape, Relation):
        return related(shape, prover)
    raise NoRegion


def _is_interval(shape: Shape) -> bool:
    return isinstance(shape, Group) and shape.kind in _BRACKETS and len(shape.items) == 2


def related(relation: Relation, prover: Prover) -> Region:
    """The reals that satisfy an inequality in one unknown."""
    sides, signs = relation.sides, relation.signs
    if len(sides) == 2:
        unknown, bound, sign = sides[0], sides[1], signs[0]
        if not _is_unknown(unknown):
            unknown, bound, sign = bound, unknown, sign.translate(_FLIP)
        if _is_unknown(unknown) and not symbols(bound):
            return _half_line(bound, sign)
    if len(sides) == 3 and _is_unknown(sides[1]) and not symbols(sides[0]) and not symbols(sides[2]):
        if all(sign in ("<", "<=") for sign in signs):
            return _merged([Piece(sides[0], sides[2], signs[0] == "<=", signs[1] == "<=")], prover)
        if all(sign in (">", ">=") for sign in signs):
            return _merged([Piece(sides[2], sides[0], signs[1] == ">=", signs[0] == ">=")], prover)
    if len(frozenset[str]().union(*(symbols(side) for side in sides))) != 1:
        raise NoRegion
    return _merged(list(prover.solve(sides, signs)), prover)


_FLIP = str.maketrans("<>", "><")


def _is_unknown(node: Node) -> bool:
    """x, or f(x), of which every real value may come."""
    return node.op == "symbol" or (node.op == "call" and node.name.startswith("apply"))


def _half_line(bound: Node, sign: str) -> Region:
    closed = "=" in sign
    below, above = Piece(MINUS_INFINITY, bound, False, closed), Piece(bound, INFINITY, closed, False)
    if sign == "=":
        return [Piece(bound, bound, True, True)]
    if sign == "!=":
        return [replace(below, high_closed=False), replace(above, low_closed=False)]
    return [below] if "<" in sign else [above]


def order(node: Node, prover: Prover) -> float:
    """A float to sort ends by."""
    if node == INFINITY:
        return math.inf
    if key(node) == key(MINUS_INFINITY):
        return -math.inf
    if symbols(node):
        raise NoRegion
    place = prover.place(node)
    if place is None:
        raise NoRegion
    return place


def _merged(pieces: Region, prover: Prover) -> Region:
    """Sorted, without empty pieces, and joined where they touch."""
    if len(pieces) > MAX_PIECES:
        raise NoRegion
    kept = [piece for piece in pieces if _nonempty(piece, prover)]
    kept.sort(key=lambda piece: (order(piece.low, prover), not piece.low_closed))
    result: Region = []
    for piece in kept:
        if result and _touch(result[-1], piece, prover):
            result[-1] = _union(result[-1], piece, prover)
        else:
            result.append(piece)
    return result


def _nonempty(piece: Piece, prover: Prover) -> bool:
    low, high = order(piece.low, prover), order(piece.high, prover)
    if (low == high or math.isclose(low, high, rel_tol=1e-9)) and prover.same(piece.low, piece.high):
        return piece.low_closed and piece.high_closed
    return low < high


def _compare(left: Node, right: Node, prover: Prover) -> int:
    a, b = order(left, prover), order(right, prover)
    if (a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)) and prover.same(left, right):
        return 0
    return -1 if a < b else 1


def _touch(left: Piece, right: Piece, prover: Prover) -> bool:
    compared = _compare(right.low, left.high, prover)
    return compared < 0 or (compared == 0 and (right.low_closed or left.high_closed))


def _union(left: Piece, right: Piece, prover: Prover) -> Piece:
    low_closed = left.low_closed or (right.low_closed and _compare(left.low, right.low, prover) == 0)
    compared = _compare(left.high, right.high, prover)
    if compared == 0:
        return replace(left, low_closed=low_closed, high_closed=left.high_closed or right.high_closed)
    longer = left if compared > 0 else right
    return Piece(left.low, longer.high, low_closed, longer.high_closed)


def _joined(shape: SetOf, prover: Prover) -> Region:
    parts = [region(part, prover) for part in shape.parts]
    result = parts[0]
    for part in parts[1:]:
        if shape.operation == "cup":
            result = _merged([*result, *part], prover)
        elif shape.operation in ("cap", "comma"):
            result = _intersection(result, part, prover)
        else:
            result = _intersection(result, _complement(part), prover)
    if shape.operation == "comma" and not result:  # x < 0, x > 1 can't mean both
        return _joined(replace(shape, operation="cup"), prover)
    return result


def _intersection(left: Region, right: Region, prover: Prover) -> Region:
    return _merged([_overlap(a, b, prover) for a in left for b in right], prover)


def _overlap(a: Piece, b: Piece, prover: Prover) -> Piece:
    low = _compare(a.low, b.low, prover)
    high = _compare(a.high, b.high, prover)
    lower = replace(a, low_closed=a.low_closed and b.low_closed) if low == 0 else a if low > 0 else b
    upper = replace(a, high_closed=a.high_closed and b.high_closed) if high == 0 else a if high < 0 else b
    return Piece(lower.low, upper.high, lower.low_closed, upper.high_closed)


def _complement(pieces: Region) -> Region:
    gaps: Region = []
    low, closed = MINUS_INFINITY, False
    for piece in pieces:
        if piece.low != MINUS_INFINITY:
            gaps.append(Piece(low, piece.low, closed, not piece.low_closed))
        low, closed = piece.high, not piece.high_closed
    if low != INFINITY:
        gaps.append(Piece(low, INFINITY, closed, False))
    return gaps


def same_region(left: Region, right: Region, same: Callable[[Node, Node], bool]) -> bool:
    return len(left) == len(right) and all(
        a.low_closed == b.low_closed
        and a.high_closed == b.high_closed
        and (a.low == b.low or same(a.low, b.low))
        and (a.high == b.high or same(a.high, b.high))
        for a, b in zip(left, right, strict=True)
    )
