"""Training by plain torch: log-probabilities of responses, and optimizer steps over micro-batches.

Shapes: B rows of a micro-batch, S tokens of prompt and response (padded on the right), T response tokens, N response
tokens of all rows (unpadded), H hidden size, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from stages.engines.device import matmuls_in
from stages.engines.objective import LossInputs, Objective
from stages.engines.rollout import Rollout
from stages.params import Engine, Grpo

HEAD_CHUNK_TOKENS = 2048  # logits of 2,048 tokens at a time: 1.2 GB in float32 for a vocabulary of 152 k


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A rollout with its advantage; log-probabilities are (T,), `old_logp_T` None where the policy is unchanged."""

    rollout: Rollout
    advantage: float
    old_logp_T: torch.Tensor | None
    ref_logp_T: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class UpdateMetrics:
    """Means over a mini-batch's tokens; `entropy` in nats, `kl` by k3 against the reference."""

    loss: float
    kl: float
    entropy: float
    clipped_low: float
    clipped_high: float
    grad_norm: float


@dataclass(frozen=True, slots=True)
class _Scores:
    logp_BT: torch.Tensor
    entropy_BT: torch.Tensor
    mask_BT: torch.Tensor


class TorchTrainer:
    """The policy with its AdamW; the reference, where there is one, is a frozen copy given by the caller."""

    def __init__(self, policy: PreTrainedModel, engine: Engine, grpo: Grpo) -> None:
        self.policy = policy
        self._engine = engine
        self._grpo = grpo
        if engine.gradient_checkpointing:
            policy.gradient_checkpointing_enable()
        self._optimizer = torch.optim.AdamW(policy.parameters(), lr=grpo.learning_rate, weight_decay=grpo.weight_decay)

    @torch.no_grad()
    def log_probs(self, model: PreTrainedModel, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        """Each response token's log-probability under `model`, one (T,) a rollout."""
        model.eval()
        found: dict[int, torch.Tensor] = {}
        for rows in self._micro_batches(rollouts):
            scores = self._score(model, [rollouts[row] for row in rows])
            for row, logp_T in zip(rows, scores.logp_BT, strict=True):
                found[row] = logp_T[: len(rollouts[row].token_ids)].clone()
        return [found[row] for row in range(len(rollouts))]

    def update(self, rows: Sequence[TrainingRow], objective: Objective) -> UpdateMetrics:
        """One optimizer step on the mean of `objective` over a mini-batch's tokens.

        Raises FloatingPointError, weights untouched, where the gradient is not finite.
        """
        self.policy.train()
        self._optimizer.zero_grad(set_to_none=True)
        tokens = sum(len(row.rollout.token_ids) for row in rows)
        loss = kl = entropy = clipped_low = clipped_high = 0.0
        for indices in self._micro_batches([row.rollout for row in rows]):
            batch = [rows[index] for index in indices]
            scores = self._score(self.policy, [row.rollout for row in batch])
            sums = objective(_loss_inputs(batch, scores))
            # Over the mini-batch's tokens, not a mean of micro-batch means: micro-batches differ in length.
            (sums.loss / tokens).backward()
            loss += sums.loss.item() / tokens
            kl += sums.kl / tokens
            entropy += float((scores.entropy_BT * scores.mask_BT).sum()) / tokens
            clipped_low += sums.clipped_low / tokens
            clipped_high += sums.clipped_high / tokens
        grad_norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self._grpo.max_grad_norm)
        if not torch.isfinite(grad_norm):
            raise FloatingPointError(f"gradient norm {grad_norm.item()} at loss {loss}")
        self._optimizer.step()
        return UpdateMetrics(loss, kl, entropy, clipped_low, clipped_high, grad_norm.item())

    def state_dict(self) -> dict[str, Any]:
        return {"policy": self.policy.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.policy.load_state_dict(state["policy"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _micro_batches(self, rollouts: Sequence[Rollout]) -> Iterator[list[int]]:
        """Rows in order of length, as many at once as stay within `micro_batch_tokens` after padding."""
        lengths = [len(rollout.prompt.token_ids) + len(rollout.token_ids) for rollout in rollouts]
        rows: list[int] = []
        for index in sorted(range(len(rollouts)), key=lambda index: lengths[index]):
            if rows and (len(rows) + 1) * lengths[index] > self._engine.micro_batch_tokens:
                yield rows
                rows = []
            rows.append(index)
        if rows:
            yield rows

    def _score(self, model: PreTrainedModel, rollouts: Sequence[Rollout]) -> _Scores:
        device = model.device
        prompt_lengths = [len(rollout.prompt.token_ids) for rollout in rollouts]
        response_lengths = [len(rollout.token_ids) for rollout in rollouts]
        longest = max(map(sum, zip(prompt_lengths, response_lengths, strict=True)))
        ids_BS = torch.zeros((len(rollouts), longest), dtype=torch.long)
        for row, rollout in enumerate(rollouts):
            tokens = rollout.prompt.token_ids + rollout.token_ids
            ids_BS[row, : len(tokens)] = torch.tensor(tokens)
        # Padding on the right needs no mask: attention is causal and no padded position is read below.
        with matmuls_in(self._engine.dtype, device):
            hidden_BSH = model.model(input_ids=ids_BS.to(device), use_cache=False).last_hidden_state
        steps_T = torch.arange(max(response_lengths))
        mask_BT = (steps_T < torch.tensor(response_lengths)[:, None]).to(device)
        # The hidden state at a token predicts the next one.
        before_BT = (torch.tensor(prompt_lengths)[:, None] - 1 + steps_T).clamp(max=longest - 2).to(device)
        targets_BT = ids_BS.to(device).gather(1, before_BT + 1)
        rows_B1 = torch.arange(len(rollouts), device=device)[:, None]
        hidden_NH = hidden_BSH[rows_B1, before_BT][mask_BT]
        logp_N, entropy_N = self._head(model, hidden_NH, targets_BT[mask_BT])
        logp_BT = torch.zeros(mask_BT.shape, device=device).masked_scatter(mask_BT, logp_N)
        entropy_BT = torch.zeros(mask_BT.shape, device=device).masked_scatter(mask_BT, entropy_N)
        return _Scores(logp_BT, entropy_BT, mask_BT.float())

    def _head(
        self, model: PreTrainedModel, hidden_NH: torch.Tensor, targets_N: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability and entropy of each token, the vocabulary's logits held for a chunk of tokens only."""

        def chunk(hidden_CH: torch.Tensor, targets_C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            with matmuls_in(self._engine.dtype, hidden_CH.device):
                logits_CV = model.lm_head(hidden_CH)
            logp_CV = torch.log_softmax(logits_CV.float() / self._grpo.temperature, dim=-1)
            entropy_C = -(logp_CV.detach().exp() * logp_CV.detach()).sum(dim=-1)
            return logp_CV.gather(1, targets_C[:, None]).squeeze(1), entropy_C

        parts = [
            # One chunk is the last to be made and the first to be used backwards: nothing to save there.
            chunk(hidden_CH, targets_C)
            if len(hidden_NH) <= HEAD_CHUNK_TOKENS or not torch.is_grad_enabled()
            else checkpoint(chunk, hidden_CH, targets_C, use_reentrant=False)
            for hidden_CH, targets_C in zip(
                hidden_NH.split(HEAD_CHUNK_TOKENS), targets_N.split(HEAD_CHUNK_TOKENS), strict=True
            )
        ]
        return torch.cat([logp for logp, _ in parts]), torch.cat([entropy for _, entropy in parts])


def _loss_inputs(rows: Sequence[TrainingRow], scores: _Scores) -> LossInputs:
    def padded(per_row: list[torch.Tensor]) -> torch.Tensor:
        stacked_BT = torch.zeros_like(scores.logp_BT, requires_grad=False)
        for row, values_T in enumerate(per_row):
            stacked_BT[row, : len(values_T)] = values_T
        return stacked_BT

    old = [row.old_logp_T for row in rows if row.old_logp_T is not None]
    ref = [row.ref_logp_T for row in rows if row.ref_logp_T is not None]
    return LossInputs(
        logp_BT=scores.logp_BT,
        old_logp_BT=padded(old) if old else scores.logp_BT.detach(),
        ref_logp_BT=padded(ref) if ref else None,
        advantage_B=torch.tensor([row.advantage for row in rows], device=scores.logp_BT.device, dtype=torch.float32),
        mask_BT=scores.mask_BT,
    )
