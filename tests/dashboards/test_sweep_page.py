"""The sweep's page draws a real sweep and changes no byte of it, an empty checkout, and a damaged storage."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from optuna import create_study
from streamlit.testing.v1 import AppTest

from flows.sweep.storage import storage
from tests.conftest import Project, make_project
from tests.dashboards.pages import page, said
from tests.dashboards.test_sweep_frames import complete, make, point
from tests.flows.one_stage import cut_to_one_stage
from tests.flows.sweep.studied import sweep_of

SETTINGS: dict[str, Any] = {
    "seed": 2,
    "sweep.name": "real",
    "sweep.space": {"grpo.kl_coef": {"choices": [0.1, 0.0]}, "grpo.clip_high": {"choices": [0.2]}},
    "sweep.sampler": "grid",  # the last one is stopped by a guard
    "sweep.trials": 2,
    "sweep.parallel": 1,
    "sweep.pruner.kind": "none",
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A checkout in which a sweep has run. Not to be changed."""
    made = make_project(tmp_path_factory.mktemp("swept"))
    cut_to_one_stage(made)
    for key, value in SETTINGS.items():
        made.set(key, value)
    made.run("flows.sweep", "run")
    return made


def test_a_real_sweep_is_drawn_and_left_as_it_is(swept: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = swept.bytes_of("runs", "reports", "params.yaml")
    drawn = page(swept.root, "sweep", monkeypatch)
    assert not drawn.exception
    assert not drawn.warning
    assert drawn.selectbox(key="sweep_study").value == "real"
    assert [metric.value for metric in drawn.metric][::2] == ["0.6200", "2"]
    assert "1 complete, 1 diverged" in said(drawn).replace("\\", "")
    diverged, table = (one.value for one in drawn.dataframe)
    assert "guards.max_kl" in diverged["why"].iloc[0]
    assert table["state"].tolist() == ["complete", "diverged"]
    assert table["accuracy"].tolist()[:1] == [0.62]
    assert table["dollars"].gt(0).all()
    assert table["run"].tolist() == ["stability?runs=real-0000", "stability?runs=real-0001"]
    assert (
        len(drawn.get("vega_lite_chart")) == 5
    )  # map, front, all settings, best so far, cost: no importance and no rewards
    assert "it needs 4 finished trials" in said(drawn)
    drawn.selectbox(key="sweep_x").select("grpo.clip_high").run()
    assert not drawn.exception
    assert swept.bytes_of("runs", "reports", "params.yaml") == before


def test_one_of_several_studies_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_project(tmp_path)
    (tmp_path / "runs").mkdir()
    ends = [(point(0.001 * number, number / 10), {2: 0.1}, complete(number / 10)) for number in range(1, 6)]
    make(tmp_path / "runs", sweep_of(name="first"), ends)
    make(tmp_path / "runs", sweep_of(name="second"), [])
    with storage(f"sqlite:///{tmp_path / 'runs/sweeps.db'}") as opened:
        create_study(storage=opened, study_name="somebody's").ask()
    (tmp_path / "runs/sweeps.db").rename(tmp_path / "elsewhere.db")
    made.set("sweep.storage", "sqlite:///elsewhere.db")
    drawn = page(tmp_path, "sweep", monkeypatch)
    assert drawn.selectbox(key="sweep_study").options == ["somebody's", "second", "first"]
    assert "No sweep of this project began this study" in said(drawn)
    drawn.selectbox(key="sweep_study").select("second").run()
    assert "No trial yet" in said(drawn)
    drawn.selectbox(key="sweep_study").select("first").run()
    assert not drawn.exception
    assert len(drawn.get("vega_lite_chart")) == 6  # no dollars are known: no front
    assert "No finished trial has a known price yet" in said(drawn)


def test_an_empty_checkout_says_what_begins_a_sweep(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(project.root, "sweep", monkeypatch)
    assert not drawn.exception
    assert "`python -m flows.sweep run`" in drawn.info[0].value
    assert not (project.root / "runs").exists()


QUOTED = """
import pandas as pd
from dashboards.screens.sweep import _trial

_trial(pd.Series({"trial": "a; touch 'b' $(c)-0001", "state": "complete", "why": ""}), {})
"""


def test_the_command_names_an_experiment_and_runs_nothing_else() -> None:
    drawn = AppTest.from_string(QUOTED).run()
    assert not drawn.exception
    assert shlex.split(drawn.code[0].value) == ["dvc", "exp", "apply", "a; touch 'b' $(c)-0001"]


@pytest.mark.parametrize("damage", ["cut", "garbage", "settings"])
def test_a_damaged_storage_is_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    made = make_project(tmp_path)
    (tmp_path / "runs").mkdir()
    make(tmp_path / "runs", sweep_of(), [(point(), {}, complete(0.5))])
    place = tmp_path / "runs/sweeps.db"
    if damage == "settings":
        made.set("sweep.trials", -1)
    else:
        place.write_bytes(place.read_bytes()[:20000] if damage == "cut" else b"garbage" * 1000)
    drawn = page(tmp_path, "sweep", monkeypatch)
    assert not drawn.exception
    (notice,) = drawn.warning
    assert ("sweep.trials" if damage == "settings" else "sweep.storage") in notice.value.replace("\\", "")
