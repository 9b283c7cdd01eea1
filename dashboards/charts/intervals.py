"""Figures with their intervals: by rung, by k, as differences, as what a change costs. What has no interval has no bar."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from dashboards.charts.frame import PADDING

SHARE = ".1%"
BELOW = 130  # pixels of a chart's height that its axis and legend take
LEGEND_ROW = 24


def _colour(colours: Mapping[str, str], column: str = "run") -> alt.Color:
    """Of the runs' own colours; one run alone needs no legend."""
    legend = None if len(colours) == 1 else alt.Legend(orient="bottom", columns=1, labelLimit=320)
    return alt.Color(
        f"{column}:N", title=None, legend=legend, scale=alt.Scale(domain=list(colours), range=list(colours.values()))
    )


def _legend_height(colours: Mapping[str, str]) -> int:
    """Of `_colour`'s legend, in pixels."""
    return LEGEND_ROW * len(colours) if len(colours) > 1 else 0


def _tooltips(value: str, *names: str, form: str = SHARE) -> list[alt.Tooltip]:
    ends = [alt.Tooltip(f"{name}:Q", format=form) for name in (value, "low", "high")]
    return [*(alt.Tooltip(f"{name}:N") for name in names), *ends]


def by_rung(
    figures: pd.DataFrame,
    published: pd.DataFrame,
    title: str,
    rungs: Sequence[str],
    colours: Mapping[str, str],
    text: str,
    form: str = "%",
) -> alt.LayerChart:
    """`figures`: `run`, `checkpoint`, `value`, `low`, `high`; `published`: lines across, without bars. `form` is of the axis."""
    x = alt.X("checkpoint:N", sort=list(rungs), title="checkpoint", axis=alt.Axis(labelAngle=0))
    offset = alt.XOffset("run:N", sort=list(colours))
    scale, axis = alt.Scale(zero=False, nice=True), alt.Axis(format=form)
    y = alt.Y("value:Q", title=title, scale=scale, axis=axis)
    base = alt.Chart(figures).encode(color=_colour(colours))
    tips = _tooltips("value", "run", "checkpoint", form=SHARE if form == "%" else ".6~g")
    line = base.mark_line(opacity=0.5).encode(x=x, xOffset=offset, y=y)
    bars = base.mark_rule(strokeWidth=2).encode(x=x, xOffset=offset, y=alt.Y("low:Q", title=title), y2="high:Q")
    points = base.mark_point(filled=True, size=60, opacity=1).encode(x=x, xOffset=offset, y=y, tooltip=tips)
    chart = line + bars + points
    if not published.empty:
        said = alt.Chart(published.assign(said=published["checkpoint"] + " (published)"))
        across = said.mark_rule(strokeDash=[4, 4], color=text).encode(y=y, tooltip=["said", "value", "source"])
        names = said.mark_text(align="left", baseline="bottom", dx=4, dy=-2, color=text).encode(
            x=alt.value(0), y=y, text="said:N"
        )
        chart = chart + across + names
    return chart.properties(padding=PADDING, height=300 + _legend_height(colours))


def at_k(curves: pd.DataFrame, title: str, colours: Mapping[str, str], shares: tuple[float, float]) -> alt.LayerChart:
    """`curves`: `run`, `kind` (pass, maj), `k`, `value`, `low`, `high`; `shares` are the ends of the axis."""
    x = alt.X("k:Q", title="k (samples)", scale=alt.Scale(type="log", base=2, nice=False), axis=_ks(curves))
    y = alt.Y("value:Q", title="share of problems", scale=alt.Scale(domain=shares), axis=alt.Axis(format="%"))
    dash = alt.StrokeDash("kind:N", title=None, sort=["pass", "maj"], legend=alt.Legend(orient="bottom"))
    base = alt.Chart(curves).encode(x=x, color=_colour(colours), strokeDash=dash)
    bands = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(
        y=alt.Y("low:Q", title="share of problems"), y2="high:Q"
    )
    lines = base.mark_line(point=True).encode(y=y, tooltip=_tooltips("value", "run", "kind", "k"))
    return (bands + lines).properties(padding=PADDING, height=290 + _legend_height(colours), title=title)


def _ks(curves: pd.DataFrame) -> alt.Axis:
    return alt.Axis(values=sorted(set(curves["k"])), format="d")


def forest(
    rows: pd.DataFrame, title: str, order: Sequence[str], colours: Mapping[str, str], text: str
) -> alt.LayerChart:
    """`rows`: `what` (top to bottom as in `order`), `value`, `low`, `high`, and `said`, which has the colour."""
    y = alt.Y("what:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=240))
    x = alt.X("value:Q", title=title, axis=alt.Axis(format="%", tickCount=5))
    base = alt.Chart(rows).encode(
        y=y,
        color=alt.Color(
            "said:N",
            title=None,
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=alt.Legend(orient="bottom", columns=1, labelLimit=320),
        ),
    )
    forms = {"p_adjusted": ".3~g", "p_value": ".3~g", "problems": ",", "families": ","}
    more = [alt.Tooltip(f"{name}:Q", format=form) for name, form in forms.items() if name in rows.columns]
    tips = [*_tooltips("value", "what", "said"), *more]
    zero = alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(color=text, strokeDash=[3, 3]).encode(x=x)
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x=x, tooltip=tips)
    return (zero + bars + points).properties(padding=PADDING, height=28 * len(rows) + BELOW + LEGEND_ROW * len(colours))


def dumbbells(rows: pd.DataFrame, order: Sequence[str], colours: Mapping[str, str], text: str) -> alt.LayerChart:
    """`rows`: `what`, `originals`, `twins`, each with its `_low` and `_high`: accuracy on both, joined by a line."""
    y = alt.Y("what:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=240))
    form = alt.Axis(format="%", tickCount=5)
    title = "accuracy (share of samples)"
    ends = pd.concat(
        [
            rows[["what", side, f"{side}_low", f"{side}_high"]]
            .set_axis(["what", "value", "low", "high"], axis=1)
            .assign(side=side)
            for side in colours
        ]
    )
    base = alt.Chart(ends).encode(
        y=y,
        yOffset=alt.YOffset("side:N", sort=list(colours)),
        color=alt.Color(
            "side:N",
            title=None,
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=alt.Legend(orient="bottom"),
        ),
    )
    value = alt.X("value:Q", title=title, axis=form, scale=alt.Scale(zero=False))
    joined = (
        alt.Chart(ends)
        .mark_line(color=text, strokeWidth=2, opacity=0.6)
        .encode(y=y, yOffset=alt.YOffset("side:N", sort=list(colours)), x=value, detail="what:N")
    )
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=value, tooltip=_tooltips("value", "what", "side")
    )
    return (joined + bars + points).properties(padding=PADDING, height=36 * len(rows) + BELOW)


def by_group(
    figures: pd.DataFrame,
    title: str,
    order: Sequence[str],
    colours: Mapping[str, str],
    checkpoints: Sequence[str],
    text: str,
) -> alt.LayerChart:
    """`figures`: `run`, `checkpoint`, `group` (left to right: `order`), `sampled`, `low`, `high`; earlier rungs are fainter."""
    x = alt.X("group:N", sort=list(order), title=title, axis=alt.Axis(labelAngle=0, labelLimit=90))
    y = alt.Y("sampled:Q", title="accuracy (share of samples)", axis=alt.Axis(format="%"))
    faint = [0.35 + 0.65 * (place + 1) / len(checkpoints) for place in range(len(checkpoints))]
    base = alt.Chart(figures).encode(
        x=x,
        color=_colour(colours),
        opacity=alt.Opacity(
            "checkpoint:N",
            title=None,
            sort=list(checkpoints),
            scale=alt.Scale(domain=list(checkpoints), range=faint),
            legend=alt.Legend(orient="bottom", columns=2, symbolFillColor=text, symbolStrokeColor=text),
        ),
        detail=["run:N", "checkpoint:N"],
    )
    lines = base.mark_line(point={"filled": True, "size": 50}).encode(
        y=y, tooltip=[*_tooltips("sampled", "run", "checkpoint", "group"), alt.Tooltip("count:Q")]
    )
    bars = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title="accuracy (share of samples)"), y2="high:Q")
    return (bars + lines).properties(padding=PADDING, height=300 + _legend_height(colours))


def estimates(rows: pd.DataFrame, unit: str, colour: str) -> alt.LayerChart:
    """What was foreseen: `what`, `value`, `low`, `high`, from 0 on so that lengths can be compared."""
    y = alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=240))
    base = alt.Chart(rows).encode(y=y)
    bars = base.mark_rule(strokeWidth=3, color=colour).encode(
        x=alt.X("low:Q", title=unit, scale=alt.Scale(zero=True)), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=80, color=colour, opacity=1).encode(
        x=alt.X("value:Q", title=unit), tooltip=_tooltips("value", "what", form=".6~g")
    )
    return (bars + points).properties(padding=PADDING, height=34 * len(rows) + 70)
