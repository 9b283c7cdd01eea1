"""Real parts for the tests: a copy of this checkout as a Git and DVC repository, with an experiment of seconds in it."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from stages.grading import pool

CHECKOUT = Path(__file__).resolve().parent.parent

# Where the tests run in a shell's background they are born deaf to Ctrl-C, and so would be those that they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Every room of the ladder, in seconds: one layer, guesses alone, two steps a rung.
SMALL = {
    "problems": {
        "sources": [{"kind": "digit_sums", "ratings": [3, 4], "train_per_rating": 12, "heldout_per_rating": 6}],
    },
    "base": {
        "kind": "miniature",
        "teaches": "digit_sums",
        "hidden_size": 16,
        "layers": 1,
        "heads": 2,
        "intermediate_size": 32,
        "taught_ratings": [3],
        "lesson_steps": 0,
        "mixture_steps": 60,
        "worked_share": 0.0,
        "slip_share": 0.0,
        "batch_size": 16,
        "learning_rate": 0.01,
    },
    "grpo": {"prompts_per_step": 6, "mini_batch_prompts": 3, "learning_rate": 0.003},
    "rungs": {
        "r8k": {
            "max_response_tokens": 8,
            "steps": 2,
            "rollouts_per_prompt": 8,
            "difficulty": [{"low": 3, "high": 3, "share": 1.0}],
        },
        "r16k": {
            "max_response_tokens": 10,
            "steps": 2,
            "rollouts_per_prompt": 8,
            "difficulty": [{"low": 3, "high": 4, "share": 1.0}],
        },
        "r24k": {
            "max_response_tokens": 12,
            "steps": 2,
            "rollouts_per_prompt": 8,
            "difficulty": [{"low": 3, "high": 4, "share": 1.0}],
        },
    },
    "evaluation": {"max_response_tokens": 12, "samples_per_problem": 2, "at_k": [2], "bootstrap_draws": 1000},
    "operations": {"checkpoint_every_steps": 1},
}


IDENTITY = {
    f"GIT_{who}_{what}": f"{what.lower()}@test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


@dataclass(frozen=True)
class Project:
    """A checkout that a test may do anything with."""

    root: Path

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """`python -m COMMAND` as a user of this checkout would call it."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.root, env=environment_of(environment), capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command: str) -> subprocess.Popen[str]:
        """The same, without waiting for it; in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.root, env=environment_of({}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip

    def set(self, key: str, value: Any) -> None:
        """Change one dotted key of params.yaml."""
        *sections, last = key.split(".")
        params = read_yaml(self.root / "params.yaml")
        node = params
        for section in sections:
            node = node[section]
        node[last] = value
        write_yaml(self.root / "params.yaml", params)

    def bytes_of(self, *paths: str) -> dict[str, bytes]:
        """Every file at or below `paths`."""
        files: list[Path] = []
        for path in paths:
            place = self.root / path
            files += sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
        return {file.relative_to(self.root).as_posix(): file.read_bytes() for file in files}


def environment_of(extra: dict[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "LADDER_", "DVC_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "DVC_NO_ANALYTICS": "1"} | IDENTITY | extra


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


def write_yaml(path: Path, value: Any) -> None:
    with path.open("w") as file:
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False  # DVC reads no plain `md5:...` between braces
        yaml.dump(value, file)


def small_params() -> dict[str, Any]:
    params = read_yaml(CHECKOUT / "profiles/mini.yaml")
    for section, changes in SMALL.items():
        for key, value in changes.items():
            params[section][key] = params[section][key] | value if section == "rungs" else value
    return params


def make_project(root: Path) -> Project:
    """What Git would submit of this checkout, committed in a new repository, with the small experiment."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if name not in ("dvc.lock", "reports/bill.json") and (CHECKOUT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, root / name)
    write_yaml(root / "params.yaml", small_params())
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Start")
    return Project(root)


def git(root: Path, *arguments: str) -> str:
    environment = os.environ | IDENTITY
    done = subprocess.run(["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout in which nothing has run yet."""
    return make_project(tmp_path)


@pytest.fixture(scope="session")
def climbed_once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> tuple[Project, subprocess.CompletedProcess[str]]:
    """A checkout in which the flow has climbed the whole ladder, and what it printed. Not to be changed: see `climbed`.

    One worker climbs, each has a copy.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    original, said = shared / "climbed", shared / "climbed.json"
    with (shared / "climbed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            shutil.rmtree(original, ignore_errors=True)  # of a worker that failed
            original.mkdir()
            done = _climb(make_project(original))
            said.write_text(json.dumps([done.stdout, done.stderr]))
        shutil.copytree(original, own / "climbed-copy", symlinks=True)
    stdout, stderr = json.loads(said.read_text())
    return Project(own / "climbed-copy"), subprocess.CompletedProcess(["flows"], 0, stdout, stderr)


def _climb(project: Project) -> subprocess.CompletedProcess[str]:
    # What somebody left in the environment must not matter: a server's address, a proxy, retries.
    left = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_TASKS_DEFAULT_RETRIES": "1"}
    done = project.run("flows", http_proxy="http://127.0.0.1:9", **left)
    at_work = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(project.root)]
    assert not at_work, "the flow has ended, and left processes behind"
    return done


@pytest.fixture
def climbed(climbed_once: tuple[Project, Any], tmp_path: Path) -> Project:
    """A copy of the climbed checkout, with its cache and its ledger."""
    shutil.copytree(climbed_once[0].root, tmp_path / "copy", symlinks=True)
    return Project(tmp_path / "copy")


Write = Callable[[str], None]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """`own(code)` writes tasks/own.py of a checkout that the grader's workers run in."""
    shutil.copytree(CHECKOUT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tasks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pool, "ROOT", tmp_path)

    def write(code: str) -> None:
        (tmp_path / "tasks/own.py").write_text(textwrap.dedent(code))

    return write


def lines(path: Path) -> Sequence[str]:
    return path.read_text().splitlines()
