"""Completions are found by what they are and drawn side by side; a missing or damaged file is said in its place."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.load import responses as texts
from dashboards.load.files import Folder
from dashboards.load.responses import responses
from dashboards.load.samples import Wanted, answers_of, by_problem, is_close, logged, matching, number, problems_of
from stages.evaluation.graded import SCHEMA, read_graded
from stages.store.files import write_jsonl
from tests.conftest import Project, git
from tests.dashboards import pages
from tests.dashboards.examined import BASE, CLIMBED, LOGGED, write_examination

TWO_RUNS = """
from pathlib import Path

from dashboards.load.book import EMPTY
from dashboards.load.files import Folder
from dashboards.load.runs import Run
from dashboards.screens import samples
from dashboards.view import View

runs = tuple(Run(name, name, "under way", None, None, Folder(Path(name))) for name in ("nothing", "examined"))
samples.draw(View(runs, runs, {}, EMPTY))
"""


@pytest.fixture
def run(tmp_path: Path) -> Folder:
    git(tmp_path, "init", "-q")
    write_examination(tmp_path)
    return Folder(tmp_path)


def page(root: Path, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    return pages.page(root, "samples", monkeypatch, query=query)


def named(drawn: AppTest, kind: str, label: str) -> Any:
    (found,) = [widget for widget in drawn.get(kind) if widget.label == label]
    return found


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), {"base": {0, 1, 2, 3, 4}, "8k": {0, 1, 2}}),
        (Wanted(checkpoint="8k", right=True), {"8k": {0}}),
        (Wanted(right=False, benchmark="words"), {"base": {4}}),
        (Wanted(why="truncated"), {"8k": {1}}),
        (Wanted(truncated=True), {"8k": {1}}),
        (Wanted(close=True), {"base": {0}, "8k": {2}}),  # 106 is 6 % off, 104 no number of "a hundred", 1.4 within 1
        (Wanted(leaked=True), {"base": {0, 1, 2}, "8k": {0, 1}}),  # words/p1 is another benchmark's
        (Wanted(shortest=20, longest=30), {"base": {1}, "8k": {0}}),
        (Wanted(text="ten"), {"8k": {0, 1}}),
        (Wanted(text="ten", right=True), {"8k": {0}}),
        (Wanted(text="\\boxed{10", checkpoint="base"), {"base": {0, 1, 2, 4}}),
        (Wanted(text="nothing"), {}),
    ],
)
def test_answers_are_found_by_what_they_are(run: Folder, wanted: Wanted, expected: dict[str, set[int]]) -> None:
    found = matching(run, answers_of(run).rows, wanted)
    assert {name: set(mine["row"]) for name, mine in found.groupby("checkpoint")} == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5.0), ("-1.5", -1.5), ("1,234", 1234.0), ("1/4", 0.25), ("-\\frac{1}{2}", -0.5), ("\\dfrac{-3}{4}", -0.75),
        ("$7$", 7.0), ("1/0", None), ("x", None), ("(1,2)", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_number_is_read(text: str | None, value: float | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("given", "known", "close"),
    [("105", ["100"], True), ("105.1", ["100"], False), ("-1", ["0"], True), ("1.01", ["0"], False), ("9", ["x", "8"], True)],
)  # fmt: skip
def test_close_is_within_one_or_five_percent(given: str, known: list[str], close: bool) -> None:
    assert is_close(given, known) == close


def test_a_problem_tells_its_share_and_lengths_by_checkpoint(run: Folder) -> None:
    answers = answers_of(run).rows
    table = by_problem(answers, matching(run, answers, Wanted(leaked=True)), problems_of(run)).set_index("problem_id")
    assert list(table.index) == ["p1"]
    row = table.loc["p1"]
    assert (row["benchmark"], row["known"], row["matches"], row["leaked"]) == ("sums", ("100",), 5, True)
    assert (row["right base"], row["tokens base"]) == (0.0, 15.0)  # the greedy answer is no sample
    assert (row["right 8k"], row["tokens 8k"]) == (0.5, 35.0)
    assert by_problem(answers, answers.iloc[:0], problems_of(run)).empty


def test_frames_of_a_climbed_ladder(climbed_once: tuple[Project, Any]) -> None:
    files = Folder(climbed_once[0].root)
    answers = answers_of(files).rows
    table = by_problem(answers, answers, problems_of(files)).set_index("problem_id")
    for name in ("base", "24k"):
        rows = read_graded(files.root / f"grades/{name}.parquet", responses=True)
        mine = answers[answers["checkpoint"] == name]
        assert list(mine["extracted"].astype(object).where(mine["extracted"].notna(), None)) == [
            row.extracted for row in rows
        ]
        assert responses(files.root / f"grades/{name}.parquet", [3, 0]) == {at: rows[at].response for at in (0, 3)}
        for problem_id in table.index[:3]:
            sampled = [row for row in rows if row.problem_id == problem_id and not row.greedy]
            assert table.loc[problem_id, f"right {name}"] == sum(row.reward for row in sampled) / len(sampled)
    assert set(logged(files).rows["rung"]) == {"8k", "16k", "24k"}


def test_texts_are_read_from_the_row_groups_that_have_them(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file in many row groups only those of the wanted rows are opened, and a few answers at a time."""
    place = run.root / "grades/base.parquet"
    table = pq.read_table(place).take(list(range(5)) * 40)
    pq.write_table(table.cast(SCHEMA), place, row_group_size=50)
    monkeypatch.setattr(texts, "ROWS_AT_ONCE", 8)
    opened: list[int] = []
    of_group = texts._of_group

    def noted(file: Any, group: int, start: int, rows: list[int]) -> Any:
        opened.append(group)
        return of_group(file, group, start, rows)

    monkeypatch.setattr(texts, "_of_group", noted)
    rows = [57, 49, 199, 58]
    assert responses(place, rows) == {row: BASE[row % 5].response for row in rows}
    assert opened == [0, 1, 3]
    assert texts.rows_with(place, "GUESS", range(200)) == {row for row in range(200) if row % 5 in (0, 4)}


def test_a_problem_is_read_across_the_rungs(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(run.root, monkeypatch)
    assert not drawn.exception and not drawn.warning
    assert list(drawn.dataframe[0].value["known"]) == ["100", "\\frac{1}{2} or 0.5", "a hundred"]
    assert [column.value for column in drawn.subheader] == ["base", "8k"]
    assert [line.value for line in drawn.text] == [
        "Known answer: 100; a training problem is like it", "read as: 104", "read as: 100",
    ]  # fmt: skip
    shown = [text.value for text in drawn.markdown]
    assert shown[0] == "What is $$ 10 \\cdot 10 $$\\?"
    assert "$$ \\boxed{104} $$" in shown and "$$ \\boxed{100} $$" in shown
    assert [part.label for part in drawn.expander] == ["Thinking, 7 characters", "Thinking, 8 characters"]
    named(drawn, "selectbox", "Sample").select("sample 1").run()
    assert [line.value for line in drawn.text][1:] == ["read as: 106", "read as: nothing"]
    assert drawn.markdown[-1].value == "Ten and ten and"
    named(drawn, "selectbox", "Sample").select("greedy").run()
    assert not drawn.exception
    assert [line.value for line in drawn.text][1:] == ["read as: 100"]
    assert drawn.caption[-1].value == "no such sample"


def test_what_is_looked_at_stands_in_the_address(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(run.root, monkeypatch, samples_problem="sums/p2", samples_raw="true", samples_marks="not right")
    assert not drawn.exception
    assert [code.value for code in drawn.code] == ["Halve one.", "\\boxed{x+1}", "\\boxed{1.4}"]
    assert list(drawn.dataframe[0].value["matches"]) == [3, 2, 1]
    named(drawn, "text_input", "Text in the answer").set_value("guess").run()
    assert [code.value for code in drawn.code][:2] == ["What is $10 \\cdot 10$?", "I guess</think>\\boxed{104}"]
    named(drawn, "text_input", "Text in the answer").set_value("in none of them").run()
    assert not drawn.exception and not drawn.code
    assert drawn.caption[0].value == "0 problems with 0 of 8 answers"


def test_what_training_logged_is_read_by_step(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = page(run.root, monkeypatch, samples_tab="During training")
    assert not drawn.exception
    named(drawn, "selectbox", "Prompt").select("t2").run()
    assert list(drawn.dataframe[0].value["step"]) == [0, 10, 20]
    assert [column.value for column in drawn.subheader] == ["step 0", "step 20"]
    assert {"t2\\?", "0", "20"} <= {text.value for text in drawn.markdown}


def test_a_climbed_ladder_is_drawn(climbed_once: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    root = climbed_once[0].root
    drawn = page(root, monkeypatch)
    assert not drawn.exception and not drawn.warning
    assert [column.value for column in drawn.subheader] == ["base", "8k", "16k", "24k"]
    drawn = page(root, monkeypatch, samples_tab="During training")
    assert not drawn.exception and not drawn.warning
    assert drawn.subheader[0].value == "step 0"


def test_of_several_runs_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_examination(tmp_path / "examined")
    monkeypatch.chdir(tmp_path)
    drawn = AppTest.from_string(TWO_RUNS, default_timeout=60).run()
    assert not drawn.exception
    assert "make run" in drawn.info[0].value
    named(drawn, "selectbox", "Run").select("examined").run()
    assert not drawn.exception and not drawn.info
    assert [column.value for column in drawn.subheader] == ["base", "8k"]


def test_an_empty_workspace_says_what_to_do(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for tab in ("By problem", "During training"):
        drawn = page(project.root, monkeypatch, samples_tab=tab)
        assert not drawn.exception
        assert "make run" in drawn.info[0].value


@pytest.mark.parametrize(
    ("path", "tab"),
    [
        ("grades/8k.parquet", "By problem"),
        ("data/heldout.jsonl", "By problem"),
        ("data/leaks.jsonl", "By problem"),
        ("samples/train/8k.jsonl", "During training"),
    ],
)
@pytest.mark.parametrize("damage", ["cut", "other", "binary"])
def test_a_damaged_file_is_said_in_its_place(
    run: Folder, monkeypatch: pytest.MonkeyPatch, path: str, tab: str, damage: str
) -> None:
    place = run.root / path
    whole = place.read_bytes()
    place.write_bytes({"cut": whole[: len(whole) // 2], "other": b'{"a": 1}\n', "binary": bytes(range(256))}[damage])
    drawn = page(run.root, monkeypatch, samples_tab=tab)
    assert not drawn.exception
    assert len(drawn.warning) == 1
    assert path.rpartition("/")[2].replace(".", "\\.") in drawn.warning[0].value


@pytest.mark.parametrize("path", ["grades/base.parquet", "data/leaks.jsonl"])
def test_a_damaged_file_hides_no_good_one(run: Folder, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    place = run.root / path
    place.write_bytes(place.read_bytes()[:40])
    drawn = page(run.root, monkeypatch)
    assert not drawn.exception and not drawn.info
    assert [path in warning.value.replace("\\", "") for warning in drawn.warning] == [True]
    names = ["8k"] if "base" in path else ["base", "8k"]
    assert [column.value for column in drawn.subheader] == names
    assert named(drawn, "selectbox", "Checkpoint").options == names


def test_a_damaged_log_hides_no_other_rungs(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(run.root / "samples/train/16k.jsonl", LOGGED)
    (run.root / "samples/train/8k.jsonl").write_text("{")
    drawn = page(run.root, monkeypatch, samples_tab="During training")
    assert not drawn.exception and not drawn.info
    assert len(drawn.warning) == 1
    assert named(drawn, "selectbox", "Rung").options == ["16k"]


def test_all_files_damaged_are_notices_alone(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("grades/base.parquet", "grades/8k.parquet", "samples/train/8k.jsonl"):
        (run.root / name).write_text("{")
    for tab, count in (("By problem", 2), ("During training", 1)):
        drawn = page(run.root, monkeypatch, samples_tab=tab)
        assert not drawn.exception and not drawn.info
        assert len(drawn.warning) == count


def test_without_the_problems_table_answers_go_by_their_ids(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.root / "data/heldout.jsonl").unlink()
    drawn = page(run.root, monkeypatch)
    assert not drawn.exception and not drawn.warning
    assert list(drawn.dataframe[0].value["problem"]) == ["p1", "p2", "p1"]
    assert drawn.text[0].value.startswith("Known answer: not known here")


def test_a_damaged_line_of_a_log_is_named(run: Folder) -> None:
    place = run.root / "samples/train/8k.jsonl"
    place.write_text(place.read_text() + '{"step": "1"}\n')
    said = logged(run).broken["samples/train/8k.jsonl"]
    assert f"8k.jsonl, line {len(LOGGED) + 1}: not a logged answer" in said


def test_half_a_surrogate_pair_is_shown(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    place = run.root / "samples/train/8k.jsonl"
    place.write_text(place.read_text().replace("a</think>", "\\ud800"))
    assert logged(run).rows["completion"].iloc[0] == "\ufffd" * 3 + "0"
    assert not page(run.root, monkeypatch, samples_tab="During training").warning


def test_no_checkpoint_is_left_out(run: Folder) -> None:
    answers = answers_of(run).rows
    assert isinstance(answers, pd.DataFrame)
    assert answers.groupby("checkpoint", sort=False).size().to_dict() == {"base": len(BASE), "8k": len(CLIMBED)}
