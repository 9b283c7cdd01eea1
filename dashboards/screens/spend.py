"""Spend: what did it cost, what of it was wasted, what is left of the budget, and what would it cost otherwise?"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.charts.bars import stacked
from dashboards.charts.flow import flow_chart, layout, with_small_ones_joined
from dashboards.load.cost import makers_of
from dashboards.load.spend import (
    GROUPS,
    MEASURES,
    UNITS,
    UNITS_PER_USD,
    USEFUL,
    Spending,
    attempts_table,
    corrections_table,
    grouped,
    in_order,
    leaves,
    prices_table,
    spending_of,
)
from dashboards.look import BAD, GOOD, NEUTRAL, PALETTE, dollars, figure, notice, plain
from dashboards.screens.spend_ahead import draw_budget, draw_projection
from dashboards.view import View
from flows.experiment import FOLDER
from stages.accounting.bill import without_price
from stages.accounting.ledger import ledger_path
from stages.accounting.reading import EVERYTHING, Scope
from stages.accounting.workspace import here

HERE, ALL = "this workspace", "all of the ledger"
SPANS_S = {"all": None, "7 d": 7 * 86400, "24 h": 86400}
PARTS = ("Where it went", "Flow", "Attempts", "Budget", "Projection", "Prices")
AHEAD = ("Budget", "Projection")  # of the workspace, whatever the scope
BARS = 60  # attempts drawn one by one: the newest
ROWS = 2000  # of the attempts' table
QUIET: Any = {"width": "content", "delta_color": "off", "delta_arrow": "off"}
FLOW = ("all", "stage", "phase", "came to")
LEAST = 0.01  # of the dollars, for a stage with a band of its own
OUTCOMES = {
    USEFUL: GOOD, "failed": BAD, "killed": "#884422", "pruned": "#CC8800", "zero_std": "#CC79A7",
    "truncated": "#8866EE", "padding": "#0072B2", "skipped": "#8800EE", "idle": NEUTRAL, "no price": "#AAAA66",
}  # fmt: skip
STATES = {"done": GOOD, "running": "#0072B2", "failed": BAD, "killed": "#884422", "pruned": "#CC8800"}
# Over the bands, by the theme that the browser shows.
TEXT_AND_HALO = {"light": ("#303030", "#FFFFFF"), "dark": ("#E8E8E8", "#171614")}


def draw(view: View) -> None:
    st.header("Spend")
    with notice("runs/ledger.db"):
        scope = _scope(view)
        spending, divided = spending_of(ledger_path(), scope)
        if not spending.attempts:
            st.info(
                "No attempt is booked here yet: `make run` climbs the ladder, and books every stage in runs/ledger.db."
                if not view.book.attempts
                else "No attempt is in this scope: choose another time, or all of the ledger."
            )
            if not view.book.attempts:
                return
        else:
            _at_a_glance(spending)
        _parts(spending, divided)


def _scope(view: View) -> Scope:
    """What is asked about: whose attempts, since when."""
    runs = {f"run {run.key}": run for run in view.chosen}
    names = {HERE: HERE, ALL: ALL} | {key: f"what made {run.name}" for key, run in runs.items()}
    whose_box, since_box = st.columns(2)
    whose = whose_box.selectbox("attempts of", list(names), format_func=names.get, key="spend_of", bind="query-params")
    since = since_box.segmented_control(
        "begun in the last", list(SPANS_S), default="all", required=True, key="spend_since", bind="query-params"
    )
    if whose in runs:
        scope = Scope(only=frozenset(one.id for one in makers_of(runs[whose], view.book)))
    elif whose == ALL:
        scope = EVERYTHING
    else:  # experiments climb in folders of their own, and book here
        beside = f"/{FOLDER.as_posix()}/"
        mine = frozenset(one.id for one in view.book.attempts if beside not in (one.origin.workspace or ""))
        scope = replace(here(), only=mine)
    span = SPANS_S[since or "all"]
    # To the minute, so that a page that is drawn again asks the same.
    return scope if span is None else replace(scope, since=time.time() // 60 * 60 - span)


def _at_a_glance(spending: Spending) -> None:
    bill = spending.bill
    total = bill.total
    hours = sum(line.seconds * line.device_count for line in bill.lines) / 3600
    share = f"{total.wasted_usd / total.usd:.0%} of it" if total.usd else None
    estimated = "all estimated" if bill.energy_estimated_kwh == bill.energy_kwh else "partly estimated"
    with st.container(horizontal=True, gap="medium"):
        st.metric("spent", dollars(total.usd), width="content")
        st.metric("wasted", dollars(total.wasted_usd), share, **QUIET)
        st.metric("device-hours", _figure(hours), width="content")
        st.metric("energy (kWh)", _figure(bill.energy_kwh), estimated if bill.energy_estimated_kwh else None, **QUIET)
        st.metric("attempts", f"{total.attempts:,}", width="content")
    if total.unpriced:
        st.warning(plain(without_price(total.unpriced, bill.unpriced_devices)))


def _figure(value: float) -> str:
    """Three figures, never as a power of ten."""
    return f"{value:,.2f}" if value >= 1 or value == 0 else f"{Decimal(f'{value:.3g}'):f}"


def _parts(spending: Spending, divided: pd.DataFrame) -> None:
    tabs = dict(zip(PARTS, st.tabs(PARTS, key="spend_part", bind="query-params"), strict=True))
    drawing: dict[str, Callable[[], None]] = {
        "Where it went": partial(_bars, divided),
        "Flow": partial(_flow, divided),
        "Attempts": partial(_attempts, spending),
        "Budget": draw_budget,
        "Projection": draw_projection,
        "Prices": partial(_prices, spending),
    }
    for name, tab in tabs.items():
        if tab.open and (spending.attempts or name in AHEAD):
            with tab, notice(name):
                drawing[name]()


def _bars(divided: pd.DataFrame) -> None:
    boxes = st.columns(3)
    measure = boxes[0].selectbox("measure", list(MEASURES), key="spend_measure", bind="query-params")
    by = boxes[1].selectbox("by", list(GROUPS), key="spend_by", bind="query-params")
    split = boxes[2].selectbox(
        "divided by", ["outcome", "phase", "state"], key="spend_split", bind="query-params",
        help="outcome: useful, or the reason why it was wasted",
    )  # fmt: skip
    drawn = divided
    if by == "attempt":
        newest = sorted(set(divided["attempt"]))[-BARS:]
        drawn = divided[divided["attempt"].isin(newest)]
        if len(newest) == BARS:
            st.caption(f"the newest {BARS} attempts")
    sums = grouped(drawn, by, split, measure)
    if sums.empty:
        st.info(f"Nothing of this scope has {measure}: no meter measured it, or nobody knows its price.")
        return
    rows = in_order(by, sums[by])
    colours = _colours(split, in_order(split, sums[split]))
    figure(stacked(sums, by, split, UNITS[measure], rows, colours), "spend", sums)
    if measure != "dollars" and split == "outcome":
        st.caption("Of hours and energy as much counts as wasted as of the dollars of the same phase.")


def _colours(split: str, values: Iterable[object]) -> Mapping[str, str]:
    known = {"outcome": OUTCOMES, "state": STATES}.get(split, {})
    others = (*PALETTE, NEUTRAL)
    return {str(value): known.get(str(value), others[place % len(others)]) for place, value in enumerate(values)}


def _flow(divided: pd.DataFrame) -> None:
    found = with_small_ones_joined(leaves(divided, "all"), 1, LEAST, "small ones")
    if not found:
        st.info("Nothing of this scope has a price: there are no dollars to follow.")
        return
    flow = layout(found, {3: [USEFUL]})
    text, halo = TEXT_AND_HALO.get(str(st.context.theme.type), (NEUTRAL, "transparent"))
    chart = flow_chart(flow, UNITS_PER_USD, "dollars", FLOW, {USEFUL: GOOD, "wasted": BAD}, text, halo)
    sums = divided.dropna(subset="usd").groupby(["stage", "phase", "outcome"], sort=False, as_index=False)["usd"].sum()
    figure(chart, "spend-flow", sums)
    st.caption(
        f"{plain(dollars(flow.total / UNITS_PER_USD))}, from left to right: by stage, by phase, and what it came to. "
        "Refunds make a stage's bands narrower. " + _REASONS
    )


_REASONS = (
    "Wasted are attempts that nobody went on from (failed, killed, pruned), updates that were skipped, padding, "
    "groups whose rewards are all equal (zero_std), answers that the context cut (truncated), and idle seconds."
)


def _attempts(spending: Spending) -> None:
    table = attempts_table(spending)
    if len(table) > ROWS:
        st.caption(f"the newest {ROWS:,} of {len(table):,} attempts")
    shown = table.head(ROWS)
    event = st.dataframe(
        shown,
        hide_index=True,
        key="spend_attempts",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "minutes": st.column_config.NumberColumn(format="%.2f"),
            "usd": st.column_config.NumberColumn("dollars", format="%.6f"),
            "wasted_usd": st.column_config.NumberColumn("wasted dollars", format="%.6f"),
            "kwh": st.column_config.NumberColumn("energy (kWh)", format="%.6f"),
            "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            "last sign": st.column_config.DatetimeColumn("last sign (UTC)", format="YYYY-MM-DD HH:mm:ss"),
        },
    )
    chosen = [place for place in event.selection.rows if place < len(shown)]
    failed = shown[shown["error"] != ""]
    rows = shown.iloc[chosen] if chosen else failed.head(3)
    if rows.empty:
        return
    st.caption(
        "the chosen attempt's own words" if chosen else "how the newest failed ones ended; choose a row to read another"
    )
    for row in rows.to_dict("records"):
        said = f"{row['cause']}: {row['error']}" if row["error"] else "it ended without an error"
        st.code(f"attempt {row['attempt']}, {row['stage']}, {row['state']}\n{said}", language=None, wrap_lines=True)


def _prices(spending: Spending) -> None:
    st.subheader("Price by price")
    table = prices_table(spending.bill)
    if table.empty:
        st.info("No attempt of this scope has a price.")
    else:
        st.dataframe(table, hide_index=True)
    st.caption(
        "As each attempt was booked; what was booked without a price has the present one of prices.yaml or operations.prices."
    )
    if spending.bill.unpriced_devices:
        st.warning(plain(without_price(spending.bill.total.unpriced, spending.bill.unpriced_devices)))
    st.subheader("Corrections")
    corrections = corrections_table(spending.bill)
    if corrections.empty:
        st.caption('none: `python -m stages.accounting correct ATTEMPT --usd -0.35 --why "refunded"` books one')
    else:
        st.dataframe(corrections, hide_index=True)
