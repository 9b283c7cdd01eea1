"""The attention of sampling: a new token's one query over its row's keys and values, as plain batched products.

torch's fused kernel is made for many queries; for one it takes twice as long on a CPU. Where several query heads
share a head of keys (GQA), transformers would besides copy the keys for each of them whenever there is a mask. The prompt's
own tokens, many queries, go through the fused kernel.

Shapes: R rows, H query heads, K heads of keys and values, T columns, D size of a head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "ladder_one_query"


def one_query_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """softmax(scaling q k) v for `query` (R, H, 1, D), `key` and `value` (R, K, T, D), a mask (R, 1, 1, T) of what is seen.

    The result is (R, 1, H, D), as transformers' attention functions give it.
    """
    rows, heads, queries, size = query.shape
    if queries > 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    query_RKGD = (scaling * query).view(rows, key.shape[1], -1, size)
    score_RKGT = query_RKGD @ key.transpose(-1, -2)
    if attention_mask is not None:
        score_RKGT = score_RKGT.masked_fill(~attention_mask, -torch.inf)
    weight_RKGT = score_RKGT.softmax(dim=-1, dtype=torch.float32).to(value.dtype)
    return (weight_RKGT @ value).view(rows, 1, heads, size), None


AttentionInterface.register(NAME, one_query_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextmanager
def sampling_attention(model: PreTrainedModel) -> Iterator[None]:
    """`model` attends so within it."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
