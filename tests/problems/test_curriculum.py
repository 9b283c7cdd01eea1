"""A rung sees its bands with their shares, whatever the order; every problem has a reason; no benchmark's problem gets in."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.params import Band, Rung
from stages.problems.curriculum import Candidate, Curriculum, band_of, pick
from stages.problems.problem import Problem, problem_id
from stages.problems.rung_rows import read_rows, read_rung_table
from stages.problems.rung_table import write_left_out, write_rung_table
from tests.conftest import Project
from tests.endpoint.served import Response, completion, serve
from tests.problems.copies import COPIES
from tests.problems.planted import PLANTS


def rung(*bands: tuple[float, float, float], unrated: bool = False) -> Rung:
    listed = [Band(low=low, high=high, share=share) for low, high, share in bands]
    return Rung(max_response_tokens=8, rollouts_per_prompt=2, steps=1, difficulty=listed, unrated=unrated)


def candidate(name: str, difficulty: float | None, unfit: str | None = None) -> Candidate:
    problem = Problem(name, f"text {name}", ("1",), "own", 1, "MIT", "train", difficulty, None)
    return Candidate(problem, difficulty, 5, unfit)


def ids(curriculum: Curriculum) -> list[str]:
    return [placed.candidate.problem.id for placed in curriculum.within]


def reasons(curriculum: Curriculum) -> dict[str, str]:
    return {placed.candidate.problem.id: placed.reason for placed in (*curriculum.within, *curriculum.left_out)}


def test_bands_and_reasons() -> None:
    candidates = [
        candidate("a", 2.9), candidate("b", 3.0), candidate("c", 4.0), candidate("d", 4.1), candidate("e", None),
        candidate("f", 3.5, "always solved"),
    ]  # fmt: skip
    picked = pick(candidates, "8k", rung((3, 4, 1.0)), seed=0)
    assert ids(picked) == ["b", "c"]
    assert reasons(picked) == {
        "a": "difficulty is in no band", "b": "difficulty 3 is within [3, 4]", "c": "difficulty 4 is within [3, 4]",
        "d": "difficulty is in no band", "e": "no known difficulty", "f": "always solved",
    }  # fmt: skip
    assert ids(pick(candidates, "8k", rung((3, 4, 1.0), unrated=True), seed=0)) == ["b", "c", "e"]
    assert ids(pick(candidates, "8k", rung(unrated=True), seed=0)) == ["e"]


def test_a_border_belongs_to_the_upper_band() -> None:
    bands = rung((0, 1, 0.5), (1, 2, 0.25), (3, 3, 0.25)).difficulty
    assert [band_of(value, bands) for value in (0, 0.5, 1, 2, 2.5, 3, None)] == [0, 0, 1, 1, None, 2, None]


@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    weights=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    seed=st.integers(0, 5),
)
def test_shares_are_kept_and_the_scarcest_band_is_used_up(counts: list[int], weights: list[int], seed: int) -> None:
    used = weights[: len(counts)]
    shares = [weight / sum(used) for weight in used]
    asked = rung(*((2 * place, 2 * place + 1, share) for place, share in enumerate(shares)))
    candidates = [
        candidate(f"{place}-{number}", 2 * place + number % 2)
        for place, count in enumerate(counts)
        for number in range(count)
    ]
    picked = pick(candidates, "8k", asked, seed)
    taken = Counter(int(name.split("-")[0]) for name in ids(picked))
    total = min(count / share for count, share in zip(counts, shares, strict=True))
    for place, share in enumerate(shares):
        assert taken[place] <= counts[place]
        assert share * total - 1 < taken[place] <= max(1, share * total + 1e-6)
    assert any(taken[place] == count for place, count in enumerate(counts))
    shuffled = candidates.copy()
    Random(seed).shuffle(shuffled)
    assert set(ids(pick(shuffled, "8k", asked, seed))) == set(ids(picked))


def test_what_a_band_draws_is_the_rungs_and_the_seeds() -> None:
    candidates = [candidate(str(number), float(number % 2)) for number in range(80)] + [candidate("x", 5.0)] * 1
    asked = rung((0, 1, 0.9), (5, 5, 0.1))
    drawn = {name: set(ids(pick(candidates, name, asked, 0))) for name in ("8k", "16k")}
    assert drawn["8k"] != drawn["16k"] != set(ids(pick(candidates, "16k", asked, 1)))


def test_an_empty_band_or_rung_is_named() -> None:
    candidates = [candidate("a", 1.0), candidate("b", None), candidate("c", 7.0, "never solved")]
    with pytest.raises(
        LadderError, match=r"rungs\.r8k\.difficulty\.1: no problem .* within \[6, 8\] \(2 of 3 problems are fit"
    ):
        pick(candidates, "8k", rung((0, 2, 0.5), (6, 8, 0.5)), 0)
    with pytest.raises(LadderError, match=r"rungs\.r8k: no problem is left to learn from"):
        pick(candidates[:1], "8k", rung(unrated=True), 0)


EXAMINED = [
    Problem(problem_id(plant.problem), plant.problem, (plant.answer,), "exam", number, "MIT", "heldout", None, 2001)
    for number, plant in enumerate(PLANTS, 1)
]


@pytest.mark.parametrize("copy", ["as it is", *COPIES])
def test_no_table_with_a_benchmarks_problem_is_written(tmp_path: Path, copy: str) -> None:
    path = tmp_path / "8k.parquet"
    number, stolen = next(
        (number, text)
        for number, plant in enumerate(PLANTS, 1)
        if (text := plant.problem if copy == "as it is" else COPIES[copy](plant.problem))
    )
    texts = ["How many primes are below 100?", stolen]
    candidates = [
        Candidate(
            Problem(problem_id(text), text, (PLANTS[number - 1].answer,), "own", row, "MIT", "train", 1.0, None), 1.0, 9
        )
        for row, text in enumerate(texts)
    ]
    with pytest.raises(
        LadderError, match=rf"8k\.parquet: not written: problem \w+ \(own 1\) is exam {number} of the examination"
    ):
        write_rung_table(path, "8k", pick(candidates, "8k", rung((0, 2, 1.0)), 0), EXAMINED)
    assert not path.exists()
    clean = pick(candidates[:1], "8k", rung((0, 2, 1.0)), 0)
    write_rung_table(path, "8k", clean, EXAMINED)
    assert read_rung_table(path) == [candidates[0].problem]
    assert [(row["difficulty"], row["reason"]) for row in read_rows(path)] == [(1.0, "difficulty 1 is within [0, 2]")]


def test_a_generators_name_lets_no_copy_in(tmp_path: Path) -> None:
    examined = Problem(problem_id("7+7+3="), "7+7+3=", ("7",), "digit_sums", 1, "generated", "heldout", 3.0, None)
    copy = Problem(problem_id("7 + 7 + 3 ="), "7 + 7 + 3 =", ("7",), "digit_sums", 9, "generated", "train", 3.0, None)
    picked = pick([Candidate(copy, 3.0, 5)], "8k", rung((3, 3, 1.0)), 0)
    with pytest.raises(LadderError, match=r"\(digit_sums 9\) is digit_sums 1 of the examination"):
        write_rung_table(tmp_path / "8k.parquet", "8k", picked, [examined])


def test_tables_of_the_same_rows_have_their_own_bytes(tmp_path: Path) -> None:
    picked = pick([candidate("a", 1.0), candidate("b", 2.0)], "8k", rung((0, 1, 1.0)), 0)
    for name in ("8k", "16k"):
        write_left_out(tmp_path / f"{name}.parquet", name, picked)
    write_left_out(tmp_path / "again.parquet", "8k", picked)
    made = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert made["8k"] == made["again"] != made["16k"]


def test_a_rung_by_the_pass_rate_of_the_checkpoint_that_it_starts_from(climbed: Project) -> None:
    """Measured again from other settings, it asks only what is new; interrupted, it goes on and comes to the same bytes."""
    climbed.set("curriculum", {
        "difficulty": "pass_rate", "samples": 8, "leave_out_always_solved": True, "leave_out_never_solved": True,
    })  # fmt: skip
    climbed.set("rungs.r8k.difficulty", [{"low": 0.0, "high": 1.0, "share": 1.0}])
    climbed.run("stages.curriculum", "8k")
    table = climbed.root / "data/curriculum/8k.parquet"
    rows, made = read_rows(table), climbed.bytes_of("data/curriculum")
    assert rows and all(row["difficulty"] * 8 % 1 == 0 and 0 < row["difficulty"] < 1 for row in rows)
    left_out = Counter(row["reason"] for row in read_rows(table.with_name("8k-left-out.parquet")))
    assert len(rows) + sum(left_out.values()) == 24 and set(left_out) <= {"always solved", "never solved"}
    kept = list((climbed.root / "runs/samples").rglob("*.parquet"))
    said = climbed.run("stages.curriculum", "8k").stderr
    assert "samples for the pass rate" not in said  # nothing was sampled
    for part in kept:
        part.unlink()
    climbed.run("stages.curriculum", "8k")
    assert climbed.bytes_of("data/curriculum") == made
    climbed.set("rungs.r16k.difficulty", [{"low": 0.0, "high": 1.0, "share": 1.0}])
    climbed.run("stages.curriculum", "16k")
    other = {row["id"]: row["difficulty"] for row in read_rows(table.with_name("16k.parquet"))}
    assert other != {row["id"]: row["difficulty"] for row in rows}  # another checkpoint, another difficulty


def test_a_rung_by_a_judges_ratings(climbed: Project) -> None:
    with serve() as endpoint:
        endpoint.answer = lambda body: Response(
            completion("I say\n7" if "+" in body["messages"][0]["content"] else "?")
        )
        climbed.set("curriculum", {"difficulty": "judge", "model": "m", "ratings": 2})
        climbed.set("operations.judge_url", endpoint.url)
        climbed.set("rungs.r8k.difficulty", [{"low": 6, "high": 8, "share": 1.0}])
        climbed.run("stages.curriculum", "8k")
        asked = len(endpoint.asked)
    assert asked == 2 * 24
    rows = read_rows(climbed.root / "data/curriculum/8k.parquet")
    assert [(row["difficulty"], row["reason"]) for row in rows] == [(7.0, "difficulty 7 is within [6, 8]")] * 24
    climbed.run("stages.curriculum", "8k")  # nobody is there to be asked again


def test_too_long_a_prompt_is_left_out_with_its_reason(climbed: Project) -> None:
    climbed.set("grpo.max_prompt_tokens", 8)  # sums of three digits have so many, of four more
    climbed.set("rungs.r16k.difficulty", [{"low": 3, "high": 4, "share": 1.0}])
    climbed.run("stages.curriculum", "16k")
    rows = read_rows(climbed.root / "data/curriculum/16k.parquet")
    assert {row["difficulty"] for row in rows} == {3.0} and max(row["prompt_tokens"] for row in rows) == 8
    left_out = read_rows(climbed.root / "data/curriculum/16k-left-out.parquet")
    assert {row["reason"] for row in left_out} == {"the prompt is longer than 8 tokens"} and len(left_out) == 12


def test_the_report_counts_every_record(climbed: Project) -> None:
    report = json.loads((climbed.root / "reports/problems.json").read_text())
    entry = report["sources"]["digit_sums"]
    assert entry["records"] == 2 * (12 + 6) == entry["used"] + sum(entry["set_aside"].values())
    assert {name: rung["problems"] for name, rung in report["rungs"].items()} == entry["rungs"]
    assert report["rungs"]["8k"]["left_out"] == {"difficulty is in no band": 12}
    assert "| digit_sums |" in (climbed.root / "reports/problems.md").read_text()
    flow = (climbed.root / "metrics/problems/flow.csv").read_text().splitlines()
    assert flow[:2] == ["source,step,problems", "digit_sums,records,36"]
