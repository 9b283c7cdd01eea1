"""A checkpoint's answers to the examination, to be read: every completion with its grade and the grader's reason."""

from pathlib import Path

import pandas as pd
import streamlit as st

from dashboards.load import graded_answers
from stages.errors import LadderError
from stages.params import CHECKPOINTS

ALL = "all"
MOST = 200  # rows of the list: the selection narrows it


def draw_answers(root: Path = Path()) -> None:
    st.header("Answers")
    examined = [name for name in CHECKPOINTS if (root / f"grades/{name}.parquet").exists()]
    if not examined:
        st.info("No checkpoint has been examined yet.")
        return
    name_box, benchmark_box, why_box, order_box = st.columns(4)
    try:
        answers = graded_answers(name_box.selectbox("checkpoint", examined, index=len(examined) - 1), root)
    except LadderError as error:  # a run at work takes its tables away before it writes them anew
        st.warning(str(error))
        return
    benchmark = benchmark_box.selectbox("benchmark", [ALL, *sorted(set(answers["benchmark"]))])
    why = why_box.selectbox("grade", [ALL, *sorted(set(answers["why"]))])
    longest = order_box.toggle("longest first")
    chosen = answers if benchmark == ALL else answers[answers["benchmark"] == benchmark]
    chosen = chosen if why == ALL else chosen[chosen["why"] == why]
    if longest:
        chosen = chosen.sort_values("tokens", ascending=False, kind="stable")
    st.caption(f"{len(chosen)} answers" + (f", {MOST} of them shown" if len(chosen) > MOST else ""))
    shown = chosen.head(MOST).reset_index(drop=True)
    if shown.empty:
        return
    st.dataframe(shown.drop(columns=["response", "known"]), hide_index=True)
    place = st.number_input("read row", min_value=0, max_value=len(shown) - 1, value=0)
    draw_answer(shown.iloc[int(place)])


def draw_answer(answer: pd.Series) -> None:
    """Problem and answer are anybody's text: shown as it is, never as Markdown or HTML."""
    st.code(answer["problem"], language=None, wrap_lines=True)
    st.code(answer["response"], language=None, wrap_lines=True)
    st.text(f"{answer['why']}: read {answer['extracted']!r}, known {answer['known']}; {answer['tokens']} tokens")
