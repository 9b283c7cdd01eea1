"""`python -m flows.sweep`: run the sweep of params.yaml, tell what it found, use it, and free what it no longer needs.

run [--trials N]            make the trials that are left, on a Prefect server of its own that ends with it
report                      write reports/sweep.md and reports/sweep.json anew
apply BEST|NUMBER           put a trial's settings into params.yaml
clean [--keep N] [--yes]    free the checkpoints of all trials but the best
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from stages.errors import exit_on_error
from stages.params import load_params


def run(arguments: argparse.Namespace) -> None:
    from flows.local import run_here
    from flows.sweep.base import plan_base

    plan_base(None, {})  # refused before a server starts

    def flow() -> None:
        from flows.sweep.flow import sweep  # imports Prefect

        sweep(trials=arguments.trials)

    run_here(flow, again="python -m flows.sweep run")
    _say_report()


def report(arguments: argparse.Namespace) -> None:
    from flows.sweep.report import write_report
    from flows.sweep.storage import address_of, storage
    from flows.sweep.study import load_study

    params = load_params()
    with storage(address_of(params.sweep)) as opened:
        write_report(load_study(opened, params.sweep), params)
    _say_report()


def apply(arguments: argparse.Namespace) -> None:
    from flows.sweep.apply import apply, chosen
    from flows.sweep.storage import address_of, storage
    from flows.sweep.study import load_study, trial_name

    sweep = load_params().sweep
    with storage(address_of(sweep)) as opened:
        trial = chosen(load_study(opened, sweep), arguments.trial)
        commit = apply(trial)
    print(
        f"params.yaml has the settings of trial {trial.number}, made at commit {commit[:12]}; `dvc repro` there gives its bytes "
        f"again (`dvc exp apply {trial_name(sweep.name, trial.number)}` brings its files, where it has finished)"
    )


def clean(arguments: argparse.Namespace) -> None:
    from flows.sweep.clean import free, to_free
    from flows.sweep.storage import address_of, storage
    from flows.sweep.study import load_study

    sweep = load_params().sweep
    with storage(address_of(sweep)) as opened:
        unneeded = to_free(load_study(opened, sweep), sweep, arguments.keep)
    print(unneeded.said())
    if unneeded.empty or not (arguments.yes or _agreed()):
        return
    free(unneeded)
    print("freed")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        print("nothing is freed yet; `--yes` does it")
        return False
    return input("free it? [y/N] ").strip().lower() in ("y", "yes")


def _say_report() -> None:
    from flows.sweep.report import REPORT_MD

    print(REPORT_MD.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m flows.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="run|report|apply|clean")

    def command(name: str, does: Callable[[argparse.Namespace], None]) -> Any:
        added = commands.add_parser(name)
        added.set_defaults(does=does)
        return added

    command("run", run).add_argument("--trials", type=_count, help="how many in all (default: sweep.trials)")
    command("report", report)
    command("apply", apply).add_argument("trial", metavar="BEST|NUMBER")
    cleaning = command("clean", clean)
    cleaning.add_argument(
        "--keep", type=_count, default=3, metavar="N", help="the best N trials (default 3); a Pareto front too"
    )
    cleaning.add_argument("--yes", action="store_true", help="don't ask")
    arguments = parser.parse_args()
    arguments.does(arguments)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    exit_on_error(main)
