"""The report: rows of real graded answers, in JSON and as Markdown; and the stage that writes it, in a climbed ladder."""

import json
import subprocess
from typing import Any

import pytest

from stages.evaluation.figures import rounded
from stages.evaluation.intervals import Resampling
from stages.evaluation.off_domain.table import tax_markdown
from stages.evaluation.report import plotted, report
from stages.evaluation.table import markdown
from stages.params import Published
from tests.conftest import Project
from tests.evaluation.answered import examined, problem

PROBLEMS = [
    *(problem(f"old{place}", source="old", year=1987) for place in range(8)),
    *(problem(f"new{place}", source="new", year=2025) for place in range(8)),
    *(problem(f"twin{place}", source="twins", twin_of=f"old{place}", change="numbers") for place in range(8)),
]
RELEASE = Published(model="DeepScaleR", source="its README", figures={"new": 0.431})
OWN = {"base": 4, "8k": 20}


@pytest.fixture(scope="module")
def made() -> dict[str, list[dict[str, Any]]]:
    """The base knows nothing but old0; 8k all that is old, and nothing new or changed."""
    base = examined({one.id: ["2" if one.id == "old0" else "1", None] for one in PROBLEMS}, PROBLEMS)
    later = examined({one.id: ["2", "2"] if one.source == "old" else ["1", "7"] for one in PROBLEMS}, PROBLEMS)
    examinations = {"base": base, "8k": later}
    return rounded(report(examinations, OWN, [2], Resampling(0, 2000, 0.95), [RELEASE], "2024-07"))  # type: ignore[no-any-return]


def row(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (found,) = [one for one in rows if wanted.items() <= one.items()]
    return found


def test_every_figure_is_a_row(made: dict[str, list[dict[str, Any]]]) -> None:
    metrics = ["avg@2", "pass@2", "maj@2", "truncated", "no_answer", "mean_length", "tokens_per_correct"]
    measured = [one for one in made["rows"] if one["status"] == "measured"]
    keys = [(one["checkpoint"], one["benchmark"], one["metric"], one["at"]) for one in measured]
    assert len(keys) == len(set(keys)) == 2 * 3 * 2 * len(metrics)
    assert row(made["rows"], checkpoint="8k", benchmark="old", metric="avg@2", at="full") == {
        "checkpoint": "8k", "benchmark": "old", "metric": "avg@2", "value": 1.0, "low": round(0.025 ** (1 / 8), 6),
        "high": 1.0, "problems": 8, "samples": 2, "context": 20, "at": "full", "status": "measured",
        "source": "grades/8k.parquet",
    }  # fmt: skip
    assert row(made["rows"], checkpoint="base", benchmark="old", metric="no_answer", at="full")["value"] == 0.5
    at_own = row(made["rows"], checkpoint="base", benchmark="old", metric="truncated", at="own")
    assert (at_own["context"], at_own["value"]) == (4, 1.0)
    assert (
        row(made["rows"], checkpoint="base", benchmark="new", metric="tokens_per_correct", at="full")["value"] is None
    )


def test_published_figures_are_marked_and_compared_with_nothing(made: dict[str, list[dict[str, Any]]]) -> None:
    published = row(made["rows"], status="published")
    assert (published["checkpoint"], published["metric"], published["value"]) == ("DeepScaleR", "pass@1", 0.431)
    assert (published["source"], published["low"], published["samples"]) == ("its README", None, None)
    assert {one["checkpoint"] for one in made["comparisons"]} == {"8k"}


def test_comparisons_gaps_and_training_data(made: dict[str, list[dict[str, Any]]]) -> None:
    assert [(one["benchmark"], one["shown"]) for one in made["comparisons"] if one["metric"] == "avg@2"] == [
        ("new", False), ("old", True), ("twins", False),
    ]  # fmt: skip
    old = row(made["comparisons"], benchmark="old", metric="avg@2", context=20)
    assert (old["difference"], old["p_value"], old["p_adjusted"]) == (
        0.9375,
        round(2 / 2**8, 6),
        round(3 * 2 / 2**8, 6),
    )
    gap = row(made["brittleness"], checkpoint="8k")
    assert (gap["change"], gap["originals"], gap["twins"], gap["gap"], gap["families"]) == ("numbers", 1.0, 0.0, 1.0, 8)
    assert [(one["checkpoint"], one["year"], one["sampled"]) for one in made["training_data"]] == [
        ("base", "after", 0.0), ("base", "before", 0.0625), ("base", "unknown", 0.0),
        ("8k", "after", 0.0), ("8k", "before", 1.0), ("8k", "unknown", 0.0),
    ]  # fmt: skip


def test_what_there_is_nothing_of_has_no_section() -> None:
    examinations = {"base": examined({"old0": ["2"]}, PROBLEMS[:1])}
    made = report(examinations, OWN, [1], Resampling(0, 200, 0.95), [], None)
    assert (made["comparisons"], made["brittleness"], made["training_data"]) == ([], [], [])
    said = markdown(made, 0.95)
    assert "| base | 100.0 [?, ?] |" in said
    assert not any(word in said for word in ("Published", "beats", "twins", "training data"))


def test_the_table_says_the_same(made: dict[str, list[dict[str, Any]]]) -> None:
    said = markdown(made, 0.95)
    lines = said.splitlines()
    assert "## avg@2, at the full context, the same for all" in lines
    assert "| 8k | 0.0 [0.0, 36.9] | 100.0 [63.1, 100.0] | 0.0 [0.0, 36.9] |" in lines
    assert "| old | 8k beats base | +93.8 [+22.2, +100.0] | 0.0078 | 0.0234 | 8 |" in lines
    assert "| new | 8k is not shown to differ from base | +0.0 [-36.9, +36.9] | 1.0000 | 1.0000 | 8 |" in lines
    assert "| 8k | numbers | 100.0 [63.1, 100.0] | 0.0 [0.0, 36.9] | +100.0 [+26.1, +100.0] | 0.0078 | 8 |" in lines
    assert "| base | none | 80 [20, ?] | none |" in lines
    measured, published = said.split("## Published, not measured here")
    assert "DeepScaleR" not in measured
    assert "| DeepScaleR | 43.1 |" in published.split("##")[0]
    assert "- DeepScaleR: its README" in published


def test_what_is_plotted_is_the_mean_over_benchmarks(made: dict[str, list[dict[str, Any]]]) -> None:
    assert plotted(made["rows"]) == [
        {"checkpoint": "base", "full": 0.020833, "own": 0.0},
        {"checkpoint": "8k", "full": 0.333333, "own": 0.333333},
    ]


def test_a_climbed_ladder_has_its_report(climbed_once: tuple[Project, subprocess.CompletedProcess[str]]) -> None:
    root = climbed_once[0].root
    made = json.loads((root / "reports/evaluation.json").read_bytes())
    for name in ("base", "8k", "16k", "24k"):
        at_a_glance = json.loads((root / f"metrics/evaluation/{name}.json").read_bytes())
        for at in ("full", "own"):
            wanted = {"checkpoint": name, "benchmark": "digit_sums", "at": at}
            assert row(made["rows"], metric="avg@2", **wanted)["value"] == at_a_glance[at]["sampled"]
            assert row(made["rows"], metric="truncated", **wanted)["value"] == at_a_glance[at]["truncated"]
    pairs = [(one["checkpoint"], one["against"]) for one in made["comparisons"] if one["metric"] == "avg@2"]
    assert pairs == [
        ("8k", "base"), ("16k", "base"), ("24k", "base"), ("16k", "8k"), ("24k", "8k"), ("24k", "16k"),
    ]  # fmt: skip
    assert made["settings"]["samples_per_problem"] == 2
    how = "Every problem was answered 2 times, of at most 12 tokens, at temperature 1 and top_p 1."
    assert (root / "reports/evaluation.md").read_text() == markdown(made, 0.95, how) + tax_markdown(made["elsewhere"])
    assert [one["checkpoint"] for one in made["elsewhere"] if one["measure"] == "weights"] == ["8k", "16k", "24k"]
