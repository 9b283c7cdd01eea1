"""Prefect's own command, but one that ends with the process that started it.

python -m flows.prefect_child PARENT_PID worker start --pool local
"""

import sys

from stages.process import die_with_parent

if __name__ == "__main__":
    die_with_parent(parent_pid=int(sys.argv.pop(1)))
    from prefect.cli import app

    app()
