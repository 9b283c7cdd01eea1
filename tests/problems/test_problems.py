"""Generated problems have right answers, are split for good, and a rung sees what its ratings let in."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import curriculum, prepare
from stages.errors import LadderError
from stages.grading import grade
from stages.params import Generated, JsonFile, Problems, Rung
from stages.problems import digit_sums, word_arithmetic
from stages.problems.problem import Problem, Split
from stages.problems.sources import Quarantined, load_source
from stages.randomness import rng

WORDS = Generated(kind="word_arithmetic", ratings=[2, 5], train_per_rating=30, heldout_per_rating=10)
SUMS = Generated(kind="digit_sums", ratings=[3, 8], train_per_rating=50, heldout_per_rating=20)


def counted(text: str) -> int:
    """The answer of a word problem, read sentence by sentence with rules of the test's own."""
    first, *changes, _question = text.split(". ")
    count = int(re.findall(r"\d+", first)[0])
    for sentence in changes:
        (number,) = (int(found) for found in re.findall(r"\d+", sentence))
        if " times " in sentence:
            count *= number
        elif re.search(r"more", sentence):
            count += number
        else:
            assert re.search(r"away|loses|sells", sentence), sentence
            count -= number
    return count


def test_word_problems_have_their_answer() -> None:
    for problem in load_source(WORDS, seed=1).problems:
        assert counted(problem.problem) == int(problem.answers[0]), problem.problem
        assert 0 <= int(problem.answers[0]) < 1000


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


def test_no_problem_is_in_both_tables_and_none_twice() -> None:
    prepared = prepare.run(Problems(instruction="", sources=[SUMS, WORDS, SUMS]), seed=0)
    texts = [problem.problem for problem in prepared.train + prepared.heldout]
    assert len(texts) == len(set(texts)) == 140 + 80
    assert [(record.source, record.reason) for record in prepared.quarantined] == [("digit_sums", "repeated")] * 140


def json_source(path: Path, name: str, split: Split, records: list[dict[str, Any]]) -> JsonFile:
    file = path / f"{name}.json"
    file.write_text(json.dumps(records))
    pin = f"md5:{hashlib.md5(file.read_bytes()).hexdigest()}"
    return JsonFile(kind="json", name=name, path=str(file), split=split, licence="MIT", pin=pin, hub=None)


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
        ({"difficulty": "hard"}, "unreadable difficulty"),
        ({"difficulty": float("inf")}, "unreadable difficulty"),
        ({"difficulty": 10**400}, "unreadable difficulty"),
        ({"difficulty": False}, "unreadable difficulty"),
        ({"problem": " "}, "empty problem"),
    ],
)
def test_a_record_that_is_no_problem_is_set_aside(tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    records = [{"problem": "1+1?", "answer": [2.0, "two"], "difficulty": 1}, {"problem": "?", "answer": 0} | fields]
    good, bad = load_source(json_source(tmp_path, "made", "train", records), seed=0).records
    assert isinstance(good, Problem)
    assert (good.answers, good.rating) == (("2", "two"), 1.0)
    assert bad == Quarantined("made", 2, reason, records[1]["problem"].strip())  # type: ignore[arg-type]


def test_what_is_examined_on_is_never_learned_from(tmp_path: Path) -> None:
    asked = [{"problem": text, "answer": 2} for text in ("Find  X²\n+ 1.", "Find x2 + 1.", "One more?")]
    learned = [{"problem": text, "answer": 2} for text in ("find x² + 1.", "Add 1.", "ADD 1.", "", "Add 2.")]
    sources = [json_source(tmp_path, "school", "train", learned), json_source(tmp_path, "exam", "heldout", asked)]
    prepared = prepare.run(Problems(instruction="", sources=[*sources]), seed=0)
    assert [problem.problem for problem in prepared.train] == ["Add 1.", "Add 2."]
    assert [problem.problem for problem in prepared.heldout] == ["Find  X²\n+ 1.", "One more?"]
    assert [(record.source, record.record, record.reason) for record in prepared.quarantined] == [
        ("school", 1, "in the examination"),
        ("school", 3, "repeated"),
        ("school", 4, "empty problem"),
        ("exam", 2, "repeated"),
    ]


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(LadderError, match=r"rating 2 has too few distinct problems for 99 \+ 20"):
        load_source(Generated(kind="digit_sums", ratings=[2], train_per_rating=99, heldout_per_rating=20), 0)


def test_a_rung_sees_its_ratings() -> None:
    rung = Rung(max_response_tokens=8, rollouts_per_prompt=2, steps=1, min_rating=3, max_rating=4, unrated=False)

    def rated(rating: float | None) -> Problem:
        return Problem("id", "text", ("1",), "source", "MIT", "train", rating)

    assert [curriculum.lets_in(rung, rated(r)) for r in (2.9, 3.0, 4.0, 4.1, None)] == [False, True, True, False, False]
    assert curriculum.lets_in(rung.model_copy(update={"unrated": True}), rated(None))


def test_word_problems_come_from_their_stream_alone() -> None:
    assert word_arithmetic.draw(4, rng(0, "x")) == word_arithmetic.draw(4, rng(0, "x"))
    assert word_arithmetic.draw(4, rng(0, "x")) != word_arithmetic.draw(4, rng(0, "y"))
