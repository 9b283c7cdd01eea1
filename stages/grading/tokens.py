r"""Normalised text as tokens. Kinds: number, letter, text (words, from ``\text{}`` or plain), func, open, close, op, end.

Letters in a row are variables (``xy``), a function (``sin``), words (``apples``) or a unit (``cm``), in this order of certainty.
"""

import re
from dataclasses import dataclass

from stages.grading.tree import TooLarge
from stages.grading.units import UNITS

MAX_TOKENS = 1_200

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth sech csch"
    " arcsinh arccosh arctanh asinh acosh atanh ln log lg exp sqrt cbrt gcd lcm max min abs floor ceil det arg Re Im"
    " factorial binom erf sgn sign".split()
)
_GREEK = frozenset(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon phi"
    " varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell hbar angle triangle".split()
)
_COMMANDS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "pm": "pm", "mp": "mp", "le": "<=", "leq": "<=", "leqslant": "<=",
    "ge": ">=", "geq": ">=", "geqslant": ">=", "lt": "<", "gt": ">", "ne": "!=", "neq": "!=", "approx": "~", "simeq": "~",
    "in": "in", "cup": "cup", "cap": "cap", "setminus": "minus", "backslash": "minus", "infty": "inf", "circ": "deg",
    "degree": "deg", "%": "%", "$": "$", "to": "to", "rightarrow": "to", "land": "and", "wedge": "and", "lor": "or",
    "vee": "or", "mid": "|", "vert": "|", "lvert": "|", "rvert": "|", "colon": ":", "prime": "'", "pi": "pi",
    "exponentialE": "e", "imath": "i", "emptyset": "empty", "varnothing": "empty", "iff": "=", "frac": "frac",
    "sqrt": "sqrt", "binom": "binom", "over": "over", "choose": "choose", "sum": "sum", "prod": "prod", "overline": "overline", "bar": "overline",
    "dot": "overline", "equiv": "equiv", "pmod": "pmod", "bmod": "mod", "mod": "mod", "{": "set(", "}": "set)",
    "lbrace": "set(", "rbrace": "set)", "lfloor": "floor(", "rfloor": "floor)", "lceil": "ceil(", "rceil": "ceil)",
    "langle": "<(", "rangle": ">)", "lbrack": "[", "rbrack": "]", "\\": "row", "ldots": "dots", "dots": "dots",
    "cdots": "dots", "|": "norm", "Vert": "norm", "lVert": "norm", "rVert": "norm",
}  # fmt: skip
_SYMBOLS = {
    "**": "^",
    "<=": "<=",
    ">=": ">=",
    "!=": "!=",
    "==": "=",
    "->": "to",
    "=<": "<=",
    "≡": "equiv",
    "€": "$",
    "£": "$",
}
_WORDS = {
    "pi": "pi", "infinity": "inf", "inf": "inf", "oo": "inf", "infty": "inf", "and": "and", "or": "or", "deg": "deg",
    "degree": "deg", "degrees": "deg", "percent": "%", "percentage": "%", "pct": "%", "in": "in",
}  # fmt: skip
_TEXT_COMMANDS = frozenset(
    "text textbf textit textrm textnormal textsf texttt mbox hbox mathrm operatorname emph".split()
)
_SETS = {"R": "reals", "Z": "integers", "N": "naturals", "Q": "rationals", "C": "complexes"}

_TOKEN = re.compile(
    r"(?P<space> )|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|\\(?P<command>[A-Za-z]+\*?|.)|"
    r"(?P<letters>[A-Za-z]+)|(?P<symbol>\*\*|<=|>=|!=|==|->|=<|.)",
    re.ASCII | re.DOTALL,
)
_ENVIRONMENT = re.compile(r"\*?\s*\{([a-zA-Z]+)\*?\}(?:\s*\{[clr| ]*\})?")
_BRACED_TEXT = re.compile(r"\s*\{([^{}]*)\}")
_BRACED_SET = re.compile(r"\s*(?:\{\s*([RZNQC])\s*\}|([RZNQC])(?![A-Za-z]))")
_OPENING = {"(": ")", "[": "]", "{": "}", "set(": "set)", "floor(": "floor)", "ceil(": "ceil)", "<(": ">)"}
_CLOSING = frozenset(_OPENING.values())


class Unreadable(Exception):
    """The text is no mathematics that this reader knows: only its words can be compared."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    spaced: bool = False
    """A space stands before it."""


END = Token("end", "")


def tokenise(text: str) -> list[Token]:
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None  # the last alternative takes any character
        position = match.end()
        if match["space"]:
            spaced = True
            continue
        if match["number"]:
            tokens.append(Token("number", match["number"], spaced))
        elif match["letters"]:
            tokens += _letters(match["letters"], spaced)
        elif match["symbol"]:
            tokens.append(_operator(_SYMBOLS.get(match["symbol"], match["symbol"]), spaced))
        else:
            position = _command(match["command"], text, position, spaced, tokens)
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise TooLarge
    return tokens


def _command(name: str, text: str, position: int, spaced: bool, tokens: list[Token]) -> int:
    """Append the tokens of a backslash command, and return where the text goes on."""
    if name in ("begin", "end"):
        match = _ENVIRONMENT.match(text, position)
        if match is None:
            raise Unreadable
        tokens.append(Token("open" if name == "begin" else "close", match[1], spaced))
        return match.end()
    if name in _TEXT_COMMANDS:
        match = _BRACED_TEXT.match(text, position)
        if match is None:
            raise Unreadable
        tokens += _words(match[1], spaced, upright=name in ("mathrm", "operatorname"))
        return match.end()
    if name == "mathbb":
        match = _BRACED_SET.match(text, position)
        if match is None:
            raise Unreadable
        tokens.append(Token("op", _SETS[match[1] or match[2]], spaced))
        return match.end()
    name = name.rstrip("*")
    if name in _COMMANDS:
        tokens.append(_operator(_COMMANDS[name], spaced))
    elif name in FUNCTIONS:
        tokens.append(Token("func", name, spaced))
    elif name in _GREEK:
        tokens.append(Token("letter", name, spaced))
    else:
        raise Unreadable
    return position


def _operator(text: str, spaced: bool) -> Token:
    kind = "open" if text in _OPENING else "close" if text in _CLOSING else "op"
    return Token(kind, text, spaced)


def _words(content: str, spaced: bool, upright: bool) -> list[Token]:
    r"""``\text{...}``: a connective, a sign, an upright letter, or words."""
    stripped = content.strip(" ,.;")
    bare = stripped.lower()
    if upright and stripped in FUNCTIONS:
        return [Token("func", stripped, spaced)]
    if len(stripped) == 1 and stripped.isalpha() and (upright or stripped in "ei"):
        return [Token("op" if stripped in "ei" else "letter", stripped, spaced)]
    if bare in _WORDS and bare != "in":
        words = [_operator(_WORDS[bare], spaced)]
        return [Token("op", ",", spaced), *words] if content.strip()[:1] == "," else words
    if not stripped:
        return [Token("op", ",", spaced)] if "," in content else []
    return [Token("text", stripped, True)]


def _letters(run: str, spaced: bool) -> list[Token]:
    if len(run) == 1:
        return [Token("op" if run in "ei" else "letter", run, spaced)]
    if run.lower() in _WORDS:
        return [_operator(_WORDS[run.lower()], spaced)]
    if spaced and run == "min":
        return [Token("text", run, spaced)]
    if run in FUNCTIONS:
        return [Token("func", run, spaced)]
    if run in _GREEK and len(run) > 2:
        return [Token("letter", run, spaced)]
    if run.lower() in UNITS or len(run) > 4 or (spaced and len(run) > 2 and run.islower()):
        return [Token("text", run, spaced)]
    if run.startswith("pi"):
        return [*_letters("pi", spaced), *_letters(run[2:], False)]
    if run.endswith("pi"):
        return [*_letters(run[:-2], spaced), *_letters("pi", False)]
    return [
        Token("op" if letter in "ei" else "letter", letter, spaced and place == 0) for place, letter in enumerate(run)
    ]
