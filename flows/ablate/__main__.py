"""Run named variants of an experiment with several seeds each, and tell what they differ by.

    python -m flows.ablate profiles/ablations/kl.yaml

Every run is a DVC experiment NAME-VARIANT-SEED; one that is there already, made of the same, is not run again. A run diverged
where a guard stopped it, or where it ended below its own base. The report is reports/ablation-NAME.md.
"""

import argparse
from pathlib import Path

from flows.ablate.plan import planned, read_ablation
from flows.local import run_here
from stages.errors import exit_on_error


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m flows.ablate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a file of profiles/ablations/")
    path = parser.parse_args().file
    planned(read_ablation(path))  # refused before a server starts

    def run() -> None:
        from flows.ablate.flow import ablate  # imports Prefect

        print(ablate(str(path)))

    run_here(run, again=f"python -m flows.ablate {path}")


if __name__ == "__main__":
    exit_on_error(main)
