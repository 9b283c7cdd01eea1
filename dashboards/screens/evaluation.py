"""Evaluation: is it better? Every figure with its interval, and a difference only where a paired test says so."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from dashboards.charts.intervals import at_k, by_group, by_rung, dumbbells, forest
from dashboards.load.examination import (
    COUNTED,
    KINDS,
    breakdown_of,
    broken_down,
    curves,
    figures_table,
    groups_in_order,
    of_metric,
    published_on,
    report_of,
)
from dashboards.load.present import is_present
from dashboards.look import BAD, NEUTRAL, figure, notice, plain
from dashboards.screens.differences import draw_differences
from dashboards.screens.elsewhere import draw_elsewhere
from dashboards.screens.examined import (
    Examined,
    at_box,
    benchmark_box,
    confidence_of,
    heading,
    metric_box,
    without_reports,
)
from dashboards.view import View
from stages.params import CHECKPOINTS

PARTS = ("Accuracy", "pass@k", "Twins", "Differences", "Breakdown", "Elsewhere", "Table")
WITHOUT_REPORTS = ("Differences", "Breakdown")  # they have files of their own


def draw(view: View) -> None:
    st.header("Evaluation")
    examined = _examined(view)
    if not examined.runs:
        st.info("No chosen run has been examined yet: `make run`, or `dvc repro compare`, examines every checkpoint.")
        return
    drawing: dict[str, Callable[[Examined], None]] = dict(
        zip(PARTS, (_accuracy, _at_k, _twins, draw_differences, _breakdown, draw_elsewhere, _table), strict=True)
    )
    for name, tab in zip(PARTS, st.tabs(PARTS, key="evaluation_part", bind="query-params"), strict=True):
        if tab.open:
            with tab:
                draw_it = drawing[name] if examined.reports or name in WITHOUT_REPORTS else without_reports
                draw_it(examined)


def _examined(view: View) -> Examined:
    names = [run.name for run in view.chosen]
    runs, reports, colours = {}, {}, {}
    damaged = False
    for run in view.chosen:
        name = run.name if names.count(run.name) == 1 else run.key
        report, read = None, False
        with notice(f"{run.name}, its report"):
            report, read = report_of(run.files), True
        whole = report is not None and not report.measured.empty
        damaged = damaged or not read
        if read and not whole:
            st.caption(f"{plain(run.name)} has not been examined to the end yet")
        if report is not None and whole:
            reports[name] = report
            if not is_present(run, "compare"):
                st.caption(
                    f"{plain(run.name)}: its report is of an earlier climb or other settings; `dvc repro` makes it anew"
                )
        if whole or not read or broken_down(run.files):
            runs[name], colours[name] = run, view.colours[run.key]
    return Examined(runs, reports, colours, damaged)


def _accuracy(examined: Examined) -> None:
    boxes = st.columns(3)
    benchmark, metric, at = benchmark_box(examined, boxes[0]), metric_box(examined, boxes[1]), at_box(boxes[2])
    figures = of_metric(examined.reports, benchmark, metric, at)
    if figures.empty:
        st.info("No chosen run has this figure on this benchmark.")
        return
    published = published_on(examined.reports, benchmark)
    # Others publish pass@1, the mean of their samples: nothing else is beside it.
    beside = published if metric.startswith("avg@") and at == "full" else published.head(0)
    share = metric not in COUNTED
    title = f"{metric} (share)" if share else f"{metric} (tokens)"
    chart = by_rung(figures, beside, title, CHECKPOINTS, examined.colours, NEUTRAL, "%" if share else "~s")
    figure(chart, "accuracy", pd.concat([figures, beside], ignore_index=True))
    st.caption(
        f"Bars are {confidence_of(examined)} intervals over problems. "
        + (
            "Dashed lines are published by others, on samples of their own: without an interval. "
            if len(beside)
            else ""
        )
        + _contexts(figures)
    )
    _years(examined)


def _contexts(figures: pd.DataFrame) -> str:
    if figures["context"].nunique() <= 1:
        return f"Contexts of {figures['context'].iloc[0]:,.0f} response tokens."
    told = figures.groupby("checkpoint", sort=False)["context"].unique()
    said = [f"{name} {' and '.join(f'{tokens:,.0f}' for tokens in sorted(all_))}" for name, all_ in told.items()]
    return f"Contexts in response tokens: {', '.join(said)}."


def _years(examined: Examined) -> None:
    """Accuracy on what the base can, and can't, have read in training."""
    parts = [report.years.assign(run=name) for name, report in examined.reports.items() if not report.years.empty]
    if not parts:
        return
    years = pd.concat(parts, ignore_index=True)
    st.subheader("Before and after the base's training cut-off")
    told = years.assign(group=years["year"], count=years["problems"])
    checkpoints = [name for name in CHECKPOINTS if name in set(told["checkpoint"])]
    chart = by_group(
        told, "year of the problem", ["before", "after", "unknown"], examined.colours, checkpoints, NEUTRAL
    )
    figure(chart, "training-cutoff", years)
    st.caption(
        "By the year in which a problem was set: one from before may have been read in training, one from after can't."
    )


def _at_k(examined: Examined) -> None:
    boxes = st.columns(2)
    benchmark, at = benchmark_box(examined, boxes[0]), at_box(boxes[1])
    found = curves(examined.reports, benchmark, at)
    if found.empty:
        st.info("No chosen run has these curves on this benchmark.")
        return
    # The same axis for all: what a rung gained is seen.
    shares = (float(found[["low", "value"]].min().min()), float(found[["high", "value"]].max().max()))
    checkpoints = [name for name in CHECKPOINTS if name in set(found["checkpoint"])]
    for place in range(0, len(checkpoints), 2):
        for box, checkpoint in zip(st.columns(2), checkpoints[place : place + 2], strict=False):
            of_one = found[found["checkpoint"] == checkpoint]
            with box:
                figure(at_k(of_one, checkpoint, examined.colours, shares), f"at-k-{checkpoint}", of_one)
    st.caption(
        "pass@k: one of k samples is right, by the unbiased estimator; maj@k: the most frequent answer of k is right. "
        f"Bars are {confidence_of(examined)} intervals over problems."
    )


def _twins(examined: Examined) -> None:
    having = {name: report for name, report in examined.reports.items() if not report.gaps.empty}
    if not having:
        st.info("No chosen run was examined on twins: `problems.sources` of params.yaml asks for a benchmark's.")
        return
    for name, report in having.items():
        heading(name, examined)
        gaps = report.gaps.assign(what=report.gaps["checkpoint"] + ": " + report.gaps["change"])
        order = list(gaps["what"])
        left, right = st.columns(2)
        with left:
            ends = {"originals": examined.colours[name], "twins": NEUTRAL}
            figure(dumbbells(gaps, order, ends, NEUTRAL), f"twins-{name}", report.gaps)
        with right:
            told = gaps.assign(value=gaps["gap"], low=gaps["gap_low"], high=gaps["gap_high"])
            crossed = (told["low"] > 0) | (told["high"] < 0)
            told["said"] = crossed.map({True: "interval without 0", False: "interval holds 0"})
            said = {"interval without 0": BAD, "interval holds 0": NEUTRAL}
            figure(forest(told, "originals less twins", order, said, NEUTRAL), f"gaps-{name}", report.gaps)
    st.caption(
        "A twin is the same problem with other numbers, or told otherwise. Originals less twins above 0: it fails where "
        f"something was changed. {confidence_of(examined)} intervals over families; these are not corrected for being several."
    )


def _breakdown(examined: Examined) -> None:
    parts = []
    for name, run in examined.runs.items():
        for checkpoint in CHECKPOINTS:
            with notice(f"{name}, its breakdown of {checkpoint}"):
                parts.append(breakdown_of(run.files, checkpoint).assign(run=name))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if found.empty:
        if len(parts) == len(examined.runs) * len(CHECKPOINTS):  # and no notice above
            st.info("No breakdown yet: `dvc repro evaluate@24k` makes it.")
        return
    boxes = st.columns(3)
    by = boxes[0].selectbox("by", list(KINDS), format_func=KINDS.get, key="evaluation_by", bind="query-params")
    at = at_box(boxes[1])
    there = [name for name in CHECKPOINTS if name in set(found["checkpoint"])]
    asked = boxes[2].multiselect(
        "checkpoints", there, default=list(dict.fromkeys((there[0], there[-1]))), key="evaluation_checkpoints",
        bind="query-params",
    )  # fmt: skip
    rows = found[(found["by"] == by) & (found["at"] == at) & found["checkpoint"].isin(asked)]
    if rows.empty:
        st.info("Nothing to draw: choose a checkpoint.")
        return
    checkpoints = [name for name in there if name in asked]
    chart = by_group(rows, KINDS[by], groups_in_order(list(rows["group"])), examined.colours, checkpoints, NEUTRAL)
    figure(chart, "breakdown", rows)
    st.caption(
        f"Bars are {confidence_of(examined)} intervals. "
        + ("Lengths in response tokens, of answers; all else of problems." if by == "by_length" else "")
    )


def _table(examined: Examined) -> None:
    at = at_box(st.container())
    for name, report in examined.reports.items():
        heading(name, examined)
        st.dataframe(figures_table(report, at), hide_index=True)
        st.download_button(
            "every figure as CSV", partial(_csv, report.rows), f"evaluation-{name}.csv", "text/csv",
            key=f"evaluation-rows-{name}", on_click="ignore", type="tertiary", icon=":material/download:",
        )  # fmt: skip
    st.caption(
        f"Shares in per cent with their {confidence_of(examined)} intervals, lengths in tokens. Published rows are others' "
        "figures on samples of their own: no interval joins them to ours."
    )


def _csv(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(index=False).encode()
