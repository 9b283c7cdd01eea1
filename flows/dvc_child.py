"""DVC, but one that dies with the flow that started it.

python -m flows.dvc_child FLOW_PID              # `dvc --wait-for-lock status --json dvc.yaml`
python -m flows.dvc_child FLOW_PID STAGE        # `dvc --wait-for-lock repro --single-item STAGE`

A stage that another experiment is making at the moment is never made a second time: this one waits, and finds it in DVC's run
cache.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.workspace import MAKING
from stages.errors import LadderError
from stages.graph import DVC_YAML, load_graph, workspace_identity
from stages.process import die_with_parent


@contextmanager
def _alone_at(stage: str) -> Iterator[None]:
    """Hold the lock of the stage's identity among experiments; alone from the start where MAKING names no folder of locks."""
    spec = load_graph()[stage]
    if MAKING not in os.environ or spec.always_changed:
        yield
        return
    try:
        lock = Path(os.environ[MAKING]) / workspace_identity(spec)
    except LadderError:  # an input is missing: DVC says which, and makes nothing
        yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # the kernel frees it with this process
        yield


def _dvc(*command: str) -> int:
    from dvc.cli import main  # a second

    return int(main(["--wait-for-lock", *command]))


def _main(stage: str | None = None) -> int:
    if stage is None:
        return _dvc("status", "--json", str(DVC_YAML))
    with _alone_at(stage):
        return _dvc("repro", "--single-item", stage)


if __name__ == "__main__":
    die_with_parent(parent_pid=int(sys.argv[1]))
    sys.exit(_main(*sys.argv[2:]))
