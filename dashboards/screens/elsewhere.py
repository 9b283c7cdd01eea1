"""Of Evaluation what the climb cost elsewhere: off-domain texts, and how far from the base it has come."""

import streamlit as st

from dashboards.charts.intervals import by_rung
from dashboards.load.elsewhere import elsewhere_table, measured_elsewhere
from dashboards.look import NEUTRAL, figure
from dashboards.screens.examined import Examined, confidence_of, heading
from stages.params import CHECKPOINTS

UNITS = {
    "bits_per_byte": "bits per byte",
    "score": "mean of documents",
    "kl": "nats a token",
    "weights": "share of the base's length",
}
MEANING = {
    "bits_per_byte": "What the text costs the model: less is better. A rung above the base has paid for what it learned.",
    "score": "The share of right answers to questions, or lm-evaluation-harness's figure of a task: more is better.",
    "kl": "The divergence of the checkpoint's distribution from the base's, exact, over the whole vocabulary.",
    "weights": "|w - w0| / |w0| over all tensors; w0 are the base's.",
}


def draw_elsewhere(examined: Examined) -> None:
    found = measured_elsewhere(examined.reports)
    if found.empty:
        st.info("No chosen run was examined elsewhere: `dvc repro compare` examines every checkpoint.")
        return
    names = list(dict.fromkeys(found["what"]))
    what = st.selectbox("figure", names, key="evaluation_elsewhere", bind="query-params")
    rows = found[found["what"] == what]
    measure = rows["measure"].iloc[0]
    chart = by_rung(rows, rows.head(0), f"{what} ({UNITS[measure]})", CHECKPOINTS, examined.colours, NEUTRAL, form="~g")
    figure(chart, "elsewhere", rows)
    st.caption(
        MEANING[measure]
        + ("" if measure == "weights" else f" Bars are {confidence_of(examined)} intervals over texts.")
    )
    for name, report in examined.reports.items():
        if not report.elsewhere.empty:
            heading(name, examined)
            st.dataframe(elsewhere_table(report), hide_index=True)
    st.caption("In parentheses the change from the base, paired over the same texts.")
