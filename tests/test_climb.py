"""Without DVC and Git the stages make the same bytes, and dvc.lock says of them what DVC itself would have said."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from stages.climb import needed
from stages.errors import LadderError
from stages.graph import load_graph, locked_stages
from tests.conftest import CHECKOUT, Project
from tests.test_faults import wait_for_step

STAGE = "evaluate@16k"


def test_a_climb_killed_in_a_rung_ends_with_what_dvc_makes(
    project: Project, climbed_once: tuple[Project, subprocess.CompletedProcess[str]]
) -> None:
    by_dvc, _ = climbed_once
    shutil.rmtree(project.root / ".git")
    project.set("operations.checkpoint_every_steps", 1)
    child = project.start("stages.climb", STAGE)
    wait_for_step(child, 1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (project.root / "models/8k").exists()

    gone_on = project.run("stages.climb", STAGE, LADDER_COMMIT="0123abc").stdout.splitlines()
    assert gone_on[:3] == ["prepare: made before", "base: made before", "curriculum@8k: made before"]
    assert "train@8k: running" in gone_on
    graph = load_graph(CHECKOUT / "dvc.yaml")
    made = needed(graph, STAGE)
    outs = [out for name in made for out in graph[name].outs]
    assert project.bytes_of(*outs) == by_dvc.bytes_of(*outs)
    recorded = locked_stages(by_dvc.root / "dvc.lock")
    assert locked_stages(project.root / "dvc.lock") == {name: recorded[name] for name in made}

    (project.root / "grades/16k.parquet").write_bytes(b"lost")
    again = project.run("stages.climb", STAGE).stdout.splitlines()
    assert [line for line in again if line.endswith(": running")] == [f"{STAGE}: running"]


def test_a_climb_of_what_is_made_runs_what_always_runs(climbed: Project) -> None:
    shutil.rmtree(climbed.root / ".git")
    before = locked_stages(climbed.root / "dvc.lock")
    said = climbed.run("stages.climb").stdout.splitlines()
    assert [line for line in said if not line.endswith(": made before")] == ["cost: running"]
    assert locked_stages(climbed.root / "dvc.lock") == before


def test_a_climb_may_end_at_a_stage() -> None:
    graph = load_graph(CHECKOUT / "dvc.yaml")
    assert needed(graph, "curriculum@8k") == ["prepare", "base", "curriculum@8k"]
    assert set(needed(graph, None)) == set(graph)
    with pytest.raises(LadderError, match=r"9k: dvc\.yaml has no such stage; choose one of prepare, base"):
        needed(graph, "9k")


def test_a_stage_that_fails_ends_the_climb_with_its_code(project: Project) -> None:
    project.set("problems.sources", [])
    done = project.run("stages.climb", check=False)
    assert done.returncode == 2 and "problems.sources" in done.stderr
    assert not Path(project.root / "dvc.lock").exists()
