"""What was spent, as stacked bars and as what came together over time."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from dashboards.charts.frame import PADDING

ROW = 28  # pixels a bar; what is below the bars has the rest


def stacked(
    sums: pd.DataFrame, by: str, split: str, unit: str, rows: Sequence[object], colours: Mapping[str, str]
) -> alt.Chart:
    """A bar a group (`rows`, top to bottom), divided by `split`; `sums` has `by`, `split`, `amount`, `colours` is by `split`."""
    known = {str(value): place for place, value in enumerate(colours)}
    data = sums.assign(
        group=sums[by].astype(str),
        part=sums[split].astype(str),
        place=[known[str(value)] for value in sums[split]],
    )
    return (
        alt.Chart(data)
        .mark_bar()
        .encode(
            y=alt.Y("group:N", sort=[str(row) for row in rows], title=by, axis=alt.Axis(labelLimit=170)),
            x=alt.X("amount:Q", title=unit, axis=alt.Axis(format=".6~g", tickCount=4)),
            color=alt.Color(
                "part:N",
                title=split,
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=alt.Legend(orient="bottom", columns=3, symbolLimit=0),
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("group:N", title=by),
                alt.Tooltip("part:N", title=split),
                alt.Tooltip("amount:Q", title=unit, format=".6~g"),
            ],
        )
        .properties(padding=PADDING, height=ROW * len(rows) + 130)
    )


def burn_down(
    lines: pd.DataFrame,
    column: str,
    unit: str,
    limits: Sequence[tuple[str, float]],
    colours: Mapping[str, str],
    text: str,
) -> alt.LayerChart:
    """`lines`: `time`, `what` and `column`, what had come together by then; `limits` by their names, of the same unit."""
    hours = (lines["time"].max() - lines["time"].min()) / pd.Timedelta(hours=1)
    form = "%H:%M:%S" if hours < 0.25 else "%H:%M" if hours < 24 else "%d %b"
    axis = alt.Axis(format=form, tickCount=4, labelOverlap=True)
    x = alt.X("time:T", title="time (UTC)", scale=alt.Scale(type="utc"), axis=axis)
    y = alt.Y(f"{column}:Q", title=unit)
    drawn = alt.Chart(lines).mark_line().encode(
        x=x,
        y=y,
        color=alt.Color(
            "what:N",
            title=None,
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=alt.Legend(orient="bottom", columns=1, labelLimit=320) if len(colours) > 1 else None,
        ),
        tooltip=[
            alt.Tooltip("what:N", title="of"),
            alt.Tooltip("time:T", format="%Y-%m-%d %H:%M:%S", title="until (UTC)"),
            alt.Tooltip(f"{column}:Q", title=unit, format=".6~g"),
        ],
    )  # fmt: skip
    if not limits:
        return alt.layer(drawn).properties(padding=PADDING, height=260)
    bounds = alt.Chart(pd.DataFrame(limits, columns=["limit", column]))
    rules = bounds.mark_rule(strokeDash=[5, 4], color=text).encode(y=y, tooltip=["limit", column])
    names = bounds.mark_text(align="left", baseline="bottom", dx=4, dy=-2, color=text).encode(
        x=alt.value(0), y=y, text="limit:N"
    )
    return (drawn + rules + names).properties(padding=PADDING, height=260)
