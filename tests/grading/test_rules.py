"""Every rule's pairs, both ways, and what a response says beside its answer."""

import subprocess
import sys

import pytest

from stages.errors import LadderError
from stages.grading import Answer, Grade, GradeItem, Grader, grade
from tests.grading.cases import read_cases

CASES = read_cases()
RULES = sorted({case.rule for case in CASES})


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, grader: Grader) -> None:
    cases = [case for case in CASES if case.rule == rule]
    grades = grader.grade_batch([GradeItem(case.response, case.answer) for case in cases])
    wrong = [(case, grade.why) for case, grade in zip(cases, grades, strict=True) if grade.reward != case.reward]
    assert not wrong


@pytest.mark.parametrize("rule", RULES)
def test_rule_has_pairs_both_ways(rule: str) -> None:
    assert {case.reward for case in CASES if case.rule == rule} == {0, 1}


@pytest.mark.parametrize("answer", [142, 142.0, "142", "142.0", r"\boxed{142}", [7, 142], ["x", 142.0], ("142",)])
def test_answer_types(answer: Answer) -> None:
    assert grade(r"\boxed{142}", answer) == Grade(1, "142", "correct")


@pytest.mark.parametrize("answer", [[], "", [""], r"\boxed{}", ["7", "8"], 141.5, 1420])
def test_answers_that_are_not_142(answer: Answer) -> None:
    assert grade(r"\boxed{142}", answer).reward == 0


@pytest.mark.parametrize("answer", [True, None, {"a": 1}, [True], [[1]], b"142"])
def test_answer_of_a_wrong_type_is_an_error(answer: object) -> None:
    with pytest.raises(LadderError, match="of type"):
        grade(r"\boxed{142}", answer)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (r"<think>\boxed{1}</think> \boxed{2}", Grade(1, "2", "correct")),
        (r"<think>\boxed{2}</think> It is \boxed{1}.", Grade(0, "1", "wrong")),
        (r"<think>\boxed{2}</think> It is 2.", Grade(0, None, "no_answer")),
        (r"<think>a</think>\boxed{1}<think>b</think>\boxed{2}", Grade(1, "2", "correct")),
        (r"<think>\boxed{2}", Grade(0, None, "unclosed_thinking")),
        (r"<think>a</think> <think> \boxed{2}", Grade(0, None, "unclosed_thinking")),
        (r"a</think> \boxed{2}", Grade(1, "2", "correct")),
        (r"\boxed{2}", Grade(1, "2", "correct")),
        ("The answer is 2.", Grade(0, None, "no_answer")),
        (r"\boxed{}", Grade(0, None, "no_answer")),
        (r"\boxed{ }", Grade(0, None, "no_answer")),
        (r"\boxed 2", Grade(0, None, "no_answer")),
        (r"\boxed{2", Grade(0, None, "no_answer")),
        ("", Grade(0, None, "no_answer")),
        (r"\boxed{3}, or \boxed{2}", Grade(1, "2", "correct")),
        (r"\boxed{2}, or \boxed{}", Grade(0, None, "no_answer")),
    ],
)
def test_only_the_last_box_after_thinking_counts(response: str, expected: Grade) -> None:
    assert grade(response, 2) == expected


def test_closed_thinking_is_required_where_asked() -> None:
    assert grade(r"\boxed{2}", 2, require_closed_thinking=True) == Grade(0, None, "unclosed_thinking")
    assert grade(r"</think>\boxed{2}", 2, require_closed_thinking=True) == Grade(1, "2", "correct")
    with Grader(timeout_s=1, require_closed_thinking=True) as grader:
        assert grader.grade_batch([GradeItem(r"\boxed{2}", 2)]) == [Grade(0, None, "unclosed_thinking")]


def test_a_truncated_response_earns_nothing() -> None:
    assert grade(r"\boxed{2}", 2, truncated=True) == Grade(0, None, "truncated")


def test_import_needs_neither_sympy_nor_torch() -> None:
    code = "import sys, stages.grading; print({'sympy', 'mpmath', 'torch', 'numpy'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"
