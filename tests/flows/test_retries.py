"""What may pass is tried again by Prefect, what would end the same is not; a flow's process ends with its worker."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows.children import DvcChildren
from flows.climb import slots_of
from flows.workspace import Workspace
from stages.accounting.reading import reading
from tests.conftest import CHECKOUT, Project, environment_of, git, write_yaml

# Each stage ends its first attempts as its name says, through the harness that every stage has.
ENDS = """
import os, signal, sys
from pathlib import Path
from stages.errors import BudgetReached, GuardFired, LadderError
from stages.stage import stage

name = sys.argv[1]
before = Path("tries") / name
tried = len(before.read_text()) if before.exists() else 0
with stage(name):
    before.parent.mkdir(exist_ok=True)
    before.write_text("x" * (tried + 1))
    if name == "refused": raise LadderError("grpo: no")
    if name == "guard": raise GuardFired("guards.max_kl: no")
    if name == "budget": raise BudgetReached("budget: no")
    if name == "memory" and tried == 0: raise MemoryError
    if name == "killed" and tried == 0: os.kill(os.getpid(), signal.SIGKILL)
"""
TRIES = {"refused": 1, "guard": 1, "budget": 1, "memory": 2, "killed": 2}
FLOW = """
from flows.ladder import ladder
from stages.errors import LadderError
try:
    ladder()
except LadderError as error:
    print("raised", error)
"""


def test_what_may_pass_is_tried_again_and_nothing_else(project: Project, prefect_environment: dict[str, str]) -> None:
    (project.root / "ends.py").write_text(ENDS)
    write_yaml(
        project.root / "dvc.yaml",
        {"stages": {name: {"cmd": f"exec python ends.py {name}", "deps": ["ends.py"]} for name in TRIES}},
    )
    project.set("operations.retry_delay_s", 0.0)
    project.set("operations.parallel_stages", 8)
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "End in every way")
    said = subprocess.run(
        [sys.executable, "-c", FLOW],
        cwd=project.root,
        env=environment_of(prefect_environment),
        capture_output=True,
        text=True,
    )
    assert "raised " in said.stdout, said.stderr
    with reading(project.root / "runs/ledger.db") as ledger:
        booked = [(attempt.stage, attempt.status) for attempt in ledger.attempts()]
    assert {name: sum(stage == name for stage, _ in booked) for name in TRIES} == TRIES
    for name in ("memory", "killed"):
        assert booked[-1 - [stage for stage, _ in booked][::-1].index(name)] == (name, "done")


def test_a_stop_ends_the_wait_before_a_retry(tmp_path: Path) -> None:
    children = DvcChildren(Workspace(tmp_path, "run"), slots_of(1))
    waiting = threading.Thread(target=children.pause, args=[3600.0], daemon=True)
    waiting.start()
    children.stop()
    waiting.join(60)
    assert not waiting.is_alive()


@pytest.mark.parametrize("alive", [True, False])
def test_a_flow_whose_worker_died_before_it_began_does_not_begin(alive: bool) -> None:
    with socket.socket() as worker:
        worker.bind(("127.0.0.1", 0))
        if alive:
            worker.listen()
        named = {"PREFECT__FLOW_RUN_ID": "any", "PREFECT__CONTROL_PORT": str(worker.getsockname()[1])}
        begins = "import os; from flows.worker_run import die_with_worker; die_with_worker(); print('begun')"
        done = subprocess.run(
            [sys.executable, "-c", begins], cwd=CHECKOUT, env=environment_of(named), capture_output=True, text=True
        )
    assert (done.returncode, done.stdout) == ((0, "begun\n") if alive else (-signal.SIGTERM, ""))
