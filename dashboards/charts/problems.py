"""Charts of a run's problems, from the frames of dashboards/load/problems.py."""

import altair as alt
import pandas as pd

from dashboards.charts.frame import PADDING
from dashboards.look import PALETTE

STEPS = {"records": "records", "readable": "readable", "once": "each once", "used": "used"}  # then the rungs
LEGEND = alt.Legend(orient="bottom", title=None, columns=2)
RUNGS_LEGEND = alt.Legend(orient="bottom", title=None, columns=3)


def flow_chart(flow: pd.DataFrame) -> alt.Chart:
    """From raw to used to the rungs: a bar a step, in parts by source."""
    order = list(dict.fromkeys([*STEPS, *flow["step"]]))
    named = flow.assign(step=flow["step"].map(lambda step: STEPS.get(step, f"rung {step}")))
    bars = alt.Chart(named).mark_bar().encode(
        x=alt.X("problems:Q", title="problems"),
        y=alt.Y("step:N", sort=[STEPS.get(step, f"rung {step}") for step in order], title=None),
        color=_coloured(flow),
        tooltip=["source", "step", alt.Tooltip("problems:Q", format=",")],
    )  # fmt: skip
    return bars.properties(padding=PADDING, height=32 * named["step"].nunique() + 90)


def aside_chart(aside: pd.DataFrame) -> alt.Chart:
    """How many were set aside for which reason, in parts by source."""
    bars = alt.Chart(aside).mark_bar().encode(
        x=alt.X("problems:Q", title="problems", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("reason:N", sort="-x", title=None, axis=alt.Axis(labelLimit=140)),
        color=_coloured(aside),
        tooltip=["source", "reason", alt.Tooltip("problems:Q", format=",")],
    )  # fmt: skip
    return bars.properties(padding=PADDING, height=32 * aside["reason"].nunique() + 90)


def difficulty_chart(difficulty: pd.DataFrame, measure: str) -> alt.Chart:
    """How many problems a rung has of each difficulty, the rungs beside one another."""
    order = difficulty.sort_values("order")["difficulty"].drop_duplicates().tolist()
    rungs = difficulty["rung"].drop_duplicates().tolist()
    scale = alt.Scale(domain=rungs, range=list(PALETTE[: len(rungs)]))
    bars = alt.Chart(difficulty).mark_bar().encode(
        x=alt.X("difficulty:N", sort=order, title=f"difficulty ({measure})", axis=alt.Axis(labelAngle=-45)),
        xOffset=alt.XOffset("rung:N", sort=rungs),
        y=alt.Y("problems:Q", title="problems"),
        color=alt.Color("rung:N", sort=rungs, scale=scale, legend=RUNGS_LEGEND),
        tooltip=["rung", "difficulty", alt.Tooltip("problems:Q", format=",")],
    )  # fmt: skip
    return bars.properties(padding=PADDING, height=320)


def _coloured(rows: pd.DataFrame) -> alt.Color:
    """By source; one alone needs no legend."""
    legend = LEGEND if rows["source"].nunique() > 1 else None
    return alt.Color("source:N", scale=alt.Scale(range=list(PALETTE)), legend=legend)
