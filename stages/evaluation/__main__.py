"""The examiners' commands beside the stages: `python -m stages.evaluation COMMAND --help`"""

import argparse
import sys

from stages.errors import exit_on_error
from stages.evaluation import ask, clean, regraded
from stages.evaluation.policy import command as policy

COMMANDS = (regraded, policy, ask, clean)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args()
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    exit_on_error(main)
