"""Sweep: which settings are good, which are stable, what did it cost to find out?"""

import shlex
from collections.abc import Callable
from urllib.parse import urlencode

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.charts.sweep import (
    cost_chart,
    curves_chart,
    front_chart,
    history_chart,
    importance_chart,
    map_chart,
    parallel_chart,
)
from dashboards.load.studies import Searched, importance, kept_at, searched, studies
from dashboards.load.sweep import STATES, by_state, history, names, over, parallel, spent, with_costs
from dashboards.look import dollars, figure, notice, plain
from dashboards.view import View
from stages.params import RUNGS

BEGIN = "`python -m flows.sweep run`"
MAPPED = ("grpo.kl_coef", "grpo.clip_high")
FEWEST = 4  # finished trials that an importance needs


def draw(view: View) -> None:
    st.header("Sweep")
    with notice("the studies"):
        address = kept_at()
        known = studies(address)
        if not known:
            st.info(f"No sweep yet: {BEGIN} searches the settings under `sweep` of params.yaml.")
            return
        name = st.selectbox("study", known, key="sweep_study", bind="query-params")
        study = searched(address, name)
        trials = with_costs(study, spent(view.book, study.name))
        if not study.begun:
            st.info("No sweep of this project began this study, so that nothing is known of its objectives.")
            return
        if trials.empty:
            st.info(f"No trial yet: {BEGIN} goes on with this study.")
            return
        _summary(study, trials)
        _charts(address, study, trials)
        _without_result(trials)
        _trials(view, study, trials)


def _summary(study: Searched, trials: pd.DataFrame) -> None:
    counts = trials["state"].value_counts()
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if state in counts.index)
    st.caption(plain(f"{told}; by {study.sampler}, seed {study.seed}, for {' and '.join(study.objectives)}"))
    kept = history(trials)["best"].dropna()
    best, usd, count = st.columns(3)
    best.metric("best accuracy", f"{kept.iloc[-1]:.4f}" if not kept.empty else "none yet")
    usd.metric("spent", plain(dollars(trials["dollars"].sum(min_count=1))))
    count.metric("trials", len(trials))


def _charts(address: str, study: Searched, trials: pd.DataFrame) -> None:
    left, right = st.columns(2)
    with left:
        st.subheader("Where it is stable")
        _map(study, trials)
    with right:
        st.subheader("What it costs to be better")
        _front(study, trials)
    st.subheader("All settings at once")
    lines, marks = parallel(study, trials)
    _figure(lambda: parallel_chart(lines, marks), "sweep-parallel", lines, "No trial has drawn its settings yet.")
    left, right = st.columns(2)
    with left:
        st.subheader("The best so far")
        best = history(trials)
        _figure(lambda: history_chart(best), "sweep-history", best, "No trial has finished yet.")
    with right:
        st.subheader("What matters")
        matters = st.container()  # filled last: it takes a second
    st.subheader("Rewards as they grow")
    none = "The pruner was told nothing" + (": it judges by one objective." if len(study.objectives) > 1 else " yet.")
    _figure(lambda: curves_chart(study.reports, study.longest, RUNGS), "sweep-rewards", study.reports, none)
    st.subheader("What it cost")
    states = by_state(trials)
    figure(cost_chart(states), "sweep-cost", states)
    with matters, notice("the settings' importance"):
        _importance(address, study)


def _figure(draw_it: Callable[[], alt.TopLevelMixin], name: str, data: pd.DataFrame, otherwise: str) -> None:
    if data.empty:
        st.info(otherwise)
    else:
        figure(draw_it(), name, data)


def _map(study: Searched, trials: pd.DataFrame) -> None:
    paths = [axis.path for axis in study.axes]
    if len(paths) < 2:
        st.info("A map takes two settings, and this sweep searches one.")
        return
    wanted = [path for path in MAPPED if path in paths]
    x_path, y_path = [*wanted, *(path for path in paths if path not in wanted)][:2]
    x_box, y_box = st.columns(2)
    x = x_box.selectbox("across", paths, index=paths.index(x_path), key="sweep_x", bind="query-params")
    y = y_box.selectbox("up", paths, index=paths.index(y_path), key="sweep_y", bind="query-params")
    placed = over(study, trials, x, y)
    chart = map_chart(placed, study.axis(x), study.axis(y))
    figure(chart, "sweep-map", placed.rename(columns={"x": x, "y": y}))


def _front(study: Searched, trials: pd.DataFrame) -> None:
    made = "usd" in study.objectives
    st.caption(
        "What a trial's results took to make."
        if made
        else "What a trial took by the ledger; shared stages with the first."
    )
    finished = trials[(trials["state"] == "complete") & trials["money"].notna()]
    drawn = finished[["number", "trial", "accuracy", "money", "feasible", "front"]]
    _figure(lambda: front_chart(finished), "sweep-front", drawn, "No finished trial has a known price yet.")


def _importance(address: str, study: Searched) -> None:
    found = importance(address, study)
    if found is None:
        st.info(f"Not known: it needs {FEWEST} finished trials that did not all come to the same.")
        return
    named = names(study.axes)
    rows = [(name, named.get(path, path), share) for name, of in found.items() for path, share in of.items()]
    shares = pd.DataFrame(rows, columns=["objective", "setting", "share"])
    figure(importance_chart(shares), "sweep-importance", shares)
    st.caption("fANOVA among the finished trials; pruned and diverged ones are not in it.")


def _without_result(trials: pd.DataFrame) -> None:
    diverged = trials[trials["state"].isin(["diverged", "failed"])]
    if diverged.empty:
        return
    st.subheader("Diverged and failed")
    st.dataframe(
        diverged[["trial", "state", "max_kl", "dollars", "why"]],
        hide_index=True,
        column_config={
            "max_kl": st.column_config.NumberColumn("highest KL (nats a token)", format="%.3g"),
            "dollars": st.column_config.NumberColumn(format="$%.4g"),
            "why": st.column_config.TextColumn(width="large"),
        },
    )


def _trials(view: View, study: Searched, trials: pd.DataFrame) -> None:
    st.subheader("Trials")
    keys = {run.name: run.key for run in view.runs}
    links = [f"stability?{urlencode({'runs': keys[trial]})}" if trial in keys else None for trial in trials["trial"]]
    axes = [axis.path for axis in study.axes]
    objectives = ["accuracy", *(["usd"] if "usd" in study.objectives else [])]
    columns = ["trial", "state", *objectives, *axes, "dollars", "hours", "max_kl", "feasible", "front", "why"]
    table = trials[columns].assign(run=links)[["trial", "run", *columns[1:]]]
    picked = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="sweep_trials",
        column_config={
            "run": st.column_config.LinkColumn("its run", display_text="open"),
            "accuracy": st.column_config.NumberColumn(format="%.4f"),
            "usd": st.column_config.NumberColumn("dollars of its results", format="$%.4g"),
            "dollars": st.column_config.NumberColumn("dollars spent", format="$%.4g"),
            "hours": st.column_config.NumberColumn(format="%.3g"),
            "max_kl": st.column_config.NumberColumn("highest KL (nats a token)", format="%.3g"),
            "feasible": st.column_config.CheckboxColumn("keeps to the constraints"),
            "front": st.column_config.CheckboxColumn("Pareto front"),
            "why": st.column_config.TextColumn(width="large"),
            **{path: st.column_config.NumberColumn(format="%.4g") for path in axes if not study.axis(path).choices},
        },
    )
    rows = picked["selection"]["rows"]
    if rows and rows[0] < len(trials):
        _trial(trials.iloc[rows[0]], keys)
    else:
        st.caption("Choose a row for the command that takes the trial over, and for its steps.")


def _trial(trial: pd.Series, keys: dict[str, str]) -> None:
    if trial["state"] == "complete":
        st.code(f"dvc exp apply {shlex.quote(trial['trial'])}", language="shell")
    if trial["why"]:
        st.code(trial["why"], language=None, wrap_lines=True)
    if trial["trial"] in keys:
        st.page_link(
            st.Page(_stability, title="Stability", url_path="stability"),
            label=f"The steps of {plain(trial['trial'])}",
            icon=":material/monitoring:",
            query_params={"runs": keys[trial["trial"]]},
        )


def _stability() -> None:
    """The page that a link leads to is known by its address alone."""
