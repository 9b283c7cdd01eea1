"""Overview and Stability draw a real run, an empty checkout, several runs, and damaged files."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.load.timeline import PANELS
from stages.accounting.records import StepCost
from tests.accounting.booked import book
from tests.conftest import CHECKOUT, Project
from tests.dashboards.pages import page, said
from tests.dashboards.runs import row, write_live

APP = str(CHECKOUT / "dashboards/app.py")


def test_the_overview_says_how_a_run_goes(climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(climbed_once[0].root, "overview", monkeypatch)
    assert not drawn.exception
    assert not drawn.warning
    table = drawn.dataframe[0].value
    assert table[["run", "state", "progress", "steps"]].values.tolist() == [["workspace", "done", 1.0, "6/6"]]
    assert len(table["reward"].iloc[0]) == 6
    assert drawn.metric[0].label == "accuracy of 24k"
    assert drawn.metric[0].value == f"{table['accuracy'].iloc[0]:.1f} %"
    assert "too few for a judgement" in said(drawn)


def test_the_app_chooses_the_workspace_and_draws_the_overview(
    climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(climbed_once[0].root)
    drawn = AppTest.from_file(APP, default_timeout=60).run()
    assert not drawn.exception
    assert drawn.sidebar.multiselect[0].value == ["workspace"]
    assert drawn.header[0].value == "Overview"


def test_rows_are_found_by_words_states_and_tags(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    climbed.run("dvc", "exp", "save", "--name", "mine")
    climbed.set("grpo.kl_coef", 0.25)
    drawn = page(climbed.root, "overview", monkeypatch, ["workspace", "mine"])
    assert drawn.dataframe[0].value["run"].tolist() == ["workspace", "mine"]
    assert "grpo.kl_coef=0.001" in drawn.dataframe[0].value["differs"].iloc[1]
    assert "dvc exp apply mine" in drawn.code[0].value
    drawn.text_input[0].set_value("KL_coef=0.001").run()
    assert drawn.dataframe[0].value["run"].tolist() == ["mine"]
    drawn.text_input[0].set_value("").run()
    drawn.multiselect(key="tags").set_value(["experiment"]).run()
    assert drawn.dataframe[0].value["run"].tolist() == ["mine"]


def test_the_time_line_has_every_panel(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    climbed.run("dvc", "exp", "save", "--name", "mine")
    drawn = page(climbed.root, "stability", monkeypatch, ["workspace", "mine"])
    assert not drawn.exception
    assert not drawn.warning
    (chart,) = drawn.get("vega_lite_chart")
    for panel in PANELS:
        assert f'"text": "{panel.title}"' in chart.proto.spec
    assert '"text": "Held-out accuracy"' in chart.proto.spec
    for axis in ("tokens", "hours", "dollars", "step"):
        drawn.segmented_control[0].set_value(axis).run()
        assert not drawn.exception
        assert not drawn.warning
    drawn.slider[0].set_value(0.9).run()
    drawn.multiselect[0].set_value(["kl"]).run()
    assert not drawn.exception
    assert '"text": "Entropy"' not in drawn.get("vega_lite_chart")[0].proto.spec


def test_the_time_line_is_the_same_chart_from_the_first_step_to_the_last(
    climbed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = page(climbed.root, "stability", monkeypatch).get("vega_lite_chart")
    metrics = climbed.root / "metrics"
    shutil.rmtree(metrics / "evaluation")
    for later in ("16k", "24k"):
        (metrics / "train" / f"{later}.csv").unlink()
    first = metrics / "train" / "8k.csv"
    first.write_text("".join(first.read_text().splitlines(keepends=True)[:2]))
    (begun,) = page(climbed.root, "stability", monkeypatch).get("vega_lite_chart")
    assert _bytes(begun)["accuracy"] < _bytes(whole)["accuracy"]
    assert _bytes(begun)["reward"] < _bytes(whole)["reward"]
    assert begun.proto.spec == whole.proto.spec
    marks = json.loads(whole.proto.spec)["config"]["mark"]
    assert marks["aria"] is False  # or Streamlit sets it, once there are many points


def test_the_time_line_is_the_same_chart_whatever_becomes_of_an_attempt(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, ledger = project.root / "runs/live/train@8k.jsonl", project.root / "runs/ledger.db"
    costs = [StepCost(step, sample_s=60.0) for step in (1, 2, 3)]
    first = book(ledger, "running", 300, steps=costs[:1], workspace=str(project.root))
    write_live(live, [{"attempt": first, **row(1)}])
    charts = [*page(project.root, "stability", monkeypatch).get("vega_lite_chart")]
    second = book(ledger, "failed", 300, steps=costs[1:], failure=("memory", "out of memory"))
    write_live(live, [{"attempt": first, **row(1)}, *({"attempt": second, **row(step)} for step in (2, 3))])
    charts += page(project.root, "stability", monkeypatch).get("vega_lite_chart")
    assert _bytes(charts[0])["attempts"] < _bytes(charts[1])["attempts"]
    assert charts[0].proto.spec == charts[1].proto.spec


def _bytes(chart: Any) -> dict[str, int]:
    """Of its data sets."""
    return {part.name: len(part.data.data) for part in chart.proto.datasets}


def test_an_empty_checkout_says_what_to_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("overview", "stability"):
        drawn = page(project.root, name, monkeypatch)
        assert not drawn.exception
        assert "make run" in drawn.info[0].value
    assert not (project.root / "runs").exists()


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("metrics/train/16k.csv", b"step,re", "16k"),
        ("metrics/evaluation/24k.json", b'{"full": {"sam', "24k"),
        ("reports/evaluation.json", b"[]", ""),
        ("params.yaml", b"rungs: [", ""),
        ("dvc.lock", b"stages:\n  train@8k:\n    cmd: e", ""),
        ("reports/bill.json", b"{", ""),
    ],
)
def test_a_damaged_file_is_a_notice_in_its_place(
    climbed: Project, monkeypatch: pytest.MonkeyPatch, path: str, content: bytes, words: str
) -> None:
    place: Path = climbed.root / path
    place.unlink()  # a link into the cache, perhaps
    place.write_bytes(content)
    for name in ("overview", "stability"):
        drawn = page(climbed.root, name, monkeypatch)
        assert not drawn.exception
        assert words in said(drawn)
        assert bool(drawn.warning) == bool(words)
        assert not drawn.info  # there are steps


def test_a_broken_ledger_is_said_and_the_rest_is_drawn(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (climbed.root / "runs").glob("ledger*"):
        place.write_bytes(b"no database at all" * 400)
    monkeypatch.chdir(climbed.root)
    drawn = AppTest.from_file(APP, default_timeout=60).run()
    assert not drawn.exception
    assert "runs/ledger.db" in drawn.error[0].value.replace("\\", "")
    assert drawn.dataframe[0].value["accuracy"].notna().all()


def test_results_of_an_earlier_climb_are_called_so(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("evaluation", "samples"):
        assert "earlier climb" not in said(page(climbed.root, name, monkeypatch))
    climbed.set("rungs.r24k.steps", 300)
    assert "its report is of an earlier climb" in said(page(climbed.root, "evaluation", monkeypatch))
    assert "until `dvc repro` makes them anew: 24k." in said(page(climbed.root, "samples", monkeypatch))
    drawn = page(climbed.root, "overview", monkeypatch)
    assert drawn.metric[0].label == "accuracy of 16k"
