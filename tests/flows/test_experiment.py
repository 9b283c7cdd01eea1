"""An experiment has a checkout of its own, goes on in it after a crash, and is a DVC experiment in the end."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.children import DvcChildren
from flows.climb import slots_of
from flows.experiment import FOLDER, experiment
from flows.plan import plan_experiment
from flows.saved import free_name, saved
from flows.workspace import Workspace
from stages.errors import LadderError
from tests.conftest import Project, git, read_yaml, write_yaml

ONE_STAGE = {"stages": {"look": {"cmd": "cp params.yaml look", "params": ["seed", "grpo"], "outs": ["look"]}}}


@pytest.fixture
def short(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A checkout whose graph is one stage of no time, as the working directory."""
    write_yaml(project.root / "dvc.yaml", ONE_STAGE)
    (project.root / ".gitignore").write_text((project.root / ".gitignore").read_text() + "/look\n")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "Cut the graph")
    monkeypatch.chdir(project.root)
    return project


@contextmanager
def climbing(name: str, seed: int = 1) -> Iterator[Workspace]:
    with experiment(plan_experiment(None, {"seed": seed}), name, "run", None, print) as workspace:
        yield workspace


def repro(workspace: Workspace) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=workspace.root, env=workspace.child_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_it_is_the_checkout_as_it_stands_with_other_settings(short: Project) -> None:
    (short.root / "README.md").write_text("edited")
    (short.root / "LICENSE").unlink()
    (short.root / "stages/new.py").write_text("new")
    status = git(short.root, "status", "--porcelain")
    with climbing("edited") as workspace:
        assert workspace.root.parent == (short.root / FOLDER).resolve()
        assert (workspace.root / "README.md").read_text() == "edited"
        assert not (workspace.root / "LICENSE").exists()
        assert (workspace.root / "stages/new.py").read_text() == "new"
        assert (read_yaml(workspace.root / "params.yaml")["seed"], read_yaml(Path("params.yaml"))["seed"]) == (1, 0)
        repro(workspace)
    assert git(short.root, "status", "--porcelain") == status
    saved_as = git(short.root, "for-each-ref", "--format=%(objectname)", "refs/exps/??/*/edited").strip()
    files = git(short.root, "ls-tree", "-r", "--name-only", saved_as).splitlines()
    assert "stages/new.py" in files
    assert "LICENSE" not in files


def test_it_is_saved_applied_and_never_computed_again(short: Project) -> None:
    assert saved(plan_experiment(None, {"seed": 1})) is None
    with climbing("first") as workspace:
        assert "Running stage 'look'" in repro(workspace)
        made = (workspace.root / "look").read_bytes()
    assert not workspace.root.exists()
    assert saved(plan_experiment(None, {"seed": 1})) == "first"
    assert saved(plan_experiment(None, {"seed": 2})) is None
    assert free_name("first", "0123456789") == "first-01234567"
    assert free_name("a name/of a run", "0") == "a-name-of-a-run"
    with climbing("again") as workspace:
        assert "Running stage" not in repro(workspace)  # from the run cache
    short.run("dvc", "exp", "apply", "first")
    assert (short.root / "look").read_bytes() == made
    assert "look" not in short.run("dvc", "status").stdout


def test_what_runs_write_makes_no_other_experiment_and_an_edit_does(short: Project) -> None:
    key = plan_experiment(None, {"seed": 1}).key
    (short.root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    (short.root / "reports").mkdir(exist_ok=True)
    (short.root / "reports/bill.json").write_text("{}")
    assert plan_experiment(None, {"seed": 1}).key == key
    assert plan_experiment(None, {"seed": 2}).key != key
    (short.root / "README.md").write_text("edited")
    assert plan_experiment(None, {"seed": 1}).key != key


def test_one_that_failed_is_gone_on_with_and_one_that_can_not_be_saved_says_so(short: Project) -> None:
    with pytest.raises(RuntimeError), climbing("fails") as workspace:
        (workspace.root / "runs/resume").mkdir(parents=True)
        raise RuntimeError
    assert saved(plan_experiment(None, {"seed": 1})) is None
    with pytest.raises(LadderError, match=r"dvc exp save fails: .*look"), climbing("fails") as workspace:
        assert (workspace.root / "runs/resume").exists()  # nothing has made the outs
    with climbing("fails") as workspace:
        repro(workspace)
    assert saved(plan_experiment(None, {"seed": 1})) == "fails"


def test_a_second_process_waits_for_the_first_and_goes_on_where_it_was_killed(short: Project) -> None:
    holds = """
import sys, time
from flows.experiment import experiment
from flows.plan import plan_experiment
with experiment(plan_experiment(None, {"seed": 1}), sys.argv[1], "run", None, lambda said: print(said, flush=True)) as workspace:
    print("in", flush=True)
    (workspace.root / f"runs/{sys.argv[1]}").touch()
    if sys.argv[1] == "one": time.sleep(600)
    print(sorted(path.name for path in (workspace.root / "runs").glob("*") if path.name in ("one", "two")), flush=True)
    sys.exit(9)
"""

    def start(name: str) -> Any:
        return subprocess.Popen([sys.executable, "-c", holds, name], stdout=subprocess.PIPE, text=True, cwd=short.root)

    first = start("one")
    assert first.stdout.readline() == "in\n"
    second = start("two")
    assert second.stdout.readline().startswith(f"waits for one (process {first.pid})")
    first.kill()
    assert second.stdout.readline() == "in\n"
    assert second.stdout.readline() == "['one', 'two']\n"
    assert second.wait() == 9
    first.wait()


def test_an_unknown_profile_is_one_line(short: Project) -> None:
    with pytest.raises(
        LadderError, match=r"'maxi': there is no profiles/maxi.yaml; choose one of countdown, deepscaler, laptop, mini"
    ):
        plan_experiment("maxi", {})


def test_what_is_stopped_before_it_begins_leaves_no_worktree(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    plan = plan_experiment(None, {"seed": 1})
    with (
        pytest.raises(LadderError, match="late: not begun"),
        experiment(plan, "late", "run", None, print, lambda: True),
    ):
        pass
    assert not Path("runs/experiments", plan.key).exists()


def test_a_stage_that_nobody_reads_any_more_is_ended(project: Project) -> None:
    children = DvcChildren(Workspace(project.root, "run"), slots_of(1))
    with pytest.raises(ZeroDivisionError), children.repro("prepare", {}) as child:
        1 / 0  # noqa: B018
    assert child.poll() == -signal.SIGTERM
