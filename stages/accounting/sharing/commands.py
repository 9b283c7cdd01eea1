"""The commands of sharing and their options; what they do is imported once one is called, for the others don't wait for it."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from stages.accounting.reading import Scope


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", scope_of: Callable[[argparse.Namespace], Scope]
) -> None:
    """`scope_of` tells which attempts the options mean."""

    def _export(arguments: argparse.Namespace) -> None:
        from stages.accounting.sharing.exchange import export

        export(arguments.record, scope_of(arguments))

    command = commands.add_parser("export", help="write the present experiment as one record for others")
    command.set_defaults(run_command=_export, all=False, since=None)
    command.add_argument("record", type=Path, help="the file to write (run.json)")
    command.add_argument("--run", help="with the attempts of one run alone; `last` is the newest")

    command = commands.add_parser("import", help="check others' records, keep them, show them beside this experiment")
    command.set_defaults(run_command=_import)
    command.add_argument("records", type=Path, nargs="+", help="files that export wrote")
    _add_form(command)

    command = commands.add_parser("compare", help="this experiment beside the imported ones")
    command.set_defaults(run_command=_compare)
    _add_form(command)


def _import(arguments: argparse.Namespace) -> None:
    from stages.accounting.sharing.exchange import import_records

    import_records(arguments.records, arguments.json, arguments.at_price)


def _compare(arguments: argparse.Namespace) -> None:
    from stages.accounting.sharing.exchange import compare_kept

    compare_kept(arguments.json, arguments.at_price)


def _add_form(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument(
        "--at-price", type=_price, action="append", default=[], metavar="DEVICE=USD",
        help="what all attempts would have cost at this price an hour of a device; may be given for several",
    )  # fmt: skip


def _price(text: str) -> tuple[str, float]:
    device, _, usd = text.rpartition("=")
    try:
        value = float(usd)
    except ValueError:
        value = math.nan
    if not device or not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no DEVICE=USD (cpu-core=0.04)")
    return device, value
