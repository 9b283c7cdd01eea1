"""Prefect runs ladders: a real server, the deployments of prefect.yaml, and a real worker, as `make serve` has them."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.accounting.records import Failure
from stages.store.digest import md5
from tests.conftest import Project, environment_of, git
from tests.flows.served import STAGES, Served, json_of, kill, short_ladder

OUTS = ("models/8k", "metrics/train/8k.csv", "samples/train/8k.jsonl")
STEPS = 160  # of a rung that is to be caught at work


@pytest.fixture(scope="module")
def served(prefect_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A short ladder, served on the session's server."""
    folder = tmp_path_factory.mktemp("served")
    project = short_ladder(folder / "checkout")
    log = folder / "serve.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serve"],
            cwd=project.root, env=environment_of(prefect_environment), stdout=said, stderr=said, text=True,
            start_new_session=True,
        )  # fmt: skip
    serving = Served(project, process, prefect_environment, log)
    try:
        serving.until(lambda: "started!" in log.read_text(), "no worker started")
        yield serving
        running = serving.at_work()
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
        _, alive = psutil.wait_procs(running, timeout=30)
        assert not alive
    finally:
        process.kill()


@pytest.fixture(scope="module")
def first(served: Served) -> tuple[str, dict[str, bytes]]:
    """The name of a run that a user has asked for and watched to its end, and the workspace's files as they were before."""
    before = files_of(served.project)
    asked = ("deployment", "run", "ladder/mini", "--param", 'set={"grpo.kl_coef": 0.002}', "--watch")
    said = served.prefect(*asked).stdout
    return said.partition("Created flow run '")[2].partition("'")[0], before


def files_of(project: Project) -> dict[str, bytes]:
    """All but what DVC and runs keep for themselves."""
    tops = [path.name for path in project.root.iterdir() if path.name not in (".git", ".dvc", "runs")]
    return {path: content for path, content in project.bytes_of(*tops).items() if "__pycache__" not in path}


def copy_of(served: Served, to: Path) -> Project:
    """The checkout with its cache and its experiments, where nobody climbs."""
    shutil.copytree(served.project.root, to, symlinks=True, ignore=shutil.ignore_patterns("experiments"))
    return Project(to)


def test_prefects_form_knows_the_parameters(served: Served) -> None:
    schema = served.deployment("ladder/mini")["parameter_openapi_schema"]["properties"]
    assert schema["profile"]["anyOf"][0]["enum"] == ["mini", "smollm2", "deepscaler"]
    assert "profiles/" in schema["profile"]["description"]
    assert schema["set"]["type"] == "object"
    assert "dvc exp run -S" in schema["set"]["description"]
    for profile in ("mini", "smollm2", "deepscaler"):
        assert served.deployment(f"ladder/{profile}")["parameters"] == {"profile": profile}
    (nightly,) = served.deployment("ladder/nightly")["schedules"]
    assert (nightly["active"], nightly["schedule"]["cron"]) == (False, "0 3 * * *")


def test_a_run_is_an_experiment_beside_the_workspace(
    served: Served, first: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    name, before = first
    assert files_of(served.project) == before
    assert git(served.project.root, "status", "--porcelain") == ""
    shown: Any = json_of(served.project, "dvc", "exp", "show", "--json")
    (experiment,) = [one for commit in shown for one in commit["experiments"] or [] if one["name"] == name]
    data = experiment["revs"][0]["data"]
    assert data["params"]["params.yaml"]["data"]["grpo"]["kl_coef"] == 0.002
    assert data["metrics"]["reports/bill.json"]["data"]["made_usd"] > 0
    copy = copy_of(served, tmp_path / "copy")
    copy.run("dvc", "exp", "apply", name)
    assert (copy.root / "models/8k/model.safetensors").exists()
    said = copy.run("dvc", "repro").stdout
    assert [line for line in said.splitlines() if line.startswith("Running stage")] == ["Running stage 'cost':"]


def test_the_page_shows_each_stage(served: Served, first: tuple[str, dict[str, bytes]]) -> None:
    run = served.run_of(first[0])
    assert run["state_type"] == "COMPLETED"
    tasks = {task["name"]: set(task["tags"]) for task in served.task_runs(run["id"])}
    assert set(tasks) == set(STAGES)
    assert (tasks["train@8k"], tasks["base"]) == ({"train", "rung:8k"}, {"base"})
    found = served.api("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    kinds = {artifact["key"]: artifact["type"] for artifact in found}
    assert kinds["progress-train-8k"] == "progress"
    assert (kinds["rung-8k"], kinds["bill"], kinds["experiment"]) == ("table", "table", "markdown")
    served.until(lambda: any("train@8k 2/2 reward" in line for line in served.logs(run["id"])), "no log of the rung")
    assert any("> exec python -m stages.train 8k" in line for line in served.logs(run["id"]))


def test_a_rung_that_is_killed_in_every_way_ends_with_the_bytes_of_one_that_was_not(
    served: Served, first: tuple[str, dict[str, bytes]], tmp_path: Path
) -> None:
    overrides = {"grpo.kl_coef": 0.002, "rungs.r8k.steps": STEPS}
    served.start("killed", overrides)
    kill(served.wait_for_steps("killed", 1, 5))  # as the kernel does for memory: the task tries again
    trainer = served.wait_for_steps("killed", 2, 10)
    worker = served.worker()
    running = [*worker.children(recursive=True), trainer]
    assert len(running) > 3  # the flow, its DVC child, the trainer
    kill(worker)
    _, alive = psutil.wait_procs(running, timeout=30)
    assert not alive

    stopped = served.start("stopped", overrides)  # for the worker that takes its place
    trainer = served.wait_for_steps("stopped", 1, 10)
    served.prefect("flow-run", "cancel", stopped)
    _, alive = psutil.wait_procs([trainer], timeout=30)
    assert not alive
    assert served.ended("stopped")["state_type"] == "CANCELLED"
    (booked,) = served.attempts("train@8k", "stopped")
    assert booked.failure == Failure("stopped", "stopped by SIGTERM")
    finished = served.steps(booked)[-1].step

    served.start("whole", overrides)
    assert served.ended("whole")["state_type"] == "COMPLETED"
    rungs = [*(served.attempts("train@8k", name) for name in ("killed", "stopped", "whole"))]
    assert [[attempt.status for attempt in found] for found in rungs] == [["killed", "killed"], ["killed"], ["done"]]
    began = [served.steps(attempt)[0].step for found in rungs for attempt in found]
    assert began == sorted(set(began))  # each went on where the one before it was
    assert began[-1] == finished + 1

    copy = copy_of(served, tmp_path / "copy")
    copy.run("dvc", "exp", "apply", first[0])
    copy.set("rungs.r8k.steps", STEPS)
    copy.run("stages.train", "8k")
    assert {out["path"]: out["md5"] for out in served.locked("whole")} == {path: md5(copy.root / path) for path in OUTS}


def test_runs_at_once_share_no_file_and_the_same_one_is_made_once(
    served: Served, first: tuple[str, dict[str, bytes]]
) -> None:
    ids = {name: served.start(name, {"grpo.learning_rate": 0.002}) for name in ("one", "again")}
    served.start("other", {"grpo.learning_rate": 0.004})
    refused = served.start("refused", {"grpo.kl_coeff": 0.3})
    assert [served.ended(name)["state_type"] for name in ("one", "again", "other")] == ["COMPLETED"] * 3
    made = {name: served.attempts("train@8k", name) for name in ("one", "again", "other")}
    maker, waiter = sorted(ids, key=lambda name: not made[name])
    assert [len(made[name]) for name in (maker, waiter, "other")] == [1, 0, 1]
    assert made[maker][0].origin.workspace != made["other"][0].origin.workspace
    told = f"waits for {maker} (process"
    served.until(lambda: any(told in line for line in served.logs(ids[waiter])), f"{waiter} did not wait")
    assert served.locked("one") == served.locked("again") != served.locked("other")

    line = "set: grpo.kl_coeff: profiles/mini.yaml has no such setting; did you mean grpo.kl_coef?"
    ended = served.ended("refused")
    assert (ended["state_type"], ended["state"]["message"]) == ("FAILED", line)
    served.until(lambda: any(line in said for said in served.logs(refused)), "its log does not say why")
    assert not [said for said in served.logs(refused) if "Traceback" in said]
