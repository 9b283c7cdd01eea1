"""Sampler and trainer on a real tiny Qwen2, against transformers' own forward pass and generation."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Qwen2ForCausalLM, TopPLogitsWarper
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from stages.engines.attention import one_query_attention, sampling_attention
from stages.engines.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.engines.device import prepare_device
from stages.engines.packing import micro_batches, pack, shared_rows
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Prompt, Rollout, Sampling, TrainingRow, Update
from stages.engines.rollout import TorchRollout
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.engines.trainer import TorchTrainer
from stages.errors import LadderError
from stages.grpo.loss import loss_sums
from stages.params import MiniatureBase, Params
from stages.problems.digit_sums import text, worked_response
from stages.problems.problem import Problem
from tests.conftest import CHECKOUT, small_params

PARAMS = Params.model_validate(small_params())
BASE = PARAMS.base.model_copy(update={"layers": 2, "hidden_size": 32, "heads": 2})


@pytest.fixture
def start() -> Checkpoint:
    prepare_device(PARAMS.engine)
    assert isinstance(BASE, MiniatureBase)
    tokenizer = build_tokenizer()
    return Checkpoint(build_model(BASE, tokenizer, seed=3), tokenizer)


def prompts(start: Checkpoint, *sums: list[int]) -> list[Prompt]:
    problems = [
        Problem(str(row), text(digits), ("0",), "", 1, "", "train", None, None) for row, digits in enumerate(sums)
    ]
    return encode_prompts(problems, start.tokenizer, "{problem}", 32)


def sample(
    start: Checkpoint,
    rows: int,
    temperature: float = 1.0,
    limit: int = 20,
    dtype: str = "float32",
    n: int = 4,
    greedy: bool = False,
) -> list[Rollout]:
    sampler = TorchRollout(start.model, start.eos_token_id, start.pad_token_id, rows, dtype)
    return sampler.generate(
        prompts(start, [1, 2], [3, 4, 5, 6], [7, 8, 9]), Sampling(n, temperature, limit, greedy=greedy), (0, "test")
    )


def make_trainer(
    start: Checkpoint, micro_batch_tokens: int = 4096, dtype: str = "float32", **grpo: Any
) -> TorchTrainer:
    return TorchTrainer(
        start.model,
        None,
        PARAMS.engine.model_copy(update={"dtype": dtype}),
        PARAMS.operations.model_copy(update={"micro_batch_tokens": micro_batch_tokens}),
        PARAMS.grpo.model_copy(update=grpo),
    )


def full_log_probs(model: Qwen2ForCausalLM, rollout: Rollout, temperature: float) -> torch.Tensor:
    """By a plain forward pass over the one sequence."""
    ids = torch.tensor([rollout.prompt.token_ids + rollout.token_ids])
    logits = model(input_ids=ids).logits[0, len(rollout.prompt.token_ids) - 1 : -1] / temperature
    return torch.log_softmax(logits, dim=-1).gather(1, torch.tensor(rollout.token_ids)[:, None]).squeeze(1)


def test_a_sample_does_not_depend_on_its_batch(start: Checkpoint) -> None:
    assert sample(start, rows=4) == sample(start, rows=12) == sample(start, rows=1)


def test_other_names_give_other_samples(start: Checkpoint) -> None:
    rollouts = sample(start, rows=12)
    assert len({rollout.token_ids for rollout in rollouts}) > 8
    assert [(rollout.prompt.problem_id, rollout.index) for rollout in rollouts[:5]] == [
        ("0", 0), ("0", 1), ("0", 2), ("0", 3), ("1", 0),
    ]  # fmt: skip


def test_samples_end_at_eos_or_are_truncated(start: Checkpoint) -> None:
    for rollout in sample(start, rows=12, limit=6):
        assert start.eos_token_id not in rollout.token_ids[:-1]
        assert rollout.truncated == (rollout.token_ids[-1] != start.eos_token_id)
        assert len(rollout.token_ids) <= 6
        assert not rollout.truncated or len(rollout.token_ids) == 6


def test_a_shorter_context_cuts_the_same_samples(start: Checkpoint) -> None:
    for long, short in zip(sample(start, rows=12, limit=20), sample(start, rows=12, limit=6), strict=True):
        assert long.token_ids[:6] == short.token_ids


def test_greedy_is_transformers_greedy_beside_samples_or_alone(start: Checkpoint) -> None:
    sampled = sample(start, rows=12)
    besides = sample(start, rows=12, greedy=True)
    assert [rollout for rollout in besides if not rollout.greedy] == sampled
    assert [rollout.greedy for rollout in besides] == [False, False, False, False, True] * 3
    likeliest = sample(start, rows=12, n=0, greedy=True)
    assert likeliest == besides[4::5]
    for rollout in likeliest:
        expected = start.model.generate(
            torch.tensor([rollout.prompt.token_ids]), max_new_tokens=20, do_sample=False, pad_token_id=0
        )
        assert list(rollout.token_ids) == expected[0, len(rollout.prompt.token_ids) :].tolist()


def test_the_sampler_draws_from_the_models_distribution(start: Checkpoint) -> None:
    sampler = TorchRollout(start.model, start.eos_token_id, start.pad_token_id, 4096, "float32")
    (prompt,) = prompts(start, [1, 2])
    rollouts = sampler.generate([prompt], Sampling(4096, 0.7, 1), (0, "first token"))
    counts = torch.bincount(torch.tensor([rollout.token_ids[0] for rollout in rollouts]), minlength=20)
    logits = start.model(input_ids=torch.tensor([prompt.token_ids])).logits[0, -1] / 0.7
    expected = 4096 * torch.softmax(logits, dim=-1)
    chi_square = float(((counts - expected.detach()) ** 2 / expected.detach()).sum())
    assert chi_square < 45  # 19 degrees of freedom: p = 0.0007, and the numbers are always the same


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9])
def test_a_nucleus_is_transformers_nucleus(start: Checkpoint, top_p: float) -> None:
    sampler = TorchRollout(start.model, start.eos_token_id, start.pad_token_id, 4096, "float32")
    (prompt,) = prompts(start, [1, 2])
    rollouts = sampler.generate([prompt], Sampling(2048, 0.7, 1, top_p), (0, "nucleus"))
    logits = start.model(input_ids=torch.tensor([prompt.token_ids])).logits[:, -1] / 0.7
    expected = torch.log_softmax(TopPLogitsWarper(top_p)(None, logits), dim=-1)[0].detach()  # type: ignore[arg-type]
    assert {rollout.token_ids[0] for rollout in rollouts} == set(torch.isfinite(expected).nonzero().flatten().tolist())
    for rollout in rollouts:
        assert float(rollout.logp_T[0]) == pytest.approx(float(expected[rollout.token_ids[0]]), abs=1e-5)


def test_a_row_is_shared_until_its_samples_part_and_is_whole_again_for_each(start: Checkpoint) -> None:
    seen: list[int] = []
    hook = start.model.model.register_forward_hook(
        lambda module, given, named, output: seen.append(len(named["input_ids"])), with_kwargs=True
    )
    rollouts = sample(start, rows=12, limit=20)
    hook.remove()
    assert seen[0] == 3  # a row a prompt
    for position, rows in enumerate(seen[1:], start=1):
        begun = [rollout for rollout in rollouts if len(rollout.token_ids) > position]
        assert rows == len({(rollout.prompt, rollout.token_ids[:position]) for rollout in begun})
    assert 3 < max(seen) <= 12
    for rollout in rollouts:
        np.testing.assert_allclose(
            rollout.logp_T, full_log_probs(start.model, rollout, 1.0).detach().numpy(), rtol=1e-5, atol=1e-5
        )


def sharpen(start: Checkpoint) -> None:
    """Make the policy sure of itself, so that samples agree for long."""
    with torch.no_grad():
        start.model.model.norm.weight.mul_(3)


def test_samples_that_agree_for_long_are_those_of_a_row_each(start: Checkpoint) -> None:
    sharpen(start)
    rollouts = sample(start, rows=12)
    assert rollouts == sample(start, rows=1)
    beginnings = {rollout.prompt.problem_id: set[tuple[int, ...]]() for rollout in rollouts}
    for rollout in rollouts:
        beginnings[rollout.prompt.problem_id].add(rollout.token_ids[:4])
    assert any(len(begun) < 4 for begun in beginnings.values())
    for rollout in rollouts:
        np.testing.assert_allclose(
            rollout.logp_T, full_log_probs(start.model, rollout, 1.0).detach().numpy(), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("micro_batch_tokens", [1, 40, 4096])
@pytest.mark.parametrize("shared_tokens", [1, 50, 192])
def test_log_probs_are_those_of_a_plain_forward_pass(
    start: Checkpoint, micro_batch_tokens: int, shared_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.engines.packing.SHARED_TOKENS", shared_tokens)
    sharpen(start)
    rollouts = sample(start, rows=12, temperature=0.7)
    found = make_trainer(start, micro_batch_tokens, temperature=0.7).log_probs(rollouts)
    for rollout, logp_T in zip(rollouts, found, strict=True):
        torch.testing.assert_close(logp_T, full_log_probs(start.model, rollout, 0.7), rtol=1e-5, atol=1e-5)


def test_a_beginning_is_fed_once_and_long_responses_have_no_mask(
    start: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollouts = sample(start, rows=12)
    fed = {
        (rollout.prompt.token_ids + rollout.token_ids)[:end]
        for rollout in rollouts
        for end in range(1, len(rollout.prompt.token_ids) + len(rollout.token_ids))
    }
    monkeypatch.setattr("stages.engines.packing.SHARED_TOKENS", 1000)
    packed = pack(rollouts, torch.device("cpu"))
    assert packed.ids_RS.shape == (1, len(fed))
    assert "attention_mask" in packed.seen
    assert packed.before_N.shape == (sum(len(rollout.token_ids) for rollout in rollouts),)
    monkeypatch.setattr("stages.engines.packing.SHARED_TOKENS", 1)
    alone = pack(rollouts, torch.device("cpu"))
    assert not alone.seen
    assert len(alone.ids_RS) == len(rollouts)


@pytest.mark.parametrize(("shared_tokens", "micro_batch_tokens"), [(1, 60), (50, 100), (50, 400), (192, 1000)])
def test_a_micro_batch_stays_within_its_tokens_after_padding(
    start: Checkpoint, shared_tokens: int, micro_batch_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.engines.packing.SHARED_TOKENS", shared_tokens)
    rollouts = sample(start, rows=12)
    batches = list(micro_batches(rollouts, micro_batch_tokens))
    assert sorted(index for batch in batches for index in batch.rollouts) == list(range(len(rollouts)))
    for batch in batches:
        packed = [rollouts[index] for index in batch.rollouts]
        assert pack(packed, torch.device("cpu")).ids_RS.numel() == batch.computed_tokens <= micro_batch_tokens
        assert batch.padding_tokens == batch.computed_tokens - sum(len(row.ids) for row in shared_rows(packed))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sampler_and_trainer_compute_in_the_same_type(start: Checkpoint, dtype: str) -> None:
    seen: list[torch.dtype] = []
    hook = start.model.lm_head.register_forward_hook(lambda module, given, logits: seen.append(logits.dtype))
    rollouts = sample(start, rows=12, dtype=dtype)
    sampled = set(seen)
    seen.clear()
    make_trainer(start, dtype=dtype).log_probs(rollouts)
    hook.remove()
    assert sampled == set(seen) == {getattr(torch, dtype)}


def rows_of(rollouts: list[Rollout], reference: list[torch.Tensor] | None = None) -> list[TrainingRow]:
    weight = 1 / sum(len(rollout.token_ids) for rollout in rollouts)
    return [
        TrainingRow(rollout, (-1.0) ** row, weight, None, reference[row] if reference else None)
        for row, rollout in enumerate(rollouts)
    ]


def gradients(start: Checkpoint, rollouts: list[Rollout], micro_batch_tokens: int) -> Mapping[str, torch.Tensor]:
    trainer = make_trainer(start, micro_batch_tokens, kl_coef=0.1, max_grad_norm=1e9)
    reference = [logp_T - 0.3 for logp_T in trainer.log_probs(rollouts)]
    found: dict[str, torch.Tensor] = {}
    hooks = [
        p.register_post_accumulate_grad_hook(lambda p, name=name: found.update({name: p.grad.clone()}))
        for name, p in start.model.named_parameters()
    ]
    objective = partial(loss_sums, settings=PARAMS.grpo, kl_coef=0.1)
    update = trainer.update(rows_of(rollouts, reference), objective, learning_rate=0.0)
    for hook in hooks:
        hook.remove()
    assert update.means["kl"] == pytest.approx(float(torch.exp(torch.tensor(-0.3)) + 0.3 - 1), rel=1e-4)
    return found


@pytest.mark.parametrize("shared_tokens", [1, 60, 192])
def test_micro_batches_of_any_size_give_the_whole_batchs_gradient(
    start: Checkpoint, shared_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollouts = sample(start, rows=12)
    monkeypatch.setattr("stages.engines.packing.SHARED_TOKENS", 1)
    whole = gradients(start, rollouts, 1_000_000)
    assert any(gradient.abs().max() > 1e-3 for gradient in whole.values())
    monkeypatch.setattr("stages.engines.packing.SHARED_TOKENS", shared_tokens)
    for micro_batch_tokens in (1, 50, 90, 1000):
        for name, gradient in gradients(start, rollouts, micro_batch_tokens).items():
            torch.testing.assert_close(gradient, whole[name], rtol=1e-4, atol=1e-6)


def test_a_gradient_that_is_not_finite_leaves_the_weights(start: Checkpoint) -> None:
    before = {name: p.clone() for name, p in start.model.named_parameters()}
    rows = [replace(row, advantage=float("inf")) for row in rows_of(sample(start, rows=12))]
    trainer = make_trainer(start)
    update: Update = trainer.update(rows, partial(loss_sums, settings=PARAMS.grpo, kl_coef=0.0), 0.01)
    assert update.skipped
    for name, p in start.model.named_parameters():
        assert torch.equal(p, before[name])


def test_a_checkpoint_is_the_same_bytes_and_comes_back(
    start: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = tmp_path_factory.mktemp("one") / "c", tmp_path_factory.mktemp("two") / "c"
    for path in (first, second):
        save_checkpoint(start, path)
    assert {f.name: f.read_bytes() for f in first.iterdir()} == {f.name: f.read_bytes() for f in second.iterdir()}
    loaded = load_checkpoint(first, torch.device("cpu"))
    for name, weight in start.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight)
    spelled = f"{text([3, 5, 8])}{worked_response([3, 5, 8])}"
    assert loaded.tokenizer.decode(loaded.tokenizer.encode(spelled, add_special_tokens=False)) == spelled


def test_a_truncated_checkpoint_is_refused_by_name(start: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("broken") / "c"
    save_checkpoint(start, path)
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(LadderError, match=r"c: not a checkpoint"):
        load_checkpoint(path, torch.device("cpu"))


def test_a_prompt_over_the_limit_is_named(start: Checkpoint) -> None:
    with pytest.raises(LadderError, match=r"grpo\.max_prompt_tokens: 32 is less than the 42 tokens of problem 0"):
        prompts(start, [1] * 20)


@pytest.mark.parametrize("heads_of_keys", [6, 2, 1])
@pytest.mark.parametrize("padded", [False, True])
def test_one_query_attends_as_many_do(heads_of_keys: int, padded: bool) -> None:
    torch.manual_seed(0)
    query, new = torch.randn(3, 6, 1, 8), (3, heads_of_keys, 11, 8)
    key, value = torch.randn(new), torch.randn(new)
    seen = (torch.arange(11) >= torch.tensor([0, 4, 10])[:, None])[:, None, None] if padded else None
    module = torch.nn.Module()
    module.num_key_value_groups = 6 // heads_of_keys  # type: ignore[assignment]
    found, _ = one_query_attention(module, query, key, value, seen, scaling=0.3)
    expected, _ = sdpa_attention_forward(module, query, key, value, seen, scaling=0.3)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_the_model_attends_as_before_once_it_has_sampled(start: Checkpoint) -> None:
    before = start.model.config._attn_implementation
    with pytest.raises(ZeroDivisionError), sampling_attention(start.model):
        assert start.model.config._attn_implementation != before
        raise ZeroDivisionError
    assert start.model.config._attn_implementation == before


def test_a_stage_waits_for_no_library_that_it_does_not_use() -> None:
    begins = "import json, sys, stages.train, stages.sample; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", begins], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "transformers.generation.utils" in loaded
    assert not loaded & {"sklearn", "scipy.optimize", "pandas", "peft", "deepspeed", "vllm"}
