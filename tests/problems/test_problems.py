"""Generated problems have right answers, are split for good, and a rung sees what its ratings let in."""

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.grading import grade
from stages.params import Benchmark, Columns, Generated, ProblemFile
from stages.problems import digit_sums, word_arithmetic
from stages.problems.problem import Problem, Split
from stages.problems.sources import Quarantined, load_source
from stages.randomness import rng

WORDS = Generated(kind="word_arithmetic", ratings=[1, 2, 3, 6], train_per_rating=30, heldout_per_rating=10)
SUMS = Generated(kind="digit_sums", ratings=[3, 8], train_per_rating=50, heldout_per_rating=20)


def counted(text: str) -> int:
    """The answer of a word problem, read sentence by sentence with rules of the test's own."""
    if figures := re.search(r"(\d+) ([+-]) (\d+)", text):
        first, sign, second = figures.groups()
        return int(first) + int(second) if sign == "+" else int(first) - int(second)
    first, *changes, _question = text.split(". ")
    count = int(re.findall(r"\d+", first)[0])
    for sentence in changes:
        (number,) = (int(found) for found in re.findall(r"\d+", sentence))
        if " times " in sentence:
            count *= number
        elif re.search(r"more", sentence):
            count += number
        else:
            assert re.search(r"away|loses|sells|to a friend", sentence), sentence
            count -= number
    return count


def test_word_problems_have_their_answer() -> None:
    for problem in load_source(WORDS, seed=1).problems:
        assert counted(problem.problem) == int(problem.answers[0]), problem.problem
        assert 0 <= int(problem.answers[0]) < 1000


@given(st.integers(1, 12), st.integers(0, 10_000))
def test_a_rating_says_how_many_steps_and_how_large_their_numbers(rating: int, seed: int) -> None:
    text, answer = word_arithmetic.draw(rating, rng(seed, "drawn"))
    numbers = [int(found) for found in re.findall(r"\d+", text)]
    assert len(numbers) == 1 + max(1, rating - 2)
    assert max(numbers) < (10 if rating <= 2 else 50)
    assert counted(text) == answer and 0 <= answer < 1000
    assert text.endswith(("?", "."))
    assert ("Then" in text) == (rating > 1)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=12))
def test_a_worked_sum_is_graded_right_and_a_slip_wrong(digits: list[int]) -> None:
    expected = str(sum(digits) % 10)
    assert grade(digit_sums.worked_response(digits), expected, require_closed_thinking=True).reward == 1
    slipped = digit_sums.worked_response(digits, slips=[3])
    assert grade(slipped, expected, require_closed_thinking=True).reward == 0
    assert digit_sums.answer(digit_sums.digits_of(digit_sums.text(digits))) == int(expected)


def test_more_training_problems_change_no_examination() -> None:
    def heldout(train: int) -> list[Problem]:
        source = SUMS.model_copy(update={"train_per_rating": train})
        return [problem for problem in load_source(source, seed=0).problems if problem.split == "heldout"]

    assert heldout(50) == heldout(100)
    assert heldout(50) != [p for p in load_source(SUMS, seed=1).problems if p.split == "heldout"]


COLUMNS = Columns(problem="problem", answer="answer", rating=None, year=None)


def file_source(file: Path, split: Split = "train", columns: Columns = COLUMNS) -> ProblemFile:
    pin = f"md5:{hashlib.md5(file.read_bytes()).hexdigest()}"
    return ProblemFile(
        kind="file", name=file.stem, path=str(file), split=split, licence="MIT", pin=pin, hub=None, columns=columns
    )


def json_source(path: Path, name: str, split: Split, records: list[dict[str, Any]]) -> ProblemFile:
    """`difficulty` is null where a record has none."""
    file = path / f"{name}.json"
    file.write_text(json.dumps([{"difficulty": None} | record for record in records]))
    return file_source(file, split, COLUMNS.model_copy(update={"rating": "difficulty"}))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"answer": None}, "empty answer"),
        ({"answer": ["2", None]}, "empty answer"),
        ({"answer": []}, "empty answer"),
        ({"answer": ["2", " "]}, "empty answer"),
        ({"answer": True}, "unreadable answer"),
        ({"answer": {"value": 2}}, "unreadable answer"),
        ({"answer": [["2"]]}, "unreadable answer"),
        ({"answer": float("nan")}, "unreadable answer"),
        ({"answer": "N/A"}, "not an answer"),
        ({"answer": "see solution"}, "not an answer"),
        ({"answer": "?"}, "not an answer"),
        ({"answer": "\\frac{1}{"}, "unreadable answer"),
        ({"answer": "so it holds for all of them by induction"}, "unreadable answer"),
        ({"difficulty": "hard"}, "unreadable difficulty or year"),
        ({"difficulty": float("inf")}, "unreadable difficulty or year"),
        ({"difficulty": 10**400}, "unreadable difficulty or year"),
        ({"difficulty": False}, "unreadable difficulty or year"),
        ({"problem": "Find \ud800."}, "not Unicode text"),
        ({"answer": ["2", "\udfff"]}, "not Unicode text"),
        ({"problem": " "}, "empty problem"),
        ({"problem": "$$ ?\u200b \\quad"}, "empty problem"),
        ({"problem": "(+)"}, "empty problem"),
        ({"problem": "How long is AB in the figure below?"}, "missing picture"),
        ({"problem": "How long is AB? ![AB](ab.png)"}, "missing picture"),
    ],
)
def test_a_record_that_is_no_problem_is_set_aside(tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    records = [{"problem": "1+1?", "answer": [2.0, "two"], "difficulty": 1}, {"problem": "1+2?", "answer": 0} | fields]
    good, bad = load_source(json_source(tmp_path, "made", "train", records), seed=0).records
    assert isinstance(good, Problem)
    assert (good.answers, good.rating) == (("2", "two"), 1.0)
    assert bad == Quarantined("made", 2, reason, records[1]["problem"].strip())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("year", "read"),
    [(1987, 1987), (1987.0, 1987), ("1987", 1987), ("https://x/2023_AMC_12A/Problem_7", 2023), ("", None)],
)
def test_a_year_may_stand_in_an_address(tmp_path: Path, year: Any, read: int | None) -> None:
    rows = [{"problem": "1+1?", "answer": 2, "asked": year}, {"problem": "1+2?", "answer": 3, "asked": "2023, or 2024"}]
    columns = COLUMNS.model_copy(update={"year": "asked"})
    good, bad = load_source(file_source(written(tmp_path / "t.json", rows), columns=columns), seed=0).records
    assert isinstance(good, Problem) and good.year == read
    assert isinstance(bad, Quarantined) and bad.reason == "unreadable difficulty or year"


def test_an_easy_band_of_a_benchmark_sets_the_rest_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ratings = (1.0, 2.0, None, 0.5)
    rows = [{"problem": f"{n}+1?", "answer": n + 1, "difficulty": rating} for n, rating in enumerate(ratings)]
    place = tmp_path / "external/deepscaler/test/math.json"
    place.parent.mkdir(parents=True)
    written(tmp_path / "math.json", rows).rename(place)
    pin = f"md5:{hashlib.md5(place.read_bytes()).hexdigest()}"
    benchmark = Benchmark(kind="benchmark", name="math-500", pin=pin, highest_rating=1.0)
    loaded = load_source(benchmark, seed=0)
    assert [problem.record for problem in loaded.problems] == [1, 4]
    aside = [(one.record, one.reason) for one in loaded.records if isinstance(one, Quarantined)]
    assert aside == [(2, "above the highest rating"), (3, "above the highest rating")]
    assert len(load_source(benchmark.model_copy(update={"highest_rating": None}), seed=0).problems) == 4


def test_a_benchmark_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        LadderError, match=r"external/deepscaler/test/math\.json: missing; .* fetch --from FOLDER.*agentica-project"
    ):
        load_source(Benchmark(kind="benchmark", name="math-500"), seed=0)
    with pytest.raises(LadderError, match=r"'aime-2025' has no pin: save .* as external/aime-2025\.jsonl"):
        load_source(Benchmark(kind="benchmark", name="aime-2025"), seed=0)
    written(tmp_path / "rows.jsonl", [{"problem": "How many?", "answer": 70}]).rename(tmp_path / "saved")
    (tmp_path / "external").mkdir()
    (tmp_path / "saved").rename(tmp_path / "external/aime-2025.jsonl")
    pin = f"md5:{hashlib.md5((tmp_path / 'external/aime-2025.jsonl').read_bytes()).hexdigest()}"
    (problem,) = load_source(Benchmark(kind="benchmark", name="aime-2025", pin=pin), seed=0).problems
    assert (problem.source, problem.split, problem.year) == ("aime-2025", "heldout", 2025)


def test_a_picture_that_is_drawn_or_examined_on_is_no_fault(tmp_path: Path) -> None:
    drawn = [{"problem": "In the diagram below, how long is AB? [asy] draw((0,0)--(3,4)); [/asy]", "answer": 5}]
    missing = [{"problem": "In the diagram below, how long is AB?", "answer": 5}]
    assert load_source(json_source(tmp_path, "drawn", "train", drawn), 0).problems
    assert load_source(json_source(tmp_path, "published", "heldout", missing), 0).problems


ROWS = [
    {"question": "1+1?", "final": "2", "hardness": 1.0, "asked": 2024},
    {"question": 'Say "a, b".', "final": "3", "hardness": 2.5, "asked": 1983},
]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """`rows` in the format of the file's ending."""
    match path.suffix:
        case ".json":
            path.write_text(json.dumps(rows))
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".csv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        case ".parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet"])
def test_every_format_gives_the_same_problems(tmp_path: Path, ending: str) -> None:
    columns = Columns(problem="question", answer="final", rating="hardness", year="asked")
    one, two = load_source(file_source(written(tmp_path / f"t.{ending}", ROWS), columns=columns), seed=0).problems
    assert (one.problem, one.answers, one.rating, one.year) == ("1+1?", ("2",), 1.0, 2024)
    assert (two.problem, two.answers, two.rating, two.year) == ('Say "a, b".', ("3",), 2.5, 1983)
    with pytest.raises(
        LadderError, match=rf"t\.{ending}, (record|line) \d: no column 'problem' \(it has question, final"
    ):
        load_source(file_source(tmp_path / f"t.{ending}"), seed=0)


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(LadderError, match=r"rating 2 has too few distinct problems for 99 \+ 20"):
        load_source(Generated(kind="digit_sums", ratings=[2], train_per_rating=99, heldout_per_rating=20), 0)


def test_word_problems_come_from_their_stream_alone() -> None:
    assert word_arithmetic.draw(4, rng(0, "x")) == word_arithmetic.draw(4, rng(0, "x"))
    assert word_arithmetic.draw(4, rng(0, "x")) != word_arithmetic.draw(4, rng(0, "y"))
