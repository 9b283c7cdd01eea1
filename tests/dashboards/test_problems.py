"""Problems: frames against counts by hand; the page on a real run, an empty checkout, damaged files, and texts that are code."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dashboards.charts.problems import aside_chart, difficulty_chart, flow_chart
from dashboards.load.files import Folder
from dashboards.load.lines import rows_at
from dashboards.load.problems import (
    chosen,
    difficulty_of,
    flow_of,
    listed,
    report_of,
    rungs,
    set_aside,
    sides,
    sources,
    told,
)
from stages.errors import LadderError
from tests.conftest import Project
from tests.dashboards.pages import page, said

HTML = '<script>alert("1")</script> $x^2$ **bold** [a](javascript:b) Ünï'


def problem(text: str, source: str = "book", record: int = 1, answers: tuple[str, ...] = ("1", "2")) -> dict[str, Any]:
    return {"source": source, "record": record, "problem": text, "answers": answers}


def leak(
    text: str, kind: str = "copy", step: str = "identity", removed: bool = True, grey: bool = False
) -> dict[str, Any]:
    train, benchmark = problem(text), problem(f"examined: {text}", "exam", 7)
    return {
        "train": train, "benchmark": benchmark, "kind": kind, "step": step, "score": 0.75, "removed": removed, "grey": grey,
    }  # fmt: skip


def write(root: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = root / "data" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_frames_of_a_climbed_ladder_count_what_its_tables_hold(climbed_once: tuple[Project, Any]) -> None:
    root = climbed_once[0].root
    files = Folder(root)
    used = Counter(
        json.loads(line)["source"] for name in ("train", "heldout") for line in (root / f"data/{name}.jsonl").open()
    )
    flow, report = flow_of(files), report_of(files)
    assert flow[flow["step"] == "used"].set_index("source")["problems"].to_dict() == used
    assert sources(report).set_index("source")["used"].to_dict() == used
    aside = [json.loads(line) for line in (root / "data/quarantine.jsonl").open()]
    assert set_aside(report)["problems"].sum() == len(aside)
    assert len(listed(files, "set aside").starts) == len(aside)
    by_rung = {rung: pd.read_parquet(root / f"data/curriculum/{rung}.parquet") for rung in ("8k", "16k", "24k")}
    table = rungs(report).set_index("rung")
    assert table["problems"].to_dict() == {rung: len(rows) for rung, rows in by_rung.items()}
    assert table.index.tolist() == ["8k", "16k", "24k"]
    assert table["prompt tokens, max"].to_dict() == {
        rung: rows["prompt_tokens"].max() for rung, rows in by_rung.items()
    }
    difficulty = difficulty_of(files)
    assert difficulty.groupby("rung")["problems"].sum().to_dict() == table["problems"].to_dict()
    reasons = pd.DataFrame([("book", "no answer", 3)], columns=["source", "reason", "problems"])
    for chart in (flow_chart(flow), difficulty_chart(difficulty, "rating"), aside_chart(reasons)):
        assert chart.to_dict()["mark"]


def test_one_source_alone_has_no_legend() -> None:
    for sources_drawn, has_legend in ((["book"], False), (["book", "web"], True)):
        rows = pd.DataFrame(
            [(name, "no answer", 3) for name in sources_drawn], columns=["source", "reason", "problems"]
        )
        assert (aside_chart(rows).to_dict()["encoding"]["color"]["legend"] is not None) == has_legend


def test_a_list_is_filtered_by_its_fields_and_texts(tmp_path: Path) -> None:
    write(tmp_path, "leaks", [
        leak("How many Äpfel?"),
        leak("Two pears", "near", "ngram", removed=False),
        leak("äpfel again", "near", "ngram", grey=True),
    ])  # fmt: skip
    lines = listed(Folder(tmp_path), "leaks")
    assert lines.fields["became"].tolist() == ["removed", "kept", "removed"]
    assert chosen(lines, {}).tolist() == [0, 1, 2]
    assert chosen(lines, {"kind": ["near"], "became": ["removed"]}).tolist() == [2]
    assert chosen(lines, {"doubt": ["sure"]}, " ÄPFEL ").tolist() == [0]
    assert chosen(lines, {}, "examined: two").tolist() == [1]
    assert chosen(lines, {}, "copy").tolist() == []  # a field is no text
    second, first = rows_at(lines, [2, 0])
    assert [(side.title, side.text, side.answers) for side in sides(second)] == [
        ("to learn from: book 1", "äpfel again", "1 or 2"), ("examined: exam 7", "examined: äpfel again", "1 or 2"),
    ]  # fmt: skip
    assert told(second) == "near, found by ngram (score 0.75), removed; for a person to read"
    assert told(first) == "copy, found by identity (score 0.75), removed"


def test_each_list_has_its_sides(tmp_path: Path) -> None:
    write(
        tmp_path,
        "duplicates",
        [{"kept": problem("a"), "dropped": problem("b", "web"), "kind": "near", "similarity": 0.9}],
    )
    write(tmp_path, "conflicts", [{"kept": problem("a"), "others": [problem("b"), problem("c")]}])
    shown = {}
    for which in ("repeated", "conflicting answers"):
        lines = listed(Folder(tmp_path), which)
        (row,) = rows_at(lines, [0])
        shown[which] = [side.title.partition(":")[0] + side.text for side in sides(row)]
    assert shown == {"repeated": ["droppedb", "kepta"], "conflicting answers": ["kepta", "anotherb", "anotherc"]}


def test_a_list_that_changes_is_read_anew_and_a_broken_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "leaks", [leak("one")])
    assert len(listed(Folder(tmp_path), "leaks").starts) == 1
    write(tmp_path, "leaks", [leak("one"), leak("two")])
    assert len(listed(Folder(tmp_path), "leaks").starts) == 2
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LadderError, match=r"data/leaks\.jsonl, line 2: not JSON .*`dvc checkout data/leaks\.jsonl`"):
        listed(Folder(tmp_path), "leaks")
    path.write_text('{"kind": "copy"}\n[]\n')
    with pytest.raises(LadderError, match=r"data/leaks\.jsonl, line 1: KeyError"):
        listed(Folder(tmp_path), "leaks")
    path.unlink()
    with pytest.raises(LadderError, match=r"data/leaks\.jsonl: not there yet"):
        listed(Folder(tmp_path), "leaks")


def test_difficulties_are_bins_in_order_and_the_unknown_ones_last(tmp_path: Path) -> None:
    path = tmp_path / "metrics/problems/difficulty.csv"
    path.parent.mkdir(parents=True)
    path.write_text("rung,difficulty,problems\n8k,0.1,3\n8k,0.2,4\n8k,,2\n16k,0.1,1\n16k,0.2,0\n")
    read = difficulty_of(Folder(tmp_path))
    assert read[read["rung"] == "8k"].sort_values("order")["difficulty"].tolist() == [
        "0.1 to 0.2",
        "0.2 to 0.3",
        "unknown",
    ]
    path.write_text("rung,problems\n8k,1\n")
    with pytest.raises(LadderError, match="no column 'difficulty'"):
        difficulty_of(Folder(tmp_path))


def test_a_real_run_is_drawn(climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(climbed_once[0].root, "problems", monkeypatch)
    assert not drawn.exception
    assert not drawn.warning
    assert len(drawn.get("vega_lite_chart")) >= 2
    tables = [table.value for table in drawn.dataframe]
    assert tables[0]["source"].tolist() == ["digit_sums"]
    assert tables[-1]["rung"].tolist() == ["8k", "16k", "24k"]


def test_texts_are_shown_as_they_are_a_page_at_a_time(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project.root, "leaks", [leak(f"{number} {'odd' if number % 2 else 'even'} {HTML}") for number in range(25)])
    aside = {"source": "web", "record": 3, "reason": "no answer", "problem": HTML, "because_of": None}
    write(project.root, "quarantine", [aside])
    drawn = page(project.root, "problems", monkeypatch)
    assert not drawn.exception
    assert not drawn.warning
    assert [code.value for code in drawn.code][:2] == [f"0 even {HTML}", f"examined: 0 even {HTML}"]
    assert len(drawn.code) == 20
    assert "<script>" not in said(drawn)
    drawn.number_input[0].set_value(3).run()
    assert drawn.code[0].value == f"20 even {HTML}"
    drawn.text_input[0].set_value("EVEN <script>").run()  # fewer pages than the one that is read
    assert not drawn.exception
    assert [code.value for code in drawn.code][::2] == [f"{number} even {HTML}" for number in range(0, 20, 2)]
    drawn.text_input[0].set_value("").run()
    drawn.multiselect[0].set_value(["copy"]).run()
    assert "25 found" in said(drawn)
    drawn.segmented_control[0].set_value("set aside").run()
    assert drawn.dataframe[0].value["problem"].tolist() == [HTML]


def test_an_empty_checkout_says_what_to_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(project.root, "problems", monkeypatch)
    assert not drawn.exception
    assert "`dvc repro prepare`" in drawn.info[0].value
    assert "Choose a run" in said(page(project.root, "problems", monkeypatch, []))


def test_damaged_files_are_notices_in_their_places(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("reports/problems.json", "metrics/problems/flow.csv", "metrics/problems/difficulty.csv"):
        path = climbed.root / name
        content = path.read_bytes()
        path.unlink()  # it is a link to DVC's cache
        path.write_bytes(content[: len(content) // 2] if name.endswith("json") else b'"')
    (climbed.root / "data/leaks.jsonl").unlink()
    write(climbed.root, "leaks", [leak("one")]).open("a").write('{"kind": ')
    drawn = page(climbed.root, "problems", monkeypatch)
    assert not drawn.exception
    told_of = "\n".join(notice.value for notice in drawn.warning).replace("\\", "")
    for name in (
        "reports/problems.json",
        "metrics/problems/flow.csv",
        "metrics/problems/difficulty.csv",
        "data/leaks.jsonl, line 2",
    ):
        assert name in told_of
