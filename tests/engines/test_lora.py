"""LoRA's adapters: nothing at first, the reference with them off, merged into the checkpoint."""

import copy
from functools import partial
from pathlib import Path

import pytest
import torch

from stages.engines.build import Start, make_trainer
from stages.engines.checkpoint import Checkpoint
from stages.engines.lora import adapters_off, add_adapters, merge_adapters, merged_weights
from stages.engines.protocols import TrainingRow
from stages.engines.trainer import TorchTrainer
from stages.errors import LadderError
from stages.grpo.loss import loss_sums
from stages.params import Lora, Params
from tests.conftest import small_params
from tests.engines.rungs import rollouts
from tests.grpo.conftest import untaught

LORA = Lora(rank=2, alpha=4, target_modules=["q_proj", "down_proj"])


def test_adapters_by_hand() -> None:
    plain = untaught().model
    model = copy.deepcopy(plain)
    ids = torch.tensor([[1, 2, 3, 4]])
    add_adapters(model, LORA, seed=7)
    assert torch.equal(model(ids).logits, plain(ids).logits)  # B is 0
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained
    assert all(".lora_" in name for name in trained)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter += 0.3
    with adapters_off(model) as reference:
        assert torch.equal(reference(ids).logits, plain(ids).logits)
    changed = model(ids).logits
    assert not torch.allclose(changed, plain(ids).logits, atol=1e-3)
    # W + alpha / rank B A
    layer = model.model.layers[0].self_attn.q_proj
    expected = (
        plain.model.layers[0].self_attn.q_proj.weight
        + 2.0 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    )
    merged = dict(merged_weights(model))
    torch.testing.assert_close(merged["model.layers.0.self_attn.q_proj.weight"], expected)
    assert merged.keys() == dict(plain.named_parameters()).keys()
    merge_adapters(model)
    assert model.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(model(ids).logits, changed)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, merged[name])


def test_the_seed_decides_the_adapters() -> None:
    one, same, other = (copy.deepcopy(untaught().model) for _ in range(3))
    for model, seed in ((one, 1), (same, 1), (other, 2)):
        add_adapters(model, LORA, seed)
    states = [
        torch.cat([p.flatten() for n, p in model.named_parameters() if ".lora_A." in n]) for model in (one, same, other)
    ]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.parametrize("name", ["embed_tokens", "lm_head"])
def test_a_weight_that_two_layers_share_gets_no_adapter(name: str) -> None:
    with pytest.raises(LadderError, match=rf"target_modules: \['{name}'\] has .*{name}, whose weight this model ties"):
        add_adapters(untaught().model, LORA.model_copy(update={"target_modules": [name]}), seed=0)


def test_layers_that_are_not_there_are_named() -> None:
    with pytest.raises(LadderError, match=r"grpo\.lora\.target_modules: \['query'\].*down_proj, gate_proj.*q_proj"):
        add_adapters(untaught().model, LORA.model_copy(update={"target_modules": ["query"]}), seed=0)


def test_in_bfloat16_frozen_weights_take_half_the_memory_and_give_the_same_numbers() -> None:
    """Products round them in any case; the adapters stay in float32, and what is exported is whole."""
    values = small_params()
    values["engine"] |= {"dtype": "bfloat16"}
    values["grpo"] |= {"lora": {"rank": 2, "alpha": 4, "target_modules": ["all-linear"]}, "kl_coef": 0.1}
    params = Params.model_validate(values)
    rounded, plain = (Checkpoint(copy.deepcopy(untaught().model), untaught().tokenizer) for _ in range(2))
    nowhere = Path("no folder")
    trainer = make_trainer(Start(rounded, nowhere, nowhere), params)
    add_adapters(plain.model, params.grpo.lora, params.seed)
    whole = TorchTrainer(plain.model, None, params.engine, params.operations, params.grpo)
    dtypes = {name: parameter.dtype for name, parameter in rounded.model.named_parameters()}
    assert dtypes["model.layers.0.mlp.up_proj.base_layer.weight"] == torch.bfloat16
    assert dtypes["model.layers.0.mlp.up_proj.lora_A.default.weight"] == torch.float32
    assert dtypes["model.embed_tokens.weight"] == torch.float32
    given = rollouts(0)
    for engine in (trainer, whole):
        rows = [TrainingRow(one, (-1.0) ** n, 0.1, None, None) for n, one in enumerate(given)]
        engine.update(rows, partial(loss_sums, settings=params.grpo, kl_coef=0.0), 0.05)
    for found, expected in zip(trainer.log_probs(given), whole.log_probs(given), strict=True):
        assert torch.equal(found, expected)
    for found, expected in zip(trainer.reference_log_probs(given), whole.reference_log_probs(given), strict=True):
        assert torch.equal(found, expected)
    merged = {name: weight.clone() for name, weight in trainer.weights()}
    exported = trainer.export()
    for name, parameter in exported.named_parameters():
        assert parameter.dtype == torch.float32
        torch.testing.assert_close(parameter, merged[name].float(), rtol=0, atol=0)
