"""Text of others on a terminal: what could move its cursor, colour it or turn its order round is shown, not obeyed."""

import unicodedata

_SHOWN = frozenset("\n\t")
# Control, format (bidi), surrogate, private use, line and paragraph separators.
_OBEYED = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def printable(text: str) -> str:
    r"""`text` with its control and format characters as escapes (``\x1b``); line ends and tabs stay as they are."""
    return "".join(_escaped(char) if unicodedata.category(char) in _OBEYED else char for char in text)


def _escaped(char: str) -> str:
    return char if char in _SHOWN else char.encode("unicode_escape", "surrogatepass").decode("ascii")
