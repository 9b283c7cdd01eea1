"""The benchmark's checkout is a real one: what it says of a run is there under its hash, and the ledger's attempts made it."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from benchmarks.filled_runs import fill_runs
from dashboards.load.book import read_book
from dashboards.load.files import Saved
from dashboards.load.runs import all_runs, locked
from dashboards.load.series import steps_of, with_cost
from dashboards.load.settings import identity_settings
from stages.accounting.ledger import LEDGER
from stages.errors import LadderError
from tests.conftest import Project, lines


def test_every_run_is_whole(climbed_once: tuple[Project, Any], tmp_path: Path) -> None:
    template = climbed_once[0].root
    names = fill_runs(tmp_path, runs=3, steps=32, template=template)
    book = read_book(tmp_path / LEDGER, lambda device: None)
    runs = {run.key: run for run in all_runs(tmp_path, book)}
    assert list(runs) == ["workspace", *reversed(names)]
    header = lines(template / "metrics/train/8k.csv")[0].split(",")
    rewards = set()
    for name, run in runs.items():
        steps = with_cost(steps_of(run), run, book)
        assert steps.groupby("rung", sort=False)["step"].max().to_dict() == {"8k": 10, "16k": 11, "24k": 11}
        assert set(header) <= set(steps.columns)
        assert steps["usd"].is_monotonic_increasing, name
        assert identity_settings(run)["rungs.r16k.steps"] == 11
        rewards.add(tuple(steps["reward"]))
        for stage in ("train@8k", "evaluate@24k"):
            made = book.by_identity[locked(run)[stage]]
            assert {one.origin.experiment for one in made} == {None if name == "workspace" else name}
        if isinstance(run.files, Saved):
            for path, md5 in run.files.outs.items():
                if (place := run.files.place(path)) is not None:
                    assert hashlib.md5(place.read_bytes()).hexdigest() == md5, path
            assert run.files.place("grades/24k.parquet") and not run.files.place("samples/24k.jsonl")
    assert len(rewards) == 4


def test_a_checkout_that_has_not_climbed_is_refused(project: Project, tmp_path: Path) -> None:
    with pytest.raises(LadderError, match="make run"):
        fill_runs(tmp_path / "filled", 1, 3, project.root)
