"""What a completion earns, by hand and by a real grader; and that a rung learns from it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.engines.checkpoint import Checkpoint
from stages.engines.protocols import Prompt, Rollout, Sampling
from stages.grading import Grade, GradeItem, Grader
from stages.grpo.advantages import group_advantages
from stages.grpo.experience import Experience, collect
from stages.grpo.rewards import answer_rewards, rewards, soft_overlong_penalty
from stages.grpo.rung import GrpoRung
from stages.grpo.stopwatch import Stopwatch
from tests.grpo.conftest import MakeRung, params_with

COMPLETIONS = {  # to a problem whose answer is 8; what each is worth with a credit of 0.1
    r"3+5=8</think>\boxed{8}": 1.0,
    r"3+5=8</think>\boxed{16/2}": 1.0,
    r"3+5=7</think>\boxed{7}": 0.1,
    r"3+5=8</think>\boxed{a}": 0.1,
    r"3+5=8</think>\boxed{" + "9" * 3000 + "}": 0.1,  # too large
    r"3+5=8</think>\boxed{}": 0.0,
    r"3+5=8</think>8": 0.0,
    r"3+5=8\boxed{8}": 0.0,  # thinking is not closed
    r"3+5=8</think>\boxed{8": 0.0,
}


def test_every_kind_of_answer_by_hand() -> None:
    items = [GradeItem(text, "8") for text in COMPLETIONS]
    cut = GradeItem(r"3+5=7</think>\boxed{7}", "8", truncated=True)
    with Grader(timeout_s=2.0, require_closed_thinking=True) as grader:
        grades = grader.grade_batch([*items, cut])
    assert answer_rewards(grades, 0.1).tolist() == [*COMPLETIONS.values(), 0.0]
    assert answer_rewards(grades, 0.0).tolist() == [float(grade.reward) for grade in grades]
    assert answer_rewards([Grade(0, "8", "timeout")], 0.1).tolist() == [0.1]


def test_thinking_need_be_closed_only_where_the_grading_asks() -> None:
    for asked, earned in ((True, 0.0), (False, 0.25)):
        with Grader(timeout_s=2.0, require_closed_thinking=asked) as grader:
            grades = grader.grade_batch([GradeItem(r"so it is \boxed{7}", "8")])
        assert answer_rewards(grades, 0.25).tolist() == [earned]


def test_the_length_penalty_by_hand() -> None:
    # DAPO, equation 13, with L_max 20 and L_cache 5
    expected = {0: 0.0, 15: 0.0, 16: -0.2, 18: -0.6, 20: -1.0, 25: -1.0}
    for tokens, penalty in expected.items():
        assert soft_overlong_penalty(tokens, 20, 5) == pytest.approx(penalty)


def test_the_length_penalty_comes_off_the_credit_too() -> None:
    grades = [
        Grade(1, "8", "correct"),
        Grade(1, "8", "correct"),
        Grade(0, "7", "wrong"),
        Grade(0, "7", "wrong"),
        Grade(0, None, "truncated"),
    ]
    rollouts = [
        Rollout(Prompt("p", (1,)), index, (4,) * tokens, tokens == 20, np.zeros(tokens, dtype=np.float32))
        for index, tokens in enumerate((10, 18, 10, 18, 20))
    ]
    soft = params_with(partial_credit=0.3, truncated="soft-penalty", overlong_buffer_tokens=5).grpo
    np.testing.assert_allclose(rewards(rollouts, grades, soft, 20), [1, 0.4, 0.3, -0.3, -1], atol=1e-12)
    zero = params_with(partial_credit=0.3, truncated="zero").grpo
    assert rewards(rollouts, grades, zero, 20).tolist() == [1, 1, 0.3, 0.3, 0]


def test_advantages_of_credits_by_hand() -> None:
    # r = 1, 0.2, 0, 0: mean 0.3, squares (0.49 + 0.01 + 0.09 + 0.09) / 3
    found = group_advantages(np.array([[1, 0.2, 0, 0]]), scale=True)[0]
    np.testing.assert_allclose(found, np.array([0.7, -0.1, -0.3, -0.3]) / ((0.68 / 3) ** 0.5 + 1e-4), rtol=1e-12)
    # Without a right answer the division makes a credit as strong as a right answer is: only the epsilon tells them apart.
    credited, right = group_advantages(np.array([[0.1, 0, 0, 0], [1, 0, 0, 0]]), scale=True)
    np.testing.assert_allclose(credited, np.array([0.075, -0.025, -0.025, -0.025]) / (0.05 + 1e-4), rtol=1e-12)
    np.testing.assert_allclose(credited, right, rtol=2e-3)
    credited, right = group_advantages(np.array([[0.1, 0, 0, 0], [1, 0, 0, 0]]), scale=False)
    np.testing.assert_allclose(credited, right / 10, rtol=1e-12)


grades_of = st.sampled_from(
    [Grade(1, "8", "correct"), Grade(0, "7", "wrong"), Grade(0, "7", "timeout"), Grade(0, None, "no_answer")]
)


@given(st.lists(grades_of, min_size=1, max_size=9), st.floats(0, 1, exclude_max=True))
def test_a_right_answer_earns_most_and_no_answer_nothing(grades: list[Grade], credit: float) -> None:
    found = dict(zip((grade.why for grade in grades), answer_rewards(grades, credit).tolist(), strict=True))
    assert found.get("no_answer", 0) == 0
    assert found.get("wrong", credit) == found.get("timeout", credit) == credit
    assert found.get("correct", 1) == 1 > credit


def sampled(rung: GrpoRung) -> tuple[Experience, list[Grade]]:
    """A step's groups, and the grades of their texts."""
    rung._sync(Stopwatch())
    settings = rung._settings.grpo
    experience = collect(rung._asker, rung._order, settings, Sampling(8, 1.0, 8), ("x",), Stopwatch())
    answers = {problem.id: problem.answers for problem in rung._asker.problems}
    rollouts = [rollout for group in experience.sampled for rollout in group.rollouts]
    items = [
        GradeItem(text, answers[rollout.prompt.problem_id], rollout.truncated)
        for text, rollout in zip(rung._asker.texts(rollouts), rollouts, strict=True)
    ]
    return experience, rung._asker.grader.grade_batch(items)


def test_a_steps_rewards_have_the_credit_and_its_accuracy_has_not(make_rung: MakeRung, taught: Checkpoint) -> None:
    experience, grades = sampled(make_rung(taught, params_with(partial_credit=0.25)))
    assert Counter(grade.why for grade in grades).keys() >= {"correct", "wrong", "truncated", "no_answer"}
    earned = np.concatenate([group.rewards_G for group in experience.sampled]).tolist()
    assert earned == [{"correct": 1.0, "wrong": 0.25}.get(grade.why, 0.0) for grade in grades]
    right = np.concatenate([group.right_G for group in experience.sampled]).tolist()
    assert right == [float(grade.why == "correct") for grade in grades]


def test_where_no_answer_is_right_a_credit_teaches_the_form_and_nothing_else_teaches(
    make_rung: MakeRung, taught: Checkpoint
) -> None:
    form, moved = {}, {}
    for credit in (0.0, 0.1):
        rung = make_rung(taught, params_with(steps=16, partial_credit=credit, learning_rate=0.01, kl_coef=0.0))
        unsolved = [replace(problem, answers=("x",)) for problem in rung._asker.problems]
        rung._asker = replace(rung._asker, problems=unsolved)
        before = np.mean([grade.extracted is not None for grade in sampled(rung)[1]])
        climbed = rung.climb(None, 100)
        form[credit] = np.mean([grade.extracted is not None for grade in sampled(rung)[1]]) - before
        old, new = dict(taught.model.named_parameters()), dict(rung._trainer.weights())
        moved[credit] = any(not torch.equal(old[name], tensor) for name, tensor in new.items())
        assert {step.accuracy for step in climbed.metrics} == {0.0}
        assert {row["reward"] for row in climbed.completions} == {0.0, credit}
    assert moved == {0.0: False, 0.1: True}
    assert form[0.1] > 0.3


def test_what_made_a_reward_function_fail_earns_no_credit() -> None:
    grades = [
        Grade(0, "7", "timeout"),
        Grade(0, "7", "timeout", "own 1: its worker process was late"),
        Grade(1, "7", "correct"),
    ]
    assert answer_rewards(grades, 0.25).tolist() == [0.25, 0.0, 1.0]
