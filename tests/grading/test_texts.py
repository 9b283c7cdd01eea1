"""The rewards that compare texts: which letter, which characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.grading import Grade, GradeItem
from stages.grading.texts import TextGrader, chosen, final_text, letter_of


@pytest.mark.parametrize(
    ("said", "letter"),
    [
        ("\\boxed{B}", "B"),
        ("\\boxed{b}", "B"),
        ("\\boxed{(C)}", "C"),
        ("first \\boxed{A}, no: \\boxed{\\text{(D) } 12}", "D"),
        ("The answer is (B).", "B"),
        ("The answer is A, no, the answer is C", "C"),
        ("**Answer: D**", "D"),
        ("the answer is $\\text{(E)}$", "E"),
        ("The answer is A but \\boxed{B}", "B"),
        ("The answer is D. Note that answer A would need more.", "D"),
        ("**Answer:** C", "C"),
        ("**Final Answer**: C", "C"),
        ("The answer is" + 200_000 * " " + ".", None),  # read once, not as often as there are blanks
        ("The answer is a good one", None),
        ("The answer is Apple", None),
        ("B", None),
        ("", None),
    ],
)
def test_the_letter_is_in_the_box_or_after_the_words(said: str, letter: str | None) -> None:
    assert chosen(said) == letter


def test_a_box_without_a_letter_is_a_wrong_answer() -> None:
    with TextGrader("choice", False) as grader:
        known = ["B", "(B)", "B.", "b", "\\text{(B) } 12"]
        assert [grader.grade_batch([GradeItem("\\boxed{B}", one)])[0].reward for one in known] == [1] * 5
        assert grader.grade_batch([GradeItem("\\boxed{12}", "B")]) == [Grade(0, "12", "wrong")]
        assert grader.grade_batch([GradeItem("<think>\\boxed{B}", "B")]) == [Grade(0, None, "unclosed_thinking")]
        assert grader.grade_batch([GradeItem("\\boxed{B}", "B", truncated=True)]) == [Grade(0, None, "truncated")]
    assert [letter_of(one) for one in ("12", "I", "BB", "")] == [None] * 4


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("so it is \\boxed{ the Loire }", "the Loire"),
        ("I think of rivers.\n the Loire \n\n", "the Loire"),
        ("\\boxed{x}\nthe Loire", "x"),
        (" \n ", None),
    ],
)
def test_the_exact_text_is_in_the_box_or_the_last_line(said: str, text: str | None) -> None:
    assert final_text(said) == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\\{}"), min_size=1))
def test_the_very_text_is_right_and_another_wrong(text: str) -> None:
    with TextGrader("exact", require_closed_thinking=True) as grader:
        right, other, open_ = grader.grade_batch(
            [GradeItem(f"</think>{said}", text) for said in (text, f"{text}x")] + [GradeItem(text, text)]
        )
    assert (right.reward, other.reward) == (int(bool(text.strip())), 0)
    assert open_.why == "unclosed_thinking"
