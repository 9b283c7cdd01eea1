"""Problems: what was learned from, what was examined on, and what was kept apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboards.charts.problems import aside_chart, difficulty_chart, flow_chart
from dashboards.load.files import Files
from dashboards.load.lines import Lines, rows_at
from dashboards.load.problems import (
    DIFFICULTY,
    FILTERS,
    FLOW,
    READINGS,
    REPORT,
    List,
    Side,
    chosen,
    counted,
    difficulty_of,
    flow_of,
    listed,
    made,
    report_of,
    rungs,
    set_aside,
    sides,
    sources,
    told,
)
from dashboards.look import figure, notice, plain
from dashboards.view import View

PAIRS = 10  # on a page: of each both texts are drawn
ROWS = 100  # on a page of a plain list


def draw(view: View) -> None:
    st.header("Problems")
    runs = {run.key: run for run in view.chosen}
    if not runs:
        st.info("Choose a run on the left.")
        return
    key = next(iter(runs))
    if len(runs) > 1:
        named = {key: run.name for key, run in runs.items()}
        key = st.selectbox("run", list(runs), format_func=named.get, key="problems_run", bind="query-params")
    files = runs[key].files
    with notice("its problems"):
        if not made(files):
            st.info("No problems here: `dvc repro prepare` prepares them, `make run` climbs the whole ladder.")
            return
        _from_raw_to_used(files)
        _rungs(files)
        _list(files)


def _from_raw_to_used(files: Files) -> None:
    left, right = st.columns(2)
    with left:
        st.subheader("From raw to used")
        if _there(files, FLOW):
            with notice(FLOW):
                flow = flow_of(files)
                figure(flow_chart(flow), "problems-flow", flow)
    with right:
        st.subheader("Set aside, and why")
        if _there(files, REPORT):
            with notice(REPORT):
                aside = set_aside(report_of(files))
                if aside.empty:
                    st.info("Nothing was set aside.")
                else:
                    figure(aside_chart(aside), "problems-aside", aside)
    if files.place(REPORT):
        with notice(REPORT):
            _sources(report_of(files))


def _sources(report: Mapping[str, Any]) -> None:
    st.subheader("Sources and licences")
    st.dataframe(sources(report), hide_index=True)
    left, right = st.columns(2)
    left.dataframe(counted(report["licences"], "licence"), hide_index=True)
    kinds = {f"{kind} ({split})": count for split, of in report["answers"].items() for kind, count in of.items()}
    right.dataframe(counted(kinds, "answers"), hide_index=True)


def _rungs(files: Files) -> None:
    st.subheader("Difficulty by rung")
    report: Mapping[str, Any] = {}
    if files.place(REPORT):
        with notice(REPORT):
            report = report_of(files)
    if _there(files, DIFFICULTY):
        with notice(DIFFICULTY):
            difficulty = difficulty_of(files)
            if difficulty.empty:
                st.info("No rung has a problem.")
            else:
                chart = difficulty_chart(difficulty, report.get("difficulty", "as it was measured"))
                figure(chart, "problems-difficulty", difficulty.drop(columns="order"))
    if report:
        with notice(REPORT):
            st.dataframe(rungs(report), hide_index=True)


def _list(files: Files) -> None:
    st.subheader("One by one")
    which: List = st.segmented_control(
        "list", list(READINGS), default="leaks", required=True, key="problems_list", bind="query-params"
    )
    if not _there(files, READINGS[which].name):
        return
    with notice(READINGS[which].name):
        lines = listed(files, which)
        if lines.fields.empty:
            st.info(f"None: {READINGS[which].name} is empty.")
            return
        places = _filtered(lines, which)
        if which == "set aside":
            _plain_list(lines, places)
        else:
            _pairs(lines, places)


def _filtered(lines: Lines, which: List) -> NDArray[np.int64]:
    names = FILTERS[which]
    boxes = st.columns(len(names) + 1)
    wanted = {
        name: box.multiselect(
            name,
            sorted(lines.fields[name].dropna().unique()),
            key=f"problems_{which}_{name}".replace(" ", "_"),
            bind="query-params",
        )
        for name, box in zip(names, boxes, strict=False)
    }
    text = boxes[-1].text_input(
        "text", key="problems_text", bind="query-params", help="In any of the texts, in upper or lower case."
    )
    return chosen(lines, wanted, text)


def _page(places: NDArray[np.int64], size: int) -> Sequence[int]:
    """The places of the page that is read; of one that is no longer there (another filter found fewer), of the first."""
    pages = max(1, -(-len(places) // size))
    page = 1
    if pages > 1:
        box, _ = st.columns([1, 3])
        page = int(box.number_input(f"page, of {pages:,}", 1, pages, key="problems_page", bind="query-params"))
    first = (page - 1) * size
    shown = places[first : first + size]
    st.caption(f"{len(places):,} found" + (f", {first + 1:,} to {first + len(shown):,} shown" if pages > 1 else ""))
    return [int(place) for place in shown]


def _plain_list(lines: Lines, places: NDArray[np.int64]) -> None:
    shown = _page(places, ROWS)
    texts = [row["problem"] for row in rows_at(lines, shown)]
    table = lines.fields.iloc[shown].assign(problem=texts)
    st.dataframe(table, hide_index=True, column_config={"problem": st.column_config.TextColumn(width="large")})


def _pairs(lines: Lines, places: NDArray[np.int64]) -> None:
    shown = _page(places, PAIRS)
    for row in rows_at(lines, shown):
        with st.container(border=True):
            st.caption(plain(told(row)))
            for side, box in zip(found := sides(row), st.columns(len(found)), strict=True):
                with box:
                    _side(side)


def _side(side: Side) -> None:
    """Anybody's text: shown as it is, never as Markdown or HTML."""
    st.caption(plain(side.title))
    st.code(side.text, language=None, wrap_lines=True)
    st.text(f"= {side.answers}")


def _there(files: Files, path: str) -> bool:
    if files.place(path) is None:
        st.caption(f"`{path}` is not there yet: `dvc repro` makes it.")
        return False
    return True
