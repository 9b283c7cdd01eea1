"""A guard stops with its own name, and only when it should."""

from dataclasses import replace
from typing import Any

import pytest

from stages.errors import GuardFired, LadderError
from stages.grading.function import FunctionGrader
from stages.grpo import rung as rung_module
from stages.grpo.guards import check_finite, check_guards
from stages.grpo.loss import loss_sums
from stages.grpo.metrics import StepMetrics
from stages.params import Guards
from tests.conftest import Write
from tests.grpo.conftest import MakeRung, params_with, untaught

OFF = Guards(non_finite_updates=3, max_kl=None, max_entropy=None, min_entropy=None, zero_reward_steps=None)


@pytest.fixture
def step() -> StepMetrics:
    return StepMetrics(
        1, 0.2, 0.4, 0.5, 0.2, 0.9, 5.0, 2, 8, 2.0, 5.0, 8.0, 0.1, -0.01, 0.5, 1e-3, 1.5, 0.02, 0.001, 0.0, 0.0, 0.0,
        1e-7, 1e-6, 1.0, 1.0, 0, 0, 0, 0, 0, 6, 100, 100,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("guard", "limit", "within", "beyond", "said"),
    [
        ("max_kl", 0.5, {"kl": 0.5}, {"kl": 0.51}, "KL is 0.51"),
        ("max_kl", 0.5, {"kl": None}, {"kl": 0.6}, "KL is 0.6"),
        ("max_entropy", 2.0, {"entropy": 2.0}, {"entropy": 2.5}, "entropy is 2.5"),
        ("min_entropy", 0.1, {"entropy": 0.1}, {"entropy": 0.05}, "entropy is 0.05"),
    ],
)
def test_a_figure_out_of_bounds(
    step: StepMetrics, guard: str, limit: float, within: dict[str, Any], beyond: dict[str, Any], said: str
) -> None:
    guards = OFF.model_copy(update={guard: limit})
    check_guards("8k", [replace(step, **within)], guards)
    check_guards("8k", [replace(step, **beyond)], OFF)
    with pytest.raises(LadderError, match=rf"train@8k: stopped at step 1 by guards\.{guard} \({limit}\): {said}"):
        check_guards("8k", [replace(step, **beyond)], guards)


def test_no_reward_for_some_steps_in_a_row(step: StepMetrics) -> None:
    guards = OFF.model_copy(update={"zero_reward_steps": 3})
    right, wrong = replace(step, accuracy=0.1), replace(step, accuracy=0.0)
    check_guards("8k", [wrong, wrong, right, wrong, wrong], guards)
    with pytest.raises(LadderError, match=r"guards\.zero_reward_steps \(3\): no right answer in 3 steps"):
        check_guards("8k", [right, wrong, wrong, wrong], guards)


def test_updates_that_are_not_finite(make_rung: MakeRung, monkeypatch: Any) -> None:
    """Real updates whose loss is made infinite: each is skipped, weights stay, the third in a row stops the rung."""
    params = params_with(steps=5, prompts_per_step=3, mini_batch_prompts=3)
    rung = make_rung(untaught(), params)
    before = {name: tensor.clone() for name, tensor in rung._trainer.state().items()}

    def broken(inputs: Any, **settings: Any) -> Any:
        sums = loss_sums(inputs, **settings)
        return replace(sums, loss=sums.loss * float("inf"))

    monkeypatch.setattr(rung_module, "loss_sums", broken)
    with pytest.raises(LadderError, match=r"step 3 by guards\.non_finite_updates \(3\): 3 updates in a row"):
        rung.climb(None, 1)
    assert [metrics.skipped_updates for metrics in rung._done.metrics] == [1, 1]
    assert all(metrics.loss is None and metrics.grad_norm is None for metrics in rung._done.metrics)
    after = rung._trainer.state()
    assert all((tensor == before[name]).all() for name, tensor in after.items() if name.startswith("policy."))
    assert rung._trainer.updates == 0


def test_a_sampler_that_slept_is_synced_though_no_update_was_taken(make_rung: MakeRung, monkeypatch: Any) -> None:
    """Asleep it may have no weights (vLLM's level 2)."""
    rung = make_rung(
        untaught(), params_with(steps=2, prompts_per_step=3, mini_batch_prompts=3, log_completions_steps=0)
    )
    calls: list[str] = []

    def noted(name: str, act: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            calls.append(name)
            return act(*given, **named)

        return call

    for name in ("sync", "generate", "sleep"):
        monkeypatch.setattr(rung._sampler, name, noted(name, getattr(rung._sampler, name)))
    monkeypatch.setattr(
        rung_module,
        "loss_sums",
        lambda *given, **named: replace(s := loss_sums(*given, **named), loss=s.loss * float("inf")),
    )
    rung.climb(None, 1)
    assert rung._trainer.updates == 0
    assert calls == ["sync", "generate", "sleep"] * 2


def test_fewer_than_the_limit_go_on() -> None:
    check_finite("8k", 1, 2, OFF)


def test_a_reward_function_that_fails_too_often_stops_the_rung(make_rung: MakeRung, own: Write) -> None:
    own("""
        def reward(completions, answer, **columns):
            if any("7" in said for said in completions): raise ValueError("a seven")
            return ["3" in said for said in completions]
    """)
    for share in (1.0, 0.001):
        params = params_with(steps=2)
        params = params.model_copy(update={"task": params.task.model_copy(update={"max_failed_share": share})})
        with FunctionGrader("tasks.own:reward", 2.0, False, 1.0, workers=1) as grader:
            rung = make_rung(untaught(), params)
            rung._asker = replace(rung._asker, grader=grader)
            if share == 1.0:
                metrics = rung.climb(None, 100).metrics
                assert all(0 < step.reward_raised < 48 and 0 < step.reward < 1 for step in metrics)
                assert not any(step.reward_died + step.reward_timeout + step.reward_too_large for step in metrics)
                raised = metrics[0].reward_raised
                continue
            said = (
                rf"train@8k: stopped at step 1 by task.max_failed_share \(0.001\): .* failed on {raised} of 48 answers "
            )
            with pytest.raises(GuardFired, match=rf"{said}.*tasks/own.py, line 3: ValueError: a seven; mend it"):
                rung.climb(None, 100)
