"""What kind of thing an answer is: a value, several in or out of order, a matrix, a relation, a set of reals, words."""

from dataclasses import dataclass

from stages.grading.tree import Node


@dataclass(frozen=True, slots=True)
class Value:
    node: Node
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Several shapes. `kind`: list and set have no order; (), [], [), (] and ratio do."""

    kind: str
    items: tuple["Shape", ...]
    clock: "Clock | None" = None


@dataclass(frozen=True, slots=True)
class Clock:
    """A ratio that may be a time of day; `certain` where nothing else is written so (08:34, 8:34 p.m.)."""

    seconds: int
    certain: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple["Shape", ...], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """`name` = value, or name in value. `left` is the name as an expression where it is one."""

    name: str
    value: "Shape"
    left: Node | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A chain of equalities: `value`, if all `sides` are equal; a false one is no answer."""

    value: "Shape"
    sides: tuple["Shape", ...]


@dataclass(frozen=True, slots=True)
class Modular:
    """`value` up to multiples of `modulus`."""

    value: "Shape"
    modulus: Node


@dataclass(frozen=True, slots=True)
class Relation:
    """a < b <= c: one sign fewer than sides."""

    sides: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetOf:
    """Sets joined by `operation`: cup, cap, minus, or a comma between inequalities, which says neither and nor or."""

    operation: str
    parts: tuple["Shape", ...]


@dataclass(frozen=True, slots=True)
class Special:
    """A set with a name: empty, reals, integers, naturals, rationals, complexes."""

    name: str


@dataclass(frozen=True, slots=True)
class Words:
    text: str


Shape = Value | Group | Matrix | Named | Claimed | Modular | Relation | SetOf | Special | Words
