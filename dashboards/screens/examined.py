"""What the parts of Evaluation share: the chosen runs that were examined, and which of their figures is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from dashboards.load.examination import Report
from dashboards.load.runs import Run
from dashboards.load.settings import settings_of
from dashboards.look import run_name

AT = {"full": "full context", "own": "own context"}


@dataclass(frozen=True, slots=True)
class Examined:
    """The chosen runs of which anything was examined, by the name that they have on the page; `reports` of those whose report is
    there. `damaged`: whether one of them is there and can't be read.
    """

    runs: Mapping[str, Run]
    reports: Mapping[str, Report]
    colours: Mapping[str, str]
    damaged: bool


def without_reports(examined: Examined) -> None:
    """In the place of what reports would tell."""
    if examined.damaged:
        st.caption("Nothing to show: the report can't be read.")
    else:
        st.info("No chosen run has been examined to the end yet: `dvc repro compare` sees to it.")


def benchmark_box(examined: Examined, box: st.delta_generator.DeltaGenerator) -> str:
    names = dict.fromkeys(name for report in examined.reports.values() for name in report.benchmarks)
    return str(box.selectbox("benchmark", list(names), key="evaluation_benchmark", bind="query-params"))


def at_box(box: st.delta_generator.DeltaGenerator) -> str:
    chosen = box.segmented_control(
        "at", list(AT), default="full", format_func=AT.get, required=True, key="evaluation_at", bind="query-params",
        help="A rung's own context is the one that it was trained at; the full one is the same for all.",
    )  # fmt: skip
    return str(chosen)


def metric_box(examined: Examined, box: st.delta_generator.DeltaGenerator) -> str:
    names = dict.fromkeys(name for report in examined.reports.values() for name in report.metrics)
    return str(box.selectbox("figure", list(names), key="evaluation_metric", bind="query-params"))


def confidence_of(examined: Examined) -> str:
    found = {_setting(run, "evaluation.confidence") for run in examined.runs.values()}
    return f"{found.pop():.0%}" if len(found) == 1 and None not in found else "each run's own"


def _setting(run: Run, name: str) -> float | None:
    value = settings_of(run).get(name)
    return float(value) if isinstance(value, int | float) else None


def heading(name: str, examined: Examined) -> None:
    """Whose figures follow, where several runs have some."""
    if len(examined.runs) > 1:
        run_name(name, examined.colours[name])
