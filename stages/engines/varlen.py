"""Training's attention over responses that lie one after another in one row, each of which sees itself alone.

Nothing is padded and nothing masked: FlashAttention's kernels (arXiv 2205.14135, 2307.08691) take where each begins, which torch
calls variable-length attention. They exist for 16-bit numbers on a GPU; elsewhere each response is attended to by itself, to the
same end. A prompt is repeated for each of its responses: dearer than to share it (stages/engines/packing.py) where responses
are short, and far cheaper where they are long.

Shapes: S tokens of the row, H query heads, K heads of keys and values, D size of a head, B responses, N response tokens in the
order of the responses.
"""

import inspect
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from stages.engines.packing import MicroBatch, Packed
from stages.engines.protocols import Rollout
from stages.errors import LadderError

NAMES = {"varlen": "ladder_varlen", "varlen-fa4": "ladder_varlen_fa4"}
"""What transformers calls them, by engine.attention; it makes no mask for names that it doesn't know."""


def varlen_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each response: `query` (1, H, S, D), `key` and `value` (1, K, S, D), result (1, S, H, D).

    `cu_seq_lens_q` (B + 1,) are the places at which the responses begin, and the last one's end; the longest has
    `max_length_q` tokens at most.
    """
    query_SHD, key_SKD, value_SKD = _one_row(query, key, value)
    out_SHD: torch.Tensor
    if query.is_cuda:
        lengths = (cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q)
        out_SHD = varlen_attn(query_SHD, key_SKD, value_SKD, *lengths, scale=scaling, **CAUSAL)  # type: ignore[assignment]
    else:
        out_SHD = _one_by_one(query_SHD, key_SKD, value_SKD, cu_seq_lens_q, scaling)
    return out_SHD.unsqueeze(0), None


@torch.compiler.disable  # type: ignore[untyped-decorator]  # it is compiled already, by another compiler
def varlen_attention_4(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The same by FlashAttention 4 (the package flash-attn-4), for Hopper's and Blackwell's GPUs."""
    from flash_attn.cute import flash_attn_varlen_func

    query_SHD, key_SKD, value_SKD = _one_row(query, key, value)
    out_SHD, *_ = flash_attn_varlen_func(
        query_SHD,
        key_SKD,
        value_SKD,
        cu_seqlens_q=cu_seq_lens_q,
        cu_seqlens_k=cu_seq_lens_q,
        max_seqlen_q=max_length_q,
        max_seqlen_k=max_length_q,
        softmax_scale=scaling,
        causal=True,
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )
    return out_SHD.unsqueeze(0), None


AttentionInterface.register(NAMES["varlen"], varlen_attention)
AttentionInterface.register(NAMES["varlen-fa4"], varlen_attention_4)


def _one_row(*parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """(1, H, S, D) as (S, H, D). Rotated by float32 angles, queries and keys are float32 whatever products are computed in."""
    return tuple(part.squeeze(0).transpose(0, 1).to(parts[-1].dtype) for part in parts)


def _causal() -> dict[str, Any]:
    """How this version of torch is told that a token sees those before it, and that heads share keys: versions differ."""
    known = inspect.signature(varlen_attn).parameters
    wanted = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    return wanted | ({"enable_gqa": True} if "enable_gqa" in known else {})


CAUSAL = _causal()


def _one_by_one(
    query_SHD: torch.Tensor, key_SKD: torch.Tensor, value_SKD: torch.Tensor, begins: torch.Tensor, scaling: float
) -> torch.Tensor:
    lengths = begins.diff().tolist()
    parts = [part_SHD.split(lengths) for part_SHD in (query_SHD, key_SKD, value_SKD)]
    outs = []
    for one in zip(*parts, strict=True):
        query_HTD, key_KTD, value_KTD = (part_THD.transpose(0, 1) for part_THD in one)
        out_HTD = scaled_dot_product_attention(
            query_HTD[None], key_KTD[None], value_KTD[None], is_causal=True, scale=scaling, enable_gqa=True
        ).squeeze(0)
        outs.append(out_HTD.transpose(0, 1))
    return torch.cat(outs)


def check_flash_attention_4() -> None:
    """Raise LadderError where it is not installed."""
    try:
        found = find_spec("flash_attn.cute")  # version 2 has none
    except ImportError:  # no flash_attn, or one that was built for another torch
        found = None
    if found is None:
        raise LadderError(
            "params.yaml: engine.attention: 'varlen-fa4', but FlashAttention 4 is not installed; `pip install flash-attn-4` "
            "brings it, or set it to 'varlen', torch's own FlashAttention"
        )


def full_batches(rollouts: Sequence[Rollout], micro_batch_tokens: int) -> Iterator[MicroBatch]:
    """The rollouts in as few rows of at most `micro_batch_tokens` as may be: the longest first, each where it first fits.

    (First-fit decreasing, a known rule of bin packing.) One that is longer by itself has a row of its own.
    """
    lengths = [_fed_tokens(rollout) for rollout in rollouts]
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(rollouts)), key=lambda index: -lengths[index]):
        place = next((place for place, left in enumerate(room) if lengths[index] <= left), None)
        if place is None:
            rows.append([])
            room.append(max(micro_batch_tokens, lengths[index]))
            place = len(rows) - 1
        rows[place].append(index)
        room[place] -= lengths[index]
    for row in rows:
        yield MicroBatch(row, sum(lengths[index] for index in row), padding_tokens=0)


def pack_in_one_row(rollouts: Sequence[Rollout], device: torch.device) -> Packed:
    """A last token is not fed: it predicts nothing."""
    begins = np.cumsum([0, *(_fed_tokens(rollout) for rollout in rollouts)], dtype=np.int32)
    ids_S = np.concatenate([[*rollout.prompt.token_ids, *rollout.token_ids[:-1]] for rollout in rollouts])
    places_S = np.arange(begins[-1]) - np.repeat(begins[:-1], np.diff(begins))
    before_N = np.concatenate(
        [
            np.arange(begin + len(rollout.prompt.token_ids) - 1, end)
            for rollout, begin, end in zip(rollouts, begins[:-1], begins[1:], strict=True)
        ]
    )
    targets_N = np.concatenate([rollout.token_ids for rollout in rollouts])
    return Packed(
        torch.from_numpy(ids_S)[None].to(device),
        torch.from_numpy(places_S)[None].to(device),
        {"cu_seq_lens_q": torch.from_numpy(begins).to(device), "max_length_q": int(np.diff(begins).max())},
        torch.from_numpy(before_N).to(device),
        torch.from_numpy(targets_N).to(device),
    )


def _fed_tokens(rollout: Rollout) -> int:
    return len(rollout.prompt.token_ids) + len(rollout.token_ids) - 1
