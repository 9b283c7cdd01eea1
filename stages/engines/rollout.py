"""Sampling by plain torch: prefill a prompt once per group, a KV cache, finished rows leave the batch.

A token is the inverse of the policy's distribution function at a uniform number that belongs to (key, prompt,
sample index, position), so the batch it is sampled in changes nothing but the last bits of its logits. A generator
per batch, as in vLLM's and TRL's default, would give other samples for another batch size.

Shapes: B rows of a batch, T tokens, V vocabulary.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from stages.engines.device import matmuls_in
from stages.engines.protocols import Prompt, Rollout, Sampling, TrainEngine
from stages.randomness import rng


class TorchRollout:
    """Samples from the trainer's own model: no copy of the weights, nothing to synchronise."""

    def __init__(
        self, model: PreTrainedModel, eos_token_id: int, pad_token_id: int, batch_rows: int, dtype: str
    ) -> None:
        self._model = model
        self._eos = eos_token_id
        self._pad = pad_token_id
        self._batch_rows = batch_rows
        self._dtype = dtype
        self._whole_weights: Callable[[], AbstractContextManager[None]] = nullcontext

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Rollout]:
        self._model.eval()
        per_batch = max(1, self._batch_rows // sampling.n)
        rollouts: list[Rollout] = []
        with self._whole_weights(), matmuls_in(self._dtype, self._model.device):
            for start in range(0, len(prompts), per_batch):
                rollouts += self._generate_batch(prompts[start : start + per_batch], sampling, key)
                on_progress(len(rollouts))
        return rollouts

    def sync(self, trainer: TrainEngine) -> None:
        """They are the same weights, if sharded ones are gathered to sample."""
        self._whole_weights = trainer.whole_weights

    def sleep(self) -> None:
        """It holds nothing between calls."""

    def close(self) -> None:
        """It started nothing."""

    def _generate_batch(
        self, prompts: Sequence[Prompt], sampling: Sampling, key: tuple[str | int, ...]
    ) -> list[Rollout]:
        device = self._model.device
        owners = [
            (prompt, index)
            for prompt in prompts
            for index in range(prompt.first_sample, prompt.first_sample + sampling.n)
        ]
        responses: list[list[int]] = [[] for _ in owners]
        logps: list[list[float]] = [[] for _ in owners]
        uniforms_BT = np.stack(
            [rng(*key, prompt.problem_id, index).random(sampling.max_response_tokens) for prompt, index in owners]
        )
        logits_BV, cache, mask_BT = self._prefill(prompts, sampling.n)
        alive = np.arange(len(owners))  # the owners of the batch's rows
        for position in range(sampling.max_response_tokens):
            tokens_B, logp_B = _choose(logits_BV, uniforms_BT[alive, position], sampling.temperature)
            chosen = tokens_B.tolist()
            for owner, token, logp in zip(alive, chosen, logp_B.tolist(), strict=True):
                responses[owner].append(token)
                logps[owner].append(logp)
            running = np.array([token != self._eos for token in chosen])
            if not running.any() or position + 1 == sampling.max_response_tokens:
                break
            if not running.all():
                kept = torch.from_numpy(running.nonzero()[0]).to(device)
                alive, tokens_B, mask_BT = alive[running], tokens_B[kept], mask_BT[kept]
                cache.batch_select_indices(kept)
            mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(alive), 1)], dim=1)
            logits_BV = self._model(
                input_ids=tokens_B[:, None],
                attention_mask=mask_BT,
                position_ids=mask_BT.sum(dim=1, keepdim=True) - 1,
                past_key_values=cache,
                use_cache=True,
            ).logits[:, -1]
        return [
            Rollout(prompt, index, tuple(response), response[-1] != self._eos, np.array(logp, dtype=np.float32))
            for (prompt, index), response, logp in zip(owners, responses, logps, strict=True)
        ]

    def _prefill(self, prompts: Sequence[Prompt], n: int) -> tuple[torch.Tensor, DynamicCache, torch.Tensor]:
        """The logits after each prompt, the KV cache and the attention mask, each prompt's row repeated `n` times."""
        longest = max(len(prompt.token_ids) for prompt in prompts)
        ids_BT = torch.full((len(prompts), longest), self._pad)
        mask_BT = torch.zeros((len(prompts), longest), dtype=torch.long)
        for row, prompt in enumerate(prompts):  # on the left, so that every row's next token has the same column
            ids_BT[row, longest - len(prompt.token_ids) :] = torch.tensor(prompt.token_ids)
            mask_BT[row, longest - len(prompt.token_ids) :] = 1
        ids_BT, mask_BT = ids_BT.to(self._model.device), mask_BT.to(self._model.device)
        cache = DynamicCache(config=self._model.config)
        logits_BV = self._model(
            input_ids=ids_BT,
            attention_mask=mask_BT,
            position_ids=(mask_BT.cumsum(dim=1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        cache.batch_repeat_interleave(n)
        return logits_BV.repeat_interleave(n, dim=0), cache, mask_BT.repeat_interleave(n, dim=0)


def _choose(logits_BV: torch.Tensor, uniforms_B: np.ndarray, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's token at its uniform number (inverse transform sampling), or the likeliest at temperature 0; its log-prob."""
    logp_BV = torch.log_softmax(logits_BV.float() / (temperature or 1.0), dim=-1)
    if temperature == 0:
        tokens_B = logp_BV.argmax(dim=-1)
    else:
        cdf_BV = logp_BV.double().exp().cumsum(dim=-1)
        # Times the last value: rounding may leave it below 1, and a number above it would choose no token.
        targets_B1 = torch.from_numpy(uniforms_B).to(cdf_BV.device)[:, None] * cdf_BV[:, -1:]
        tokens_B = torch.searchsorted(cdf_BV, targets_B1, right=True).squeeze(1).clamp(max=logits_BV.shape[-1] - 1)
    return tokens_B, logp_BV.gather(1, tokens_B[:, None]).squeeze(1)
