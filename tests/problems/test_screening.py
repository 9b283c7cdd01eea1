"""What `prepare` makes of sources: each problem once, none of an examination, all that is set aside with its reason."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stages import prepare
from stages.errors import LadderError
from stages.params import Columns, Duplicates, Leaks, Problems, Twins
from stages.problems.leaks import Screened
from stages.problems.problem import Problem, Split
from stages.problems.screening import Gate, Prepared
from stages.problems.sources import load_source
from tests.conftest import Project
from tests.problems.planted import PLANTS
from tests.problems.test_problems import SUMS, WORDS, file_source, json_source

DUPLICATES = Duplicates(threshold=0.7, variants_are_copies=False, drop_conflicts=False)
LEAKS = Leaks(threshold=0.0, remove_variants=False, precision="fp32", judge_model=None)
NUMBERED = PLANTS[3]  # has a variant


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return prepare.make_gate(LEAKS, None, tmp_path_factory.mktemp("gate"), print)


def no_gate(train: Sequence[Problem], benchmark: Sequence[Problem]) -> Screened:
    raise AssertionError("a generator's problems are not screened against its own")


def problems(sources: Sequence[Any], **settings: Any) -> Problems:
    return Problems(sources=[*sources], **{"duplicates": DUPLICATES, "leaks": LEAKS} | settings)


def aside(prepared: Prepared) -> list[tuple[str, int, str, str | None]]:
    return [(one.source, one.record, one.reason, one.because_of) for one in prepared.quarantined]


def asked(*texts: str, answer: Any = 2) -> list[dict[str, Any]]:
    return [{"problem": text, "answer": answer} for text in texts]


def test_generated_problems_are_in_one_table_and_once() -> None:
    prepared = prepare.run(problems([SUMS, WORDS, SUMS]), 0, no_gate_between_generators)
    texts = [problem.problem for problem in prepared.train + prepared.heldout]
    assert len(texts) == len(set(texts)) == 140 + 160
    assert [(record.source, record.reason) for record in prepared.quarantined] == [("digit_sums", "repeated")] * 140


def no_gate_between_generators(train: Sequence[Problem], benchmark: Sequence[Problem]) -> Screened:
    assert not {problem.source for problem in train} & {problem.source for problem in benchmark}
    return Screened([], [])


def test_the_miniature_needs_no_sentence_model() -> None:
    prepare.run(problems([SUMS]), 0, no_gate)


def test_what_is_examined_on_is_never_learned_from(tmp_path: Path, gate: Gate) -> None:
    examined = asked("Find  X²\n+ 1.", "Find x^2 + 1 again.", "Find  X²\n+ 1.")
    examined += [{"problem": plant.problem, "answer": plant.answer} for plant in PLANTS[:6]]
    learned = [
        *asked("find x² + 1.", "Add 1.", "ADD 1.", "", "Add 2."),
        {"problem": f"Problem 7. {PLANTS[0].problem}", "answer": PLANTS[0].answer},
        {"problem": PLANTS[2].restructured, "answer": PLANTS[2].answer},
        {"problem": NUMBERED.variant[0], "answer": NUMBERED.variant[1]},  # type: ignore[index]
    ]
    sources = [json_source(tmp_path, "school", "train", learned), json_source(tmp_path, "exam", "heldout", examined)]
    prepared = prepare.run(problems(sources), 0, gate)
    assert [problem.record for problem in prepared.train] == [3, 5, 8]
    assert [problem.record for problem in prepared.heldout] == [1, 2, 4, 5, 6, 7, 8, 9]
    assert aside(prepared) == [
        ("school", 1, "leak: copy", "exam 1"),
        ("school", 2, "repeated", "school 3"),
        ("school", 4, "empty problem", None),
        ("school", 6, "leak: copy", "exam 4"),
        ("school", 7, "leak: paraphrase", "exam 6"),
        ("exam", 3, "repeated", "exam 1"),
    ]
    variants = [pair for pair in prepared.leaks if pair.kind == "variant"]
    assert [(pair.train.record, pair.benchmark.record, pair.removed) for pair in variants] == [(8, 7, False)]
    strict = problems(sources, leaks=LEAKS.model_copy(update={"remove_variants": True}))
    assert ("school", 8, "leak: variant", "exam 7") in aside(prepare.run(strict, 0, gate))


def test_two_benchmarks_may_share_a_problem(tmp_path: Path) -> None:
    shared = "How many primes are below 30?"
    sources = [
        json_source(tmp_path, "one", "heldout", asked(shared)),
        json_source(tmp_path, "two", "heldout", asked(shared)),
        SUMS,
    ]
    prepared = prepare.run(problems(sources), 0, no_gate_between_generators)
    both = [problem for problem in prepared.heldout if problem.source != "digit_sums"]
    assert [problem.source for problem in both] == ["one", "two"]
    assert both[0].id == both[1].id


@pytest.mark.parametrize("seed", range(5))
def test_what_stays_does_not_depend_on_the_order_of_sources(tmp_path: Path, seed: int) -> None:
    text = "A square has a side of 4. What is the length of its diagonal, squared?"
    parts = {
        "a": asked(text, answer=32),
        "b": asked(text.replace("What is", "what is"), answer=32),
        "c": asked(f"{text} ", answer=30),
        "d": asked("Name the number after 1.", answer=2),
    }
    names = list(parts)
    Random(seed).shuffle(names)
    sources = [json_source(tmp_path, name, "train", parts[name]) for name in names] + [SUMS]
    prepared = prepare.run(problems(sources), 0, no_gate_between_generators)
    assert {problem.source for problem in prepared.train} == {"a", "d", "digit_sums"}
    (conflict,) = prepared.conflicts
    assert (conflict.kept.source, [other.source for other in conflict.others]) == ("a", ["c"])
    dropping = problems(sources, duplicates=DUPLICATES.model_copy(update={"drop_conflicts": True}))
    dropped = prepare.run(dropping, 0, no_gate_between_generators)
    assert {problem.source for problem in dropped.train} == {"d", "digit_sums"}
    assert ("a", 1, "conflicting answers", "c 1") in aside(dropped)


def test_a_higher_threshold_keeps_doubtful_paraphrases_and_no_copy(tmp_path: Path, gate: Gate) -> None:
    strict = prepare.make_gate(LEAKS.model_copy(update={"threshold": 10.0}), None, tmp_path / "gate", print)
    learned = [
        {"problem": PLANTS[0].problem.replace("A farmer has", "One farmer has"), "answer": PLANTS[0].answer},
        {"problem": PLANTS[2].restructured, "answer": PLANTS[2].answer},
        {"problem": "Name the number after 1.", "answer": 2},
    ]
    examined = [{"problem": plant.problem, "answer": plant.answer} for plant in PLANTS[:3]]
    sources = [json_source(tmp_path, "school", "train", learned), json_source(tmp_path, "exam", "heldout", examined)]
    assert [one.record for one in prepare.run(problems(sources), 0, gate).train] == [3]
    assert [one.record for one in prepare.run(problems(sources), 0, strict).train] == [2, 3]


def test_a_twins_text_is_never_learned_from(tmp_path: Path, gate: Gate) -> None:
    """Copied by letter, or spelled in another way: the rung's table would refuse it."""
    twins = Twins(kind="twins", templates="symbolic", per_template=1)
    changed = [problem for problem in load_source(twins, 0).problems if problem.change == "numbers"]
    plain, fraction = changed[0], next(one for one in changed if r"\frac" in one.problem)
    learned = [
        {"problem": plain.problem, "answer": plain.answers[0]},
        {"problem": fraction.problem.replace(r"\frac", r"\dfrac"), "answer": fraction.answers[0]},
        {"problem": "Name the number after 1.", "answer": 2},
    ]
    prepared = prepare.run(problems([json_source(tmp_path, "school", "train", learned), twins]), 0, gate)
    assert [one.record for one in prepared.train] == [3]
    assert [one.reason for one in prepared.quarantined] == ["leak: copy"] * 2


def test_powers_are_no_digits(tmp_path: Path, gate: Gate) -> None:
    texts = {"Work out 3² + 4² as one number.": 25, "Work out 32 + 42 as one number.": 74}
    both = [{"problem": text, "answer": answer} for text, answer in texts.items()]
    sources = [json_source(tmp_path, "school", "train", both), json_source(tmp_path, "exam", "heldout", both)]
    with pytest.raises(LadderError, match=r"no problem of split 'train' is left; 2 set aside \(school: leak: copy\)"):
        prepare.run(problems(sources), 0, gate)
    assert len(prepare.run(problems([SUMS, sources[1]]), 0, gate).heldout) == 2 + 40


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_nothing_left_is_refused(tmp_path: Path, split: Split, gate: Gate) -> None:
    source = json_source(tmp_path, "alone", split, asked("1+1?"))
    missing = "heldout" if split == "train" else "train"
    with pytest.raises(LadderError, match=f"no problem of split '{missing}' is left"):
        prepare.run(problems([source]), 0, gate)


def test_the_stage_writes_what_it_found_and_nothing_of_a_broken_source(project: Project) -> None:
    exam, school = project.root / "exam.jsonl", project.root / "school.csv"
    rows = [{"problem": plant.problem, "answer": plant.answer, "asked": 1987} for plant in PLANTS[:3]]
    exam.write_text("".join(json.dumps(row) + "\n" for row in rows))
    school.write_text(f'problem,answer,asked\n"{PLANTS[0].problem}",{PLANTS[0].answer},\n1+1?,2,\n')

    def use(**splits: Split) -> None:
        columns = {"problem": "problem", "answer": "answer", "rating": None, "year": "asked"}
        files = {"exam": exam, "school": school}
        sources = [
            file_source(files[name], split, Columns(**columns)).model_dump() | {"path": files[name].name}
            for name, split in splits.items()
        ]
        project.set("problems.sources", sources)

    base = {"kind": "gguf", "path": "x.gguf", "pin": f"md5:{'0' * 32}", "parameters_billion": 0.1}
    project.set("base", base | {"training_cutoff": "2024-01"})
    use(exam="heldout", school="train")
    project.run("stages.prepare")
    (pair,) = [json.loads(line) for line in (project.root / "data/leaks.jsonl").read_text().splitlines()]
    assert (pair["train"]["source"], pair["benchmark"]["problem"], pair["removed"]) == (
        "school",
        PLANTS[0].problem,
        True,
    )
    made = project.bytes_of("data")
    assert json.loads(made["data/heldout.jsonl"].splitlines()[0])["year"] == 1987
    school.write_text("problem,answer,asked\n1+1?\n")
    use(exam="heldout", school="train")
    refused = project.run("stages.prepare", check=False)
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "error: school.csv, line 2: another number of fields than the 3 of its first line; mend the file and its pin"
    ]
    assert project.bytes_of("data") == made
