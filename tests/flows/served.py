"""A short ladder that a real Prefect server and a real worker run: how the tests ask for runs, and look at them."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from ruamel.yaml import YAML

from stages.accounting.reading import reading
from stages.accounting.records import Attempt, StepCost
from tests.conftest import Project, git, make_project, read_yaml, write_yaml

LIMIT_S = 600.0  # of what never comes: three ladders side by side take minutes on a slow machine
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
STAGES = ("prepare", "base", "curriculum@8k", "train@8k", "cost")


def short_ladder(root: Path) -> Project:
    """A checkout whose ladder ends at its first rung, and is examined nowhere."""
    made = make_project(root)
    graph = read_yaml(root / "dvc.yaml")
    stages = {name: graph["stages"][name] for name in ("prepare", "base", "curriculum", "train", "cost")}
    for name in ("curriculum", "train"):
        stages[name]["foreach"] = {"8k": {"init": "base"}}
    stages["cost"]["deps"] = ["metrics/train/8k.csv"]
    write_yaml(root / "dvc.yaml", {"stages": stages, "metrics": ["reports/bill.json"]})
    made.set("operations.retry_delay_s", 0.0)
    (root / "profiles/mini.yaml").write_bytes((root / "params.yaml").read_bytes())
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Cut the ladder")
    return made


@dataclass(frozen=True)
class Served:
    """`project`, served by `process` (`python -m flows.serve`) to who has `environment`."""

    project: Project
    process: subprocess.Popen[str]
    environment: dict[str, str]
    log: Path

    def prefect(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.project.run("prefect", "--no-prompt", *command, check=check, **self.environment)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while True:
                said = client.request(method, f"{self.environment['PREFECT_API_URL']}{path}", json=body)
                if (
                    said.status_code != httpx.codes.SERVICE_UNAVAILABLE
                ):  # SQLite was busy: Prefect's clients ask again too
                    break
                time.sleep(0.2)
        assert said.is_success, said.text
        return said.json()

    def deployment(self, name: str) -> Any:
        return self.api("GET", f"/deployments/name/{name}")

    def start(self, name: str, overrides: dict[str, Any]) -> str:
        """Ask for a run of `ladder/mini` called `name`, and return its id."""
        parameters = {"profile": "mini", "set": overrides}
        where = f"/deployments/{self.deployment('ladder/mini')['id']}/create_flow_run"
        return str(self.api("POST", where, {"name": name, "parameters": parameters})["id"])

    def cancel(self, run_id: str) -> None:
        """As Prefect's page and its command do."""
        said = self.api("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
        assert said["status"] == "ACCEPT", said

    def run_of(self, name: str) -> Any:
        (found,) = self.api("POST", "/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})
        return found

    def ended(self, name: str) -> Any:
        """The flow run `name`, once it has ended."""
        self.until(lambda: self.run_of(name)["state_type"] in ENDED, f"{name} has not ended")
        return self.run_of(name)

    def task_runs(self, run_id: str) -> list[Any]:
        body = {"flow_runs": {"id": {"any_": [run_id]}}}
        return list(self.api("POST", "/task_runs/filter", body))

    def logs(self, run_id: str) -> list[str]:
        """All that it has said, by pages of as many lines as the server gives at once."""
        said: list[str] = []
        body = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        while page := self.api("POST", "/logs/filter", body | {"offset": len(said)}):
            said += [entry["message"] for entry in page]
        return said

    def attempts(self, stage: str, experiment: str | None = None) -> list[Attempt]:
        with reading(self.project.root / "runs/ledger.db") as ledger:
            found = [attempt for attempt in ledger.attempts() if attempt.stage == stage]
        return [one for one in found if experiment is None or one.origin.experiment == experiment]

    def steps(self, attempt: Attempt) -> list[StepCost]:
        with reading(self.project.root / "runs/ledger.db") as ledger:
            return ledger.steps(attempt.id)

    def wait_for_steps(self, experiment: str, attempts: int, count: int) -> psutil.Process:
        """Wait until the rung's attempt number `attempts` of `experiment` has done `count` steps, and return its process."""

        def at_it() -> bool:
            begun = self.attempts("train@8k", experiment)
            return len(begun) >= attempts and len(self.steps(begun[attempts - 1])) >= count

        self.until(at_it, f"{experiment} did not come to step {count}")
        attempt = self.attempts("train@8k", experiment)[attempts - 1]
        assert attempt.status == "running"
        (trainer,) = [
            one
            for one in self.at_work()
            if "stages.train" in one.info["cmdline"] and one.info["cwd"] == attempt.origin.workspace
        ]
        return trainer

    def at_work(self) -> list[psutil.Process]:
        """All processes in this checkout or in an experiment of it."""
        root = str(self.project.root)
        found = psutil.process_iter(["cwd", "cmdline"])
        return [one for one in found if (one.info["cwd"] or "").startswith(root)]

    def worker(self) -> psutil.Process:
        """The one that serves now."""
        (found,) = [one for one in psutil.Process(self.process.pid).children() if "worker" in one.cmdline()]
        return found

    def until(self, what: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not what():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{otherwise}\n{self.log.read_text()}"
            time.sleep(0.05)

    def locked(self, experiment: str) -> Any:
        """What the DVC experiment's dvc.lock says of the rung."""
        ref = git(self.project.root, "for-each-ref", "--format=%(objectname)", f"refs/exps/??/*/{experiment}").strip()
        lock = YAML(typ="safe", pure=True).load(git(self.project.root, "show", f"{ref}:dvc.lock"))
        return lock["stages"]["train@8k"]["outs"]


def json_of(project: Project, *command: str) -> Any:
    return json.loads(project.run(*command).stdout)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def kill(process: psutil.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
