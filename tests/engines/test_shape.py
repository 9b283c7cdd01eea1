"""Nominal FLOPs against torch's own counter, and a step's costs against its rollouts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2Config, Qwen2ForCausalLM

from stages.accounting.flops import forward_flops
from stages.engines.shape import shape_of


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(4, 4, None), (4, 2, None), (4, 2, 24)])
def test_a_forward_pass_costs_what_torch_counts(tied: bool, heads: int, kv_heads: int, head_dim: int | None) -> None:
    config = Qwen2Config(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=heads,
        num_key_value_heads=kv_heads, tie_word_embeddings=tied, **({"head_dim": head_dim} if head_dim else {}),
    )  # fmt: skip
    model, length = Qwen2ForCausalLM._from_config(config, attn_implementation="eager").eval(), 21
    shape = shape_of(model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=torch.arange(length)[None], use_cache=False)
    # Torch counts attention over all positions, those after a token too.
    unseen = 4 * shape.layers * shape.attention_width * (length**2 - length * (length + 1) / 2)
    assert counter.get_total_flops() == forward_flops(shape, [length]) + unseen
    assert forward_flops(shape, [3, 5]) == forward_flops(shape, [3]) + forward_flops(shape, [5])
