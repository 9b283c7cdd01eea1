"""Frames of the examination, from reports that were written here, and two runs against each other on the same problems."""

import json
from pathlib import Path
from typing import Any

import pytest

from dashboards.load.between_runs import between
from dashboards.load.examination import (
    Report,
    breakdown_of,
    broken_down,
    curves,
    figures_table,
    groups_in_order,
    of_metric,
    published_on,
    report_of,
)
from dashboards.load.files import Folder
from stages.errors import LadderError
from stages.evaluation.comparison import differences
from stages.evaluation.examination import Examination, examination_of
from stages.evaluation.graded import Graded, read_graded, write_graded
from stages.evaluation.intervals import Resampling, holm
from stages.problems.problem import Problem

RESAMPLING = Resampling(seed=7, draws=500, confidence=0.9)


def figure(metric: str, value: float, checkpoint: str = "8k", at: str = "full", **other: Any) -> dict[str, Any]:
    told = {"low": value - 0.1, "high": value + 0.1, "problems": 4, "samples": 2, "context": 12, "status": "measured"}
    named = {"checkpoint": checkpoint, "benchmark": "aime", "metric": metric, "value": value, "at": at}
    return named | told | {"source": "grades/8k.parquet"} | other


PUBLISHED = figure(
    "pass@1", 0.288, "Theirs-1.5B", "full", low=None, high=None, problems=None, samples=None, context=None,
    status="published", source="README",
) | {"at": None}  # fmt: skip


def write_report(root: Path, rows: list[dict[str, Any]], **other: Any) -> Path:
    place = root / "reports/evaluation.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"rows": rows, "comparisons": [], "brittleness": [], "training_data": []} | other))
    return place


def report(root: Path, rows: list[dict[str, Any]]) -> Report:
    write_report(root, rows)
    found = report_of(Folder(root))
    assert found is not None
    return found


def test_curves_begin_with_the_mean_of_the_samples(tmp_path: Path) -> None:
    rows = [figure("avg@4", 0.5), figure("pass@4", 0.9), figure("maj@4", 0.6), figure("truncated", 0.1)]
    found = curves({"mine": report(tmp_path, [*rows, figure("pass@4", 0.2, at="own"), PUBLISHED])}, "aime", "full")
    assert found[["kind", "k", "value"]].values.tolist() == [
        ["pass", 1, 0.5], ["maj", 1, 0.5], ["pass", 4, 0.9], ["maj", 4, 0.6],
    ]  # fmt: skip
    assert found["low"].tolist() == pytest.approx([0.4, 0.4, 0.8, 0.5])


def test_published_figures_are_told_apart_and_have_no_interval(tmp_path: Path) -> None:
    found = report(tmp_path, [figure("avg@2", 0.5), figure("mean_length", 1234.56), PUBLISHED])
    assert found.benchmarks == ["aime"]
    assert found.metrics == ["avg@2", "mean_length"]
    assert of_metric({"mine": found}, "aime", "pass@1", "full").empty
    (theirs,) = published_on({"mine": found, "again": found}, "aime").to_dict("records")
    assert (theirs["value"], theirs["source"]) == (0.288, "README")
    table = figures_table(found, "full")
    assert list(table.columns) == ["checkpoint", "benchmark", "status", "pass@1", "avg@2", "mean_length", "source"]
    assert table.values.tolist() == [
        ["8k", "aime", "measured", "", "50.0 (40.0 to 60.0)", "1234.6 (1234.5 to 1234.7)", ""],
        ["Theirs-1.5B", "aime", "published", "28.8", "", "", "README"],
    ]


def test_what_nothing_bounds_is_said(tmp_path: Path) -> None:
    found = report(tmp_path, [figure("avg@2", 0.5, low=None), figure("tokens_per_correct", 0.0) | {"value": None}])
    assert figures_table(found, "full")[["avg@2", "tokens_per_correct"]].values.tolist() == [["50.0 (? to 60.0)", "-"]]


def test_a_run_that_was_not_examined_has_no_report(tmp_path: Path) -> None:
    assert report_of(Folder(tmp_path)) is None
    assert breakdown_of(Folder(tmp_path), "8k").empty
    assert not broken_down(Folder(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        b'{"rows": [{"check', b"[]", b"{}", b'{"rows": {}}', b'{"rows": [{"checkpoint": "8k"}]}',
        b'{"rows": [], "comparisons": [], "brittleness": [7], "training_data": []}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_damaged_report_is_named(tmp_path: Path, content: bytes) -> None:
    write_report(tmp_path, []).write_bytes(content)
    with pytest.raises(LadderError, match=r"reports/evaluation\.json"):
        report_of(Folder(tmp_path))


def test_figures_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    write_report(tmp_path, [figure("avg@2", 0.5) | {"value": "much"}])
    with pytest.raises(LadderError, match=r"evaluation\.json: rows: .*much"):
        report_of(Folder(tmp_path))


def test_groups_of_a_breakdown(tmp_path: Path) -> None:
    figures = {"sampled": 0.5, "low": 0.4, "high": 0.6}
    made = {"full": {"by_rating": {"10": figures | {"problems": 4.0}}, "by_length": {"9-16": figures | {"answers": 7}}}}
    place = tmp_path / "metrics/breakdown/8k.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(made))
    found = breakdown_of(Folder(tmp_path), "8k")
    assert found[["checkpoint", "at", "by", "group", "count", "low"]].values.tolist() == [
        ["8k", "full", "by_rating", "10", 4.0, 0.4], ["8k", "full", "by_length", "9-16", 7, 0.4],
    ]  # fmt: skip
    assert groups_in_order(["unrated", "33-64", "9-16", "10", "9"]) == ["9", "9-16", "10", "33-64", "unrated"]
    place.write_text('{"full": {"by_rating": {"10": 3}}}')
    with pytest.raises(LadderError, match=r"breakdown/8k\.json: not a breakdown"):
        breakdown_of(Folder(tmp_path), "8k")


def graded(problem: str, rewards: str, benchmark: str = "aime", greedy: bool = False) -> list[Graded]:
    return [
        Graded(problem, benchmark, place, greedy, 9, False, int(one), "correct" if one == "1" else "wrong", None,
               0 if one == "1" else 1, "")
        for place, one in enumerate(rewards)
    ]  # fmt: skip


def write_run(root: Path, answers: dict[str, str], checkpoints: tuple[str, ...] = ("24k",)) -> Folder:
    for name in checkpoints:
        rows = [row for problem, rewards in answers.items() for row in graded(problem, rewards)]
        (root / "grades").mkdir(parents=True, exist_ok=True)
        write_graded(
            root / f"grades/{name}.parquet", rows + graded("a", "10", "sums_twins") + graded("b", "10", "sums_twins")
        )
    return Folder(root)


FIRST = {"a": "00", "b": "01", "c": "00", "d": "11", "e": "00", "f": "10", "g": "00"}
SECOND = {"a": "11", "b": "11", "c": "01", "d": "11", "e": "11", "f": "11", "h": "11"}


def examination(folder: Folder, shared: str) -> Examination:
    rows = [row for row in read_graded(folder.root / "grades/24k.parquet") if row.problem_id in shared]
    problems = [Problem(name, name, ("1",), "aime", 1, "generated", "heldout", None, None) for name in shared]
    return examination_of([row for row in rows if row.benchmark == "aime"], problems, 100)


def test_two_runs_are_compared_as_two_checkpoints_are(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "1", FIRST), write_run(tmp_path / "2", SECOND)
    (row,) = between(first, second, RESAMPLING).to_dict("records")
    shared = "abcdef"  # neither g nor h
    both = differences({"first": examination(first, shared), "second": examination(second, shared)}, [], RESAMPLING)
    (found,) = both
    assert (row["problems"], row["unpaired"], row["measure"], row["benchmark"]) == (6, 2, "sampled", "aime")
    assert row["against"] == pytest.approx(4 / 12)
    assert row["value"] == pytest.approx(11 / 12)
    assert row["difference"] == pytest.approx(7 / 12) == pytest.approx(found.difference)
    assert (row["low"], row["high"]) == pytest.approx((found.interval.low, found.interval.high))
    assert row["p_value"] == found.p_value == pytest.approx(2 / 32)  # all five that changed went up
    assert row["shown"] == found.shown


def test_differences_are_corrected_over_all_checkpoints(tmp_path: Path) -> None:
    names = ("base", "8k", "16k", "24k")
    first, second = write_run(tmp_path / "1", FIRST, names), write_run(tmp_path / "2", SECOND, names)
    rows = between(first, second, RESAMPLING)
    assert rows["checkpoint"].tolist() == list(names)
    assert rows["p_adjusted"].tolist() == holm([2 / 32] * 4) == [0.25] * 4
    assert not rows["shown"].any()


def test_a_checkpoint_that_one_run_lacks_is_left_out_and_a_broken_table_is_named(tmp_path: Path) -> None:
    first = write_run(tmp_path / "1", FIRST, ("8k", "24k"))
    second = write_run(tmp_path / "2", SECOND, ("24k",))
    assert between(first, second, RESAMPLING)["checkpoint"].tolist() == ["24k"]
    (tmp_path / "2/grades/24k.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(LadderError, match=r"grades/24k\.parquet: not a table of graded answers"):
        between(first, second, RESAMPLING)
