r"""Answers that are words: ``\text{east}`` and East are the same, ``\text{(C)}``, C. and (C) 12 are the same choice."""

import re
from dataclasses import dataclass

from stages.grading.vocabulary import TEXT_COMMANDS

_TEXT_COMMAND = re.compile(rf"\\(?:{'|'.join(sorted(TEXT_COMMANDS))})\s*\{{([^{{}}]*)\}}")
_WORDS = re.compile(r"[A-Za-z0-9][^\\^_/\x00-\x1f]*")  # nothing whose meaning hangs on braces or spaces
_WORD = re.compile(r"^[A-Za-z0-9 ,.']*[A-Za-z]{3}[A-Za-z0-9 ,.']*$|^no$", re.IGNORECASE)  # its case means nothing
_SPACE = re.compile(r" (?![0-9])|(?<![0-9]) ")  # not the one between two numbers
_NOISE = re.compile(r"[\s{}]+")
_CHOICE = re.compile(
    r"(?:(?:[Tt]he )?(?:correct )?(?:[Oo]ption|[Cc]hoice|[Aa]nswer)(?: is)?:? ?)?"
    r"(?:\(([A-Ha-h])\)|([A-H])[.)]|([A-H]):?)(?:[.:]? (.*))?",
    re.DOTALL,
)
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen twenty"
)

NUMBER_WORDS = {word: value for value, word in enumerate(_SMALL.split())}
SET_PHRASES = {
    **dict.fromkeys(
        [
            "no solution",
            "no solutions",
            "no real solution",
            "no real solutions",
            "empty set",
            "the empty set",
        ],
        "empty",
    ),
    **dict.fromkeys(["all real numbers", "all reals", "all real", "real numbers"], "reals"),
    **dict.fromkeys(["all integers", "the integers", "integers"], "integers"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    letter: str
    content: str
    decorated: bool
    """Written as a choice, with parentheses or a full stop: its case means nothing."""


_FORMULA = re.compile(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|(?<!\\)\$((?:[^$\n\\]|\\.)+)\$|\\\(([^\n]+?)\\\)", re.DOTALL)
_PROSE = re.compile(r"[ ,.:]*(?:(?:[A-Za-z]{2,}|a)[ ,.:]+)+")
_HEDGE_WORDS = "not no or and nor between about approximately least most than except if from to"
HEDGES = frozenset(_HEDGE_WORDS.split())


def formula(text: str) -> str:
    """The one formula in a sentence (`The solution is $x > 3$.`); the text itself where it is anything else."""
    match = _FORMULA.search(text)
    if match is None:
        return text
    before, after = text[: match.start()], text[match.end() :]
    words = f"{before} {after}"
    if _PROSE.fullmatch(words) is None or HEDGES & set(words.lower().split()):
        return text
    return next(group for group in match.groups() if group)


def plain(text: str) -> str:
    """The text without its text commands, braces and double spaces."""
    previous = ""
    for _ in range(3):
        if text == previous:
            break
        previous, text = text, _TEXT_COMMAND.sub(r" \1 ", text)
    return _NOISE.sub(" ", text).lstrip(" ,;:").rstrip(" .,;:")  # .5 begins with its point


def same_words(left: str, right: str) -> bool:
    """Equal as words: case matters in a single letter alone."""
    if _WORDS.fullmatch(left) is None or _WORDS.fullmatch(right) is None:
        return False
    left, right = _SPACE.sub("", left), _SPACE.sub("", right)
    return left.lower() == right.lower() if _WORD.search(left) else left == right


def read_choice(text: str) -> Choice | None:
    match = _CHOICE.fullmatch(text)
    if match is None or (match[3] and match[4] and ":" not in text):  # `A 5` is a product
        return None
    letter = match[1] or match[2] or match[3]
    return Choice(letter.upper(), (match[4] or "").strip(), decorated=text != letter)


def unwrapped(text: str) -> str:
    r"""What is written in one \\text{...} around all of it."""
    match = _TEXT_COMMAND.fullmatch(text)
    return match[1].strip() if match else text
