"""How a model's text is drawn: readable, with its thinking folded, or as it stands; and what became of it.

It is anybody's: dashboards/readable.py makes it Markdown that shows it and does nothing, `st.code` shows it as it is.
"""

import streamlit as st

from dashboards.look import plain
from dashboards.readable import markdown, parts, visible

MOST_CHARACTERS = 200_000  # of a text that is made readable: a longer one is shown as it stands


def draw_badges(reward: float, why: str | None, tokens: int, truncated: bool) -> None:
    with st.container(horizontal=True, gap="small"):
        right = reward > 0
        st.badge(
            f"reward {reward:g}", icon=":material/check:" if right else ":material/close:", color="green" if right else "red"
        )  # fmt: skip
        if why not in (None, "correct", "truncated"):
            st.badge(plain(str(why).replace("_", " ")), color="gray")
        st.badge(f"{tokens:,} tokens", color="gray")
        if truncated:
            st.badge("truncated", icon=":material/content_cut:", color="orange")


def draw_completion(text: str, key: str, as_it_stands: bool) -> None:
    if as_it_stands:
        draw_text(text, as_it_stands)
        return
    read = parts(text)
    if read.thinking is not None and read.thinking.strip():
        thinking = st.expander(
            f"Thinking, {len(read.thinking):,} characters", key=key, on_change="rerun", icon=":material/psychology:"
        )
        if thinking.open:  # what is folded is not sent
            with thinking:
                draw_text(read.thinking, as_it_stands)
    if read.answer.strip():
        draw_text(read.answer, as_it_stands)
    else:
        st.caption("It ends within its thinking." if read.thinking is not None else "It is empty.")


def draw_text(text: str, as_it_stands: bool) -> None:
    if as_it_stands or len(text) > MOST_CHARACTERS:
        st.code(visible(text), language=None, wrap_lines=True)
    else:
        st.markdown(markdown(text))
