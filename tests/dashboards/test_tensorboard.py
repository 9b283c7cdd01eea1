"""A run's series as TensorBoard reads them back."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stages.accounting.reading import reading
from stages.errors import LadderError
from stages.params import RUNGS
from tests.conftest import Project


def read_back(folder: Path) -> EventAccumulator:
    (file,) = folder.iterdir()
    assert "tfevents" in file.name
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return events


def test_a_climbed_ladder_is_read_back(climbed_once: tuple[Project, Any], tmp_path: Path) -> None:
    project = climbed_once[0]
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace/events.out.tfevents.1.old").write_bytes(b"of another run")
    said = project.run("dashboards.tensorboard", "--run", "workspace", "--to", str(tmp_path))
    assert str(tmp_path / "workspace") in said.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]
    events = read_back(tmp_path / "workspace")
    tables = pd.concat([pd.read_csv(project.root / f"metrics/train/{rung}.csv") for rung in RUNGS], ignore_index=True)
    tags = events.Tags()["scalars"]
    assert {f"train/{name}" for name in tables if name != "step" and tables[name].notna().any()} == {
        tag for tag in tags if tag.startswith("train/")
    }
    for name in ("reward", "completions/p90_length", "kl"):
        read = events.Scalars(f"train/{name}")
        known = tables[name].dropna()
        assert [event.step for event in read] == [place + 1 for place in known.index]
        assert [event.value for event in read] == pytest.approx(list(known), rel=1e-6)
    for context in ("full", "own"):
        figures = [
            json.loads((project.root / f"metrics/evaluation/{name}.json").read_bytes())[context]
            for name in ("base", *RUNGS)
        ]
        read = events.Scalars(f"evaluation/{context}/sampled")
        assert [(event.step, event.value) for event in read] == [
            (step, pytest.approx(one["sampled"])) for step, one in zip((0, 2, 4, 6), figures, strict=True)
        ]
        (benchmark,) = figures[0]["benchmarks"]
        assert len(events.Scalars(f"evaluation/{context}/{benchmark}/maj@2")) == 4


def test_times_are_the_ledgers(climbed_once: tuple[Project, Any], tmp_path: Path) -> None:
    project = climbed_once[0]
    project.run("dashboards.tensorboard", "--run", "workspace", "--to", str(tmp_path))
    events = read_back(tmp_path / "workspace")
    with reading(project.root / "runs/ledger.db") as ledger:
        spans = {one.stage: (one.started_at, one.heartbeat_at) for one in ledger.attempts()}
    times = [event.wall_time for event in events.Scalars("train/reward")]
    assert times == sorted(times)
    for rung, first, last in zip(RUNGS, times[::2], times[1::2], strict=True):
        begun, ended = spans[f"train@{rung}"]
        assert begun < first < last <= ended + 0.1  # the clocks of an attempt's length and of its ends differ
    examined = [event.wall_time for event in events.Scalars("evaluation/full/sampled")]
    assert examined == [spans[f"evaluate@{name}"][1] for name in ("base", *RUNGS)]


@pytest.mark.parametrize("run", ["workspace", "nowhere"])
def test_what_is_not_there_is_one_line(project: Project, tmp_path: Path, run: str) -> None:
    done = project.run("dashboards.tensorboard", "--run", run, "--to", str(tmp_path / "to"), check=False)
    assert done.returncode == LadderError.exit_code
    assert len(done.stderr.splitlines()) == 1 and run in done.stderr
    assert not (tmp_path / "to").exists()


def test_without_the_extra_it_says_how_to_get_it(climbed_once: tuple[Project, Any], tmp_path: Path) -> None:
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard/__init__.py").write_text("raise ImportError('not installed')")
    done = climbed_once[0].run(
        "dashboards.tensorboard", "--run", "workspace", "--to", str(tmp_path / "to"), check=False, PYTHONPATH=str(tmp_path)
    )  # fmt: skip
    assert done.returncode == LadderError.exit_code
    assert done.stderr == "error: tensorboard: not installed; `make install EXTRAS=tensorboard` brings it\n"
    assert not (tmp_path / "to").exists()
