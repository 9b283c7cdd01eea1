"""`python -m dvc`, but one that dies with its parent: a killed flow leaves no trainer behind."""

import sys

from dvc.cli import main

from stages.process import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(sys.argv[1:]))
