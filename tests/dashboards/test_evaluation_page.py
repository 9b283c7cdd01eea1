"""The Evaluation page of a real run, of two, of an empty checkout, of damaged files."""

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.screens.evaluation import PARTS
from tests.conftest import Project
from tests.dashboards.pages import page, said


def part(drawn: AppTest, name: str) -> AppTest:
    drawn.session_state["evaluation_part"] = name
    return drawn.run()


def charts(drawn: AppTest) -> list[str]:
    return [chart.proto.spec for chart in drawn.get("vega_lite_chart")]


def test_a_climbed_ladder_is_examined(climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    root = climbed_once[0].root
    drawn = page(root, "evaluation", monkeypatch)
    drawings = {}
    for name in PARTS:
        part(drawn, name)
        assert not drawn.exception
        assert not drawn.warning
        drawings[name] = len(charts(drawn))
    assert drawings == {
        "Accuracy": 1, "pass@k": 4, "Twins": 0, "Differences": 1, "Breakdown": 1, "Elsewhere": 1, "Table": 0,
    }  # fmt: skip
    rows = json.loads((root / "reports/evaluation.json").read_bytes())["rows"]
    (first,) = [row for row in rows if (row["checkpoint"], row["metric"], row["at"]) == ("24k", "avg@2", "full")]
    table = drawn.dataframe[0].value.set_index("checkpoint")
    assert table["avg@2"]["24k"].startswith(f"{first['value'] * 100:.1f} ({first['low'] * 100:.1f} to ")
    part(drawn, "Accuracy").selectbox(key="evaluation_metric").set_value("mean_length")
    drawn.segmented_control(key="evaluation_at").set_value("own").run()
    assert not drawn.exception
    assert "8 and" not in said(drawn)
    assert "mean_length (tokens)" in charts(drawn)[0]


def test_two_runs_are_drawn_over_one_another_and_compared(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    climbed.run("dvc", "exp", "save", "--name", "mine")
    drawn = page(climbed.root, "evaluation", monkeypatch, ["workspace", "mine"])
    for name in PARTS:
        part(drawn, name)
        assert not drawn.exception
        assert not drawn.warning
    part(drawn, "Differences")
    assert len(charts(drawn)) == 4  # one a run, then sampled and greedy between the two
    assert '"no difference shown"' in charts(drawn)[2]
    drawn.selectbox(key="evaluation_run").set_value("workspace").run()
    assert "one run" in drawn.info[0].value


def test_published_twins_and_years_are_drawn(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    place = climbed.root / "reports/evaluation.json"
    made = json.loads(place.read_bytes())
    theirs = made["rows"][0] | {
        "checkpoint": "Theirs", "metric": "pass@1", "low": None, "high": None, "status": "published", "source": "README"
    }  # fmt: skip
    gap = {"checkpoint": "24k", "change": "numbers", "p_value": 0.5, "families": 9, "twin_problems": 9}
    sides = ("originals", "twins", "gap")
    gap |= {f"{side}{end}": 0.5 for side in sides for end in ("", "_low", "_high")}
    year = {"checkpoint": "24k", "year": "before", "problems": 4, "sampled": 0.5, "low": 0.4, "high": 0.6}
    place.unlink()
    place.write_text(
        json.dumps(made | {"rows": [*made["rows"], theirs], "brittleness": [gap], "training_data": [year]})
    )
    drawn = page(climbed.root, "evaluation", monkeypatch)
    assert '"strokeDash": [4, 4]' in charts(drawn)[0]  # a line across
    assert "without an interval" in said(drawn)
    assert len(charts(drawn)) == 2
    assert len(charts(part(drawn, "Twins"))) == 2
    assert not drawn.exception
    table = part(drawn, "Table").dataframe[0].value
    assert table["status"].tolist() == ["measured"] * 4 + ["published"]


def test_what_it_cost_elsewhere_is_drawn_and_told(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    place = climbed.root / "reports/evaluation.json"
    made = json.loads(place.read_bytes())
    texts = {"set": "code", "measure": "bits_per_byte", "texts": 40, "note": ""}
    base = {"checkpoint": "base", "value": 1.0, "low": 0.9, "high": 1.1} | dict.fromkeys(
        ("base", "difference", "difference_low", "difference_high")
    )
    change = {"base": 1.0, "difference": 0.25, "difference_low": 0.2, "difference_high": 0.3}
    rung = {"checkpoint": "24k", "value": 1.25, "low": 1.1, "high": 1.4} | change
    far = [row for row in made["elsewhere"] if row["value"] is not None]
    assert {row["measure"] for row in far} == {"kl", "weights"}  # digits alone say no text
    place.unlink()
    place.write_text(json.dumps(made | {"elsewhere": [base | texts, rung | texts, *far]}))
    drawn = part(page(climbed.root, "evaluation", monkeypatch), "Elsewhere")
    assert not drawn.exception and not drawn.warning
    figures = drawn.selectbox(key="evaluation_elsewhere")
    assert figures.options == ["code, bits per byte", "KL on its own answers", "weights"]
    table = drawn.dataframe[0].value.set_index("checkpoint")
    assert table["code, bits per byte"]["24k"] == "1.000 -> 1.250 (+0.250 [+0.200, +0.300])"
    assert table["code, bits per byte"]["8k"] == table["weights"]["base"] == "-"
    figures.set_value("weights").run()
    assert not drawn.exception and "share of the base" in charts(drawn)[0]
    place.write_text(json.dumps({key: value for key, value in made.items() if key != "elsewhere"}))
    drawn = part(page(climbed.root, "evaluation", monkeypatch), "Elsewhere")
    assert "examined elsewhere" in drawn.info[0].value


def test_an_empty_checkout_says_what_to_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(project.root, "evaluation", monkeypatch)
    assert not drawn.exception
    assert "make run" in drawn.info[0].value


DAMAGED = [
    ("reports/evaluation.json", b'{"rows": [{"checkpoint": "8', "Accuracy"),
    ("metrics/breakdown/24k.json", b'{"full": {"by_rat', "Breakdown"),
    ("params.yaml", b"rungs: [", "Differences"),
]


def test_a_damaged_file_is_a_notice_in_its_place(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    climbed.run("dvc", "exp", "save", "--name", "mine")
    for path, content, name in DAMAGED:
        place = climbed.root / path
        whole = place.read_bytes()
        place.unlink()  # a link into the cache, perhaps
        place.write_bytes(content)
        drawn = part(page(climbed.root, "evaluation", monkeypatch, ["workspace", "mine"]), name)
        assert not drawn.exception
        assert drawn.warning
        assert charts(drawn)  # the other run is drawn
        place.write_bytes(whole)


def test_a_damaged_report_hides_no_breakdown_and_a_damaged_breakdown_no_other(
    climbed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, broken_down = climbed.root / "reports/evaluation.json", climbed.root / "metrics/breakdown/8k.json"
    for place in (report, broken_down):
        place.unlink()
        place.write_text('{"rows": [')
    drawn = page(climbed.root, "evaluation", monkeypatch)
    for name in PARTS:
        part(drawn, name)
        assert not drawn.exception
        assert not drawn.info
        assert "its report" in drawn.warning[0].value
        assert len(charts(drawn)) == (1 if name == "Breakdown" else 0)
    part(drawn, "Breakdown")
    assert [warning.value.partition(", ")[2].partition(" can't")[0] for warning in drawn.warning] == [
        "its report",
        "its breakdown of 8k",
    ]
    assert drawn.multiselect(key="evaluation_checkpoints").options == ["base", "16k", "24k"]


def test_before_the_report_a_breakdown_is_drawn(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (climbed.root / "reports/evaluation.json").unlink()
    drawn = page(climbed.root, "evaluation", monkeypatch)
    assert "dvc repro compare" in drawn.info[0].value
    assert len(charts(part(drawn, "Breakdown"))) == 1
    assert not drawn.warning
