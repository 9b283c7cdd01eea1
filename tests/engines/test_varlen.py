"""Training without padding computes what padded rows do; the vocabulary's layer in chunks what it does whole."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.engines.head import linear_log_probs
from stages.engines.protocols import Prompt, Rollout, Update
from stages.engines.trainer import TorchTrainer
from stages.engines.varlen import full_batches
from stages.grpo.loss import loss_sums
from stages.params import Params
from stages.stage import one_line
from tests.conftest import small_params
from tests.engines.rungs import Setup, model, rollouts, rows


def trainer(attention: str = "varlen", micro_batch_tokens: int = 64) -> TorchTrainer:
    setup = Setup(train="torch", micro_batch_tokens=micro_batch_tokens)
    params = setup.params
    engine = params.engine.model_copy(update={"attention": attention})
    reference = model(setup, seed=4).requires_grad_(False)
    return TorchTrainer(model(setup, seed=3), reference, engine, params.operations, params.grpo)


def updated(engine: TorchTrainer) -> tuple[list[Update], dict[str, torch.Tensor]]:
    setup = Setup(train="torch")
    objective = partial(loss_sums, settings=setup.params.grpo, kl_coef=0.1)
    updates = [engine.update(rows(setup, engine, step), objective, 0.01) for step in range(2)]
    return updates, {name: tensor.clone() for name, tensor in engine.weights()}


def assert_same(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    for update, another in zip(one[0], other[0], strict=True):
        assert update.loss == pytest.approx(another.loss, rel=1e-4, abs=1e-6)
        assert update.grad_norm == pytest.approx(another.grad_norm, rel=1e-4)
        assert update.means == pytest.approx(another.means, rel=1e-3, abs=1e-6)
    for name, weight in one[1].items():
        torch.testing.assert_close(weight, other[1][name], rtol=1e-3, atol=1e-5)


def test_responses_one_after_another_train_as_padded_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    padded = updated(trainer("sdpa"))
    assert_same(updated(trainer("varlen")), padded)
    monkeypatch.setattr("stages.engines.scoring.HEAD_CHUNK_TOKENS", 8)  # the head fused, and in several chunks
    monkeypatch.setattr("stages.engines.head.CHUNK_TOKENS", 8)
    packed = trainer("varlen", micro_batch_tokens=1000)
    assert_same(updated(packed), padded)
    assert all(update.padding_tokens == 0 for update in updated(packed)[0])


def test_a_response_is_not_seen_by_its_neighbours() -> None:
    engine, one = trainer(), rollouts(0)
    another = [replace(row, token_ids=tuple(reversed(row.token_ids))) if row is one[1] else row for row in one]
    before, after = engine.log_probs(one), engine.log_probs(another)
    for index, (logp_T, changed_T) in enumerate(zip(before, after, strict=True)):
        assert torch.allclose(logp_T, changed_T, atol=1e-6) == (index != 1)


@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=40), budget=st.integers(1, 120))
def test_every_response_is_in_one_full_row(lengths: list[int], budget: int) -> None:
    given = [Rollout(Prompt("", (1, 2)), 0, (3,) * length, True, torch.zeros(length).numpy()) for length in lengths]
    batches = list(full_batches(given, budget))
    assert sorted(index for batch in batches for index in batch.rollouts) == list(range(len(given)))
    fed = [[lengths[index] + 1 for index in batch.rollouts] for batch in batches]
    assert [sum(row) for row in fed] == [batch.computed_tokens for batch in batches]
    assert all(sum(row) <= budget or len(row) == 1 for row in fed)
    # No two rows would fit in one.
    totals = sorted(sum(row) for row in fed)
    assert len(totals) == 1 or totals[0] + totals[1] > budget


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_the_fused_head_has_the_gradient_of_log_softmax(temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.engines.head.CHUNK_TOKENS", 5)
    random = torch.Generator().manual_seed(0)
    hidden_NH, weight_VH, grad_N = (torch.randn(*shape, generator=random) for shape in ((13, 6), (11, 6), (13,)))
    targets_N = torch.randint(11, (13,), generator=random)
    fused = [tensor.clone().requires_grad_() for tensor in (hidden_NH, weight_VH)]
    logp_N, entropy_N = linear_log_probs(*fused, targets_N, temperature, False)
    (logp_N * grad_N).sum().backward()
    plain = [tensor.double().requires_grad_() for tensor in (hidden_NH, weight_VH)]
    logp_NV = torch.log_softmax(plain[0] @ plain[1].T / temperature, dim=-1)
    own_N = logp_NV.gather(1, targets_N[:, None]).squeeze(1)
    (own_N * grad_N).sum().backward()
    torch.testing.assert_close(logp_N.double(), own_N, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(entropy_N.double(), -(logp_NV.exp() * logp_NV).sum(-1), rtol=1e-4, atol=1e-5)
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-4, atol=1e-5)  # type: ignore[union-attr]
    hidden_again_NH = hidden_NH.clone().requires_grad_()  # with LoRA the vocabulary's layer is frozen
    (linear_log_probs(hidden_again_NH, weight_VH, targets_N, temperature, False)[0] * grad_N).sum().backward()
    assert torch.equal(hidden_again_NH.grad, fused[0].grad)  # type: ignore[arg-type]
    assert weight_VH.grad is None


def test_a_step_without_memory_is_taken_again_in_smaller_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = updated(trainer(micro_batch_tokens=64))
    short = trainer(micro_batch_tokens=64)
    score, passes = short._scorer.__class__.score, []

    def hungry(scorer: Any, module: Any, batch: Any) -> Any:
        fed = sum(len(row.prompt.token_ids) + len(row.token_ids) - 1 for row in batch)
        passes.append(fed)
        if len(passes) > 3 and fed > 40 and len(batch) > 1:  # some parts have their gradients already
            raise torch.OutOfMemoryError("CUDA out of memory")
        return score(scorer, module, batch)

    monkeypatch.setattr(short._scorer.__class__, "score", hungry)
    assert_same(updated(short), whole)
    assert "no memory for 64 tokens at once: going on with 32" in capsys.readouterr().err


def test_memory_that_one_response_lacks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = trainer()

    def hungry(*given: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine._scorer.__class__, "score", hungry)
    with pytest.raises(torch.OutOfMemoryError) as failure:
        engine.log_probs(rollouts(0))
    assert "set operations.micro_batch_tokens, rollout_batch_rows or vllm_gpu_memory lower" in one_line(
        "train@8k", failure.value
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"compile": True}, r"engine.compile: true, but engine.rollout 'torch' calls"),
        ({"attention": "varlen-fa4"}, r"engine.attention 'varlen-fa4' needs a GPU"),
        ({"device": "cuda", "attention": "varlen"}, r"engine.attention 'varlen' on a GPU knows 16-bit numbers alone"),
    ],
)
def test_engines_that_do_not_go_together_are_refused(changed: dict[str, Any], message: str) -> None:
    params = small_params()
    params["engine"] |= changed
    with pytest.raises(ValueError, match=message):
        Params.model_validate(params)
