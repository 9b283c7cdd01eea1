"""Nothing that a terminal would obey gets through."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from stages.terminal import printable


def test_escapes() -> None:
    assert printable("\x1b]0;title\x07 a\rb\x9b2J\x7f") == "\\x1b]0;title\\x07 a\\rb\\x9b2J\\x7f"
    assert printable("1\n\t2 é ∑ 中") == "1\n\t2 é ∑ 中"
    assert printable("\u202e\u200b\ud800\u2028") == "\\u202e\\u200b\\ud800\\u2028"


@given(st.text(st.characters(codec=None)))
def test_no_control_character_is_left(text: str) -> None:
    shown = printable(text)
    obeyed = {char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co")}
    assert obeyed <= {"\n", "\t"}
    shown.encode()  # no half of a pair either
