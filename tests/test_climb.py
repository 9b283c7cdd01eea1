"""Without DVC and Git the stages make the same bytes, and dvc.lock says of them what DVC itself would have said."""

import shutil
import signal
import subprocess
from pathlib import Path

from stages.graph import locked_stages
from tests.conftest import Project
from tests.test_faults import wait_for_step

RESULTS = ("data", "models", "samples", "grades", "metrics", "reports/evaluation.json", "reports/problems.json")


def test_a_climb_killed_in_a_rung_ends_with_what_dvc_makes(
    project: Project, climbed_once: tuple[Project, subprocess.CompletedProcess[str]]
) -> None:
    by_dvc, _ = climbed_once
    shutil.rmtree(project.root / ".git")
    project.set("operations.checkpoint_every_steps", 1)
    child = project.start("stages.climb")
    wait_for_step(child, 1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (project.root / "models/8k").exists()

    gone_on = project.run("stages.climb", LADDER_COMMIT="0123abc").stdout.splitlines()
    assert gone_on[:3] == ["prepare: made before", "base: made before", "curriculum@8k: made before"]
    assert "train@8k: running" in gone_on
    assert project.bytes_of(*RESULTS) == by_dvc.bytes_of(*RESULTS)
    assert locked_stages(project.root / "dvc.lock") == locked_stages(by_dvc.root / "dvc.lock")

    (project.root / "grades/16k.parquet").write_bytes(b"lost")
    again = [line for line in project.run("stages.climb").stdout.splitlines() if line.endswith(": running")]
    assert again == ["evaluate@16k: running", "cost: running"]


def test_a_stage_that_fails_ends_the_climb_with_its_code(project: Project) -> None:
    project.set("problems.sources", [])
    done = project.run("stages.climb", check=False)
    assert done.returncode == 2 and "problems.sources" in done.stderr
    assert not Path(project.root / "dvc.lock").exists()
