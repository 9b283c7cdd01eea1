"""What the climb cost elsewhere, as frames: bits per byte, the divergence from the base, the distance of the weights."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboards.load.examination import ELSEWHERE, Report
from stages.evaluation.off_domain.table import bits_told, far_told, measured


def measured_elsewhere(reports: Mapping[str, Report]) -> pd.DataFrame:
    """Every figure that has a value: the columns ELSEWHERE, `run`, and `what` it is of."""
    parts = [report.elsewhere.assign(run=run) for run, report in reports.items() if not report.elsewhere.empty]
    if not parts:
        return pd.DataFrame(columns=[*ELSEWHERE, "run", "what"])
    rows = pd.concat(parts, ignore_index=True)
    rows["what"] = [measured(row) for row in rows.to_dict("records")]
    return rows[rows["value"].notna()].reset_index(drop=True)


def elsewhere_table(report: Report) -> pd.DataFrame:
    """To be read: a row a checkpoint, a column a measure ("1.020 -> 1.090 (+0.070 [+0.050, +0.090])")."""
    rows: dict[str, dict[str, str]] = {}
    for record in report.elsewhere.to_dict("records"):
        row: dict[str, Any] = {str(name): None if pd.isna(value) else value for name, value in record.items()}
        told = bits_told if row["measure"] in ("bits_per_byte", "score") else far_told
        rows.setdefault(row["checkpoint"], {})[measured(row)] = told(row)
    table = pd.DataFrame([{"checkpoint": name} | told for name, told in rows.items()])
    return table.fillna("-")
