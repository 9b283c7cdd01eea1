"""Of Evaluation the differences: between a run's checkpoints, and between two runs; said only where a paired test says so."""

import pandas as pd
import streamlit as st

from dashboards.charts.intervals import forest
from dashboards.load.between_runs import between
from dashboards.load.runs import Run
from dashboards.load.settings import settings_of
from dashboards.look import BAD, GOOD, NEUTRAL, figure, notice, plain
from dashboards.screens.examined import Examined, benchmark_box, confidence_of, heading, metric_box, without_reports
from stages.evaluation.intervals import Resampling

BETTER, WORSE, NOT_SHOWN = "shown to be better", "shown to be worse", "no difference shown"
SAID = {BETTER: GOOD, WORSE: BAD, NOT_SHOWN: NEUTRAL}


def draw_differences(examined: Examined) -> None:
    (_within if examined.reports else without_reports)(examined)
    _between(examined)


def _within(examined: Examined) -> None:
    """Between the checkpoints of each run."""
    boxes = st.columns(2)
    benchmark, metric = benchmark_box(examined, boxes[0]), metric_box(examined, boxes[1])
    for name, report in examined.reports.items():
        asked = report.comparisons
        rows = asked[(asked["benchmark"] == benchmark) & (asked["metric"] == metric)]
        heading(name, examined)
        if rows.empty:
            st.caption(f"{plain(metric)} is compared in no pair: accuracies alone are")
            continue
        told = rows.assign(what=rows["checkpoint"] + " less " + rows["against"], value=rows["difference"])
        _forest(told, f"difference of {metric} (share)", f"differences-{name}")
    st.caption(
        f"Paired over the same problems, {confidence_of(examined)} intervals. A difference is shown where a sign-flip test says "
        "so after Holm's correction for all that was asked of the figure."
    )


def _forest(rows: pd.DataFrame, title: str, name: str) -> None:
    judged = [
        NOT_SHOWN if not shown else BETTER if value > 0 else WORSE
        for shown, value in zip(rows["shown"], rows["value"], strict=True)
    ]
    told = rows.assign(said=judged)
    figure(forest(told, title, list(dict.fromkeys(told["what"])), SAID, NEUTRAL), name, told)


def _between(examined: Examined) -> None:
    st.subheader("Between two runs")
    if len(examined.runs) < 2:
        st.caption("Choose two runs in the side bar: they are compared on the problems that both answered.")
        return
    names = list(examined.runs)
    boxes = st.columns(2)
    second = boxes[0].selectbox("run", names, index=1, key="evaluation_run", bind="query-params")
    first = boxes[1].selectbox("less", names, index=0, key="evaluation_less", bind="query-params")
    if first == second:
        st.info("These are one run: choose another to compare it with.")
        return
    with notice("the graded answers"):
        rows = between(examined.runs[first].files, examined.runs[second].files, _resampling(examined.runs[first]))
        if rows.empty:
            st.info(
                "There is no checkpoint of which both runs' graded answers are on this machine: `dvc pull` brings them."
            )
            return
        for measure, part in rows.groupby("measure", sort=False):
            told = part.assign(
                what=part["checkpoint"] + (", " + part["benchmark"] if part["benchmark"].nunique() > 1 else ""),
                accuracy=part["value"],
                value=part["difference"],
            )
            _forest(told, f"difference of {measure} accuracy (share)", f"between-{measure}")
        unpaired = int(rows["unpaired"].max())
        st.caption(
            f"At each run's own full context ({_full_contexts(examined, first, second)} response tokens)"
            + (f"; up to {unpaired} problems that only one of them has are left out" if unpaired else "")
            + ". Another seed alone makes another run: two runs that differ are not two recipes that do."
        )


def _full_contexts(examined: Examined, *names: str) -> str:
    found = [settings_of(examined.runs[name]).get("evaluation.max_response_tokens", "?") for name in names]
    return " and ".join(dict.fromkeys(map(str, found)))


def _resampling(run: Run) -> Resampling:
    """As its own report was resampled; where its settings can't be read, as the project's do by default."""
    settings = settings_of(run)
    return Resampling(
        int(settings["seed"]), int(settings["evaluation.bootstrap_draws"]), float(settings["evaluation.confidence"])
    )
