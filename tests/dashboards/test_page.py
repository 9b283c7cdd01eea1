"""The page draws a real run, an empty workspace, and says what is wrong with bad settings."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.load import accuracy, graded_answers, rung_borders, training_steps
from stages.accounting.ledger import Ledger
from stages.accounting.records import BookedPrice, Device
from tests.conftest import CHECKOUT, Project

APP = str(CHECKOUT / "dashboards/app.py")


def page(root: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.chdir(root)
    return AppTest.from_file(APP, default_timeout=60).run()


def test_a_climbed_ladder_is_drawn(climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    root = climbed_once[0].root
    drawn = page(root, monkeypatch)
    assert not drawn.exception
    assert [header.value for header in drawn.header] == ["Stability", "Held-out accuracy", "Spend", "Answers"]
    assert drawn.metric[0].value == "18"
    assert len(drawn.get("vega_lite_chart")) == 6
    spend = drawn.dataframe[1].value
    assert spend["cost_usd"].sum() > 0
    assert set(spend["status"]) == {"done"}


def test_answers_are_read_as_text(climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    root = climbed_once[0].root
    drawn = page(root, monkeypatch)
    answers = graded_answers("24k", root)
    assert len(answers) == len(pd.read_parquet(root / "grades/24k.parquet"))
    drawn.selectbox[2].select(answers["why"].iloc[-1]).run()
    drawn.number_input[0].set_value(1).run()
    assert not drawn.exception
    chosen = answers[answers["why"] == answers["why"].iloc[-1]].iloc[1]
    assert [code.value for code in drawn.code] == [chosen["problem"], chosen["response"]]
    assert f"known {chosen['known']}" in drawn.text[0].value


def test_answers_whose_table_is_being_made_anew_are_waited_for(
    climbed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (climbed.root / "data/heldout.jsonl").unlink()
    drawn = page(climbed.root, monkeypatch)
    assert not drawn.exception
    assert "data/heldout.jsonl: missing; `dvc repro` makes it" in drawn.warning[0].value


def test_frames_of_a_climbed_ladder(climbed_once: tuple[Project, Any]) -> None:
    root = climbed_once[0].root
    steps = training_steps(root)
    assert steps["ladder_step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert rung_borders(steps)["ladder_step"].tolist() == [1, 3, 5]
    assert accuracy(root)[["checkpoint", "context"]].values.tolist() == [
        [name, context] for name in ("base", "8k", "16k", "24k") for context in ("full", "own")
    ]


def test_an_empty_workspace_says_what_to_do(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(project.root, monkeypatch)
    assert not drawn.exception
    assert "make run" in drawn.info[0].value
    assert not (project.root / "runs").exists()


def test_an_attempt_without_a_price_is_said_and_drawn(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(project.root / "runs/ledger.db")
    ledger.end(ledger.start("prepare"), "done")
    price = BookedPrice(3.0, None, "own", "undated", "test")
    ledger.identify(ledger.start("base"), "x", Device("TPU", 1), price, {})
    project.set("operations.market", "nowhere")
    drawn = page(project.root, monkeypatch)
    assert not drawn.exception
    assert "1 attempt(s) without a price, on 'cpu-core'" in drawn.warning[0].value
    assert drawn.dataframe[0].value["cost_usd"].isna().tolist() == [True, False]


def test_bad_settings_are_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.set("seed", -1)
    drawn = page(project.root, monkeypatch)
    assert "seed: -1" in drawn.error[0].value
