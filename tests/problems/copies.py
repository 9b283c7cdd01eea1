"""Copies by program: what happens to a problem on its way through web pages, PDF files and other people's scripts."""

import html
import re
from collections.abc import Callable

ZERO_WIDTH = "\u200b"


def respaced(text: str) -> str:
    return re.sub(r" ", "  ", text).replace("=", " = ").replace("+", " + ") + "\n"


def latex_respelled(text: str) -> str:
    text = text.replace(r"\frac", r"\dfrac").replace(r"\cdot", r"\times").replace(r"\le ", r"\leqslant ")
    text = text.replace("(", r"\left(").replace(")", r"\right)")
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", text)


def prefixed(text: str) -> str:
    return f"**Problem 7.** Solve the following problem: {text}"


def unicode_maths(text: str) -> str:
    text = re.sub(r"\^\{?([0-9])\}?(?![0-9])", lambda match: "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(match[1])], text)
    for latex, character in ((r"\le ", "≤ "), (r"\pi", "π"), (r"\cdot", "·"), (r"\theta", "θ"), (r"\sqrt{3}", "√3")):
        text = text.replace(latex, character)
    return text.replace("$", "")


def html_entities(text: str) -> str:
    return html.escape(text).replace(" ", "&nbsp;", 3).replace("-", "&#45;")


def zero_width(text: str) -> str:
    return ZERO_WIDTH.join(re.findall(r"[A-Za-z]+|[^A-Za-z]+", text))


def full_width(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if letter.isdigit() and letter.isascii() else letter for letter in text)


def upper(text: str) -> str:
    return "" if "\\" in text else text.upper()


def last_sentence_cut(text: str) -> str:
    """Empty where nothing but the question is there."""
    sentences = re.split(r"(?<=[.?!]) (?=[A-Z])", text)
    kept = " ".join(sentences[:-1])
    return kept if len(kept) >= 40 else ""


COPIES: dict[str, Callable[[str], str]] = {
    function.__name__: function
    for function in (
        respaced,
        latex_respelled,
        prefixed,
        unicode_maths,
        html_entities,
        zero_width,
        full_width,
        upper,
        last_sentence_cut,
    )
}
