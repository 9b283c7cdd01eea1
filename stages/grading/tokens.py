r"""Normalised text as tokens. Kinds: number, letter, text (words, from ``\text{}`` or plain), func, open, close, op.

Letters in a row are a function (``sin``), words (``apples``), a unit (``cm``) or else variables (``xy``).
"""

import re
from dataclasses import dataclass

from stages.grading.tree import TooLarge
from stages.grading.units import UNITS
from stages.grading.vocabulary import COMMANDS, FUNCTIONS, GREEK, NUMBER_SETS, SIGNS, TEXT_COMMANDS, WORDS

MAX_TOKENS = 1_200

_TOKEN = re.compile(
    r"(?P<space> )|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|"
    r"\\(?P<command>[A-Za-z]+\*?|.)|(?P<letters>[A-Za-z]+)|(?P<symbol>\*\*|<=|>=|!=|==|=<|.)",
    re.ASCII | re.DOTALL,
)
_ENVIRONMENT = re.compile(r"\*?\s*\{([a-zA-Z]+)\*?\}(?:\s*\{[clr| ]*\})?")
_BRACED_TEXT = re.compile(r"\s*\{([^{}]*)\}")
_BRACED_LETTER = re.compile(r"\s*(?:\{\s*([A-Z])\s*\}|([A-Z])(?![A-Za-z]))")
_OPENING = frozenset(["(", "[", "{", "set(", "floor(", "ceil(", "<("])
_CLOSING = frozenset([")", "]", "}", "set)", "floor)", "ceil)", ">)"])


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
            tokens.append(_operator(SIGNS.get(match["symbol"], match["symbol"]), spaced))
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
    if name in TEXT_COMMANDS:
        match = _BRACED_TEXT.match(text, position)
        if match is None:
            raise Unreadable
        tokens += _words(match[1], spaced, upright=name in ("mathrm", "operatorname"))
        return match.end()
    if name == "mathbb":
        match = _BRACED_LETTER.match(text, position)
        if match is None:
            raise Unreadable
        letter = match[1] or match[2]
        tokens.append(Token("op", NUMBER_SETS[letter], spaced) if letter in NUMBER_SETS else Token("letter", letter))
        return match.end()
    name = name.rstrip("*")
    if name in COMMANDS:
        tokens.append(_operator(COMMANDS[name], spaced))
    elif name in FUNCTIONS:
        tokens.append(Token("func", name, spaced))
    elif name in GREEK:
        tokens.append(Token("letter", name, spaced))
    else:
        raise Unreadable
    return position


def _operator(text: str, spaced: bool) -> Token:
    kind = "open" if text in _OPENING else "close" if text in _CLOSING else "op"
    return Token(kind, text, spaced)


def _words(content: str, spaced: bool, upright: bool) -> list[Token]:
    r"""``\text{...}``: a connective, a sign, an upright letter, or words."""
    stripped = content.lstrip(" ,;").rstrip(" ,.;")
    bare = stripped.lower()
    if stripped in FUNCTIONS and (upright or stripped in ("gcd", "lcm")):
        return [Token("func", stripped, spaced)]
    if len(stripped) == 1 and stripped.isalpha() and (upright or stripped in "ei"):
        return [Token("op" if stripped in "ei" else "letter", stripped, spaced)]
    if bare in WORDS and bare != "in":
        words = [_operator(WORDS[bare], spaced)]
        return [Token("op", ",", spaced), *words] if content.strip()[:1] == "," else words
    if not stripped:
        return [Token("op", ",", spaced)] if "," in content else []
    return [Token("text", stripped, True)]


def _letters(run: str, spaced: bool) -> list[Token]:
    if len(run) == 1:
        return [Token("op" if run in "ei" else "letter", run, spaced)]
    if run.lower() in WORDS:
        return [_operator(WORDS[run.lower()], spaced)]
    if spaced and run == "min":
        return [Token("text", run, spaced)]
    if run in FUNCTIONS:
        return [Token("func", run, spaced)]
    if run in GREEK and len(run) > 2:
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
