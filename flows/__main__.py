"""`python -m flows`: climb the ladder here and now, on a Prefect server of its own that ends with it.

The server's home is printed, so that `prefect server start` shows the runs afterwards.
"""

import argparse

from flows.local import PREFECT_HOME, run_here
from flows.refusals import checked
from stages.accounting.workspace import workspace_bill
from stages.errors import exit_on_error
from stages.params import load_params


def climb() -> None:
    from flows.ladder import ladder  # imports Prefect

    ladder()


def main() -> None:
    argparse.ArgumentParser(prog="python -m flows", description=__doc__).parse_args()
    run_here(climb, again="make run", check=checked)
    from flows.report import ladder_table

    print(ladder_table(load_params(), workspace_bill()))
    print(
        "\nwhere to look next:\n"
        "  reports/evaluation.md                    every figure with its interval, and which checkpoint beats which\n"
        "  make dashboard                           is it healthy, is it better, what did it cost; live\n"
        "  .venv/bin/python -m dvc exp show         settings, accuracy and dollars of every experiment\n"
        f"  PREFECT_HOME={PREFECT_HOME} .venv/bin/prefect server start      the flow's runs"
    )


if __name__ == "__main__":
    exit_on_error(main)
