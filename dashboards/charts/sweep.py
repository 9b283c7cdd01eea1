"""A sweep's charts, from the frames of dashboards/load/sweep.py: what was found, where it is stable, what it cost."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from dashboards.charts.frame import PADDING
from dashboards.load.studies import Axis
from dashboards.load.sweep import STATES
from dashboards.look import BAD, GOOD, NEUTRAL, PALETTE

HEIGHT = 320
STATE_COLOURS = (GOOD, NEUTRAL, BAD, PALETTE[3], PALETTE[0])
CROSS = "M-1,-1L1,1M1,-1L-1,1"
STATE_SHAPES = ("circle", "circle", CROSS, "triangle-down", "square")
LEGEND = alt.Legend(orient="bottom", title=None, columns=2)
ACCURACY = ("#4457C9", "#2A9D8F", "#E3B505")  # from low to high: each stands out from white and from near black
BY_ACCURACY = alt.Color(
    "accuracy:Q",
    scale=alt.Scale(range=list(ACCURACY)),
    # On top: beside the states a narrow screen would cut it.
    legend=alt.Legend(orient="top", title="accuracy", gradientLength=160),
)
FREE = alt.Scale(zero=False)
SHARE = alt.Y("accuracy:Q", title="accuracy (share)", scale=FREE)
DOLLARS = alt.Axis(format="$.6~g", labelOverlap=True, labelFlush=True)
PRECISE = alt.Tooltip("accuracy:Q", format=".4f")
KINDS = ("Pareto front", "another is better", "breaks a constraint")


def history_chart(history: pd.DataFrame) -> alt.LayerChart:
    """Each finished trial, and the best so far."""
    base = alt.Chart(history).encode(x=alt.X("number:Q", title="trial", axis=alt.Axis(tickMinStep=1, format="d")))
    told = "datum.value ? 'keeps to the constraints' : 'breaks a constraint'"
    kept = alt.Color(
        "feasible:N",
        scale=alt.Scale(domain=[True, False], range=[GOOD, BAD]),
        legend=alt.Legend(orient="bottom", title=None, columns=1, labelExpr=told),
    )
    tooltip = [alt.Tooltip("trial:N"), PRECISE, alt.Tooltip("best:Q", title="best so far", format=".4f")]
    points = base.mark_point(filled=True, size=60, opacity=1).encode(y=SHARE, color=kept, tooltip=tooltip)
    best = base.mark_line(interpolate="step-after", color=NEUTRAL).encode(y=alt.Y("best:Q", scale=FREE))
    return (best + points).properties(padding=PADDING, height=HEIGHT)


def parallel_chart(lines: pd.DataFrame, marks: pd.DataFrame) -> alt.LayerChart:
    """A line a trial across the axes of the settings to its accuracy; those without one are broken lines."""
    order = marks.sort_values("order")["axis"].drop_duplicates().tolist()
    x = alt.X("axis:N", sort=order, title=None, scale=alt.Scale(padding=0.3), axis=alt.Axis(labelAngle=0, orient="top"))
    y = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[-0.1, 1.1], nice=False))
    pointed = alt.selection_point(name="pointed", fields=["trial"], on="pointerover", clear="pointerout", empty=False)
    tooltip = [
        alt.Tooltip("trial:N"), alt.Tooltip("state:N"), PRECISE, alt.Tooltip("axis:N", title="setting"), alt.Tooltip("value:N"),
    ]  # fmt: skip
    base = alt.Chart(lines).encode(x=x, y=y, detail="trial:N", order="order:Q", tooltip=tooltip)
    complete = base.transform_filter(alt.datum.state == "complete").mark_line(opacity=0.9)
    complete = complete.encode(
        color=BY_ACCURACY, strokeWidth=alt.condition(pointed, alt.value(5), alt.value(2))
    ).add_params(pointed)
    others = base.transform_filter(alt.datum.state != "complete").mark_line(
        strokeDash=[3, 3], strokeWidth=1.2, opacity=0.6
    )
    others = others.encode(stroke=_by_state(alt.Stroke, _without(lines), STATE_COLOURS))
    ends = marks[["axis"]].drop_duplicates().assign(place=0, top=1)
    rules = alt.Chart(ends).mark_rule(color=NEUTRAL).encode(x=x, y=y, y2="top:Q")
    texts = [
        alt.Chart(marks[chosen]).mark_text(color=NEUTRAL, align=align, dx=dx, dy=dy).encode(x=x, y=y, text="label:N")
        for chosen, align, dx, dy in (
            (marks["place"] == 1, "center", 0, -9),
            (marks["place"] == 0, "center", 0, 10),
            (marks["place"].between(0, 1, inclusive="neither"), "left", 5, 0),
        )
    ]
    chart = alt.layer(rules, others, complete, *texts).resolve_scale(color="independent", stroke="independent")
    return chart.properties(padding=PADDING, height=HEIGHT + 60)


def importance_chart(shares: pd.DataFrame) -> alt.Chart:
    """Columns: objective, setting, share."""
    x = alt.X("share:Q", title="share of the variance", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    legend = LEGEND if shares["objective"].nunique() > 1 else None
    bars = alt.Chart(shares).mark_bar().encode(
        x=x,
        y=alt.Y("setting:N", sort="-x", title=None, axis=alt.Axis(labelLimit=160)),
        yOffset="objective:N",
        color=alt.Color("objective:N", scale=alt.Scale(range=list(PALETTE)), legend=legend),
        tooltip=["setting", "objective", alt.Tooltip("share:Q", format=".3f")],
    )  # fmt: skip
    return bars.properties(padding=PADDING, height=HEIGHT)


def front_chart(finished: pd.DataFrame) -> alt.LayerChart:
    """Accuracy against dollars; the line joins the trials than which no other is both cheaper and more accurate."""
    kind = finished["front"].map({True: KINDS[0], False: KINDS[1]}).where(finished["feasible"].astype(bool), KINDS[2])
    drawn = finished.assign(kind=kind)[["trial", "money", "accuracy", "kind"]]
    x = alt.X("money:Q", title="dollars", scale=FREE, axis=DOLLARS)
    legend = alt.Legend(orient="bottom", title=None, columns=1)
    points = alt.Chart(drawn).mark_point(filled=False, strokeWidth=2, size=70, opacity=1).encode(
        x=x,
        y=SHARE,
        color=alt.Color("kind:N", scale=alt.Scale(domain=KINDS, range=[GOOD, NEUTRAL, BAD]), legend=legend),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=KINDS, range=["diamond", "circle", CROSS]), legend=legend),
        tooltip=["trial", "kind", PRECISE, alt.Tooltip("money:Q", title="dollars", format="$.6~g")],
    )  # fmt: skip
    line = alt.Chart(drawn[drawn["kind"] == KINDS[0]]).mark_line(color=GOOD, interpolate="step-after")
    return (line.encode(x=x, y=SHARE) + points).properties(padding=PADDING, height=HEIGHT)


def map_chart(trials: pd.DataFrame, x: Axis, y: Axis) -> alt.LayerChart:
    """Where it is stable: finished trials by their accuracy, diverged ones as crosses, pruned ones hollow."""
    places = {name: _place(name, axis) for name, axis in (("x", x), ("y", y))}
    tooltip = [
        alt.Tooltip("trial:N"), alt.Tooltip("state:N"), PRECISE,
        *(alt.Tooltip(places[name], title=axis.path) for name, axis in (("x", x), ("y", y))),
        alt.Tooltip("max_kl:Q", title="highest KL", format=".3~g"), alt.Tooltip("why:N"),
    ]  # fmt: skip
    base = alt.Chart(trials).encode(
        x=alt.X(places["x"], **_scaled(x)), y=alt.Y(places["y"], **_scaled(y)), tooltip=tooltip
    )
    complete = base.transform_filter(alt.datum.state == "complete").mark_point(filled=True, opacity=1)
    complete = complete.encode(
        color=BY_ACCURACY, size=alt.Size("accuracy:Q", scale=alt.Scale(range=[60, 260], zero=False), legend=None)
    )
    others = base.transform_filter(alt.datum.state != "complete").mark_point(filled=False, size=80, strokeWidth=2)
    others = others.encode(
        stroke=_by_state(alt.Stroke, _without(trials), STATE_COLOURS),
        shape=_by_state(alt.Shape, _without(trials), STATE_SHAPES),
    )
    return (others + complete).resolve_scale(color="independent").properties(padding=PADDING, height=HEIGHT + 120)


def curves_chart(reports: pd.DataFrame, longest: int | None, rungs: Sequence[str]) -> alt.LayerChart:
    """The mean rewards that the pruner was told; a trial that was given up ends in its state's mark."""
    x = alt.X("step:Q", title="step, over all rungs")
    y = alt.Y("reward:Q", title="mean reward", scale=FREE)
    colour = _by_state(alt.Color, reports["state"], STATE_COLOURS)
    tooltip = ["trial", "state", "step", alt.Tooltip("reward:Q", format=".4f")]
    lines = alt.Chart(reports).mark_line(opacity=0.7, strokeWidth=1.5)
    lines = lines.encode(x=x, y=y, color=colour, detail="trial:N", tooltip=tooltip)
    last = reports.sort_values("step").groupby("trial", as_index=False).last()
    ends = alt.Chart(last[last["state"] != "complete"]).mark_point(size=60, strokeWidth=2)
    shape = _by_state(alt.Shape, reports["state"], STATE_SHAPES)
    layers: list[alt.Chart] = [lines, ends.encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip)]
    if longest:
        borders = pd.DataFrame({"step": [longest * place for place in range(len(rungs))], "rung": rungs})
        rules = alt.Chart(borders).mark_rule(strokeDash=[4, 4], color=NEUTRAL, opacity=0.6).encode(x=x)
        named = (
            alt.Chart(borders).mark_text(align="left", dx=3, color=NEUTRAL).encode(x=x, y=alt.value(6), text="rung:N")
        )
        layers += [rules, named]
    return alt.layer(*layers).properties(padding=PADDING, height=HEIGHT)


def cost_chart(states: pd.DataFrame) -> alt.Chart:
    """Dollars of all trials of a state."""
    bars = alt.Chart(states).mark_bar().encode(
        x=alt.X("dollars:Q", title="dollars", axis=DOLLARS),
        y=alt.Y("state:N", sort=list(STATES), title=None),
        color=alt.Color("state:N", scale=alt.Scale(domain=STATES, range=STATE_COLOURS), legend=None),
        tooltip=["state", "trials", alt.Tooltip("dollars:Q", format="$.6~g"), alt.Tooltip("hours:Q", format=".6~g")],
    )  # fmt: skip
    return bars.properties(padding=PADDING, height=36 * len(states) + 60)


def _place(name: str, axis: Axis) -> str:
    return f"{name}:{'O' if axis.choices else 'Q'}"


def _scaled(axis: Axis) -> dict[str, Any]:
    if axis.choices:
        return {"title": axis.path, "sort": list(axis.choices)}
    scale = alt.Scale(type="log" if axis.log else "linear", domain=[axis.low, axis.high], nice=False)
    return {"title": axis.path, "scale": scale, "axis": alt.Axis(format=".6~g", tickCount=6, labelFlush=True)}


def _without(trials: pd.DataFrame) -> pd.Series:
    """The states of the trials that have no accuracy."""
    return trials.loc[trials["state"] != "complete", "state"]


def _by_state(channel: Any, states: pd.Series, values: Sequence[str]) -> Any:
    """`channel` by the state, each with its own of `values`; the legend has the states that there are."""
    present = [state for state in STATES if (states == state).any()]
    scale = alt.Scale(domain=present, range=[values[STATES.index(state)] for state in present])
    return channel("state:N", scale=scale, legend=LEGEND)
