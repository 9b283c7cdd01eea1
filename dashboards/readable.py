r"""A model's text, made readable: its LaTeX becomes Markdown's mathematics, all else is shown as it stands.

A completion is anybody's text. What comes out has paragraphs, line breaks and mathematics, and nothing else: every ASCII
punctuation mark is escaped, so that no link, image, heading, list, table, code, directive or HTML begins. Streamlit also replaces
patterns in what it has parsed, where no escape helps (addresses, emoji and icon codes, arrows): an invisible word joiner
parts them. Mathematics stands between double dollars, which Streamlit recognises wherever they stand; what KaTeX might not take
for mere mathematics is left as text: long pieces, unbalanced ones, macros that fetch, link, define or move things about.
"""

import re
from dataclasses import dataclass
from typing import Literal

from stages.grading.extract import THINKING_END, THINKING_START

MOST_MATH_CHARACTERS = 2_000
MOST_MATH_PIECES = 1_000  # KaTeX takes about a millisecond each
JOINER = "\u2060"
NO_BREAK = "\u00a0"

Kind = Literal["text", "inline", "display"]

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_JOINTS = re.compile(
    r"""(?i:www)(?=\.) | (?i:https?:)(?=//) | @(?=[-\w])   # addresses
      | :(?=[\w+-]+:)                                      # codes of emoji and icons
      | (?<!\w)(?:<(?=->|-|=)|-(?=>|-)|>(?==)|~(?==))      # arrows and the like
    """,
    re.VERBOSE,
)
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {127: 0x2421}

_ENVIRONMENTS = r"(?:align|aligned|alignat|cases|equation|gather|gathered|multline|split|[pbvBV]?matrix|array)\*?"
_OPENING = re.compile(
    rf"\\\(|\\\[|(?P<box>\\boxed\s*\{{)|\\begin\{{(?P<environment>{_ENVIRONMENTS})\}}|\\.|\$\$?", re.DOTALL
)
_CLOSING = {  # what ends the search: the mark itself, or one that shows that the opening one stands alone
    "\\(": re.compile(r"\\.|\n[ \t]*\n", re.DOTALL),
    "\\[": re.compile(r"\\.", re.DOTALL),
    "$": re.compile(r"\\.|\$|\n[ \t]*\n", re.DOTALL),
    "$$": re.compile(r"\\.|\$\$?", re.DOTALL),
}
_BRACE = re.compile(r"\\boxed|\\.|[{}]", re.DOTALL)

_MACROS = (
    r"href|url|includegraphics|html\w*|g?def|[ex]def|let|futurelet|global|long|(?:re)?newcommand|providecommand|newenvironment|"
    r"rule|m?kern|[hvm]skip|[hv]space|raisebox|smash|(?:math)?[lrc]lap|genfrac|above|verb|char|catcode|input|include|write|class|"
    r"cssId|style|bbox|require|unicode"
)
_FOREIGN = re.compile(rf"\\(?:{_MACROS})(?![a-zA-Z])|\\\\\*?\s*\[\s*(?:-|\+?\d{{3}})|`")
_NESTING = re.compile(r"\\(left|right)(?![a-zA-Z])|\\(begin|end)\s*\{([^{}]*)\}|\\.|([{}$\\])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parts:
    """A completion: its thinking, None where it has none, and what it says besides."""

    thinking: str | None
    answer: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a text. `source` is how it stands there, `latex` its mathematics without their marks ("" where it is text)."""

    kind: Kind
    source: str
    latex: str = ""


def parts(text: str) -> Parts:
    """Thinking ends at the last ``</think>``, as the grader has it; a ``<think>`` that nothing closes lasts to the end."""
    closed, mark, said = text.rpartition(THINKING_END)
    answer, opened, unclosed = said.partition(THINKING_START)
    thoughts = [closed.lstrip().removeprefix(THINKING_START)] if mark else []
    thoughts += [unclosed] if opened else []
    return Parts("\n\n".join(thoughts) if thoughts else None, answer)


def visible(text: str) -> str:
    """`text` in characters that can be sent and seen: a control character as its picture, half a surrogate pair as U+FFFD."""
    whole = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return whole.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)


def markdown(text: str) -> str:
    """`text` as Markdown for `st.markdown`."""
    blocks: list[str] = []
    lines = [""]
    before: Kind = "text"
    for piece in pieces(visible(text)):
        if piece.kind == "display":
            blocks += [*_paragraphs(lines), f"$$\n{_shielded(piece.latex)}\n$$"]
            lines = [""]
        elif piece.kind == "inline":
            between = JOINER if before == "inline" else ""  # four dollars in a row would end neither
            lines[-1] += f"{between}$$ {_shielded(piece.latex)} $$"
        else:
            first, *rest = _escaped(piece.source).split("\n")
            lines[-1] += first.lstrip() if before == "display" else first
            lines += rest
        before = piece.kind
    return "\n\n".join([*blocks, *_paragraphs(lines)])


def pieces(text: str) -> list[Piece]:
    """`text` cut where its mathematics begin and end; the sources of all pieces together are `text`."""
    found: list[Piece] = []
    start = position = 0
    while len(found) < 2 * MOST_MATH_PIECES and (opening := _OPENING.search(text, position)):
        piece = _math(text, opening)
        if piece is None:
            position = opening.end()
            continue
        if start < opening.start():
            found.append(Piece("text", text[start : opening.start()]))
        found.append(piece)
        start = position = opening.start() + len(piece.source)
    return [*found, Piece("text", text[start:])] if start < len(text) else found


def _math(text: str, opening: re.Match[str]) -> Piece | None:
    """The mathematics that begin at `opening`; None where there are none, or none that may be shown as such."""
    mark, first = opening[0], opening.end()
    kind: Kind = "inline" if mark in ("\\(", "$") or opening["box"] else "display"
    if opening["box"]:
        last = _end_of_braces(text, first)
        end, latex = last, text[opening.start() : last or 0]
    elif opening["environment"]:
        closing = f"\\end{{{opening['environment']}}}"
        last = text.find(closing, first, first + MOST_MATH_CHARACTERS)
        end = None if last < 0 else last + len(closing)
        latex = text[opening.start() : end or 0]
    elif mark in _CLOSING:
        last = _end_of_marks(text, first, mark)
        end, latex = None if last is None else last + len(mark), text[first : last or first]
    else:
        return None
    return Piece(kind, text[opening.start() : end], latex) if end is not None and _is_mathematics(latex) else None


def _end_of_marks(text: str, first: int, mark: str) -> int | None:
    """Where the mark stands that closes `mark`. A single dollar is one by pandoc's rules: $5 and $10 are money."""
    close = {"\\(": "\\)", "\\[": "\\]"}.get(mark, mark)
    if mark == "$" and text[first : first + 1].isspace():
        return None
    for met in _CLOSING[mark].finditer(text, first, first + MOST_MATH_CHARACTERS + len(close)):
        if met[0] == close:
            money = mark == "$" and (text[met.start() - 1].isspace() or text[met.end() : met.end() + 1].isdecimal())
            return None if money else met.start()
        if met[0] in ("\\(", "\\[") or not met[0].startswith("\\"):
            return None
    return None


def _end_of_braces(text: str, first: int) -> int | None:
    """Behind the brace that closes the one before `first`."""
    depth = 1
    for met in _BRACE.finditer(text, first, first + MOST_MATH_CHARACTERS):
        depth += {"{": 1, "}": -1}.get(met[0], 0)
        if depth == 0:
            return met.end()
        if met[0] == "\\boxed":
            return None
    return None


def _is_mathematics(latex: str) -> bool:
    """Whether KaTeX may have it: neither empty nor long, what is opened is closed, and no macro does more than show."""
    if not latex.strip() or len(latex) > MOST_MATH_CHARACTERS or _FOREIGN.search(latex):
        return False
    open_ones: list[str] = []
    for met in _NESTING.finditer(latex):
        side, bound, environment, character = met.groups()
        if character in ("$", "\\"):
            return False
        what = "brace" if character else "side" if side else f"environment {environment}"
        if side == "left" or bound == "begin" or character == "{":
            open_ones.append(what)
        elif (side or bound or character) and (not open_ones or open_ones.pop() != what):
            return False
    return not open_ones


def _shielded(latex: str) -> str:
    """On one line, with what would be a comment or an argument's number as the character that it is; no emoji's code."""
    line = re.sub(r"\\.|[%#]", lambda met: met[0] if len(met[0]) > 1 else f"\\{met[0]}", " ".join(latex.split()))
    line = re.sub(r":(?=[\w+-])", ": ", line)
    return f"{{}}{line}" if line.startswith("~") else line  # else Streamlit takes it for a fence of code


def _escaped(text: str) -> str:
    parted = _JOINTS.sub(lambda met: met[0] + JOINER, text.expandtabs(4))
    return _PUNCTUATION.sub(r"\\\g<0>", parted)


def _paragraphs(lines: list[str]) -> list[str]:
    """Lines become paragraphs where one is empty; within one they stay lines, indented as they were."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            text = line.rstrip(" ")
            indent = len(text) - len(text.lstrip(" "))
            found[-1].append(re.sub(" {2,}", _kept_spaces, NO_BREAK * indent + text[indent:]))
        elif found[-1]:
            found.append([])
    return ["\\\n".join(paragraph) for paragraph in found if paragraph]


def _kept_spaces(run: re.Match[str]) -> str:
    return NO_BREAK * (len(run[0]) - 1) + " "
