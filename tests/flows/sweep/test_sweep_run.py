"""A sweep of real ladders: killed in mid-trial it goes on, what it finds can be applied and rerun, to the same bytes."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import psutil
import pytest

from flows.experiment import experiment
from flows.plan import plan_experiment
from stages.params import parse_yaml
from tests.conftest import Project, git
from tests.flows.one_stage import cut_to_one_stage
from tests.flows.sweep.short import shorten

STEPS = 24
SETTINGS: dict[str, Any] = {
    "sweep.space": {"rungs.r24k.max_response_tokens": {"choices": [11, 1]}},  # nothing is right in one token
    "sweep.sampler": "grid",
    "sweep.trials": 2,
    "sweep.parallel": 1,  # so that the second one is judged by the first
    "sweep.pruner": {"kind": "median", "startup_trials": 1, "warmup_steps": 0, "every_steps": 2, "patience": 0},
    "rungs.r8k.max_response_tokens": 1,
    "rungs.r16k.max_response_tokens": 1,
    "rungs.r24k.steps": STEPS,
}


def wait_for(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def booked(project: Project, question: str) -> list[tuple[Any, ...]]:
    path = project.root / "runs/ledger.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=30)) as ledger:
        if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'steps'").fetchall():
            return []  # the file is there a moment before its tables
        return ledger.execute(question).fetchall()


def trials(project: Project) -> list[dict[str, Any]]:
    report: list[dict[str, Any]] = json.loads((project.root / "reports/sweep.json").read_bytes())["trials"]
    return report


def at_work(project: Project) -> list[psutil.Process]:
    found = psutil.process_iter(["cwd"])
    return [process for process in found if (process.info["cwd"] or "").startswith(str(project.root))]


def test_a_sweep_that_is_killed_goes_on_and_its_best_is_applied_and_rerun(project: Project) -> None:
    for key, value in SETTINGS.items():
        project.set(key, value)
    shorten(project)
    running = project.start("flows.sweep", "run")
    wait_for(lambda: booked(project, "SELECT 1 FROM steps WHERE step >= 2"))
    os.kill(running.pid, signal.SIGKILL)
    wait_for(lambda: not at_work(project))
    said = project.run("flows.sweep", "run").stderr.splitlines()
    good, poor = trials(project)
    assert (good["state"], good["params"]) == ("complete", {"rungs.r24k.max_response_tokens": 11})
    assert (poor["state"], poor["params"]) == ("pruned", {"rungs.r24k.max_response_tokens": 1})
    assert poor["why"] == "train@24k: pruned at step 2, its mean reward 0.000 over 2 steps"
    assert [line.split("] ")[1].split()[0] for line in said] == ["kl-clip-0000", "kl-clip-0001"]
    rung = "SELECT id, status FROM attempts WHERE stage = 'train@24k' AND run = 'kl-clip-0000' ORDER BY id"
    (killed, how), (went_on, ended) = booked(project, rung)
    assert (how, ended) == ("killed", "done")
    steps = [step for (step,) in booked(project, f"SELECT step FROM steps WHERE attempt = {went_on} ORDER BY step")]
    (lost,) = booked(project, f"SELECT max(step) FROM steps WHERE attempt = {killed}")[0]
    assert steps == list(range(steps[0], STEPS + 1))
    assert lost <= steps[0] <= lost + 1  # from its last checkpoint: no step anew but the one in flight
    attempts = booked(project, "SELECT stage, status FROM attempts WHERE run = 'kl-clip-0001'")
    assert attempts == [("curriculum@24k", "done"), ("train@24k", "pruned")]  # the rest was the first one's
    assert git(project.root, "worktree", "list").count("\n") == 1

    project.run("flows.sweep", "apply", "BEST")
    experiment = git(project.root, "for-each-ref", "--format=%(refname)", "refs/exps/??/*/kl-clip-0000").strip()
    saved = parse_yaml(git(project.root, "show", f"{experiment}:dvc.lock"))
    forget(project, saved["stages"]["train@24k"]["outs"], "models/24k")
    project.run("dvc", "repro")
    assert parse_yaml((project.root / "dvc.lock").read_text()) == saved
    assert booked(project, "SELECT count(*) FROM attempts WHERE stage = 'train@24k' AND status = 'done'") == [(2,)]
    assert booked(project, "SELECT count(*) FROM attempts WHERE stage = 'base'") == [(1,)]


def test_a_budget_ends_a_sweep_and_a_higher_one_goes_on_with_the_same_trials(project: Project) -> None:
    cut_to_one_stage(project)
    for key, value in {
        "seed": 2,
        "sweep.space": {"grpo.kl_coef": {"choices": [0.1, 0.0]}},  # the second one is stopped by a guard
        "sweep.sampler": "grid",
        "sweep.trials": 2,
        "sweep.parallel": 1,
        "sweep.objectives": ["accuracy", "usd"],
        "sweep.pruner.kind": "none",
        "operations.budget": {"usd": 1e-9, "hours": None, "per": "sweep", "warn_at": 0.8},
    }.items():
        project.set(key, value)
    ended = project.run("flows.sweep", "run", check=False)
    assert ended.returncode == 3
    assert "operations.budget.usd: 1e-09 a sweep" in ended.stderr.splitlines()[-1]
    assert [(trial["number"], trial["state"]) for trial in trials(project)] == [(0, "under way")]
    project.set("operations.budget.usd", 1.0)
    project.run("flows.sweep", "run")
    finished, diverged = trials(project)
    assert finished["values"] == {"accuracy": 0.62, "usd": 0.03}
    assert (diverged["state"], diverged["feasible"]) == ("diverged", False)
    assert "guards.max_kl" in diverged["why"]
    assert json.loads((project.root / "reports/sweep.json").read_bytes())["pareto_front"] == [0]
    assert "budget" in booked(project, "SELECT group_concat(cause) FROM attempts")[0][0]


def test_two_experiments_that_begin_at_once_make_what_they_share_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_to_one_stage(project)
    monkeypatch.chdir(project.root)
    plans = [plan_experiment(None, {"guards.max_entropy": bound}) for bound in (5.0, 6.0)]  # the stage has no guards
    with ExitStack() as open_ones:
        places = [open_ones.enter_context(experiment(plan, plan.key, plan.key, "s", print)) for plan in plans]
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "flows.dvc_child", str(os.getpid()), "make"],
                cwd=place.root, env=place.child_environment(),
            )
            for place in places
        ]  # fmt: skip
        assert [child.wait() for child in children] == [0, 0]
        assert booked(project, "SELECT stage, status FROM attempts") == [("make", "done")]
        lines = [(place.root / "metrics/train/8k.csv").read_text() for place in places]
        assert lines[0] == lines[1]


def forget(project: Project, outs: list[dict[str, str]], path: str) -> None:
    """Lose a folder's weights from DVC's cache."""
    cache = project.root / ".dvc/cache/files/md5"
    (folder,) = (out["md5"] for out in outs if out["path"] == path)
    listed = json.loads((cache / folder[:2] / folder[2:]).read_bytes())
    (weights,) = (file["md5"] for file in listed if file["relpath"] == "model.safetensors")
    for lost in (folder, weights):
        (cache / lost[:2] / lost[2:]).unlink()
