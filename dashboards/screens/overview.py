"""Overview: all runs, how each goes, whether it is better and what it cost; and which are looked at on the other pages."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from dashboards.load.accuracy import accuracy_of
from dashboards.load.cost import cost_of
from dashboards.load.health import health_of
from dashboards.load.marks import guards_fired
from dashboards.load.overview import overview
from dashboards.load.progress import progress_of
from dashboards.load.runs import Run, commit_address
from dashboards.load.series import steps_of
from dashboards.load.settings import guards_of
from dashboards.look import MOST_RUNS, cannot_show, dollars, health_line, notice, plain, run_name, span
from dashboards.view import ROOT, View

CARDS = 4  # of the chosen runs, above the table
column = st.column_config
COLUMNS = {  # in this order
    "run": column.TextColumn("run", width="medium", pinned=True),
    "state": column.TextColumn("state"),
    "progress": column.ProgressColumn("progress", format="percent", help="steps of the three rungs"),
    "left_min": column.NumberColumn("left (min)", format="%.1f", help="by the pace of its newest rung and its context"),
    "accuracy": column.NumberColumn("accuracy %", format="%.1f", help="24k, sampled, at the full context"),
    "reward": column.LineChartColumn("reward", y_min=0, y_max=1, help="of all steps, over the rungs"),
    "usd": column.NumberColumn("booked $", format="%.4f", help="all attempts booked for it, of earlier climbs too"),
    "made_usd": column.NumberColumn("to make $", format="%.4f", help="what its results took, by its reports/bill.json"),
    "hours": column.NumberColumn("booked device h", format="%.3f"),
    "guard": column.TextColumn("guard", help="what a guard said when it stopped the run"),
    "differs": column.TextColumn("differs", width="medium", help="settings that are not the workspace's"),
    "labels": column.ListColumn("tags", help="its sweeps, Git tags of its commit"),
    "kind": column.TextColumn("kind"),
    "made": column.DatetimeColumn("when", format="distance"),
    "commit": column.TextColumn("commit"),
    "how": column.TextColumn("bring it here", help="a command"),
}


def draw(view: View) -> None:
    st.header("Overview")
    if not any(run.attempts or run.files.place("dvc.lock") or run.kind != "workspace" for run in view.runs):
        st.info(
            "Nothing has run here yet. `make run` climbs the ladder of params.yaml; it appears here while it climbs."
        )
        return
    for run in view.chosen[:CARDS]:
        with st.container(border=True):
            _card(run, view)
    if len(view.chosen) > CARDS:
        st.caption(f"{len(view.chosen) - CARDS} more are chosen; the table and the other pages show them.")
    table = overview(view.runs, view.book)
    _table(_filtered(table), view)
    _commands(view.chosen)


def _card(run: Run, view: View) -> None:
    """Healthy? Better? How dear? In one line."""
    progress = progress_of(run, view.book)
    colour = view.colours[run.key]
    name, state, better, cost = st.columns([3, 2, 2, 2], vertical_alignment="center")
    with name:
        run_name(run.name, colour)
        with notice("its steps"):
            broken: list[str] = []
            for finding in health_of(steps_of(run, broken), guards_of(run), guards_fired(run, view.book))[:2]:
                health_line(finding)
            for said in broken:
                cannot_show("a rung", said)
    with state:
        left = f", about {span(progress.left_s)} left" if progress.left_s else ""
        st.markdown(
            f"{progress.state}: {plain(progress.stage)}{left}" if progress.state == "running" else progress.state
        )
        st.progress(progress.share, f"{progress.steps_done} of {progress.steps_planned} steps")
        if progress.state == "not here":
            st.caption("its files are not on this machine; `dvc pull` brings them from a remote")
        if progress.why:
            st.caption(plain(progress.why[:300]))
    with better, notice("its accuracy"):
        _accuracy(run)
    with cost, notice("its cost"):
        _cost(run, view)


def _cost(run: Run, view: View) -> None:
    """What its results took, wherever that was, what is being made now included; beside it all that was ever booked for it."""
    told = cost_of(run, view.book)
    if told.attempts == 0:
        st.metric("took to make", "unknown", help="This ledger has no attempt at its results.")
        return
    missing = []
    if told.unpriced:
        missing.append(f"{told.unpriced} attempt(s) have no known price.")
    if told.stages_unknown:
        missing.append(f"{told.stages_unknown} stage(s) were made where this ledger has not been.")
    if run.attempts:
        booked = dollars(view.book.spent(run.attempts))
        missing.append(f"All {len(run.attempts)} attempts booked for it, of earlier climbs too: {booked}.")
    label = "took at least" if told.unpriced or told.stages_unknown else "took to make"
    hours = f"{told.hours:.3g} device hours"
    st.metric(label, dollars(told.usd), hours, delta_color="off", delta_arrow="off", help=" ".join(missing) or None)


def _accuracy(run: Run) -> None:
    """Of its last checkpoint that was examined, beside the base."""
    found = accuracy_of(run)
    if found.empty:
        st.metric("held-out accuracy", "not examined")
        return
    last, first = found.iloc[-1], found.iloc[0]
    interval = "" if pd.isna(last["low"]) else f" ({100 * last['low']:.1f} to {100 * last['high']:.1f})"
    gained = (
        None
        if len(found) == 1
        else f"{100 * (last['accuracy'] - first['accuracy']):+.1f} points since {first['checkpoint']}"
    )
    st.metric(
        f"accuracy of {last['checkpoint']}",
        f"{100 * last['accuracy']:.1f} %",
        gained,
        help=f"Sampled, at the full context{interval}",
    )


def _filtered(table: pd.DataFrame) -> pd.DataFrame:
    text_box, state_box, label_box = st.columns(3)
    text = text_box.text_input(
        "find", key="find", bind="query-params", placeholder="a name, a setting, a commit"
    ).lower()
    states = state_box.multiselect("states", sorted(set(table["state"])), key="states", bind="query-params")
    labels = sorted({label for labels in table["labels"] for label in labels} | set(table["kind"]))
    wanted = label_box.multiselect(
        "tags", labels, key="tags", bind="query-params", help="kinds of run, sweeps, Git tags"
    )
    if text:
        words = table[["run", "differs", "commit", "guard"]].agg(" ".join, axis=1).str.lower()
        table = table[words.str.contains(text, regex=False)]
    if states:
        table = table[table["state"].isin(states)]
    if wanted:
        table = table[
            [bool({*labels, kind} & set(wanted)) for labels, kind in zip(table["labels"], table["kind"], strict=True)]
        ]
    return table.reset_index(drop=True)


def _table(table: pd.DataFrame, view: View) -> None:
    """Choosing rows chooses the runs of all pages; those that a filter hides stay chosen."""
    chosen = [run.key for run in view.chosen]
    keys = table["key"].tolist()
    rows = [keys.index(key) for key in chosen if key in keys]
    # Chosen elsewhere, or others in view: another table, with another selection to begin with.
    address = commit_address(ROOT)
    commit = table["commit"] if address is None else (address + table["commit"]).where(table["commit"] != "", "")
    shown = column.LinkColumn("commit", display_text=r"/commit/(.+)$") if address else column.TextColumn("commit")
    widget = f"overview-{hash((*keys, *rows))}"
    st.dataframe(
        table.assign(commit=commit),
        hide_index=True,
        placeholder="",
        key=widget,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": rows}},
        on_select=partial(_choose, widget, keys, chosen),
        column_order=list(COLUMNS),
        column_config=COLUMNS | {"commit": shown},
    )
    st.caption(
        f"{len(table)} of {len(view.runs)} runs. Choose up to {MOST_RUNS} rows to compare them on the other pages."
    )


def _choose(widget: str, keys: Sequence[str], chosen: Sequence[str]) -> None:
    rows = st.session_state[widget]["selection"]["rows"]
    picked = [keys[row] for row in rows]
    kept = [key for key in chosen if key not in keys or key in picked]
    st.session_state["runs"] = [*kept, *(key for key in picked if key not in chosen)][:MOST_RUNS]


def _commands(chosen: Sequence[Run]) -> None:
    """How each of the chosen ones is brought to the workspace, to be copied."""
    said = [
        f"{run.how}    # {run.name}, commit {(run.commit or 'unknown')[:10]}"
        for run in chosen
        if run.how and run.kind != "workspace"
    ]
    if said:
        st.code("\n".join(said), language="bash", wrap_lines=True)
