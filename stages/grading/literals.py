"""Numbers as they are written, exactly."""

from fractions import Fraction

from stages.grading.tokens import Unreadable
from stages.grading.tree import Node, TooLarge

MAX_DIGITS = 1_200
MAX_SCALE = 3_000  # of 1e3000
MAX_PERIOD = 40


def read_number(text: str) -> Fraction:
    """12, 1.50, .5, 1.2e3."""
    digits, _, scale = text.lower().partition("e")
    if len(digits) > MAX_DIGITS or len(scale) > 6 or abs(int(scale or 0)) > MAX_SCALE:
        raise TooLarge
    return Fraction(text)


def repeating_decimal(head: str, period: str) -> Fraction:
    r"""0.1\overline{6} is 1/6."""
    if "." not in head or not period.isdigit() or len(period) > MAX_PERIOD:
        raise Unreadable
    places = len(head.partition(".")[2])
    return read_number(head) + Fraction(int(period), (10 ** len(period) - 1) * 10**places)


def is_proper_fraction(node: Node) -> bool:
    """A quotient a/b of whole numbers with 0 < a < b."""
    if node.op != "mul" or len(node.args) != 2 or node.args[1].op != "pow":
        return False
    above, below = node.args[0], node.args[1].args[0]
    return above.op == below.op == "number" and 0 < above.value < below.value
