"""A rung on a real tiny Qwen2: what it learns from, in which order, and that it goes on where it was, to the bit."""

import copy
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.accounting.records import StepCost
from stages.engines.build import Start, make_trainer
from stages.engines.checkpoint import Checkpoint, save_checkpoint
from stages.engines.protocols import Sampling
from stages.engines.rollout import TorchRollout
from stages.engines.trainer import TorchTrainer
from stages.errors import BudgetReached
from stages.grpo.batches import mini_batches
from stages.grpo.checkpoints import RungCheckpoints
from stages.grpo.experience import Asker, Experience, Group, collect
from stages.grpo.metrics import StepMetrics, step_metrics
from stages.grpo.order import ProblemOrder
from stages.grpo.rung import GrpoRung
from stages.grpo.stopwatch import Stopwatch
from stages.process import Stopped
from tests.grpo.conftest import SUMS, MakeRung, params_with, untaught

EVERYTHING: dict[str, Any] = {  # as much state as a rung can have
    "epochs_per_step": 2, "kl_target": 0.01, "kl_horizon": 100, "refill_rounds": 1, "lr_scheduler": "cosine", "warmup_steps": 2,
}  # fmt: skip


def test_every_prompt_is_graded_by_its_own_problems_answer(make_rung: MakeRung, monkeypatch: Any) -> None:
    graded: list[tuple[str, str]] = []
    grades = Asker._grades

    def noted(self: Asker, indices: Any, rollouts: Any, group: int) -> Any:
        asked = [self.problems[index].id for index in indices]
        graded.extend((rollout.prompt.problem_id, asked[row // group]) for row, rollout in enumerate(rollouts))
        return grades(self, indices, rollouts, group)

    monkeypatch.setattr(Asker, "_grades", noted)
    make_rung(untaught(), params_with(steps=1), [[1, 2], [3, 4], [5, 6, 7]]).climb(None, 1)
    assert {prompted for prompted, _ in graded} == {"1+2=", "3+4=", "5+6+7="}
    assert all(prompted == answered for prompted, answered in graded)


def test_each_problem_is_visited_once_an_epoch_in_an_order_of_the_seed() -> None:
    order, other = ProblemOrder(7, seed=1, rung="8k"), ProblemOrder(7, seed=2, rung="8k")
    visited = [index for count in (3, 5, 6, 7) for index in order.visit(count)]  # three epochs, across steps
    for epoch in range(3):
        assert sorted(visited[7 * epoch : 7 * (epoch + 1)]) == list(range(7))
    assert visited[:7] != visited[7:14]
    assert list(other.visit(7)) != visited[:7]
    order.position = 5
    assert list(order.visit(4)) == visited[5:9]


def test_a_problem_that_comes_twice_in_a_step_is_answered_anew(make_rung: MakeRung, taught: Checkpoint) -> None:
    rung = make_rung(taught, params_with(steps=1), SUMS[:4])  # four problems for a step of six
    settings = rung._settings
    sampling = Sampling(8, 1.0, settings.rung.max_response_tokens)
    experience = collect(rung._asker, rung._order, settings.grpo, sampling, ("key",), Stopwatch())
    indices = Counter((r.prompt.problem_id, r.index) for group in experience.sampled for r in group.rollouts)
    assert set(indices.values()) == {1}
    assert {index for _, index in indices} == set(range(16))


def test_groups_that_cannot_teach_are_replaced_up_to_the_limit(make_rung: MakeRung, taught: Checkpoint) -> None:
    sampling = Sampling(8, 1.0, 8)
    for rounds in (0, 1, 3):
        rung = make_rung(taught, params_with(refill_rounds=rounds))
        experience = collect(rung._asker, rung._order, rung._settings.grpo, sampling, ("refill",), Stopwatch())
        teaching = [group for group in experience.sampled if group.teaches]
        assert 6 <= len(experience.sampled) <= 6 * (1 + rounds)
        assert len(experience.kept) == 6
        assert rung._order.position == len(experience.sampled)
        assert [id(group) for group in experience.kept if group.teaches] == [id(group) for group in teaching][:6]
        if rounds:
            assert len(experience.sampled) > 6
    assert len(teaching) >= 2  # else nothing was shown


def test_a_length_penalty_is_part_of_the_reward_and_not_of_the_accuracy(
    make_rung: MakeRung, taught: Checkpoint
) -> None:
    rung = make_rung(taught, params_with(truncated="soft-penalty", overlong_buffer_tokens=4))
    experience = collect(rung._asker, rung._order, rung._settings.grpo, Sampling(8, 1.0, 8), ("soft",), Stopwatch())
    for group in experience.sampled:
        lengths = np.array([len(rollout.token_ids) for rollout in group.rollouts])
        np.testing.assert_allclose(group.rewards_G, group.right_G - np.maximum(0, lengths - 4) / 4)


def rows_of(rung: GrpoRung, experience: Experience) -> tuple[list[tuple[int, float, float]], int]:
    """Per row its length, advantage and weight, and the tokens that were left out."""
    settings = rung._settings
    (batch,) = mini_batches(experience, rung._trainer, settings.grpo, settings.rung.max_response_tokens, Stopwatch())
    return [(len(row.rollout.token_ids), row.advantage, row.weight) for row in batch.rows], batch.tokens_left_out


@pytest.mark.parametrize("aggregation", ["token-mean", "seq-mean-token-mean", "seq-mean-token-sum-norm"])
def test_what_is_left_out_stays_in_the_denominators(make_rung: MakeRung, taught: Checkpoint, aggregation: str) -> None:
    whole = {"aggregation": aggregation, "mini_batch_prompts": 6, "kl_coef": 0.01}
    paid = make_rung(taught, params_with(**whole))
    experience = collect(
        paid._asker, paid._order, paid._settings.grpo, Sampling(8, 1.0, 8), ("some teach",), Stopwatch()
    )
    assert 0 < sum(group.teaches for group in experience.kept) < 6
    all_rows, nothing = rows_of(paid, experience)
    assert nothing == 0
    for changed in ({"kl_coef": 0.0}, {"skip_zero_std": True}):
        rows, left_out = rows_of(make_rung(taught, params_with(**(whole | changed))), experience)
        assert rows == [row for row in all_rows if row[1] != 0]
        assert left_out == sum(row[0] for row in all_rows if row[1] == 0)


@pytest.mark.parametrize(("epochs", "scored"), [(1, [False, True, True]), (2, [True, True, True])])
def test_rows_that_meet_a_changed_policy_are_scored_before(
    make_rung: MakeRung, taught: Checkpoint, epochs: int, scored: list[bool]
) -> None:
    params = params_with(mini_batch_prompts=2, epochs_per_step=epochs, kl_coef=0.01)
    rung = make_rung(taught, params)
    experience = collect(rung._asker, rung._order, params.grpo, Sampling(8, 1.0, 8), ("x",), Stopwatch())
    batches = mini_batches(experience, rung._trainer, params.grpo, 8, Stopwatch())
    assert [{row.old_logp_T is not None for row in batch.rows} for batch in batches] == [{each} for each in scored]
    assert params.grpo.share_scored_before == pytest.approx(sum(scored) / 3)
    for row in (row for batch in batches for row in batch.rows if row.old_logp_T is not None):
        (own_T,) = rung._trainer.log_probs([row.rollout])
        torch.testing.assert_close(row.old_logp_T, own_T, rtol=1e-4, atol=1e-5)


def test_leaving_out_changes_no_weight_where_there_is_no_kl_term(make_rung: MakeRung, taught: Checkpoint) -> None:
    """Weights after steps without the groups of equal rewards == weights after steps with all of them."""
    params = params_with(kl_coef=0.0, aggregation="token-mean")
    without = make_rung(taught, params)
    without.climb(None, 10)
    with_all = make_rung(taught, params)
    trains_on = Group.teaches
    try:
        Group.teaches = property(lambda self: True)  # type: ignore[assignment,method-assign]
        with_all.climb(None, 10)
    finally:
        Group.teaches = trains_on  # type: ignore[method-assign]
    assert without._done.metrics[-1].trained_tokens < with_all._done.metrics[-1].trained_tokens
    for name, tensor in without._trainer.state().items():
        torch.testing.assert_close(tensor, with_all._trainer.state()[name], rtol=1e-4, atol=1e-6)


def test_masked_truncated_answers_carry_no_loss(make_rung: MakeRung, taught: Checkpoint) -> None:
    rung = make_rung(taught, params_with(truncated="masked", mini_batch_prompts=6))
    experience = collect(rung._asker, rung._order, rung._settings.grpo, Sampling(8, 1.0, 4), ("masked",), Stopwatch())
    rollouts = [rollout for group in experience.kept for rollout in group.rollouts]
    cut = [rollout for rollout in rollouts if rollout.truncated]
    assert 0 < len(cut) < len(rollouts)
    rows, left_out = rows_of(rung, experience)
    assert len(rows) == len(rollouts) - len(cut)
    assert left_out == sum(len(rollout.token_ids) for rollout in cut)
    tokens = sum(row[0] for row in rows)
    assert all(row[2] == 1 / tokens for row in rows)


def outcome(rung: GrpoRung) -> tuple[list[StepMetrics], list[dict[str, Any]], dict[str, torch.Tensor]]:
    return rung._done.metrics, rung._done.completions, {k: v.clone() for k, v in rung._trainer.state().items()}


def assert_same(found: Any, expected: Any) -> None:
    assert found[0] == expected[0]
    assert found[1] == expected[1]
    assert all(torch.equal(found[2][name], tensor) for name, tensor in expected[2].items())


@pytest.mark.parametrize("grpo", [{}, EVERYTHING, {"lora": {"rank": 2, "alpha": 4, "target_modules": ["all-linear"]}}])
def test_a_resumed_rung_ends_with_the_same_bits(
    make_rung: MakeRung, taught: Checkpoint, tmp_path: Path, grpo: dict[str, Any]
) -> None:
    params = params_with(steps=5, **grpo)
    whole = make_rung(taught, params)
    whole.climb(None, 1)
    for stopped_after in range(1, 5):
        checkpoints = RungCheckpoints(tmp_path / str(stopped_after), keep=1)

        def stop(metrics: StepMetrics, cost: StepCost, last: int = stopped_after) -> None:
            if metrics.step == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make_rung(taught, params).climb(checkpoints, 1, stop)
        resumed = make_rung(taught, params)
        resumed.climb(checkpoints, 1)
        assert_same(outcome(resumed), outcome(whole))


def test_a_step_is_told_of_before_it_is_kept(make_rung: MakeRung, taught: Checkpoint, tmp_path: Path) -> None:
    """One that was kept and not told of would be missing in the ledger for ever."""
    params, checkpoints = params_with(steps=3), RungCheckpoints(tmp_path, keep=1)

    def die(metrics: StepMetrics, cost: StepCost) -> None:
        if metrics.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_rung(taught, params).climb(checkpoints, 1, die)
    steps: list[int] = []
    make_rung(taught, params).climb(checkpoints, 1, lambda metrics, cost: steps.append(metrics.step))
    assert steps == [2, 3]


def test_a_budget_ends_a_rung_with_a_checkpoint_of_its_last_step(
    make_rung: MakeRung, taught: Checkpoint, tmp_path: Path
) -> None:
    params, checkpoints = params_with(steps=4), RungCheckpoints(tmp_path, keep=1)
    whole = make_rung(taught, params)
    whole.climb(
        None, 100, lambda metrics, cost: "spent" if metrics.step == 4 else None
    )  # with the last step it is done
    with pytest.raises(BudgetReached, match="spent"):
        make_rung(taught, params).climb(checkpoints, 100, lambda metrics, cost: "spent" if metrics.step == 2 else None)
    steps, sampled_after = list[int](), set[int]()
    resumed = make_rung(taught, params, on_sampled=lambda finished, total, done: sampled_after.add(finished))
    resumed.climb(checkpoints, 100, lambda metrics, cost: steps.append(metrics.step))
    assert steps == [3, 4]
    assert min(sampled_after) == 2  # not from the rung's beginning: the progress line says so while a step samples
    assert_same(outcome(resumed), outcome(whole))


WHERE = {
    "answering, after the last finished step": (TorchRollout, "generate"),
    "sampling": (TorchRollout, "generate"),
    "grading": (Asker, "_grades"),
    "scoring the reference": (TorchTrainer, "reference_log_probs"),
    "updating": (TorchTrainer, "update"),
    "the moment after the update": (TorchTrainer, "update"),
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("grpo", [{"mini_batch_prompts": 6}, {"mini_batch_prompts": 2, "epochs_per_step": 2}])
def test_a_stop_leaves_the_last_finished_step(
    make_rung: MakeRung, taught: Checkpoint, tmp_path: Path, monkeypatch: Any, where: str, grpo: dict[str, Any]
) -> None:
    """Wherever the step in flight is, and whatever the interval: here in its last update, or in the other calls' last one."""
    params = params_with(steps=4, **grpo)
    whole = make_rung(taught, params)
    whole.climb(None, 1)
    checkpoints = RungCheckpoints(tmp_path, keep=1)
    owner, method = WHERE[where]
    original, rung = getattr(owner, method), make_rung(taught, params)
    wanted = {"sampling": 2, "updating": params.grpo.updates_per_step}.get(where, 1)
    seen = 0

    def stopped(self: Any, *arguments: Any) -> Any:
        nonlocal seen
        if len(rung._done.metrics) == 2:
            seen += 1
            if seen == wanted:
                if where == "the moment after the update":
                    original(self, *arguments)
                raise Stopped(signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(owner, method, stopped)
    with pytest.raises(Stopped):
        rung.climb(checkpoints, 100)
    monkeypatch.undo()
    saved = checkpoints.latest()
    assert saved is not None
    assert len(saved.record["metrics"]) == 2
    resumed = make_rung(taught, params)
    taken: list[int] = []
    resumed.climb(checkpoints, 100, lambda metrics, cost: taken.append(metrics.step))
    assert taken == [3, 4]
    assert_same(outcome(resumed), outcome(whole))


def test_the_reference_may_be_the_base(make_rung: MakeRung, taught: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(taught, tmp_path / "base")
    climbed = Checkpoint(copy.deepcopy(taught.model), taught.tokenizer)
    with torch.no_grad():
        for parameter in climbed.model.parameters():
            parameter += 0.01
    rung_start = Start(climbed, tmp_path / "climbed", tmp_path / "base")
    rung = make_rung(taught, params_with())
    sampler, prompts = rung._sampler, rung._asker.prompts
    rollouts = sampler.generate(prompts[:3], Sampling(2, 1.0, 8), ("reference",))
    base, start = (
        make_trainer(rung_start, params_with(kl_reference=reference)).reference_log_probs(rollouts)
        for reference in ("base", "start")
    )
    for found, rollout in zip(base, rollouts, strict=True):  # they were sampled from the base
        np.testing.assert_allclose(found.numpy(), rollout.logp_T, atol=1e-5)
    assert not torch.allclose(base[0], start[0], atol=1e-4)


def test_a_step_shows_its_figures(make_rung: MakeRung, taught: Checkpoint) -> None:
    costs: list[StepCost] = []
    done = make_rung(taught, params_with(steps=2)).climb(None, 1, lambda metrics, cost: costs.append(cost))
    row = done.metrics[0].row()
    for name in (
        "reward", "reward_std", "frac_reward_zero_std", "advantage_std", "kl", "kl_coef", "clip_ratio/low_mean",
        "clip_ratio/high_mean", "entropy", "grad_norm", "learning_rate", "loss", "completions/mean_length",
        "completions/min_length", "completions/max_length", "completions/p10_length", "completions/p50_length",
        "completions/p90_length", "completions/clipped_ratio",
        "sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max",
        "sampling/importance_sampling_ratio/mean", "sampling/importance_sampling_ratio/max", "sampled_tokens", "trained_tokens",
    ):  # fmt: skip
        assert isinstance(row[name], int | float), name
    assert row["sampling/sampling_logp_difference/max"] < 1e-5  # the sampler is the trainer
    assert row["completions/min_length"] <= row["completions/mean_length"] <= row["completions/max_length"] <= 8
    assert [cost.step for cost in costs] == [1, 2]
    assert all(cost.sample_s > 0 and cost.update_s > 0 and cost.reference_s > 0 for cost in costs)
    assert [answer["step"] for answer in done.completions] == [0, 0, 2, 2]
    assert {answer["prompt"] for answer in done.completions[:2]} == {
        answer["prompt"] for answer in done.completions[2:]
    }


def test_the_quantiles_are_those_of_all_sampled_lengths(make_rung: MakeRung, taught: Checkpoint) -> None:
    rung = make_rung(taught, params_with(steps=1))
    experience = collect(rung._asker, rung._order, rung._settings.grpo, Sampling(8, 1.0, 8), ("lengths",), Stopwatch())
    lengths = sorted(len(rollout.token_ids) for group in experience.sampled for rollout in group.rollouts)
    row = step_metrics(1, experience, [], [], 0.1, 0.0).row()
    for percent in (10, 50, 90):
        place, rest = divmod(percent * (len(lengths) - 1), 100)
        expected = lengths[place] + rest / 100 * (lengths[min(place + 1, len(lengths) - 1)] - lengths[place])
        assert row[f"completions/p{percent}_length"] == pytest.approx(expected)
    assert lengths[0] < lengths[-1]
