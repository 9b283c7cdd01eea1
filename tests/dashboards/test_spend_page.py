"""The Spend page of a real run, of an empty checkout, of damaged files."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.screens.spend import PARTS
from stages.accounting.ledger import Ledger
from stages.accounting.records import BookedPrice, Device, Failure
from stages.accounting.workspace import workspace_bill
from tests.conftest import Project
from tests.dashboards.pages import page, said


def part(drawn: AppTest, name: str) -> AppTest:
    drawn.session_state["spend_part"] = name
    return drawn.run()


def charts(drawn: AppTest) -> list[str]:
    return [chart.proto.spec for chart in drawn.get("vega_lite_chart")]


def test_a_climbed_ladder_is_accounted_for(climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(climbed_once[0].root, "spend", monkeypatch)
    assert not drawn.exception
    total = workspace_bill().total
    assert float(drawn.metric[0].value.removeprefix("$")) == pytest.approx(total.usd, abs=5e-5)
    assert drawn.metric[4].value == f"{total.attempts}"
    (bars,) = charts(drawn)
    assert '"dollars"' in bars
    for measure in ("device-hours", "energy"):
        for by in ("stage", "phase", "attempt", "state"):
            drawn.selectbox(key="spend_measure").set_value(measure)
            drawn.selectbox(key="spend_by").set_value(by)
            drawn.selectbox(key="spend_split").set_value("phase").run()
            assert not drawn.exception
            assert not drawn.warning
            assert len(charts(drawn)) == 1
    for name in PARTS[1:]:
        part(drawn, name)
        assert not drawn.exception
    assert drawn.dataframe[0].value["device"].tolist() == ["cpu-core"]
    part(drawn, "Attempts")
    assert len(drawn.dataframe[0].value) == total.attempts
    part(drawn, "Flow")
    assert '"field": "kind"' in charts(drawn)[0]  # the bands


def test_scopes_are_of_the_workspace_the_ledger_and_a_run(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(climbed.root, "spend", monkeypatch)
    attempts = int(drawn.metric[4].value)
    beside = climbed.root / "runs/experiments/trial"
    beside.mkdir(parents=True)
    monkeypatch.chdir(beside)
    ledger = Ledger(climbed.root / "runs/ledger.db")
    ledger.end(ledger.start("prepare"), "done")
    monkeypatch.chdir(climbed.root)
    drawn.run()
    assert int(drawn.metric[4].value) == attempts
    for whose, expected in (("all of the ledger", attempts + 1), ("run workspace", attempts)):
        drawn.selectbox(key="spend_of").set_value(whose).run()
        assert not drawn.exception
        assert int(drawn.metric[4].value) == expected
    drawn.segmented_control(key="spend_since").set_value("7 d").run()
    assert int(drawn.metric[4].value) == attempts


def test_what_too_little_was_measured_for_is_a_notice(
    climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = part(page(climbed_once[0].root, "spend", monkeypatch), "Projection")
    assert not drawn.exception
    assert "too few to project from" in drawn.warning[0].value  # two steps a rung


def test_a_budget_and_what_is_spent_of_it(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = part(page(climbed.root, "spend", monkeypatch), "Budget")
    assert "No limit is set" in drawn.info[0].value
    climbed.set("operations.budget", {"usd": 5.0, "hours": 0.001, "per": "run", "warn_at": 0.5})
    drawn.run()
    assert not drawn.exception
    assert not drawn.info
    assert ['"field": "limit"' in chart for chart in charts(drawn)] == [True, True]
    climbed.set("operations.budget.per", "rung")
    assert "train@16k" in charts(drawn.run())[0]


def test_an_empty_checkout_says_what_to_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(project.root, "spend", monkeypatch)
    assert not drawn.exception
    assert "make run" in drawn.info[0].value
    assert not (project.root / "runs").exists()


def test_an_attempt_without_a_price_is_said_and_drawn(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(project.root / "runs/ledger.db")
    ledger.end(ledger.start("prepare"), "done")
    ledger.identify(ledger.start("base"), "x", Device("TPU", 1), BookedPrice(3.0, None, "own", "undated", "test"), {})
    project.set("operations.market", "nowhere")
    drawn = page(project.root, "spend", monkeypatch)
    assert not drawn.exception
    assert "1 attempt\\(s\\) without a price, on \\'cpu\\-core\\'" in drawn.warning[0].value
    table = part(drawn, "Attempts").dataframe[0].value
    assert table["usd"].isna().tolist() == [False, True]


@pytest.mark.parametrize("path", ["params.yaml", "prices.yaml", "dvc.lock"])
def test_a_damaged_file_takes_no_page_away(climbed: Project, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    (climbed.root / path).write_text("stages: {broken: [")
    drawn = page(climbed.root, "spend", monkeypatch)
    for name in ("Budget", "Projection", "Where it went"):
        part(drawn, name)
        assert not drawn.exception
        assert bool(drawn.warning) == (name == "Projection" or (name == "Budget" and path != "prices.yaml"))
        assert float(drawn.metric[0].value.removeprefix("$")) > 0  # what was booked has its price


def test_a_broken_ledger_is_a_notice(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in Path(climbed.root / "runs").glob("ledger*"):
        place.write_bytes(b"no database at all" * 400)
    drawn = page(climbed.root, "spend", monkeypatch)
    assert not drawn.exception
    assert "runs/ledger.db can't be shown" in said(drawn).replace("\\", "")


def test_an_error_is_shown_as_it_stands(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(project.root / "runs/ledger.db")
    words = "<script>alert(1)</script> **bold** $x$ :red[no]"
    ledger.end(ledger.start("prepare"), "failed", Failure("error", words))
    drawn = part(page(project.root, "spend", monkeypatch), "Attempts")
    assert words in drawn.code[0].value
    assert words not in said(drawn)
