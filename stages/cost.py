"""Stage `cost`: the bill of the present results, as a report that DVC shows beside every experiment's accuracy.

It runs at every `dvc repro` (time and dollars are measured, not made), books nothing for itself, and writes only what
changed. `python -m stages.accounting bill` has it stage by stage.
"""

import json
from pathlib import Path

from stages.accounting.workspace import workspace_bill
from stages.errors import exit_on_error
from stages.store.files import write_json

REPORT = Path("reports/bill.json")


def main() -> None:
    bill = workspace_bill()
    report = {
        "made_minutes": round(bill.made.wall_s / 60, 3),
        "made_usd": round(bill.made.cost_usd, 6),
        "spent_here_minutes": round(bill.spent_here.wall_s / 60, 3),
        "spent_here_usd": round(bill.spent_here.cost_usd, 6),
    }
    if not REPORT.exists() or json.loads(REPORT.read_bytes()) != report:
        write_json(REPORT, report)


if __name__ == "__main__":
    exit_on_error(main)
