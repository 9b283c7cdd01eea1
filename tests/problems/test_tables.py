"""Tables of others: every place is told, and what can't be read is one line with its place."""

import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from datasets import Features, Image, Value
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.params import Columns, HubDataset
from stages.problems.rung_rows import PROBLEM, read_rows, write_rows
from stages.problems.sources import _PICTURE
from stages.problems.tables import read_hub, read_table
from tests.conftest import CHECKOUT, environment_of


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.json", '[{"problem": "?"},\n {]', r"t\.json, line 2: not JSON"),
        ("t.json", '{"problem": "?"}', r"t\.json: not a list of records"),
        ("t.json", "[3]", r"t\.json, record 1: int, not a record"),
        ("t.json", "[" * 100_000, r"t\.json: not JSON \(.*recursion"),
        ("t.jsonl", '{"problem": "?", "answer": "1"}\n\n{"problem"', r"t\.jsonl, line 3: not JSON"),
        ("t.jsonl", "{}\n" + "[" * 100_000, r"t\.jsonl, line 2: not JSON \(.*recursion"),
        ("t.csv", "problem,answer\n1+1?,2\n1+2?\n", r"t\.csv, line 3: another number of fields than the 2"),
        ("t.csv", "problem,answer\n1+1?,2,3\n", r"t\.csv, line 2: another number of fields"),
        ("t.csv", "problem,answer,problem\n1,2,3\n", r"t\.csv, line 1: two columns 'problem'"),
        ("t.csv", 'problem,answer\n"1\n+1?",2\n\n"1"+2?,3\n', r"t\.csv, line 5: not CSV \(.*expected after"),
        ("t.csv", 'problem,answer\n1+1?,2\n"1+2?,3\n1+3?,4\n', r"t\.csv, line 3: not CSV \(unexpected end"),
        ("t.csv", f"problem,answer\n1+1?,2\n1+2?,{'3' * 200_000}\n", r"t\.csv, line 3: not CSV \(.*field limit"),
        (
            "t.csv",
            "problem,answer\r\n1+1?,2\r\n\udce91+2?,3\n" + "1+3?,4\n" * 9_000,
            r"t\.csv, line 3: not CSV \('utf-8",
        ),
        ("t.parquet", "not parquet at all", r"t\.parquet: not Parquet"),
    ],
)
def test_a_broken_table_is_one_line_with_its_place(tmp_path: Path, name: str, content: str, said: str) -> None:
    file = tmp_path / name
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(LadderError, match=said) as raised:
        list(read_table(file))
    assert "\n" not in str(raised.value)


def test_a_csv_of_a_spreadsheet_has_its_names_and_places(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes('\ufeffproblem,answer\r\n"1\r\n+1?",2\r\n\r\n"Say ""a, b"".",3\r\n'.encode())
    assert list(read_table(file)) == [
        (f"{file}, line 2", {"problem": "1\r\n+1?", "answer": "2"}),
        (f"{file}, line 5", {"problem": 'Say "a, b".', "answer": "3"}),
    ]


@pytest.fixture(scope="module")
def rung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rung") / "rung.parquet"
    rows = [{name: None for name, _ in PROBLEM} | {"id": f"{n}", "problem": f"{n}+1?"} for n in range(50)]
    write_rows(path, "rung", PROBLEM, rows)
    return path


@given(st.data())
def test_a_cut_rung_is_one_line(rung: Path, data: st.DataObject) -> None:
    whole = rung.read_bytes()
    cut = rung.with_name("cut.parquet")
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 9))] + data.draw(st.sampled_from([b"", whole[-8:]])))
    with pytest.raises(LadderError, match=r"cut\.parquet: no rung's table \(") as raised:
        read_rows(cut)
    assert "\n" not in str(raised.value)


def hub(dataset: str) -> HubDataset:
    columns = Columns(problem="problem", answer="answer", rating=None, year=None)
    return HubDataset(
        kind="hub", name="away", dataset=dataset, revision="0" * 40, config=None, hub_split="train", split="train", licence="MIT",
        columns=columns,
    )  # fmt: skip


# The library waits between its tries: here it does not.
UNREACHED = """
import time
from stages.errors import exit_on_error
from stages.problems.tables import read_hub
from tests.problems.test_tables import hub
time.sleep = lambda seconds: None
exit_on_error(lambda: list(read_hub(hub("nobody/nothing"))))
"""


def test_a_hub_that_cannot_be_reached_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNREACHED],
        cwd=CHECKOUT, env=environment_of({"HF_ENDPOINT": "http://127.0.0.1:9"}), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "'nobody/nothing' at 00000000 can't be had from the hub (" in done.stderr
    assert done.stderr.endswith("or use a file\n")


def test_a_row_that_cannot_be_had_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    features = Features({"problem": Value("string"), "answer": Value("string"), "picture": Image()})
    rows = [
        {"problem": "1+1?", "answer": "2", "picture": None},
        {"problem": "1+2?", "answer": "3", "picture": {"bytes": b"no picture", "path": None}},
    ]
    table = pyarrow.Table.from_pylist(rows, schema=features.arrow_schema)
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    read = read_hub(hub(str(tmp_path)))
    assert next(read) == (f"{tmp_path}, record 1", rows[0])
    with pytest.raises(LadderError, match=r"can't be had from the hub \(UnidentifiedImageError"):
        next(read)
    assert capfd.readouterr().err == ""


def test_a_search_for_pictures_is_linear() -> None:
    """Without a bound it takes 1e12 steps, and is ended before."""
    search = "from stages.problems.sources import _PICTURE as p; print(p.search('![' * 1_000_000))"
    done = subprocess.run([sys.executable, "-c", search], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("None\n", "")
    assert _PICTURE.search(f"![{'a' * 400}](a.png)")
