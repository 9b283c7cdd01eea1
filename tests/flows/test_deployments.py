"""Prefect runs ladders: a real server, the deployments of prefect.yaml, and a real worker, as `make serve` has them."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.accounting.records import Failure
from tests.conftest import Project, environment_of, git
from tests.flows.served import STAGES, Served, json_of, kill, short_ladder

pytestmark = pytest.mark.xdist_group("prefect")  # one server for all of them

OUTS = ("models/8k", "metrics/train/8k.csv", "samples/train/8k.jsonl")
STEPS = 120  # of a rung that is to be caught at work
SOON = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}
OVERRIDES = {"grpo.kl_coef": 0.002, "rungs.r8k.steps": STEPS}


@pytest.fixture(scope="module")
def served(prefect_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A short ladder, served on the session's server."""
    folder = tmp_path_factory.mktemp("served")
    project = short_ladder(folder / "checkout")
    log = folder / "serve.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serve"],
            cwd=project.root, env=environment_of(prefect_environment | SOON), stdout=said, stderr=said, text=True,
            start_new_session=True,
        )  # fmt: skip
    serving = Served(project, process, prefect_environment, log)
    try:
        serving.until(lambda: "started!" in log.read_text(), "no worker started")
        yield serving
    finally:
        process.kill()


@dataclass(frozen=True)
class Survivor:
    """A ladder that was killed in every way, and run again by a user who watched it to its end."""

    name: str
    before: dict[str, bytes]
    """The workspace's files, as they were when the user asked."""
    finished: int
    """The rung's last step before it was cancelled."""


@pytest.fixture(scope="module")
def survivor(served: Served) -> Survivor:
    before = files_of(served.project)
    served.start("killed", OVERRIDES)
    kill(served.wait_for_steps("killed", 1, 3))  # as the kernel does for memory: the task tries again
    trainer = served.wait_for_steps("killed", 2, 3)
    worker = served.worker()
    running = [*worker.children(recursive=True), trainer]
    assert len(running) > 3  # the flow, its DVC child, the trainer
    kill(worker)
    _, alive = psutil.wait_procs(running, timeout=30)
    assert not alive

    stopped = served.start("stopped", OVERRIDES)  # for the worker that takes its place
    trainer = served.wait_for_steps("stopped", 1, 3)
    served.cancel(stopped)
    _, alive = psutil.wait_procs([trainer], timeout=30)
    assert not alive
    assert served.ended("stopped")["state_type"] == "CANCELLED"
    (booked,) = served.attempts("train@8k", "stopped")
    assert booked.failure == Failure("stopped", "stopped by SIGTERM")

    said = served.prefect(
        "deployment", "run", "ladder/mini", "--param", f"set={json.dumps(OVERRIDES)}", "--watch"
    ).stdout
    name = said.partition("Created flow run '")[2].partition("'")[0]
    return Survivor(name, before, served.steps(booked)[-1].step)


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
    assert schema["profile"]["anyOf"][0]["enum"] == ["mini", "smollm2", "deepscaler", "laptop"]
    assert "profiles/" in schema["profile"]["description"]
    assert schema["set"]["type"] == "object"
    assert "dvc exp run -S" in schema["set"]["description"]
    assert served.deployment("sweep/kl-clip")["parameters"] == {"profile": "mini"}
    for profile in ("mini", "smollm2", "deepscaler", "laptop"):
        assert served.deployment(f"ladder/{profile}")["parameters"] == {"profile": profile}
    (nightly,) = served.deployment("ladder/nightly")["schedules"]
    assert (nightly["active"], nightly["schedule"]["cron"]) == (False, "0 3 * * *")


def test_a_run_is_an_experiment_beside_the_workspace(served: Served, survivor: Survivor, tmp_path: Path) -> None:
    name = survivor.name
    assert files_of(served.project) == survivor.before
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


def test_the_page_shows_each_stage(served: Served, survivor: Survivor) -> None:
    run = served.run_of(survivor.name)
    assert run["state_type"] == "COMPLETED"
    tasks = {task["name"]: set(task["tags"]) for task in served.task_runs(run["id"])}
    assert set(tasks) == set(STAGES)
    assert (tasks["train@8k"], tasks["base"]) == ({"train", "rung:8k"}, {"base"})
    found = served.api("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    kinds = {artifact["key"]: artifact["type"] for artifact in found}
    assert kinds["progress-train-8k"] == "progress"
    assert (kinds["rung-8k"], kinds["bill"], kinds["experiment"]) == ("table", "table", "markdown")
    served.until(
        lambda: any(f"train@8k {STEPS}/{STEPS} reward" in line for line in served.logs(run["id"])), "no log of the rung"
    )
    assert any("> exec python -m stages.train 8k" in line for line in served.logs(run["id"]))


def test_it_went_on_each_time_and_came_to_the_bytes_of_one_that_was_not_killed(
    served: Served, survivor: Survivor, tmp_path: Path
) -> None:
    rungs = [served.attempts("train@8k", name) for name in ("killed", "stopped", survivor.name)]
    assert [[attempt.status for attempt in found] for found in rungs] == [["killed", "killed"], ["killed"], ["done"]]
    began = [served.steps(attempt)[0].step for found in rungs for attempt in found]
    assert began == sorted(set(began))
    assert began[-1] == survivor.finished + 1
    assert len(served.attempts("base")) == 1

    copy = copy_of(served, tmp_path / "copy")
    copy.run("dvc", "exp", "apply", survivor.name)
    expected = copy.bytes_of(*OUTS)
    for path in expected:
        (copy.root / path).unlink()
    copy.run("stages.train", "8k")
    assert copy.bytes_of(*OUTS) == expected


def test_runs_at_once_share_no_file_and_the_same_one_is_made_once(served: Served, survivor: Survivor) -> None:
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


def test_who_stops_serving_ends_what_runs_and_the_page_says_so(served: Served) -> None:
    left = served.start("left", {"grpo.learning_rate": 0.006})
    served.until(lambda: "RUNNING" in [task["state_type"] for task in served.task_runs(left)], "left did not begin")
    running = served.at_work()
    served.process.terminate()
    assert served.process.wait(60) == 128 + signal.SIGTERM
    _, alive = psutil.wait_procs(running, timeout=30)
    assert not alive
    assert served.run_of("left")["state_type"] == "CRASHED"
    assert "stopped; what was running goes on from where it was" in served.log.read_text()
