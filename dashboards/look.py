"""How everything looks: one palette, charts with what they can be downloaded as, and a notice in the place of a broken source."""

import html
import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import altair as alt
import pandas as pd
import pyarrow as pa
import streamlit as st

from dashboards.load.health import Finding
from stages.errors import LadderError

# Okabe and Ito's (2008) first four, and the four that stay farthest from them and from one another for people who don't see red,
# green or blue (Machado et al. 2009), of those that stand out from white and from near black.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8800EE", "#884422", "#8866EE", "#AAAA66")
GOOD, BAD, WATCH, NEUTRAL = "#009E73", "#D55E00", "#CC8800", "#808080"
MOST_RUNS = len(PALETTE)
SVG_WIDTH = 800  # of a panel whose width is the page's
EXPECTED = (LadderError, OSError, ValueError, KeyError, TypeError, sqlite3.Error, pa.ArrowException)


def colours_of(keys: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """A colour for each of at most eight runs: the one that it was `given` before, else its own, or the next that is free."""
    free = [colour for colour in PALETTE if colour not in [(given or {}).get(key) for key in keys]]
    taken = {key: given[key] for key in keys if given and key in given}
    for key in keys:
        if key not in taken:
            wanted = PALETTE[crc32(key.encode()) % len(PALETTE)]
            taken[key] = wanted if wanted in free else free[0]
            free.remove(taken[key])
    return taken


@contextmanager
def notice(source: str) -> Iterator[None]:
    """What is drawn from `source`; where that is missing, damaged or half-written, one line in its place."""
    try:
        yield
    except EXPECTED as error:
        cannot_show(source, f"{error}" if isinstance(error, LadderError) else f"{type(error).__name__}: {error}")


def cannot_show(source: str, why: str) -> None:
    st.warning(f"{plain(source)} can't be shown: {plain(' '.join(why.split())[:400])}", icon=":material/broken_image:")


def plain(text: str) -> str:
    """`text` for where Streamlit reads Markdown: shown as it stands."""
    return "".join(f"\\{letter}" if letter in _MARKDOWN else letter for letter in text)


_MARKDOWN = frozenset("\\`*_{}[]()<>#+-.!|~:$&^=\"'@/")


def figure(
    chart: alt.TopLevelMixin | dict[str, Any], name: str, data: pd.DataFrame | Callable[[], pd.DataFrame]
) -> None:
    """Draw `chart` (Altair's, or a Vega-Lite specification with its data sets), and offer it: its figures as CSV (all of `data`,
    not only the points that are drawn), itself as SVG; a PNG is in the chart's own toolbar. `name` is the files' and has to be
    the page's only one.
    """
    if isinstance(chart, dict):
        st.vega_lite_chart(spec=chart, width="stretch", key=f"figure-{name}")
    else:
        st.altair_chart(chart, width="stretch", key=f"figure-{name}")

    def csv() -> bytes:
        return (data() if callable(data) else data).to_csv(index=False).encode()

    def svg() -> bytes:
        import vl_convert  # a JavaScript engine: loaded when somebody wants an SVG

        return str(vl_convert.vegalite_to_svg(_whole(chart))).encode()

    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        for kind, content, mime in (("csv", csv, "text/csv"), ("svg", svg, "image/svg+xml")):
            st.download_button(
                kind.upper(), content, f"{name}.{kind}", mime, key=f"{kind}-{name}", on_click="ignore", type="tertiary",
                icon=":material/download:",
            )  # fmt: skip


def _whole(chart: alt.TopLevelMixin | dict[str, Any]) -> str:
    """The specification with its data in it."""
    if not isinstance(chart, dict):
        return str(chart.to_json(validate=False))
    datasets = {name: json.loads(rows.to_json(orient="records")) for name, rows in chart["datasets"].items()}
    panels = [{"width": SVG_WIDTH, **panel} for panel in chart["vconcat"]]
    return json.dumps({**chart, "vconcat": panels, "datasets": datasets})


def run_name(name: str, colour: str) -> None:
    """A run's name with a dot in its colour: the legend of every chart."""
    st.html(f'<span style="color:{colour};font-size:1.3em">&#9679;</span> <b>{html.escape(name)}</b>')


def health_line(finding: Finding) -> None:
    st.markdown(f":{HEALTH[finding.level]} {plain(finding.said)}")


HEALTH = {
    "stopped": "red[:material/block: stopped]",
    "bad": "red[:material/error: bad]",
    "watch": "orange[:material/visibility: watch]",
    "early": "gray[:material/hourglass_top: too early]",
    "good": "green[:material/check_circle: healthy]",
}


def span(seconds: float | None) -> str:
    """A time in words: 42 s, 13 min, 2 h 5 min."""
    if seconds is None or pd.isna(seconds):
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def dollars(usd: float | None) -> str:
    """With as many places as tell something."""
    if usd is None or pd.isna(usd):
        return "unknown"
    if abs(usd) >= 1 or usd == 0:
        return f"${usd:,.2f}"
    places = max(4, 1 - math.floor(math.log10(abs(usd))))  # two figures at least
    return f"${usd:.{places}f}"
