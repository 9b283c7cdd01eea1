"""Of Spend what looks ahead: the budget, and what a run would cost otherwise; both by the workspace's present settings."""

from functools import lru_cache

import pandas as pd
import streamlit as st

from dashboards.charts.bars import burn_down
from dashboards.charts.intervals import estimates
from dashboards.load.book import known_prices, version_of
from dashboards.load.burn import LIMITS, against_the_budget, burned, limits
from dashboards.look import NEUTRAL, PALETTE, dollars, figure, notice, plain, span
from stages.accounting.ledger import ledger_path
from stages.accounting.prices import PRICES
from stages.accounting.projection.results import Estimate, Projection
from stages.accounting.reading import reading
from stages.graph import DVC_LOCK, DVC_YAML
from stages.params import PARAMS, Budget, load_params

AS_IT_IS = "as it is"
ROLLOUTS = (AS_IT_IS, 2, 4, 8, 16, 32, 64)


def version() -> tuple[object, ...]:
    """Of all that a projection or a budget is read from."""
    return tuple(version_of(file) for file in (ledger_path(), PARAMS, PRICES, DVC_LOCK, DVC_YAML))


def draw_budget() -> None:
    budget = load_params().operations.budget
    lines = _burned(version(), budget)
    bounds = limits(budget)
    if not bounds:
        st.info(
            "No limit is set. `operations.budget: {usd: 5, hours: 1, per: run, warn_at: 0.8}` in params.yaml warns, then "
            "ends the work after the step in flight with a checkpoint."
        )
    if lines.empty:
        st.info("Nothing counts against it yet: `make run` climbs the ladder.")
        return
    names = list(dict.fromkeys(lines["what"]))
    for name in names:
        last = lines[lines["what"] == name].iloc[-1]
        for column, (_, hard) in bounds.items():
            share = float(last[column]) / hard
            said = f"{_amount(column, float(last[column]))} of {_amount(column, hard)} a {budget.per} ({share:.0%})"
            st.progress(min(1.0, max(0.0, share)), f"{plain(name)}: {said}")
    colours = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(names)}
    for box, (column, unit) in zip(st.columns(2), LIMITS.items(), strict=True):
        rules = []
        if column in bounds:
            soft, hard = bounds[column]
            rules = [("the work ends", hard), *([("a warning", soft)] if soft < hard else [])]
        with box:
            data = lines[["time", "what", column]]
            figure(burn_down(data, column, unit, rules, colours, NEUTRAL), f"budget-{column}", data)
    st.caption(
        "What counts against the budget of this workspace's settings: what made the results that are there, killed attempts at "
        "them included, and what was begun of those that are not. Hours of stages side by side add up."
    )


def _amount(column: str, value: float) -> str:
    return plain(dollars(value)) if column == "usd" else plain(span(value * 3600))


@lru_cache(4)
def _burned(version: object, budget: Budget) -> pd.DataFrame:
    price_of = known_prices()
    with reading(ledger_path()) as reader:
        corrections = reader.corrections()
        parts = [
            burned(one.attempts, corrections, price_of).assign(what=one.name)
            for one in against_the_budget(budget, reader)
            if one.attempts
        ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@st.fragment
def draw_projection() -> None:
    from dashboards.load.projected import devices, projected  # its room is slow to import, and few open this part

    with notice("the projection"):
        params = load_params()
        st.caption(
            "From the measured steps of this workspace, by its present settings: the middle of simulated futures, and between "
            "what nine in ten of them lie."
        )
        st.subheader("The ladder against its last context from the first day")
        with notice("the comparison"):
            _answer(projected(version(), longest_first=True), "projection-first-day")
        st.subheader("Otherwise")
        boxes = st.columns(3)
        device = boxes[0].selectbox("on", [AS_IT_IS, *devices(params)], key="spend_device", bind="query-params")
        rollouts = boxes[1].select_slider("rollouts a prompt", ROLLOUTS, key="spend_rollouts", bind="query-params")
        longest = boxes[2].toggle("the last context from the first day", key="spend_longest", bind="query-params")
        with notice("what it would cost"):
            asked = projected(
                version(),
                longest,
                None if rollouts == AS_IT_IS else int(rollouts),
                None if device == AS_IT_IS else device,
            )
            if asked.compared is None and not any(rung.steps for rung in asked.by_rung) and asked.seconds.high == 0:
                st.info("Nothing is still to come of the run as it is: all of it is made. Change something above.")
            else:
                _answer(asked, "projection")


def _answer(projection: Projection, name: str) -> None:
    from dashboards.load.projected import by_rung, intervals

    st.markdown(f"**{plain(projection.question)}**: {plain(_said(projection))}")
    rows = intervals(projection)
    for box, (measure, of_measure) in zip(st.columns(2), rows.groupby("measure", sort=False), strict=True):
        with box:
            figure(estimates(of_measure, str(measure), PALETTE[0]), f"{name}-{measure}", of_measure)
    with st.expander("Rung by rung, and what is supposed"):
        st.dataframe(by_rung(projection), hide_index=True)
        st.markdown("\n".join(f"{number}. {plain(one)}" for number, one in enumerate(projection.assumptions, 1)))


def _said(projection: Projection) -> str:
    said = f"{_interval(projection.usd, '$')}, {_interval(projection.seconds, '', 1 / 3600)} hours ({projection.basis})"
    if (against := projection.compared) is not None:
        said += f"; {_interval(against.usd_ratio)} times the dollars of {against.what}"
        said += f", {_interval(against.seconds_ratio)} times the hours"
    return said


def _interval(one: Estimate, sign: str = "", unit: float = 1.0) -> str:
    return f"{sign}{one.value * unit:.3g} ({one.low * unit:.3g} to {one.high * unit:.3g})"
