"""One time line over the rungs: panels over one another with the same x, the rungs' borders through all, a strip to zoom by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboards.load.timeline import X_TITLES, Axis, Panel

HEIGHT, STRIP = 110, 46
TICKS = {"grid": False, "tickCount": 8, "format": "~s"}
# Within the plot: a page sets every panel's width without its axis.
INSIDE = alt.Axis(
    title=None,
    tickCount=3,
    labelAlign="left",
    labelBaseline="bottom",
    labelPadding=-4,
    ticks=False,
    domain=False,
    format="~g",
)
ZOOM = "zoom"
SHAPES = {
    "failed": "cross",
    "killed": "square",
    "pruned": "triangle-down",
    "resumed": "triangle-right",
    "began again": "circle",
}
SIGNS = "\u271a failed  \u25a0 killed  \u25bc pruned  \u25b6 resumed  \u25cf began again"


@dataclass(frozen=True, slots=True)
class Story:
    """What the panels have in common: the axis, colours by run, and the frames of load/timeline.py."""

    axis: Axis
    colours: Mapping[str, str]
    borders: pd.DataFrame
    smooth: bool

    @property
    def colour(self) -> alt.Color:
        return alt.Color(
            "run:N", scale=alt.Scale(domain=list(self.colours), range=list(self.colours.values())), legend=None
        )

    def x(self, last: bool) -> alt.X:
        """Of a panel: what the strip's brush spans. The lowest one alone says what x is."""
        scale = alt.Scale(domain={"param": ZOOM, "encoding": "x"}, zero=False, nice=False)
        axis = alt.Axis(title=X_TITLES[self.axis] if last else None, labels=last, ticks=last, **TICKS)
        return alt.X("x:Q", scale=scale, axis=axis)


def strip(reward: pd.DataFrame, story: Story) -> alt.LayerChart:
    """The reward of all steps, small: who draws a brush over it zooms every panel; a double click shows all again."""
    brush = alt.selection_interval(name=ZOOM, encodings=["x"])
    x = alt.X("x:Q", axis=alt.Axis(title=None, **TICKS), scale=alt.Scale(nice=False))
    lines = (
        alt.Chart(reward)
        .mark_line(strokeWidth=1)
        .encode(x=x, y=alt.Y("value:Q", axis=None), color=story.colour)
        .add_params(brush)
    )
    names = alt.Chart(story.borders).mark_text(
        align="left", dx=4, dy=-STRIP / 2 + 8, color="#808080", fontWeight="bold"
    )
    return alt.layer(lines, _rules(story, x), names.encode(x=x, text="rung:N")).properties(
        height=STRIP, title=_title("Zoom", "drag over the reward to zoom all panels; double click: all")
    )


def panel_chart(
    panel: Panel, data: pd.DataFrame, story: Story, last: bool, limits: pd.DataFrame | None = None
) -> alt.LayerChart:
    """A panel; the context's limit is a line of its own."""
    x = story.x(last)
    y = alt.Y("value:Q", axis=INSIDE, scale=alt.Scale(zero=False))
    dash = (
        {
            "strokeDash": alt.StrokeDash(
                "line:N", scale=alt.Scale(domain=list(panel.lines.values()), range=[[1, 0], [4, 3]]), legend=None
            )
        }
        if len(panel.lines) > 1
        else {}
    )
    tip = [
        alt.Tooltip("run:N"), alt.Tooltip("rung:N"), alt.Tooltip("step:Q"), alt.Tooltip("line:N", title=" "),
        alt.Tooltip("value:Q", format=".4~g"), alt.Tooltip("raw:Q", format=".4~g", title="unsmoothed"),
    ]  # fmt: skip
    base = alt.Chart(data)
    layers: list[alt.Chart] = [_rules(story, x)]
    if data["high"].notna().any():
        layers.append(base.mark_area(opacity=0.15, clip=True).encode(x=x, y="low:Q", y2="high:Q", color=story.colour))
    if story.smooth:
        layers.append(
            base.mark_line(opacity=0.25, strokeWidth=1, clip=True).encode(x=x, y="raw:Q", color=story.colour, **dash)
        )
    layers.append(base.mark_line(strokeWidth=1.5, clip=True).encode(x=x, y=y, color=story.colour, tooltip=tip, **dash))
    if limits is not None and not limits.empty:
        rule = alt.Chart(limits).mark_rule(strokeDash=[2, 3], clip=True)
        layers.append(
            rule.encode(
                x=x,
                x2="x2",
                y="limit:Q",
                color=story.colour,
                tooltip=["run:N", alt.Tooltip("limit:Q", title="context (tokens)")],
            )
        )
    lines = " / ".join(panel.lines.values()) if len(panel.lines) > 1 else ""
    said = ", ".join(part for part in (panel.unit, f"{lines}: full / dashed" if lines else "") if part)
    return alt.layer(*layers).properties(height=HEIGHT, title=_title(panel.title, said))


def accuracy_chart(data: pd.DataFrame, story: Story) -> alt.LayerChart:
    """Held-out accuracy where each rung ended: x, accuracy, low, high, run, checkpoint."""
    x, base = story.x(last=False), alt.Chart(data)
    y = alt.Y("accuracy:Q", axis=INSIDE, scale=alt.Scale(zero=False))
    tip = [
        "run:N",
        "checkpoint:N",
        alt.Tooltip("accuracy:Q", format=".2%"),
        alt.Tooltip("low:Q", format=".2%"),
        alt.Tooltip("high:Q", format=".2%"),
    ]
    points = base.mark_line(point=alt.OverlayMarkDef(size=50), clip=True).encode(
        x=x, y=y, color=story.colour, tooltip=tip
    )
    bars = base.mark_rule(clip=True).encode(x=x, y="low:Q", y2="high:Q", color=story.colour)
    return alt.layer(_rules(story, x), bars, points).properties(
        height=HEIGHT, title=_title("Held-out accuracy", "sampled, full context, with its interval")
    )


def events_chart(marks: pd.DataFrame, story: Story) -> alt.LayerChart:
    """Where attempts ended without a result, and others went on: x, what, said, run, rung."""
    x, base = story.x(last=False), alt.Chart(marks)
    shape = alt.Shape(
        "what:N",
        scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())),
        legend=None,
    )
    points = base.mark_point(size=90, filled=True, clip=True).encode(
        x=x,
        y=alt.Y("run:N", axis=None),
        color=story.colour,
        shape=shape,
        tooltip=["run:N", "rung:N", "what:N", "said:N"],
    )
    return alt.layer(_rules(story, x), points).properties(
        height=28 + 8 * marks["run"].nunique(), title=_title("Attempts", SIGNS)
    )


def time_line(charts: Sequence[alt.LayerChart]) -> alt.VConcatChart:
    return (
        alt.vconcat(*charts, spacing=6)
        .resolve_scale(strokeDash="independent", shape="independent")
        .configure_view(stroke=None)
    )


def _rules(story: Story, x: alt.X) -> alt.Chart:
    return alt.Chart(story.borders).mark_rule(strokeDash=[4, 4], opacity=0.6, color="#808080", clip=True).encode(x=x)


def _title(title: str, said: str) -> alt.TitleParams:
    return alt.TitleParams(
        title, subtitle=said, anchor="start", fontSize=13, subtitleFontSize=11, subtitleColor="#808080", offset=4
    )
