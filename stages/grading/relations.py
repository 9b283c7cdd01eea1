"""Equations, inequalities and definitions up to equivalence.

Two equations are the same where one's difference of sides is a constant multiple of the other's; two inequalities
where the multiple is positive, too.
"""

from collections.abc import Callable

from stages.grading.evaluate import FLOATS, Inexact, evaluate
from stages.grading.prover import Prover, points
from stages.grading.shapes import Claimed, Named, Relation, Shape, Value
from stages.grading.tree import MINUS_ONE, Node, key, multiply, substitute, subtract, symbol, symbols, walk

Same = Callable[[Shape, Shape], bool]


def same_named(known: Named, given: Named, prover: Prover, same: Same) -> bool:
    """x = 5 and x = 5, y = 2x and f(x) = 2x, f(t) = t and f(x) = x, or equations of two different names."""
    if known.name == given.name:
        return same(known.value, given.value)
    left, right = _argument(known), _argument(given)
    if left and right and known.name[0] == given.name[0]:
        return same(known.value, _renamed(given.value, right, left))
    if (left and given.name == "y") or (right and known.name == "y"):
        return same(known.value, given.value)
    return same_equation(known, given, prover)


def _argument(named: Named) -> str | None:
    """The x of f(x)."""
    left = named.left
    if left is None or left.op != "call" or len(left.args) != 1 or left.args[0].op != "symbol":
        return None
    name = left.args[0].name
    return name if name.islower() else None  # P(A) and P(B) are two things


def _renamed(value: Shape, old: str, new: str) -> Shape:
    if isinstance(value, Value):
        return Value(substitute(value.node, old, symbol(new)), value.unit)
    return value


def same_equation(known: Shape, given: Shape, prover: Prover) -> bool:
    left, right = difference(known), difference(given)
    if left is None or right is None or symbols(left) != symbols(right) or not symbols(left):
        return False
    return _proportional(left, right, prover) or _proportional(_cleared(left), _cleared(right), prover)


def asserted_value(relation: Relation) -> Node | None:
    """The 5 of a + b = 5: what an equation says of letters alone, without a number of its own on their side."""
    if relation.signs != ("=",) or symbols(relation.sides[1]):
        return None
    numbers = [node for node in walk(relation.sides[0]) if node.op == "number" and node != MINUS_ONE]
    return None if numbers else relation.sides[1]


def _cleared(node: Node) -> Node:
    """A sum times the denominators of its terms: y - 1/x = 0 says that xy - 1 = 0."""
    denominators = {key(factor): factor.args[0] for factor in walk(node) if _is_denominator(factor)}
    return multiply(node, *denominators.values())


def _is_denominator(node: Node) -> bool:
    return node.op == "pow" and node.args[1] == MINUS_ONE and bool(symbols(node.args[0]))


def difference(shape: Shape) -> Node | None:
    """Left minus right side of an equation; None where it is no equation between two expressions."""
    if isinstance(shape, Named) and shape.left is not None:
        value = shape.value.value if isinstance(shape.value, Claimed) else shape.value
        return subtract(shape.left, value.node) if isinstance(value, Value) else None
    if isinstance(shape, Relation) and len(shape.sides) == 2 and shape.signs[0] == "=":
        return subtract(*shape.sides)
    return None


def _proportional(left: Node, right: Node, prover: Prover) -> bool:
    """Whether left(p) right(q) = left(q) right(p) for independent p and q, and neither is zero everywhere."""
    far_left, far_right = left, right
    for name in symbols(left):
        far_left = substitute(far_left, name, symbol(f"{name} elsewhere"))
        far_right = substitute(far_right, name, symbol(f"{name} elsewhere"))
    zero = subtract(left, left)
    if prover.same(left, zero) or prover.same(right, zero):
        return False
    return prover.same(multiply(left, far_right), multiply(far_left, right))


def same_inequality(known: Relation, given: Relation, prover: Prover) -> bool:
    """The same chain, read from either end, or one difference a positive multiple of the other."""
    left, right = _ascending(known), _ascending(given)
    if left.signs == right.signs and all(prover.same(a, b) for a, b in zip(left.sides, right.sides, strict=True)):
        return True
    if left.signs != right.signs or len(left.signs) != 1:
        return False
    a, b = subtract(*left.sides), subtract(*right.sides)
    if symbols(a) != symbols(b) or not symbols(a):
        return False
    return _proportional(a, b, prover) and (left.signs == ("!=",) or _same_sign(a, b))


def unknowns(relation: Relation) -> frozenset[str]:
    return frozenset[str]().union(*(symbols(side) for side in relation.sides))


def _ascending(relation: Relation) -> Relation:
    if not all(sign in (">", ">=") for sign in relation.signs):
        return relation
    flipped = tuple(sign.replace(">", "<") for sign in reversed(relation.signs))
    return Relation(tuple(reversed(relation.sides)), flipped)


def _same_sign(left: Node, right: Node) -> bool:
    names = sorted(symbols(left))
    for values in points(left, right, names, 8, lambda random: complex(random.uniform(-3, 3))):
        try:
            a, b = evaluate(left, FLOATS, values), evaluate(right, FLOATS, values)
        except (Inexact, ArithmeticError, ValueError, TypeError):  # no sign at this point
            continue
        return bool((a.real > 0) == (b.real > 0))
    return False
