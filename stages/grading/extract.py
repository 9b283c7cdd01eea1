r"""The final answer of a response: the last balanced ``\boxed{}`` after the last ``</think>``, and nothing else.

A number in prose is no answer, and a box inside the thinking is a thought.
"""

import re

THINKING_START = "<think>"
THINKING_END = "</think>"
_BOX = re.compile(r"\\boxed\s*\{")
_JOIN = re.compile(
    r"\}[$\s,;\\()\[\]]*(?:\\q?quad|\\text\{)?\s*(?:[A-Za-z]{1,8}\s+)?(?:and|or)?[$\s,;\\()\[\]}]*(?:\\q?quad)?[$\s]*\\boxed\s*\{"
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def after_thinking(response: str, require_closed: bool) -> str | None:
    """What follows the last ``</think>``; None where thinking was left open, or had to be closed and was not."""
    _, mark, said = response.rpartition(THINKING_END)
    if THINKING_START in said or (require_closed and not mark):
        return None
    return said


def last_boxed(text: str) -> str | None:
    """The content of the last box whose braces are balanced; None where there is none."""
    boxes = _boxes(text)
    return text[boxes[-1].start : boxes[-1].stop].strip() if boxes else None


def listed_boxes(text: str) -> str | None:
    r"""The last box of a known answer; all of ``\boxed{1} and \boxed{2}``, where a list stands in many."""
    boxes = _boxes(text)
    if not boxes:
        return None
    listed = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        if not _JOIN.fullmatch(text[box.stop : listed[0].start]):
            break
        listed.insert(0, box)
    return ", ".join(text[box.start : box.stop].strip() for box in listed)


def _boxes(text: str) -> list[range]:
    """Where the balanced boxes' contents are, by where they start.

    One pass over the text, however many boxes it has: a stack holds where each open brace's content begins.
    """
    openings = {match.end() for match in _BOX.finditer(text)}
    stack: list[int] = []
    boxes: list[range] = []
    for match in _BRACE.finditer(text):
        if match[0] == "{":
            stack.append(match.end())
        elif match[0] == "}" and stack:
            start = stack.pop()
            if start in openings:
                boxes.append(range(start, match.start()))
    return sorted(boxes, key=lambda box: box.start)
