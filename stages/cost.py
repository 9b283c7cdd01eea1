"""Stage `cost`: the bill of the present results, as a report that DVC shows beside every experiment's accuracy.

It runs at every `dvc repro` (time and dollars are measured, not made), books nothing for itself, and writes only what
changed. `python -m stages.accounting bill` has it stage by stage. What the results took to make is null where this ledger
didn't see it all being made, or doesn't know its price: experiments are compared by it, and a part would look cheap.
"""

import json
from pathlib import Path
from typing import Any

from stages.accounting.bill import Bill
from stages.accounting.unit_costs import UnitCosts, unit_costs
from stages.accounting.workspace import workspace_bill
from stages.errors import exit_on_error
from stages.params import load_params
from stages.store.files import write_json

REPORT = Path("reports/bill.json")


def main() -> None:
    bill = workspace_bill()
    report = bill_report(bill, unit_costs(bill, load_params().evaluation.samples_per_problem))
    if _written() != report:
        write_json(REPORT, report)


def bill_report(bill: Bill, costs: UnitCosts) -> dict[str, Any]:
    """`unknown_stages` and `unpriced_attempts` (of all that was spent here) are there only where there are any."""
    report: dict[str, Any] = {
        "made_minutes": None if bill.unknown else round(bill.made.seconds / 60, 3),
        "made_usd": None if bill.unknown or bill.made.unpriced else round(bill.made.usd, 6),
        "spent_here_minutes": round(bill.total.seconds / 60, 3),
        "spent_here_usd": round(bill.total.usd, 6),
        "wasted_here_usd": round(bill.total.wasted_usd, 6),
        "energy_here_kwh": round(bill.energy_kwh, 6),
        "usd_per_accuracy_point": _rounded(costs.usd_per_accuracy_point),
        "usd_per_million_trained_tokens": _rounded(costs.usd_per_million_trained_tokens),
    }
    if bill.unknown:
        report["unknown_stages"] = sorted(bill.unknown)
    if bill.total.unpriced:
        report["unpriced_attempts"] = bill.total.unpriced
    return report


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)


def _written() -> Any:
    try:
        return json.loads(REPORT.read_bytes())
    except (FileNotFoundError, ValueError):  # a report that is missing or no JSON is written anew
        return None


if __name__ == "__main__":
    exit_on_error(main)
