"""LoRA's adapters: nothing at first, the reference with them off, merged into the checkpoint."""

import copy

import pytest
import torch

from stages.engines.lora import adapters_off, add_adapters, merge_adapters, merged_weights
from stages.errors import LadderError
from stages.params import Lora
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
