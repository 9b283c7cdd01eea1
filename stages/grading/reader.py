r"""An expression read from tokens by recursive descent, with a limit on nesting and none of Python's own parsers.

sum     := product (('+' | '-') product)*
product := factor (('*' | '/')? factor)*          juxtaposition multiplies; 1\frac{2}{3} is a mixed number
factor  := '-' factor | atom postfix* ('^' factor)?
atom    := number | letter | '(' sum ')' | \frac | \sqrt | function | '|' sum '|' | \sum | ...
"""

from collections.abc import Sequence
from fractions import Fraction

from stages.grading.cursor import Cursor
from stages.grading.literals import is_proper_fraction, read_number, repeating_decimal
from stages.grading.tokens import END, Token, Unreadable
from stages.grading.tree import (
    MINUS_ONE,
    Node,
    TooLarge,
    add,
    call,
    constant,
    multiply,
    negative,
    number,
    power,
    quotient,
    symbol,
)

MAX_DEPTH = 40

_CONSTANTS = {"pi": "pi", "e": "e", "i": "i", "inf": "infinity"}
_PAIRS = {"(": ")", "[": "]", "{": "}", "set(": "set)"}
_ROUNDING = {"floor(": ("floor)", "floor"), "ceil(": ("ceil)", "ceil")}
_INVERSES = {"sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec", "csc": "arccsc"}
_ALIASES = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "sgn": "sign",
}
_OF_SEVERAL = frozenset(["max", "min", "gcd", "lcm"])
_FUNCTION_LETTERS = frozenset("fghFGHWP")


def read_expression(tokens: Sequence[Token]) -> Node:
    """The tree of `tokens`; Unreadable where they are no expression."""
    reader = Reader(tokens)
    node = reader.sum()
    if reader.peek() is not END:
        raise Unreadable
    return node


class Reader(Cursor):
    """`_bars` counts the absolute values that are open: in one, a bar closes it."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__(tokens)
        self._depth = 0
        self._bars = 0

    def sum(self) -> Node:
        terms = [self._product()]
        while self.peek().text in ("+", "-") and self.peek().kind == "op":
            sign = self.take().text
            term = self._product()
            terms.append(term if sign == "+" else negative(term))
        return add(*terms)

    def _product(self) -> Node:
        factors = [self._mixed()]
        while True:
            token = self.peek()
            if token.kind == "op" and token.text in ("*", "/", "mod"):
                self.take()
                factor = self._factor()
                if token.text == "mod":
                    factors = [call("mod", multiply(*factors), factor)]
                else:
                    factors.append(factor if token.text == "*" else power(factor, MINUS_ONE))
            elif self._starts_factor(token):
                if token.kind == "number" and self.peek(-1).kind == "number":
                    raise Unreadable  # two numbers side by side
                factors.append(self._factor())
            else:
                return multiply(*factors)

    def _mixed(self) -> Node:
        r"""A factor, or a mixed number: 1\frac{2}{3}, 1 2/3."""
        whole, first, second = self.peek(), self.peek(1), self.peek(2)
        if whole.kind != "number" or not whole.text.isdigit():
            if whole.text == "-" and self.peek(1).kind == "number":
                self.take()
                return negative(self._mixed())
            return self._factor()
        if first.text == "frac" and first.kind == "op":
            start = self._position
            self.take()
            fraction = self._atom()
            if is_proper_fraction(fraction) and self.peek().text != "^":
                return self._postfixed(add(number(int(whole.text)), fraction))
            self._position = start
        elif first.kind == "number" and first.spaced and second.text == "/" and self.peek(3).kind == "number":
            above, below = first.text, self.peek(3).text
            if above.isdigit() and below.isdigit() and int(above) < int(below):
                self._position += 4
                return add(number(int(whole.text)), number(Fraction(int(above), int(below))))
        return self._factor()

    def _starts_factor(self, token: Token) -> bool:
        if token.kind in ("number", "letter", "func"):
            return True
        if token.kind == "open":
            return token.text not in ("set(", "<(")
        if token.text == "|":
            return self._bars == 0 and self._position + 1 < len(self._tokens)
        return token.kind == "op" and token.text in ("frac", "sqrt", "binom", "sum", "prod", "overline", *_CONSTANTS)

    def _factor(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooLarge
        if self.accept("-"):
            node = negative(self._factor())
        elif self.accept("+"):
            node = self._factor()
        else:
            node = self._powered(self._postfixed(self._atom()))
        self._depth -= 1
        return node

    def _powered(self, base: Node) -> Node:
        if not self.accept("^"):
            return base
        if self.accept("deg"):
            return self._powered(Node("degree", (base,)))
        if self.peek().text == "{" and self.peek(1).text == "deg" and self.peek(2).text == "}":
            self._position += 3
            return self._powered(Node("degree", (base,)))
        if self.accept("'"):
            return self._primed(base)
        return self._postfixed(power(base, self._argument(signed=True)))

    def _postfixed(self, node: Node) -> Node:
        while True:
            if self.accept("!"):
                node = call("factorial", node)
            elif self.accept("%"):
                node = Node("percent", (node,))
            elif self.accept("deg"):
                node = Node("degree", (node,))
            elif self.peek().text == "'" and node.op == "symbol":
                self.take()
                node = self._primed(node)
            else:
                return node

    def _primed(self, node: Node) -> Node:
        return symbol(node.name + "'")

    def _argument(self, signed: bool = False) -> Node:
        """What a command takes: a braced group, one digit, or one atom; a bare exponent is a whole number."""
        token = self.peek()
        if token.text == "{":
            return self._group("}")
        if token.kind == "number" and not signed and token.text.isdigit() and len(token.text) > 1:
            self.split_number()  # \frac12: each takes a digit
            return self._argument()
        if signed:
            return self._factor()
        return self._atom()

    def _group(self, closing: str) -> Node:
        self.take()
        bars, self._bars = self._bars, 0
        node = self.sum()
        if self.accept("over"):
            node = quotient(node, self.sum())
        elif self.accept("choose"):
            node = call("binom", node, self.sum())
        self._bars = bars
        self.expect(closing)
        return node

    def _atom(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooLarge
        token = self.peek()
        node = self._leaf(token) if token.kind in ("number", "letter") else self._compound(token)
        self._depth -= 1
        return node

    def _leaf(self, token: Token) -> Node:
        self.take()
        if token.kind == "letter":
            return self._named(token.text)
        value = read_number(token.text)
        if self.peek().text == "overline":
            self.take()
            return number(repeating_decimal(token.text, self.subscript()))
        if self.accept("_"):
            base = self.subscript()
            return number(value) if base == "10" else Node("numeral", name=f"{token.text}_{base}")
        return number(value)

    def _named(self, name: str) -> Node:
        if self.accept("_"):
            name = f"{name}_{self.subscript()}"
        while self.accept("'"):
            name += "'"
        if name[0] in _FUNCTION_LETTERS and self.peek().text == "(":
            return call(f"apply {name}", *self._arguments())
        return symbol(name)

    def _arguments(self) -> list[Node]:
        self.expect("(")
        bars, self._bars = self._bars, 0
        args = [self.sum()]
        while self.accept(","):
            args.append(self.sum())
        self._bars = bars
        self.expect(")")
        return args

    def _compound(self, token: Token) -> Node:
        if token.text in _PAIRS and token.kind == "open" and token.text != "set(":
            return self._group(_PAIRS[token.text])
        if token.text in _ROUNDING:
            closing, name = _ROUNDING[token.text]
            return call(name, self._group(closing))
        if token.kind == "func":
            return self._function(self.take().text)
        if token.text in _CONSTANTS and token.kind == "op":
            self.take()
            return constant(_CONSTANTS[token.text])
        if token.text == "frac" and self.accept("frac"):
            above = self._argument()
            return quotient(above, self._argument())
        if token.text == "binom" and self.accept("binom"):
            above = self._argument()
            return call("binom", above, self._argument())
        if token.text == "sqrt" and self.accept("sqrt"):
            return self._radical()
        if token.text == "|" and self.accept("|"):
            self._bars += 1
            node = self.sum()
            self._bars -= 1
            self.expect("|")
            return call("abs", node)
        if token.text in ("sum", "prod") and token.kind == "op":
            return self._series(self.take().text)
        if token.text == "overline" and self.accept("overline"):
            return symbol(f"overline {self.subscript()}")
        raise Unreadable

    def _radical(self) -> Node:
        index = self._group("]") if self.peek().text == "[" else number(2)
        return Node("root", (self._group("}") if self.peek().text == "{" else self._atom(), index))

    def _series(self, name: str) -> Node:
        self.expect("_")
        self.expect("{")
        index = self.take()
        self.expect("=")
        first = self.sum()
        self.expect("}")
        self.expect("^")
        last = self._argument()
        name_of_index = symbol(index.text)
        body = self._product()
        if index.text == "i":
            body = _rename_imaginary(body)
        return call(name, name_of_index, first, last, body)

    def _function(self, name: str) -> Node:
        name = _ALIASES.get(name, name)
        if name == "sqrt":
            return self._radical()
        exponent = base = None
        while self.peek().text in ("^", "_"):
            if self.take().text == "^":
                exponent = self._argument(signed=True)
            else:
                base = self._group("}") if self.peek().text == "{" else self._atom()
        if exponent == MINUS_ONE and name in _INVERSES:
            name, exponent = _INVERSES[name], None
        args = self._function_arguments()
        node = _apply(name, base, args)
        return node if exponent is None else power(node, exponent)

    def _function_arguments(self) -> list[Node]:
        """(x, y), {x}, or the product that follows: \\sin 5x \\cos x is sin(5x) cos(x)."""
        if self.peek().text == "(":
            return self._arguments()
        if self.peek().text == "{":
            return [self._group("}")]
        if self.peek().kind == "func":
            return [self._factor()]
        factors = [self._factor()]
        while (
            self._starts_factor(self.peek())
            and self.peek().kind in ("letter", "op", "number")
            and self.peek().text not in ("sum", "prod", "|")
        ):
            factors.append(self._factor())
        return [multiply(*factors)]


def _apply(name: str, base: Node | None, args: list[Node]) -> Node:
    fits = len(args) > 1 if name in _OF_SEVERAL else len(args) == (2 if name == "binom" else 1)
    if not fits:
        raise Unreadable
    if name == "log":
        if base is None:
            return call("log", *args)
        return quotient(call("ln", *args), call("ln", base))
    if name == "lg":
        return quotient(call("ln", *args), call("ln", number(10)))
    if name == "exp":
        return power(constant("e"), args[0])
    if name == "cbrt":
        return Node("root", (args[0], number(3)))
    if base is not None:
        raise Unreadable
    return call(name, *args)


def _rename_imaginary(node: Node) -> Node:
    """Under a sum over i, i is the index."""
    if node == constant("i"):
        return symbol("i")
    return Node(node.op, tuple(_rename_imaginary(arg) for arg in node.args), node.name, node.value)
