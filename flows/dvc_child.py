"""`python -m dvc`, but one that dies with the flow that started it: a killed flow leaves no trainer behind.

python -m flows.dvc_child FLOW_PID --wait-for-lock repro ...
"""

import sys

from stages.process import die_with_parent

if __name__ == "__main__":
    die_with_parent(parent_pid=int(sys.argv[1]))
    from dvc.cli import main

    sys.exit(main(sys.argv[2:]))
