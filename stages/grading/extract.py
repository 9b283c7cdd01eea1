r"""The final answer of a response: the last balanced ``\boxed{}`` after the last ``</think>``, and nothing else.

A number in prose is no answer, and a box inside the thinking is a thought.
"""

import re

THINKING_START = "<think>"
THINKING_END = "</think>"
_BOX = re.compile(r"\\boxed\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def after_thinking(response: str, require_closed: bool) -> str | None:
    """What follows the last ``</think>``; None where thinking was opened and not closed, or had to be closed and was not."""
    _, mark, said = response.rpartition(THINKING_END)
    if THINKING_START in said or (require_closed and not mark):
        return None
    return said


def last_boxed(text: str) -> str | None:
    """The content of the last box whose braces are balanced; None where there is none.

    One pass over the text, however many boxes it has: a stack holds where each open brace's content begins.
    """
    openings = {match.end() - 1 for match in _BOX.finditer(text)}
    stack: list[int] = []
    best: tuple[int, int] | None = None
    for match in _BRACE.finditer(text):
        if match[0] == "{":
            stack.append(match.start())
        elif match[0] == "}" and stack:
            start = stack.pop()
            if start in openings and (best is None or start > best[0]):
                best = (start, match.start())
    return None if best is None else text[best[0] + 1 : best[1]].strip()
