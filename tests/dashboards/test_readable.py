r"""A model's text becomes Markdown that shows it: to markdown-it it is paragraphs, line breaks and mathematics alone."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from dashboards.readable import JOINER, MOST_MATH_CHARACTERS, NO_BREAK, Parts, markdown, parts, pieces, visible

# What Streamlit replaces in text that it has parsed: GFM's addresses, emoji, icons, its logo, arrows.
REPLACED = re.compile(
    r"""(?i:https?://|www(?=\.))[-.\w]+ | (?:^|[\s\W])[-.\w+]+@[-\w]+(?:\.[-\w]+)+ | :[+\w-]+: | :material_\w+:
      | (?:^|\s)(?:<->|->|<-|--|>=|<=|~=)(?:\s|$)""",
    re.VERBOSE,
)


def math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """``$$`` on a line of its own, to the next one, as remark-math has it."""
    lines = [state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]] for line in range(start, end)]
    if lines[0].strip() != "$$" or "$$" not in (line.strip() for line in lines[1:]):
        return False
    last = next(place for place, line in enumerate(lines) if place and line.strip() == "$$")
    if not silent:
        state.push("math_block", "", 0).content = "\n".join(lines[1:last])
    state.line = start + last + 1
    return True


def math_inline(state: StateInline, silent: bool) -> bool:
    """From two dollars to the next two."""
    found = re.compile(r"\$\$(?!\$)(.+?)(?<!\$)\$\$(?!\$)", re.DOTALL).match(state.src, state.pos)
    if not found:
        return False
    if not silent:
        state.push("math_inline", "", 0).content = found[1]
    state.pos = found.end()
    return True


PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PARSER.block.ruler.before("fence", "math_block", math_block, {"alt": ["paragraph"]})
PARSER.inline.ruler.before("escape", "math_inline", math_inline)


def tokens_of(source: str) -> list[Token]:
    return [
        inner for token in PARSER.parse(source) for inner in (token.children if token.type == "inline" else [token])
    ]


ALLOWED = {"text", "text_special", "hardbreak", "math_inline", "math_block", "paragraph_open", "paragraph_close"}


def read(source: str) -> tuple[str, list[str]]:
    """The visible text outside mathematics without white space, and the mathematics; fails on anything else."""
    tokens = tokens_of(source)
    assert {token.type for token in tokens} <= ALLOWED, source
    runs = "".join(token.content if token.type.startswith("text") else "\n" for token in tokens)
    for run in runs.split("\n"):
        assert not REPLACED.search(run), run
    text = "".join(token.content for token in tokens if token.type.startswith("text"))
    return bare(text), [token.content.strip() for token in tokens if token.type.startswith("math")]


def bare(text: str) -> str:
    return "".join(text.replace(JOINER, "").replace(NO_BREAK, "").split())


HOSTILE = [
    "<script>alert(1)</script>", '<img src=x onerror="x()">', "[a](javascript:x)", "![a](http://x.y/z.png)",
    "<http://x.y>", "http://x.y", "www.x.yz", "a@b.cd", "# a", "- a", "* a", "+ a", "1. a", "2) a", "> a", "---",
    "===", "a\n===", "    code", "\tcode", "```\nx\n```", "~~~\nx\n~~~", "`x`", "*a*", "__a__", "~~a~~",
    "|a|b|\n|-|-|\n|c|d|", "[a]: http://x.y", "[^1]: a", "[^1]", "[a]", ":red[a]", ":material/check:",
    ":material_check:", ":streamlit:", ":smile:", ":+1:", "::leaf", ":::box\na\n:::", "&lt;", "&#58;", " -> ", " >= ",
    " -- ", "\\", "\\\n", "\n\n", "\n", " ", "$", "$$", "\\$", "$x$", "$$x$$", "$$\nx\n$$", "\\(a<b\\)", "\\[", "\\]",
    "\\(", "\\)", "{", "}", "\\boxed{5}", "\\boxed{", "\\begin{align}x&=1\\\\\\end{align}", "$`$", "$:a:b$",
    "$\\href{javascript:x}{y}$", "\\[~~~x\\]", "$[a](javascript:x)$", "$a\\$b$", "$ x$", "$5 and $10", "<think>",
    "\x00", "\r", "\ud800", "\u2028",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=8), max_size=12).map("".join)


@settings(max_examples=600)
@given(TEXTS)
@example("$x$$y$$$z$$")
@example("\\[a\\]\\[b\\] c")
@example("$~~~$\n$$~~~a$$\n[x](javascript:y)")
def test_what_a_model_wrote_is_shown_and_does_nothing(text: str) -> None:
    shown = visible(text)
    cut = pieces(shown)
    assert "".join(piece.source for piece in cut) == shown
    words, mathematics = read(markdown(text))
    assert words == bare("".join(piece.source for piece in cut if piece.kind == "text"))
    assert len(mathematics) == sum(piece.kind != "text" for piece in cut)
    markdown(text).encode()  # half a surrogate pair could not be sent


@pytest.mark.parametrize(
    ("text", "kind", "latex"),
    [
        ("$x_1$", "inline", "x_1"),
        (r"\(x\)", "inline", "x"),
        ("$$x\n+y$$", "display", "x\n+y"),
        (r"\[\left(\frac{1}{2}\right)\]", "display", r"\left(\frac{1}{2}\right)"),
        (r"\boxed{\frac{1}{2}}", "inline", r"\boxed{\frac{1}{2}}"),
        (r"\begin{align*}a&=1\\[4pt]b&=2\end{align*}", "display", r"\begin{align*}a&=1\\[4pt]b&=2\end{align*}"),
        (r"\(\text{cost } \$5\)", "inline", r"\text{cost } \$5"),
        ("$" + "x" * MOST_MATH_CHARACTERS + "$", "inline", "x" * MOST_MATH_CHARACTERS),
    ],
)
def test_mathematics_are_found(text: str, kind: str, latex: str) -> None:
    before, found, after = pieces(f"so {text} it is")
    assert (before.source, found.kind, found.latex, after.source) == ("so ", kind, latex, " it is")


@pytest.mark.parametrize(
    "text",
    [
        "$5 and $10", "from $5, to 6$7", "$ x $", "$x", r"\$x\$", "$$", "$$$$", "$a\n\nb$", r"\\(x\\)", r"\boxed",
        r"\boxed{5", r"$\frac{1}{2$", r"$a}{b$", r"\(\left( x\)", r"\(\begin{array}x\end{matrix}\)",
        "$" + "x" * (MOST_MATH_CHARACTERS + 1) + "$", r"$\href{http://x.y}{z}$", r"\[\includegraphics{x}\]",
        r"$\htmlClass{a}{b}$", r"$\def\a{\a\a}\a$", r"$\newcommand{\a}{b}$", r"$\rule{999em}{999em}$", "$a`b$", r"\(a$b\)",
        r"\[a$$b\]",
        r"$\url{x}$", r"\begin{itemize}x\end{itemize}", r"\[x\\[-99em]y\]", r"\[x\\[9999em]y\]", "\\(x\\\\\\\\\\",
    ],
)  # fmt: skip
def test_what_is_no_mathematics_stays_text(text: str) -> None:
    assert {piece.kind for piece in pieces(text)} == {"text"}
    assert read(markdown(text)) == (bare(text), [])


def test_lines_stay_lines_and_their_indent_is_kept() -> None:
    source = markdown("a\n  b\n- c\n\n\nd\\\n\ne  f")
    assert source == f"a\\\n{NO_BREAK * 2}b\\\n\\- c\n\nd\\\\\n\ne{NO_BREAK} f"


def test_a_comment_or_a_code_in_mathematics_is_what_it_says() -> None:
    assert markdown("$50% of #1 :a:b$") == r"$$ 50\% of \#1 : a: b $$"
    assert markdown(r"$\%\#\\% x$") == r"$$ \%\#\\\% x $$"


@pytest.mark.parametrize(
    "repeated", ["\\(", "\\[a", "$", "$a\\", "\\boxed{", "\\begin{align}", "{", ":a", "-", "\\left"]
)
def test_long_nonsense_is_told_in_bounded_time(repeated: str) -> None:
    text = repeated * (100_000 // len(repeated))
    assert read(markdown(text))[0] == bare(text)


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("5", None, "5"),
        ("<think>a</think>5", "a", "5"),
        ("a</think>5", "a", "5"),
        ("<think>a", "a", ""),
        ("a</think>b</think>5", "a</think>b", "5"),
        ("a</think>5<think>b", "a\n\nb", "5"),
        ("</think>5", "", "5"),
    ],
)
def test_thinking_is_parted_from_the_answer(text: str, thinking: str | None, answer: str) -> None:
    assert parts(text) == Parts(thinking, answer)
