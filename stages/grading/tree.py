"""An expression as a tree of bounded size, and the key under which equal trees are the same.

`op` is one of: number (value), symbol, constant (pi, e, i, infinity), add, mul, pow,
root (the real n-th root: radicand, index), call (name and arguments), percent and degree (as written, so that
10 % can be 10 or 0.1), numeral (digits in a base).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


class TooLarge(Exception):
    """An answer beyond the limits under which it can be graded: it earns nothing."""


@dataclass(frozen=True, slots=True)
class Node:
    op: str
    args: tuple["Node", ...] = ()
    name: str = ""
    value: Fraction = Fraction(0)


def number(value: int | Fraction) -> Node:
    return Node("number", value=Fraction(value))


def symbol(name: str) -> Node:
    return Node("symbol", name=name)


def constant(name: str) -> Node:
    return Node("constant", name=name)


def call(name: str, *args: Node) -> Node:
    return Node("call", args, name)


def add(*terms: Node) -> Node:
    return terms[0] if len(terms) == 1 else Node("add", terms)


def multiply(*factors: Node) -> Node:
    return factors[0] if len(factors) == 1 else Node("mul", factors)


def power(base: Node, exponent: Node) -> Node:
    return Node("pow", (base, exponent))


ONE = number(1)
MINUS_ONE = number(-1)


def negative(node: Node) -> Node:
    return number(-node.value) if node.op == "number" else multiply(MINUS_ONE, node)


def quotient(above: Node, below: Node) -> Node:
    return multiply(above, power(below, MINUS_ONE))


def subtract(left: Node, right: Node) -> Node:
    return add(left, negative(right))


def walk(node: Node) -> Iterator[Node]:
    yield node
    for arg in node.args:
        yield from walk(arg)


def symbols(node: Node) -> frozenset[str]:
    """The names of a tree's free symbols; a sum's index is bound."""
    if node.op == "symbol":
        return frozenset([node.name])
    inner = frozenset[str]().union(*(symbols(arg) for arg in node.args))
    return inner - {node.args[0].name} if node.op == "call" and node.name in ("sum", "prod") else inner


def substitute(node: Node, name: str, replacement: Node) -> Node:
    """The tree with every symbol `name` replaced."""
    if node.op == "symbol":
        return replacement if node.name == name else node
    if not node.args:
        return node
    return Node(node.op, tuple(substitute(arg, name, replacement) for arg in node.args), node.name, node.value)


def key(node: Node) -> str:
    """A string that two trees share where they differ in the order of terms and factors alone."""
    if node.op == "number":
        return f"{node.value.numerator:x}/{node.value.denominator:x}"  # hexadecimal: linear in the digits
    parts = [key(arg) for arg in node.args]
    if node.op in ("add", "mul"):
        parts = sorted(_flat_keys(node))
    return f"{node.op}:{node.name}({','.join(parts)})"


def _flat_keys(node: Node) -> Iterator[str]:
    for arg in node.args:
        if arg.op == node.op:
            yield from _flat_keys(arg)
        elif not (node.op == "mul" and arg == ONE):
            yield key(arg)
