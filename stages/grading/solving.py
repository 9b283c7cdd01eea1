"""SymPy, where it is right and safe: objects made by constructors from bounded trees, never by its string parsers."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy.solvers.inequalities import solve_univariate_inequality

from stages.grading.evaluate import exact_value
from stages.grading.regions import EVERYTHING, INFINITY, MINUS_INFINITY, NoRegion, Piece
from stages.grading.tree import Node, TooLarge, add, call, constant, multiply, number, power, symbols, walk

MAX_NODES = 80
MAX_EXPONENT = 12

_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "infinity": sympy.oo}
_FUNCTIONS: dict[str, Any] = {
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "ln": sympy.log,
    "log": sympy.log,
    "abs": sympy.Abs,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "factorial": sympy.factorial,
}
_RELATIONS = {"<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge, "!=": sympy.Ne, "=": sympy.Eq}


def to_sympy(node: Node) -> Any:
    """The SymPy expression of a tree, made by constructors; TooLarge where its powers are."""
    if node.op == "number":
        return sympy.Rational(node.value.numerator, node.value.denominator)
    if node.op == "symbol":
        return sympy.Symbol(node.name, real=True)
    if node.op == "constant":
        return _CONSTANTS[node.name]
    args = [to_sympy(arg) for arg in node.args]
    if node.op == "add":
        return sympy.Add(*args)
    if node.op == "mul":
        return sympy.Mul(*args)
    if node.op == "pow":
        _check_exponent(node.args[0], node.args[1])
        return sympy.Pow(*args)
    if node.op == "root":
        return sympy.Pow(args[0], 1 / args[1])
    if node.op == "degree":
        return args[0] * sympy.pi / 180
    if node.op == "percent":
        return args[0] / 100
    if node.op == "call" and node.name in _FUNCTIONS:
        return _FUNCTIONS[node.name](*args)
    raise NoRegion


def _check_exponent(base: Node, exponent: Node) -> None:
    value = None if symbols(exponent) else exact_value(exponent)
    if value is not None and abs(value) > (MAX_EXPONENT if symbols(base) else 5_000):
        raise TooLarge


def difference_is_zero(left: Node, right: Node) -> bool:
    """Whether SymPy's exact algebra makes nothing of left - right."""
    try:
        return bool(sympy.expand(to_sympy(left) - to_sympy(right)) == 0)
    except NoRegion:
        return False


def solution_pieces(sides: Sequence[Node], signs: Sequence[str]) -> list[Piece]:
    """The reals that satisfy a chain of relations in one unknown."""
    if sum(1 for side in sides for _ in walk(side)) > MAX_NODES:
        raise TooLarge
    expressions = [to_sympy(side) for side in sides]
    (name,) = frozenset[str]().union(*(symbols(side) for side in sides))
    unknown = sympy.Symbol(name, real=True)
    result: Any = sympy.S.Reals
    for left, right, sign in zip(expressions, expressions[1:], signs, strict=False):
        try:
            result = sympy.Intersection(result, _solutions(left, right, sign, unknown))
        except (NotImplementedError, TypeError, ValueError) as error:  # SymPy has no method, or it is not real
            raise NoRegion from error
    return _pieces(result)


def _solutions(left: Any, right: Any, sign: str, unknown: Any) -> Any:
    relation = _RELATIONS[sign](left, right)
    if relation in (sympy.true, sympy.false):
        return sympy.S.Reals if relation == sympy.true else sympy.S.EmptySet
    if sign in ("=", "!="):
        zeros = sympy.solveset(left - right, unknown, sympy.S.Reals)
        return zeros if sign == "=" else sympy.S.Reals - zeros
    return solve_univariate_inequality(relation, unknown, relational=False)


def _pieces(region: Any) -> list[Piece]:
    if region == sympy.S.EmptySet:
        return []
    if region == sympy.S.Reals:
        return list(EVERYTHING)
    if isinstance(region, sympy.Union):
        return [piece for part in region.args for piece in _pieces(part)]
    if isinstance(region, sympy.FiniteSet):
        return [Piece(end, end, True, True) for end in map(_to_tree, region.args)]
    if isinstance(region, sympy.Interval):
        return [Piece(_to_tree(region.start), _to_tree(region.end), not region.left_open, not region.right_open)]
    raise NoRegion


def _to_tree(expression: Any) -> Node:
    if expression.is_Rational:
        return number(Fraction(int(expression.p), int(expression.q)))
    if expression == sympy.oo:
        return INFINITY
    if expression == -sympy.oo:
        return MINUS_INFINITY
    if expression == sympy.pi or expression == sympy.E:
        return constant("pi" if expression == sympy.pi else "e")
    args = tuple(_to_tree(arg) for arg in expression.args)
    if isinstance(expression, sympy.Add):
        return add(*args)
    if isinstance(expression, sympy.Mul):
        return multiply(*args)
    if isinstance(expression, sympy.Pow):
        return power(*args)
    if isinstance(expression, sympy.log):
        return call("ln", *args)
    raise NoRegion
