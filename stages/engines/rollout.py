"""Sampling by plain torch: a KV cache whose rows are shared by the samples that agree so far, and that ended ones leave.

A token is the inverse of the policy's distribution function at a uniform number that belongs to (key, prompt,
sample index, position), so the batch it is sampled in changes nothing but the last bits of its logits. A generator
per batch, as in vLLM's and TRL's default, would give other samples for another batch size. All samples of a prompt start as one
row, and a row is split when its samples choose different tokens.

Shapes: N samples under way, R rows of distinct beginnings, T tokens, V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.engines.attention import sampling_attention
from stages.engines.device import matmuls_in
from stages.engines.kv_rows import Rows
from stages.engines.protocols import Asked, Prompt, Rollout, Sampling, TrainEngine, asked
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

    @torch.inference_mode()
    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Rollout]:
        per_batch = max(1, self._batch_rows // sampling.answers)
        rollouts: list[Rollout] = []
        with self._sampling():
            for start in range(0, len(prompts), per_batch):
                rollouts += self._generate_batch(prompts[start : start + per_batch], sampling, key)
                on_progress(len(rollouts))
        return rollouts

    @torch.inference_mode()
    def stream(
        self, prompt: Prompt, sampling: Sampling, key: tuple[str | int, ...], on_token: Callable[[int], None]
    ) -> Rollout:
        """What `generate` would give for one answer, `on_token` told of each token as it is sampled."""

        def told(tokens_N: np.ndarray) -> None:
            on_token(int(tokens_N[0]))

        with self._sampling():
            (rollout,) = self._generate_batch([prompt], sampling, key, told)
        return rollout

    @contextmanager
    def _sampling(self) -> Iterator[None]:
        self._model.eval()
        with (
            self._whole_weights(),
            matmuls_in(self._dtype, self._model.device),
            sampling_attention(self._model),
        ):
            yield

    def sync(self, trainer: TrainEngine) -> None:
        """They are the same weights, if sharded ones are gathered to sample."""
        self._whole_weights = trainer.whole_weights

    def sleep(self) -> None:
        """It holds nothing between calls."""

    def close(self) -> None:
        """It started nothing."""

    def _generate_batch(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_tokens: Callable[[np.ndarray], None] | None = None,
    ) -> list[Rollout]:
        """`on_tokens` is told at every position the tokens of the samples that are under way."""
        owners = asked(prompts, sampling)
        greedy_N = np.array([owner.greedy for owner in owners])
        limit, longest = sampling.max_response_tokens, max(len(prompt.token_ids) for prompt in prompts)
        uniforms_NT = np.zeros((len(owners), limit))
        for number in np.flatnonzero(~greedy_N):
            owner = owners[number]
            uniforms_NT[number] = rng(*key, owner.prompt.problem_id, owner.index).random(limit)
        tokens_NT = np.full((len(owners), limit), self._eos)
        logp_NT = np.zeros((len(owners), limit), dtype=np.float32)
        rows = Rows(self._model, prompts, self._pad, longest + limit)
        logits_RV = rows.step()
        running = np.arange(len(owners))  # samples, by their owner's number
        row_N = np.repeat(np.arange(len(prompts)), sampling.answers)
        for position in range(limit):
            tokens_N, logp_N = _choose(logits_RV, row_N, uniforms_NT[running, position], greedy_N[running], sampling)
            tokens_NT[running, position], logp_NT[running, position] = tokens_N, logp_N
            if on_tokens is not None:
                on_tokens(tokens_N)
            going_N = tokens_N != self._eos
            running, row_N, tokens_N = running[going_N], row_N[going_N], tokens_N[going_N]
            if not len(running) or position + 1 == limit:
                break
            row_N = rows.split(row_N, tokens_N)
            logits_RV = rows.step()
        return _rollouts(owners, tokens_NT.tolist(), logp_NT, self._eos)


def _choose(
    logits_RV: torch.Tensor, row_N: np.ndarray, uniforms_N: np.ndarray, greedy_N: np.ndarray, sampling: Sampling
) -> tuple[np.ndarray, np.ndarray]:
    """Each sample's token at its uniform number (inverse transform sampling), or the likeliest for the greedy, and its logp."""
    rows_N = torch.from_numpy(row_N).to(logits_RV.device)
    logp_RV = torch.log_softmax(logits_RV.float() / sampling.temperature, dim=-1)
    if sampling.top_p < 1:
        logp_RV = _nucleus(logp_RV, sampling.top_p)
    tokens_N = logits_RV.argmax(dim=-1)[rows_N]
    if not greedy_N.all():
        cdf_RV = logp_RV.double().exp().cumsum(dim=-1)
        # Times the last value: rounding may leave it below 1, and a number above it would choose no token.
        targets_N = torch.from_numpy(uniforms_N).to(logits_RV.device) * cdf_RV[rows_N, -1]
        drawn_N = torch.searchsorted(cdf_RV[rows_N], targets_N[:, None], right=True).squeeze(1)
        drawn_N = drawn_N.clamp(max=logits_RV.shape[-1] - 1)
        tokens_N = torch.where(torch.from_numpy(greedy_N).to(logits_RV.device), tokens_N, drawn_N)
    return tokens_N.cpu().numpy(), logp_RV[rows_N, tokens_N].cpu().numpy()


def _nucleus(logp_RV: torch.Tensor, top_p: float) -> torch.Tensor:
    """The distribution over the likeliest tokens that together have at least `top_p`."""
    sorted_RV, order_RV = logp_RV.sort(dim=-1, descending=True)
    p_RV = sorted_RV.double().exp()
    beyond_RV = p_RV.cumsum(dim=-1) - p_RV >= top_p  # what comes before it is enough
    cut_RV = torch.zeros_like(beyond_RV).scatter(-1, order_RV, beyond_RV)
    return torch.log_softmax(logp_RV.masked_fill(cut_RV, -torch.inf), dim=-1)


def _rollouts(owners: Sequence[Asked], tokens: list[list[int]], logp_NT: np.ndarray, eos: int) -> list[Rollout]:
    """What each owner was given, up to its first end-of-sequence token."""
    rollouts = []
    for owner, row, logp_T in zip(owners, tokens, logp_NT, strict=True):
        length = row.index(eos) + 1 if eos in row else len(row)
        said, truncated, logp_T = tuple(row[:length]), eos not in row, logp_T[:length].copy()
        rollouts.append(Rollout(owner.prompt, owner.index, said, truncated, logp_T, owner.greedy))
    return rollouts
