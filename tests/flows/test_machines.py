"""How work travels between machines: two containers' checkouts, an own DVC cache each, one remote between them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, IDENTITY, git, write_yaml

ENTRYPOINT = CHECKOUT / "infrastructure/entrypoint.sh"
TRAIN = """
import pathlib, sys
steps = int(pathlib.Path("params.yaml").read_text().split(":")[1])
pathlib.Path("models").mkdir()
pathlib.Path("models/weights").write_bytes(bytes(range(steps)))
"""


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A bare repository of a project whose one stage makes a checkpoint."""
    start = tmp_path / "start"
    start.mkdir()
    git(start, "init", "-q", "-b", "main")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=start, check=True)
    (start / "train.py").write_text(TRAIN)
    (start / "params.yaml").write_text("steps: 7\n")
    stage = {"cmd": "python train.py", "deps": ["train.py"], "params": ["steps"], "outs": ["models"]}
    write_yaml(start / "dvc.yaml", {"stages": {"train": stage}})
    git(start, "add", "-A")
    git(start, "commit", "-qm", "Start")
    git(tmp_path, "clone", "-q", "--bare", "start", "origin.git")
    return tmp_path / "origin.git"


def in_container(work: Path, origin: Path, script: str) -> subprocess.CompletedProcess[str]:
    """`script` by the image's entrypoint, in a container whose folder is `work`."""
    work.mkdir()
    places = {
        "LADDER_REPOSITORY": str(origin), "LADDER_DVC_CACHE": str(work / "cache"), "LADDER_STATE": str(work / "state"),
        "LADDER_DVC_REMOTE": str(origin.parent / "remote"), "DVC_NO_ANALYTICS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    return subprocess.run(
        [str(ENTRYPOINT), "bash", "-euc", script],
        cwd=work, env=os.environ | IDENTITY | places, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_checkpoint_and_an_experiment_travel_by_the_remote(tmp_path: Path, origin: Path) -> None:
    made = in_container(
        tmp_path / "a", origin,
        "dvc repro -q; git add -A; git commit -qm Train; git push -q origin HEAD:main; dvc push -q;"
        "dvc exp run -q -S steps=9 --name longer; dvc exp push -q origin longer; touch runs/resume/kept",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    taken = in_container(
        tmp_path / "b", origin,
        "dvc pull -q; cp -r models main; dvc exp pull -q origin longer; dvc exp apply -q longer; dvc repro --dry",
    )  # fmt: skip
    assert taken.returncode == 0, taken.stderr
    checkout = tmp_path / "b/checkout"
    assert (checkout / "main/weights").read_bytes() == bytes(range(7))
    assert (checkout / "models/weights").read_bytes() == bytes(range(9))
    assert "Running stage" not in taken.stdout
    assert (tmp_path / "a/state/resume/kept").exists()
    assert not (tmp_path / "b/checkout/.dvc/cache").exists()


def test_a_container_without_a_repository_says_what_to_set(tmp_path: Path) -> None:
    done = subprocess.run([str(ENTRYPOINT), "true"], cwd=tmp_path, env={}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "LADDER_REPOSITORY: names no repository to clone; set the job variable `repository`" in done.stderr
