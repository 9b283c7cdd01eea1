"""What was spent, on what, and what is still to come, by the ledger of this workspace or the one that LADDER_LEDGER names.

    python -m stages.accounting bill [--csv | --json] [--run NAME | --run last] [--since 2026-11-01 | 12h | 7d] [--all]
    python -m stages.accounting project [--longest-first] [--rollouts 16] [--device NAME] [--profile deepscaler] [--json]
    python -m stages.accounting correct 17 --usd -0.35 --why "the vendor refunded the outage"
    python -m stages.accounting check
    python -m stages.accounting export run.json [--run NAME | --run last]
    python -m stages.accounting import run.json [--json] [--at-price DEVICE=USD]
    python -m stages.accounting compare [--json] [--at-price DEVICE=USD]

Every command says with -h what else it takes.
"""

import argparse
import gc
import json
import math
from dataclasses import replace
from datetime import datetime
from math import fsum
from pathlib import Path

from stages.accounting.backup import backup_of, set_broken_aside
from stages.accounting.ledger import Ledger, ledger_path
from stages.accounting.prices import read_prices
from stages.accounting.projection_options import add_arguments
from stages.accounting.reading import EVERYTHING, Scope, reading
from stages.accounting.sharing import commands as sharing
from stages.accounting.statement import as_csv, as_json, as_table
from stages.accounting.unit_costs import unit_costs
from stages.accounting.workspace import here, workspace_bill
from stages.errors import LadderError, exit_on_error
from stages.params import load_params

SPANS_S = {"m": 60, "h": 3600, "d": 86400}


def bill(arguments: argparse.Namespace) -> None:
    made = workspace_bill(scope_of(arguments))
    if arguments.csv:
        print(as_csv(made), end="")
        return
    costs = unit_costs(made, load_params().evaluation.samples_per_problem)
    carbon = read_prices().carbon
    kg_per_kwh = carbon.kg_per_kwh if carbon else None
    if arguments.json:
        print(json.dumps(as_json(made, costs, kg_per_kwh), indent=2))
    else:
        print(as_table(made, costs, kg_per_kwh))


def scope_of(arguments: argparse.Namespace) -> Scope:
    """Which attempts the options mean. Raises LadderError for a run that is not in the ledger."""
    scope = replace(EVERYTHING if arguments.all else here(), since=arguments.since)
    if arguments.run is None:
        return scope
    with reading(ledger_path()) as reader:
        run = reader.last_run(scope) if arguments.run == "last" else arguments.run
        if run is None or not reader.attempts(replace(scope, run=run)):
            raise LadderError(
                f"--run {arguments.run}: no such run in {ledger_path()}; `--run last`, or one of those that bill --csv shows"
            )
    return replace(scope, run=run)


def since(text: str) -> float:
    """A day, a moment (both in local time, unless it says otherwise), or a span until now. Unix seconds."""
    span, unit = text[:-1], text[-1:]
    if unit in SPANS_S and span.replace(".", "", 1).isdigit():
        return datetime.now().timestamp() - float(span) * SPANS_S[unit]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no day (2026-11-01), moment (2026-11-01T18:00) or span (12h)"
        ) from None


def project(arguments: argparse.Namespace) -> None:
    from stages.accounting.projection.command import run  # numpy and the simulation: no other command needs them

    run(arguments)


def correct(arguments: argparse.Namespace) -> None:
    _existing_ledger()
    ledger = Ledger.open_here()
    ledger.correct(arguments.attempt, arguments.usd, arguments.why)
    ledger.close()
    lines = [line for line in workspace_bill(EVERYTHING).lines if line.attempt == arguments.attempt]
    after = fsum(line.usd for line in lines if line.usd is not None)
    print(f"attempt {arguments.attempt} ({lines[0].stage}): {after - arguments.usd:.6g} and now {after:.6g} dollars")


def check(arguments: argparse.Namespace) -> None:
    """Of a broken one the backup takes the place; exit code 2 says that it was."""
    path = _existing_ledger()
    if found := set_broken_aside(path, whole=True):
        raise LadderError(f"{path}: {found}; it was set aside")
    print(f"{path}: whole")


def _existing_ledger() -> Path:
    path = ledger_path()
    if not path.exists() and not backup_of(path).exists():
        raise LadderError(f"{path}: there is no such ledger; correct LADDER_LEDGER, or run a stage, which makes it")
    return path


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m stages.accounting", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("bill", help="what was spent here, and what the present results took to make")
    command.set_defaults(run_command=bill)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--csv", action="store_true", help="as CSV, a row a phase of an attempt")
    command.add_argument("--run", help="of one run alone; `last` is the newest")
    command.add_argument("--since", type=since, help="of attempts begun since that day, moment or span")
    command.add_argument("--all", action="store_true", help="of all workspaces that share the ledger")

    command = commands.add_parser("correct", help="add dollars to an attempt's bill, as a row of its own")
    command.set_defaults(run_command=correct)
    command.add_argument("attempt", type=int, help="its number")
    command.add_argument("--usd", type=finite, required=True, help="dollars to add; negative to take off")
    command.add_argument("--why", type=reason, required=True, help="the reason, which is kept with it")

    command = commands.add_parser("project", help="what the rest of the run will cost, or what it would cost otherwise")
    command.set_defaults(run_command=project)
    add_arguments(command)

    command = commands.add_parser("check", help="look at every page of the ledger (SQLite's integrity check)")
    command.set_defaults(run_command=check)

    sharing.add_commands(commands, scope_of)

    gc.disable()  # what a command makes lives to its end: looking for garbage takes an eighth of a large bill's time
    arguments = parser.parse_args()
    arguments.run_command(arguments)


def reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a correction needs a reason")
    return text


def finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount")
    return value


if __name__ == "__main__":
    exit_on_error(main)
