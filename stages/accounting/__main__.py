"""What was spent, from the ledger: `python -m stages.accounting bill [--json]`."""

import argparse
import json
from dataclasses import asdict

from stages.accounting.bill import without_price
from stages.accounting.workspace import workspace_bill
from stages.errors import exit_on_error


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.accounting", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    bill_command = commands.add_parser("bill", help="what the present results took to make, and what was spent here")
    bill_command.add_argument("--json", action="store_true", help="as JSON")
    arguments = parser.parse_args()
    bill = workspace_bill()
    if arguments.json:
        print(json.dumps(asdict(bill), indent=2))
        return
    print(f"{'stage':<14} {'attempts':>8} {'minutes':>8} {'dollars':>9}")
    rows = [*bill.by_stage.items(), ("made", bill.made), ("spent here", bill.spent_here)]
    for stage, part in rows:
        print(f"{stage:<14} {part.attempts:>8} {part.wall_s / 60:>8.2f} {part.cost_usd:>9.4f}")
    if bill.unknown:
        print(f"no attempt in this ledger: {', '.join(bill.unknown)}")
    if bill.spent_here.unpriced:
        print(without_price(bill.spent_here.unpriced, bill.unpriced_devices))


if __name__ == "__main__":
    exit_on_error(main)
