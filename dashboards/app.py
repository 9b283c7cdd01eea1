"""The first page: is the run healthy, is it better, what did it cost? `make dashboard`"""

import sys
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `streamlit run` knows this file's folder alone

from dashboards.answers import draw_answers
from dashboards.load import accuracy, rung_borders, spend_by_attempt, training_steps
from stages.accounting.bill import without_price
from stages.accounting.ledger import ledger_path
from stages.accounting.reading import reading
from stages.accounting.workspace import present_prices
from stages.errors import LadderError

CURVES = {
    "reward": "Reward: mean of all answers",
    "kl": "KL against the rung's start (nats a token)",
    "entropy": "Entropy (nats a token)",
    "completions/mean_length": "Response length (tokens)",
    "completions/clipped_ratio": "Truncated: share cut by the context",
}
RUNG_COLOUR = alt.Color("rung:N", sort=None, title="rung")


def curve(steps: pd.DataFrame, column: str, title: str) -> alt.LayerChart:
    """One metric over the steps of all rungs, with the rungs' borders drawn."""
    line = alt.Chart(steps).mark_line().encode(
        x=alt.X("ladder_step:Q", title="step, over all rungs"),
        y=alt.Y(f"{column}:Q", title=None),
        color=RUNG_COLOUR,
        tooltip=["rung", "step", column],
    )  # fmt: skip
    borders = alt.Chart(rung_borders(steps)).mark_rule(strokeDash=[4, 4], opacity=0.5).encode(x="ladder_step:Q")
    return (borders + line).properties(title=title, height=220)


def draw() -> None:
    st.set_page_config(page_title="GRPO Ladder", layout="wide")
    st.title("GRPO Ladder")
    try:
        with reading(ledger_path()) as ledger:
            spend = spend_by_attempt(ledger.attempts(), present_prices())
    except LadderError as error:
        st.error(str(error))
        st.stop()
    draw_stability(training_steps())
    draw_accuracy(accuracy())
    draw_spend(spend)
    draw_answers()


def draw_stability(steps: pd.DataFrame) -> None:
    st.header("Stability")
    if steps.empty:
        st.info("No rung has finished yet: `make run` climbs the ladder.")
        return
    columns = st.columns(2)
    for position, (column, title) in enumerate(CURVES.items()):
        columns[position % 2].altair_chart(curve(steps, column, title), width="stretch")


def draw_accuracy(examined: pd.DataFrame) -> None:
    st.header("Held-out accuracy")
    if examined.empty:
        st.info("No checkpoint has been examined yet.")
        return
    st.dataframe(examined, hide_index=True)


def draw_spend(spend: pd.DataFrame) -> None:
    st.header("Spend")
    if spend.empty:
        st.info("The ledger has no attempt yet.")
        return
    left, middle, right = st.columns(3)
    left.metric("attempts", len(spend))
    middle.metric("hours", f"{spend['minutes'].sum() / 60:.2f}")
    right.metric("dollars", f"{spend['cost_usd'].sum():.4f}")
    unpriced = spend[spend["cost_usd"].isna()]
    if not unpriced.empty:
        st.warning(without_price(len(unpriced), sorted(set(unpriced["device"]))))
    bars = alt.Chart(spend).mark_bar().encode(
        x=alt.X("attempt:O", title="attempt, oldest first"),
        y=alt.Y("cost_usd:Q", title="dollars"),
        color=alt.Color("status:N", title="ended"),
        tooltip=["stage", "status", "minutes", "cost_usd", "error"],
    )  # fmt: skip
    st.altair_chart(bars.properties(height=220), width="stretch")
    st.dataframe(spend, hide_index=True)


draw()
