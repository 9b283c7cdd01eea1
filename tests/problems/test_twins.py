"""Twins of problems: their originals are the released ones, their answers are right, and other words change no answer."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from stages import prepare
from stages.errors import LadderError
from stages.grading.grader import grade
from stages.grading.readable import is_readable
from stages.params import Twins
from stages.problems.problem import Problem, problem_id, read_problems, write_problems
from stages.problems.sources import load_source, load_sources
from stages.problems.twins.changes import CLAUSES, NAMES, letters_of_formulas, renamed
from stages.problems.twins.instances import Twin, twins
from stages.problems.twins.match import template_for
from stages.problems.twins.numerals import decimal, in_base
from stages.problems.twins.template import Template, Values
from stages.problems.twins.templates import SYMBOLIC
from stages.problems.twins.templates.digit_sums import TEMPLATES as DIGIT_SUMS
from stages.randomness import rng
from tests.problems.second_ways import SECOND_WAYS, Answer
from tests.problems.test_problems import SUMS, json_source
from tests.problems.test_screening import no_gate, problems

# The published answers of the originals by benchmark and problem_id, from the release's test files (MIT).
RELEASED = json.loads(Path(__file__).with_name("released_answers.json").read_text())
SYMBOLIC_TWINS = Twins(kind="twins", templates="symbolic", per_template=2)
DIGIT_SUM_TWINS = Twins(kind="twins", templates="digit_sums", per_template=5)
BY_NAME = {template.name: template for template in SYMBOLIC}
DRAWS = 6


def draws(template: Template, seed: int = 0) -> Iterator[Values]:
    random = rng(seed, "test", template.name)
    yield template.values
    for _ in range(DRAWS):
        yield template.draw(random)


def is_right(given: str, known: str) -> bool:
    return grade(rf"\boxed{{{given}}}", known).reward == 1


def numbers(answer: object) -> list[complex]:
    """Of a number, a point or a vector; a list of solutions has to be a single one."""
    match answer:
        case str() if "_" in answer:
            digits, base = re.findall(r"\d+", answer)
            return [complex(int(digits, int(base)))]
        case str():
            return [complex(float(answer.removesuffix(r"^\circ")))]
        case sympy.Eq():
            terms = sympy.Poly(answer.lhs, *sympy.symbols("x y z", real=True))
            return [complex(terms.coeff_monomial(term)) for term in (*terms.gens, 1)]
        case tuple() | sympy.MatrixBase():
            return [number for part in answer for number in numbers(part)]
        case list():
            (only,) = answer
            return numbers(only)
        case _:
            return [complex(sympy.N(answer, 30))]


def second(answer: Answer) -> list[complex]:
    return [complex(part) for part in answer] if isinstance(answer, list) else [complex(answer)]


@pytest.fixture(scope="module")
def families() -> dict[str, list[Twin]]:
    return {template.name: twins(template, 7, seed=0) for template in [*SYMBOLIC, *DIGIT_SUMS]}


def test_the_originals_are_the_released_problems() -> None:
    for benchmark, answers in RELEASED.items():
        templates = [template for template in SYMBOLIC if template.benchmark == benchmark]
        assert {problem_id(template.original): template.answer for template in templates} == answers
        assert len(templates) == len(answers)


def test_there_are_templates_of_every_kind() -> None:
    assert len(BY_NAME) == len(SYMBOLIC) >= 60
    assert sum(template.benchmark is not None for template in SYMBOLIC) >= 45
    assert len(Counter(template.family for template in SYMBOLIC)) == 6


@pytest.mark.parametrize("name", BY_NAME)
def test_the_original_is_solved_as_published(name: str) -> None:
    template = BY_NAME[name]
    assert template.where(**template.values)
    assert is_right(template.solve(template.values), template.answer)


@pytest.mark.parametrize("name", BY_NAME)
def test_an_answer_is_found_in_a_second_way(name: str) -> None:
    template = BY_NAME[name]
    for values in draws(template):
        answer = template.solver(**values)
        assert numbers(answer) == pytest.approx(second(SECOND_WAYS[name](**values)), rel=1e-6, abs=1e-6), values
        assert is_readable(template.solve(values))


@pytest.mark.parametrize("name", BY_NAME)
def test_a_text_is_whole_and_reads_well(name: str) -> None:
    template = BY_NAME[name]
    for values in draws(template):
        text = template.text(values)
        assert not re.search(
            r"[«»]|\+ ?-|- ?-\d|\b[01][a-z]\b|\^1\b|\^\{1\}|\^\d\d|\^-|--\d", text.replace("(x-1)^1", "")
        ), text
        assert not re.search(r"\b[aA] \$?(8|11|18|8\d)\b(?!\d)|(?<![\d.,(-])\b1 [a-z]+s\b", text), text
        assert template.where(**values)
        assert set(values) == set(template.ranges)
    assert template.text(template.values) == template.original


def test_number_twins_are_distinct_and_never_the_original(families: dict[str, list[Twin]]) -> None:
    for family in families.values():
        original, *others = family
        assert original.kind == "original"
        made = [twin for twin in others if twin.kind == "numbers"]
        assert len(made) == 7
        assert len({problem_id(twin.problem) for twin in family}) == len(family)
        assert all(not is_right(twin.answer, original.answer) for twin in made)


def test_other_words_keep_the_answer_and_the_numbers(families: dict[str, list[Twin]]) -> None:
    seen: Counter[str] = Counter()
    for family in families.values():
        original = family[0]
        for twin in family:
            if twin.kind in ("renamed", "reordered", "clause"):
                seen[twin.kind] += 1
                assert twin.answer == original.answer
                body = twin.problem
                if twin.kind == "clause":
                    (clause,) = (one for pool in CLAUSES.values() for one in pool if body.startswith(one))
                    assert body == f"{clause} {original.problem}"
                if twin.kind != "clause":
                    assert Counter(re.findall(r"\d+", body)) == Counter(re.findall(r"\d+", original.problem))
                if twin.kind == "reordered":
                    assert Counter(body) == Counter(original.problem)
    assert seen["renamed"] >= 60 and seen["reordered"] >= 80 and seen["clause"] == len(SYMBOLIC)


@pytest.mark.parametrize("name", [name for name, template in BY_NAME.items() if template.variables or template.persons])
def test_renaming_is_undone_by_renaming(name: str, families: dict[str, list[Twin]]) -> None:
    """Every letter and name goes to one other, which the original hasn't; what is no variable stays."""
    template = BY_NAME[name]
    (changed,) = (twin.problem for twin in families[name] if twin.kind == "renamed")
    words = re.compile(r"\\?[A-Za-z]+")
    kept = {"".join(found) for found in re.findall(r"\\[A-Za-z]+", template.original)}
    assert kept == set(re.findall(r"\\[A-Za-z]+", changed))
    there, back = letters_of_formulas(template.original), letters_of_formulas(changed)
    assert len(there) == len(back)
    assert there - back == set(template.variables) and not (back - there) & set(template.variables)
    names = {
        old: new
        for old, new in zip(words.findall(template.original), words.findall(changed), strict=True)
        if old != new
    }
    for person in template.persons:
        assert person not in changed
        assert names[person] in NAMES[template.persons[person]]
    assert len(set(names.values())) == len(names)


@given(st.integers(0, 10**6))
def test_two_persons_never_get_one_name(seed: int) -> None:
    template = BY_NAME["round_table_apart"]
    text = renamed(template, rng(seed, "names"))
    assert text is not None
    assert len({name for name in NAMES["any"] if re.search(rf"\b{name}\b", text)}) == len(template.persons) == 3


def test_what_may_be_renamed_is_in_no_answer_and_no_prose() -> None:
    for template in SYMBOLIC:
        prose = re.sub(r"\$\$.*?\$\$|(?<!\\)\$(?:\\.|[^$\\])*\$|\\\[.*?\\\]", " ", template.original, flags=re.DOTALL)
        for letter in template.variables:
            assert letter in letters_of_formulas(template.original), (template.name, letter)
            assert letter not in letters_of_formulas(f"${template.answer}$"), (template.name, letter)
            assert letter in "aA" or not re.search(rf"\b{letter}\b", prose), (template.name, letter)


def test_independent_parts_stand_once_in_the_pattern() -> None:
    for template in [*SYMBOLIC, *DIGIT_SUMS]:
        for part in template.independent:
            assert template.pattern.count(part) == 1, (template.name, part)


def test_a_twin_depends_on_its_names_alone() -> None:
    template = BY_NAME["marbles"]
    few, many = twins(template, 2, seed=3), twins(template, 5, seed=3)
    assert [twin for twin in many if twin.kind != "numbers"] == [twin for twin in few if twin.kind != "numbers"]
    assert many[1:3] == few[1:3]
    assert twins(template, 2, seed=4)[1:] != few[1:]


def test_digit_sums_are_answered_and_reordered(families: dict[str, list[Twin]]) -> None:
    for template in DIGIT_SUMS:
        for twin in families[template.name]:
            assert re.fullmatch(r"\d(\+\d)+=", twin.problem) and twin.problem.count("+") + 1 == template.rating
            assert int(twin.answer) == sum(map(int, re.findall(r"\d", twin.problem))) % 10
    assert len({template.original for template in DIGIT_SUMS}) == len(DIGIT_SUMS)


@given(st.integers(0, 10**6), st.integers(2, 10))
def test_a_number_in_a_base_reads_back(number: int, base: int) -> None:
    assert int(in_base(number, base), base) == number


@given(st.integers(-(10**6), 10**6), st.integers(0, 4), st.integers(0, 4))
def test_a_decimal_reads_back(number: int, twos: int, fives: int) -> None:
    fraction = sympy.Rational(number, 2**twos * 5**fives)
    assert Fraction(decimal(fraction)) == Fraction(int(fraction.p), int(fraction.q))


def test_too_many_twins_are_refused() -> None:
    with pytest.raises(LadderError, match=r"two_boys_together.*7 twins of the 20 wanted"):
        twins(BY_NAME["two_boys_together"], 20, seed=0)


def test_a_second_way_notices_a_wrong_solver() -> None:
    """The comparison itself: an answer that is off by one is told from the right one."""
    assert numbers(sympy.Integer(7)) != pytest.approx(second(Fraction(8)), rel=1e-6, abs=1e-6)
    assert set(SECOND_WAYS) == set(BY_NAME)


def test_a_table_tells_a_twins_original_and_change(tmp_path: Path) -> None:
    loaded = load_source(SYMBOLIC_TWINS, seed=0).problems
    write_problems(tmp_path / "heldout.jsonl", loaded, table="heldout")
    assert read_problems(tmp_path / "heldout.jsonl") == loaded
    originals = {problem.id: problem for problem in loaded if problem.twin_of is None}
    assert [*originals] == [problem_id(template.original) for template in SYMBOLIC]
    twins_of: Counter[str] = Counter()
    for problem in loaded:
        assert problem.split == "heldout" and problem.source == "symbolic_twins"
        assert (problem.change is None) == (problem.twin_of is None)
        original = originals[problem.twin_of or problem.id]
        assert problem.licence == original.licence
        assert (problem.answers == original.answers) == (problem.change != "numbers")
        twins_of[original.id] += problem.change == "numbers"
    assert set(twins_of.values()) == {2}
    assert Counter(problem.licence for problem in originals.values()) == {"MIT": 145, "generated": 10}


def test_an_original_that_another_source_examines_is_asked_there(tmp_path: Path) -> None:
    examined, learned = BY_NAME["marbles"], BY_NAME["outfits"]
    rows = [{"problem": template.original, "answer": template.answer} for template in (examined, learned)]
    sources = [
        SYMBOLIC_TWINS,
        json_source(tmp_path, "exam", "heldout", rows[:1]),
        json_source(tmp_path, "school", "train", rows[1:]),
    ]
    asked = [
        problem for part in load_sources(sources, seed=0) for problem in part.problems if problem.split == "heldout"
    ]

    def of(template: Template) -> list[Problem]:
        return [problem for problem in asked if problem_id(template.original) in (problem.id, problem.twin_of)]

    assert [problem.source for problem in of(examined) if problem.twin_of is None] == ["exam"]
    assert [problem.source for problem in of(learned) if problem.twin_of is None] == ["symbolic_twins"]
    assert len(of(examined)) == 1 + 2 + 2 and {problem.change for problem in of(examined)} >= {"reordered", "clause"}


def test_the_miniature_learns_none_of_its_twins_and_needs_no_sentence_model() -> None:
    prepared = prepare.run(problems([SUMS, DIGIT_SUM_TWINS]), 0, no_gate)
    examined = {problem.id for problem in prepared.heldout}
    assert not examined & {problem.id for problem in prepared.train}
    assert {
        record.because_of for record in prepared.quarantined if str(record.because_of).startswith("digit_sums_twins")
    }
    twins_made = [problem for problem in prepared.heldout if problem.source == "digit_sums_twins"]
    assert Counter(problem.change for problem in twins_made)["numbers"] == 5 * len(DIGIT_SUMS)
    assert {problem.rating for problem in twins_made} == {3, 4, 5, 6, 7, 8}


def test_a_problem_at_hand_finds_its_template() -> None:
    for template in SYMBOLIC[::7]:
        assert template_for(f" {template.original}\n") is template
    made = template_for("9+1+9=")
    assert made is not None and (made.original, made.answer) == ("9+1+9=", "9")
    assert template_for("What is 9+1+9?") is None
