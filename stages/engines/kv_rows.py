"""The sampler's rows: one for each distinct beginning, with its KV cache, split in place as samples part.

Shapes: R rows, N samples, T columns (tokens of prompt and response; prompts are padded on the left, so that every row's next
token has the same column), V vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin

from stages.engines.protocols import Prompt

GROWTH = (
    1.5  # of a full cache: room for the longest response, for every sample, would often be more than the memory has
)


class KeysAndValues(CacheLayerMixin):
    """One layer's KV cache: tokens are written in their place, and the tensors are renewed only where they are full."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._most_columns = columns
        self._filled = self._rows = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        rows, heads, _, size = key_states.shape
        self.keys, self.values = (states.new_empty(rows, heads, 0, size) for states in (key_states, value_states))
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self._rows, start = len(key_states), self._filled
        end = start + key_states.shape[2]
        self._reserve(self._rows, end)
        self.keys[: self._rows, :, start:end] = key_states
        self.values[: self._rows, :, start:end] = value_states
        self._filled = end
        return self.keys[: self._rows, :, :end], self.values[: self._rows, :, :end]

    def split(self, parents: torch.Tensor, places: torch.Tensor, rows: int) -> None:
        """Copy rows `parents` to `places`; there are `rows` from now on."""
        self._reserve(rows, self._filled)
        self.keys[places, :, : self._filled] = self.keys[parents, :, : self._filled]
        self.values[places, :, : self._filled] = self.values[parents, :, : self._filled]

    def _reserve(self, rows: int, columns: int) -> None:
        capacity_rows, heads, capacity_columns, size = self.keys.shape
        if rows <= capacity_rows and columns <= capacity_columns:
            return
        if rows > capacity_rows:
            capacity_rows = int(GROWTH * rows)
        if columns > capacity_columns:
            capacity_columns = min(self._most_columns, int(GROWTH * columns) + 16)
        old_rows = min(capacity_rows, len(self.keys))
        for name, old in (("keys", self.keys), ("values", self.values)):
            new = old.new_empty(capacity_rows, heads, capacity_columns, size)
            new[:old_rows, :, : self._filled] = old[:old_rows, :, : self._filled]
            setattr(self, name, new)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._filled + query_length, 0

    def get_seq_length(self) -> int:
        return self._filled

    def get_max_length(self) -> int:
        return self._most_columns


class Rows:
    def __init__(self, model: PreTrainedModel, prompts: Sequence[Prompt], pad_token_id: int, columns: int) -> None:
        self._model = model
        self._longest = max(len(prompt.token_ids) for prompt in prompts)
        self._padding_R = np.array([self._longest - len(prompt.token_ids) for prompt in prompts])
        self._tokens_RT = np.array(
            [
                [pad_token_id] * padding + list(prompt.token_ids)
                for padding, prompt in zip(self._padding_R, prompts, strict=True)
            ]
        )
        self._columns_T = torch.arange(columns, device=model.device)
        self._layers = [KeysAndValues(columns) for _ in range(model.config.num_hidden_layers)]
        self._cache = Cache(layers=[*self._layers])

    def step(self) -> torch.Tensor:
        """The logits after the rows' new tokens, (R, V)."""
        device = self._model.device
        start = self._layers[0].get_seq_length()
        end = start + self._tokens_RT.shape[1]
        padding_R1 = torch.from_numpy(self._padding_R).to(device)[:, None]
        columns_T = self._columns_T[:end]
        now_T1 = columns_T[start:, None]
        seen_R1TT = None
        if self._padding_R.any():
            # Padding sees itself: a token that saw nothing would be NaN, and 0 times NaN in the other tokens' sums.
            seen_R1TT = (((columns_T >= padding_R1)[:, None] & (columns_T <= now_T1)) | (columns_T == now_T1))[:, None]
        logits_R1V: torch.Tensor = self._model(
            input_ids=torch.from_numpy(self._tokens_RT).to(device),
            attention_mask=seen_R1TT,
            position_ids=(columns_T[start:] - padding_R1).clamp(min=0),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        return logits_R1V[:, -1]

    def split(self, row_N: np.ndarray, tokens_N: np.ndarray) -> np.ndarray:
        """Give each sample's row its next token, and another row to samples that chose another; each sample's row from now on."""
        vocabulary = int(tokens_N.max()) + 1
        pairs, pair_N = np.unique(row_N * vocabulary + tokens_N, return_inverse=True)
        parents, tokens = np.divmod(pairs, vocabulary)
        rows = len(pairs)
        # The first of a row's successors stays where it is; the others take the places that are free.
        stays = np.append(True, parents[1:] != parents[:-1]) & (parents < rows)
        places = np.where(stays, parents, 0)
        places[~stays] = np.setdiff1d(np.arange(rows), parents[stays])
        if not stays.all():
            moved = [torch.from_numpy(index[~stays]).to(self._model.device) for index in (parents, places)]
            for layer in self._layers:
                layer.split(moved[0], moved[1], rows)
        padding_R = np.empty(rows, dtype=self._padding_R.dtype)
        padding_R[places] = self._padding_R[parents]
        self._padding_R = padding_R
        self._tokens_RT = np.empty((rows, 1), dtype=tokens.dtype)
        self._tokens_RT[places, 0] = tokens
        return places[pair_N]
