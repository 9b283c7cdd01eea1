"""Whether an answer is the known one, by the policy of this project around what the prover decides."""

from collections.abc import Sequence
from itertools import product

from stages.grading.answers import read_answers
from stages.grading.normalise import normalise
from stages.grading.prover import Prover, Undecided
from stages.grading.regions import NoRegion, region, same_region
from stages.grading.relations import asserted_value, same_equation, same_inequality, same_named, unknowns
from stages.grading.shapes import Claimed, Group, Matrix, Modular, Named, Relation, SetOf, Shape, Special, Value, Words
from stages.grading.tokens import Unreadable
from stages.grading.tree import Node, multiply, number, quotient
from stages.grading.units import quantity
from stages.grading.words import formula, plain, read_choice, same_words, unwrapped

_ORDERED = frozenset(["()", "[]", "[)", "(]"])
_UNORDERED = frozenset(["set", "list"])
_MARKS = ("percent", "degree")
MAX_SPELLINGS = 4  # of one value: 1/2 or 0.5
MAX_ITEMS = 60


def equal_texts(known: str, given: str, prover: Prover) -> bool:
    """Whether `given` is the answer `known`: as words, as a choice, or as mathematics."""
    known, given = normalise(formula(known)), normalise(formula(given))
    if not known or not given:
        return False
    if known == given:
        return True
    known_words, given_words = plain(known), plain(given)
    if same_words(known_words, given_words):
        return True
    known_choice, given_choice = read_choice(known_words), read_choice(given_words)
    if known_choice and given_choice:
        if known_choice.letter != given_choice.letter or not (known_choice.decorated or given_choice.decorated):
            return False
        contents = known_choice.content, given_choice.content
        return not all(contents) or equal_texts(*contents, prover)
    if known_choice and known_choice.content:
        return equal_texts(known_choice.content, given, prover)
    if given_choice and given_choice.content:
        return equal_texts(known, given_choice.content, prover)
    return _equal_readings(unwrapped(known), unwrapped(given), prover)


def _equal_readings(known: str, given: str, prover: Prover) -> bool:
    try:
        pairs = list(product(read_answers(known), read_answers(given)))
    except Unreadable:
        return False
    undecided = False
    for left, right in pairs:
        try:
            if Comparison(prover).same(left, right):
                return True
        except Undecided:
            undecided = True
    if undecided:
        raise Undecided
    return False


class Comparison:
    """Of two shapes, the known answer's first."""

    def __init__(self, prover: Prover) -> None:
        self._prover = prover

    def same(self, known: Shape, given: Shape) -> bool:
        if isinstance(known, Claimed):
            return self._holds(known) and self.same(known.value, given)
        if isinstance(given, Claimed):
            return self._holds(given) and self.same(known, given.value)
        if isinstance(known, Modular) or isinstance(given, Modular):
            return self._same_residues(known, given)
        if isinstance(known, Named) and isinstance(given, Named):
            return same_named(known, given, self._prover, self.same)
        if isinstance(known, Named) or isinstance(given, Named):
            return self._same_unnamed(known, given)
        if isinstance(known, Relation) or isinstance(given, Relation):
            return self._same_related(known, given)
        if isinstance(known, SetOf | Special) or isinstance(given, SetOf | Special):
            return self._same_regions(known, given)
        if isinstance(known, Matrix) or isinstance(given, Matrix):
            return self._same_matrices(known, given)
        if isinstance(known, Group) or isinstance(given, Group):
            return self._same_groups(known, given)
        if isinstance(known, Words) or isinstance(given, Words):
            return isinstance(known, Words) and isinstance(given, Words) and same_words(known.text, given.text)
        return self._same_values(known, given)

    def _holds(self, claimed: Claimed) -> bool:
        return all(self.same(claimed.sides[0], side) for side in claimed.sides[1:])

    def _same_residues(self, known: Shape, given: Shape) -> bool:
        """The modulus may be left out; where both have one it is the same."""
        if isinstance(known, Modular) and isinstance(given, Modular):
            return self._prover.same(known.modulus, given.modulus) and self.same(known.value, given.value)
        return self.same(
            known.value if isinstance(known, Modular) else known, given.value if isinstance(given, Modular) else given
        )

    def _same_unnamed(self, known: Shape, given: Shape) -> bool:
        """x = 5 against 5: its right side, unless the other is an equation of its own."""
        if any(isinstance(shape, Relation) and shape.signs[-1] == "=" for shape in (known, given)):
            return same_equation(known, given, self._prover)
        names = {shape.name for shape in (known, given, *_items(known), *_items(given)) if isinstance(shape, Named)}
        return len(names) == 1 and self.same(
            known.value if isinstance(known, Named) else known, given.value if isinstance(given, Named) else given
        )

    def _same_related(self, known: Shape, given: Shape) -> bool:
        if isinstance(known, Relation) and isinstance(given, Relation):
            if known.signs[-1] == "=" or given.signs[-1] == "=":
                return same_equation(known, given, self._prover)
            if same_inequality(known, given, self._prover):
                return True
            if unknowns(known) != unknowns(given):
                return False
        asserted = asserted_value(given) if isinstance(given, Relation) else None
        if isinstance(known, Value) and asserted is not None:
            return self._prover.same(known.node, asserted)
        equation = any(isinstance(shape, Relation) and shape.signs[-1] == "=" for shape in (known, given))
        if equation or isinstance(known, Value | Words) or isinstance(given, Value | Words):
            return False  # an equation is not the set of its solutions
        return self._same_regions(known, given)

    def _same_regions(self, known: Shape, given: Shape) -> bool:
        if known == given:
            return True
        if isinstance(known, Value) or isinstance(given, Value):
            return False
        try:
            return same_region(region(known, self._prover), region(given, self._prover), self._prover.same)
        except NoRegion:
            return isinstance(known, SetOf) and isinstance(given, SetOf) and self._same_operations(known, given)

    def _same_operations(self, known: SetOf, given: SetOf) -> bool:
        """Sets of what has no order on the line, joined in the same way."""
        return known.operation == given.operation and self._same_in_order(known.parts, given.parts)

    def _same_matrices(self, known: Shape, given: Shape) -> bool:
        left, right = _rows(known), _rows(given)
        interval = isinstance(known, Group) and known.kind == "[]" and len(known.items) == 2 and left == [known.items]
        if left is None or right is None or interval:
            return False
        if not isinstance(known, Matrix) or not isinstance(given, Matrix):  # a point is a row or a column
            left, right = _flat(left), _flat(right)
        return len(left) == len(right) and all(self._same_in_order(a, b) for a, b in zip(left, right, strict=True))

    def _same_in_order(self, known: Sequence[Shape], given: Sequence[Shape]) -> bool:
        return len(known) == len(given) and all(self.same(a, b) for a, b in zip(known, given, strict=True))

    def _same_groups(self, known: Shape, given: Shape) -> bool:
        if not isinstance(known, Group) or not isinstance(given, Group):
            return self._same_single(known, given)
        kinds = {known.kind, given.kind}
        if kinds == {"ratio"}:
            return self._same_ratios(known, given)
        if kinds <= _UNORDERED:
            return self._same_sets(known, given)
        if kinds <= _ORDERED:
            alike = len(kinds) == 1 or (kinds == {"()", "[]"} and len(known.items) > 2)
            return alike and self._same_in_order(known.items, given.items)
        if kinds == {"()", "list"}:
            interval = given.kind == "()" and len(given.items) == 2 and not isinstance(known.items[0], Named)
            return not interval and self._same_in_order(known.items, given.items)
        if kinds == {"set", "()"}:
            return self._same_single(known, given)
        return kinds == {"[]", "list"} and len(known.items) > 2 and self._same_sets(known, given)

    def _same_single(self, known: Shape, given: Shape) -> bool:
        """A group against a single thing: a set of one, or a ratio and its quotient."""
        group, other = (known, given) if isinstance(known, Group) and known.kind != "()" else (given, known)
        if not isinstance(group, Group):
            return False
        certain = group.clock is not None and group.clock.certain
        if group.kind == "ratio" and len(group.items) == 2 and isinstance(other, Value) and not certain:
            first, second = group.items
            if isinstance(first, Value) and isinstance(second, Value):
                return self._prover.same(quotient(first.node, second.node), other.node)
        items = self._distinct(group.items) if group.kind in _UNORDERED and len(group.items) <= MAX_SPELLINGS else ()
        return len(items) == 1 and self.same(items[0], other)

    def _same_ratios(self, known: Group, given: Group) -> bool:
        if known.clock and given.clock:
            if known.clock.seconds == given.clock.seconds:
                return True
            if known.clock.certain or given.clock.certain:
                return False
        if len(known.items) != len(given.items):
            return False
        left = [item.node for item in known.items if isinstance(item, Value)]
        right = [item.node for item in given.items if isinstance(item, Value)]
        if any(self._prover.same(node, number(0)) for node in (*left, *right)):
            return self._same_in_order(known.items, given.items)
        return all(
            self._prover.same(multiply(left[0], b), multiply(a, right[0]))
            for a, b in zip(left[1:], right[1:], strict=True)
        )

    def _same_sets(self, known: Group, given: Group) -> bool:
        left, right = list(known.items), list(given.items)
        if max(len(left), len(right)) > MAX_ITEMS:
            return len(left) == len(right) and self._same_in_order(left, right)
        if _in_order_of_names(left, right):
            return self._same_in_order(left, right)
        if "set" in (known.kind, given.kind):
            left = self._distinct(left)
        if len(right) > len(left) or "set" in (known.kind, given.kind):
            right = self._distinct(right)  # who lists a solution twice has still listed it
        if len(left) != len(right):
            return False
        for item in left:
            match = next((place for place, other in enumerate(right) if self.same(item, other)), None)
            if match is None:
                return False
            del right[match]
        return True

    def _distinct(self, items: Sequence[Shape]) -> list[Shape]:
        kept: list[Shape] = []
        for item in items:
            if not any(self.same(item, other) for other in kept):
                kept.append(item)
        return kept

    def _same_values(self, known: Value, given: Value) -> bool:
        left, right = quantity(known.unit), quantity(given.unit)
        if left and right:
            if left[0] != right[0]:
                return False
            return self._same_nodes(multiply(number(left[1]), known.node), multiply(number(right[1]), given.node))
        if (left and given.node.op in _MARKS) or (right and known.node.op in _MARKS):
            return False  # 10 cm are no 10 %
        return self._same_nodes(known.node, given.node)

    def _same_nodes(self, left: Node, right: Node) -> bool:
        """10 % is 10 or 0.1 to whom writes no percent sign, and 90 degrees are 90 or pi/2."""
        for op in _MARKS:
            if (left.op == op) != (right.op == op):
                if left.op == op:
                    return self._prover.same(left.args[0], right) or self._prover.same(left, right)
                return self._prover.same(left, right.args[0]) or self._prover.same(left, right)
        return self._prover.same(left, right)


def _items(shape: Shape) -> Sequence[Shape]:
    return shape.items if isinstance(shape, Group) else ()


def _in_order_of_names(known: Sequence[Shape], given: Sequence[Shape]) -> bool:
    """x = 1, y = 2 against 1, 2: who leaves out the names keeps their order. Found solutions x_1, x_2 have none."""
    known_names = [item.name for item in known if isinstance(item, Named)]
    given_names = [item.name.partition("_")[0] for item in given if isinstance(item, Named)]
    return bool(known_names) != bool(given_names) and len({*known_names, *given_names}) > 1


def _rows(shape: Shape) -> list[Sequence[Shape]] | None:
    if isinstance(shape, Matrix):
        return list(shape.rows)
    if not isinstance(shape, Group) or shape.kind not in ("()", "[]"):
        return None
    rows = [item.items for item in shape.items if isinstance(item, Group) and item.kind in ("()", "[]")]
    return list(rows) if len(rows) == len(shape.items) else [shape.items]


def _flat(rows: list[Sequence[Shape]]) -> list[Sequence[Shape]]:
    """One row for a single row or a single column."""
    return [[row[0] for row in rows]] if all(len(row) == 1 for row in rows) else rows
