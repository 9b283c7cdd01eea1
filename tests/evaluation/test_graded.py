"""Graded answers: who is asked what, which answers are the same, and the file that keeps them."""

from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.evaluation.classes import answer_classes
from stages.evaluation.estimators import RIGHT, SILENT
from stages.evaluation.examination import examination_of
from stages.evaluation.grade import grade_samples
from stages.evaluation.graded import SCHEMA, read_graded, write_graded
from stages.evaluation.regrade import regrade
from stages.grading import Grade
from tests.conftest import CHECKOUT, Project
from tests.evaluation.answered import FULL, GRADING, TASK, graded, problem, sample, samples

ROWS = graded({"a": ["2", "1/2", "0.5", None], "b": ["7", "x+1", "1+x", "8"]}, [problem("a"), problem("b", "7")])


def wrong(text: str) -> Grade:
    return Grade(0, text, "wrong")


def test_the_same_wrong_answer_is_one_class() -> None:
    assert [row.answer_class for row in ROWS] == [RIGHT, 1, 1, SILENT, RIGHT, 1, 1, 2]
    assert [row.why for row in ROWS] == ["correct", "wrong", "wrong", "no_answer", "correct", "wrong", "wrong", "wrong"]


@given(
    st.lists(st.sampled_from(["1/2", "0.5", r"\frac{1}{2}", "3", "3.0", "three", "x", "(", ""]), max_size=9),
    st.randoms(),
)
def test_the_order_of_answers_names_no_class(texts: list[str], random: Random) -> None:
    grades = [wrong(text) if text else Grade(0, None, "no_answer") for text in texts]
    mixed = list(range(len(grades)))
    random.shuffle(mixed)
    classes = answer_classes(grades)
    assert answer_classes([grades[place] for place in mixed]) == [classes[place] for place in mixed]


def test_a_problem_of_two_benchmarks_is_sampled_once_and_graded_by_each_ones_answer() -> None:
    problems = [problem("a", "2", "one"), problem("b", "1", "one"), problem("a", "3", "two")]
    rows = grade_samples(samples({"a": ["2", "3", "3"], "b": ["1", "1", "0"]}), problems, GRADING, TASK)
    assert [(row.benchmark, row.problem_id, row.reward) for row in rows] == [
        ("one", "a", 1), ("one", "a", 0), ("one", "a", 0), ("one", "b", 1), ("one", "b", 1), ("one", "b", 0),
        ("two", "a", 0), ("two", "a", 1), ("two", "a", 1),
    ]  # fmt: skip
    parts = examination_of(rows, problems, FULL).by_benchmark()
    assert {name: part.sampled.right_PN.mean() for name, part in parts.items()} == {"one": 0.5, "two": 2 / 3}


def test_samples_of_other_problems_are_refused() -> None:
    with pytest.raises(LadderError, match="problem c is not held out"):
        grade_samples([sample("c", 0, "2")], [problem("a")], GRADING, TASK)
    for rows, said in (
        (ROWS[1:], "problem a of sums has 3 answers, others 4"),
        ([*ROWS, ROWS[0]], "problem a of sums has answer 0 twice"),
        ([*ROWS, replace(ROWS[0], problem_id="c")], "problem c of sums is not held out"),
    ):
        with pytest.raises(LadderError, match=said):
            examination_of(rows, [problem("a"), problem("b", "7")], FULL)


def test_greedy_answers_stand_apart_and_a_shorter_context_cuts_both() -> None:
    given_answers = [sample("a", 0, "2", 5), sample("a", 1, "2", FULL), sample("a", 0, "2", 12, greedy=True)]
    whole = examination_of(grade_samples(given_answers, [problem("a")], GRADING, TASK), [problem("a")], FULL)
    assert whole.sampled.right_PN.tolist() == [[True, False]]
    assert whole.sampled.cut_PN.tolist() == [[False, True]]
    assert whole.greedy is not None
    assert whole.greedy.right_PN.tolist() == [[True]]
    own = whole.at(10)
    assert own.context == 10
    assert own.greedy is not None
    assert own.greedy.right_PN.tolist() == [[False]]


def test_rows_are_kept_whole_and_to_the_byte(tmp_path: Path) -> None:
    rows = [*ROWS, replace(ROWS[0], index=9, response="∑ \U0001d4cd\n\0", extracted="\U0001d4cd")]
    for name in ("a", "b"):
        write_graded(tmp_path / name, rows)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_graded(tmp_path / "a", responses=True) == rows
    assert read_graded(tmp_path / "a") == [replace(row, response="") for row in rows]
    kept = pq.ParquetFile(tmp_path / "a")
    assert kept.schema_arrow.metadata == {b"grpo-ladder": b'{"graded": 1}'}
    assert kept.metadata.row_group(0).column(0).compression == "ZSTD"


@given(st.data())
def test_a_cut_table_is_one_line(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cut.parquet"
        write_graded(path, ROWS)
        whole = path.read_bytes()
        end = data.draw(st.sampled_from([b"", whole[-8:]]))  # the footer's length, without what it is the length of
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 9))] + end)
        with pytest.raises(LadderError, match=r"cut\.parquet: not Parquet \(") as raised:
            read_graded(path)
    assert "\n" not in str(raised.value)


def test_what_is_no_such_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with pytest.raises(LadderError, match=r"x\.parquet: missing"):
        read_graded(path)
    path.write_text("{}\n")
    with pytest.raises(LadderError, match=r"x\.parquet: not Parquet"):
        read_graded(path)
    pq.write_table(pa.table({"problem_id": ["a"]}), path)
    with pytest.raises(LadderError, match="not a table of graded answers"):
        read_graded(path)
    pq.write_table(SCHEMA.empty_table().replace_schema_metadata({"grpo-ladder": '{"graded": 2}'}), path)
    with pytest.raises(LadderError, match="of this version"):
        read_graded(path)


def test_a_mended_grader_says_what_changed(tmp_path: Path) -> None:
    new = [
        replace(ROWS[0], reward=0, why="timeout"),  # right -> wrong
        replace(ROWS[1], reward=1, why="correct"),  # wrong -> right
        replace(ROWS[2], why="too_large"),  # another reason
        replace(ROWS[3], reward=1, why="correct"),
        *ROWS[4:],
    ]
    found = regrade(ROWS, new[::-1])
    assert (found.answers, found.to_right, found.to_wrong, len(found.changed)) == (8, 2, 1, 4)
    assert found.by_reason() == {
        "correct -> timeout": 1, "no_answer -> correct": 1, "wrong -> correct": 1, "wrong -> too_large": 1,
    }  # fmt: skip
    for other, said in (
        (ROWS[1:], "answer 0 to problem a of sums is missing in the new table"),
        (
            [*ROWS, replace(ROWS[0], greedy=True)],
            r"answer 0 \(greedy\) to problem a of sums is missing in the old table",
        ),
        ([replace(ROWS[0], response="x"), *ROWS[1:]], "answer 0 to problem a of sums has another text"),
    ):
        with pytest.raises(LadderError, match=said):
            regrade(ROWS, other)
    write_graded(tmp_path / "old.parquet", ROWS)
    write_graded(tmp_path / "new.parquet", new)
    said = Project(CHECKOUT).run(
        "stages.evaluation", "regraded", str(tmp_path / "old.parquet"), str(tmp_path / "new.parquet")
    ).stdout  # fmt: skip
    assert said.startswith("8 answers: 2 became right, 1 became wrong\n       1  correct -> timeout\n")
    assert '"new": {"reward": 1, "why": "correct", "extracted": "1/2"}' in said
    refused = Project(CHECKOUT).run("stages.evaluation", "regraded", "no.parquet", "no.parquet", check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
