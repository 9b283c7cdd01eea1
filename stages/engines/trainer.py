"""Training by plain torch on one device: AdamW over micro-batches, whole or through LoRA's adapters."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from transformers import PreTrainedModel

from stages.engines.lora import adapters_off, merge_adapters, merged_weights
from stages.engines.objective import Objective
from stages.engines.packing import micro_batches
from stages.engines.protocols import Rollout, TrainingRow, Update
from stages.engines.scoring import Scorer, loss_inputs
from stages.params import Engine, Grpo, Operations
from stages.process import stops_deferred

MOMENTS = ("exp_avg", "exp_avg_sq")


class TorchTrainer:
    """The policy with its AdamW; `reference` is a frozen model of the caller's, None where the loss has no KL term.

    A policy with LoRA's adapters is its own reference, with the adapters off.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        reference: PreTrainedModel | None,
        engine: Engine,
        operations: Operations,
        grpo: Grpo,
    ) -> None:
        self.policy = policy
        self.updates = 0
        self._reference = reference
        self._lora = grpo.lora is not None
        self._max_grad_norm = grpo.max_grad_norm
        self._micro_batch_tokens = operations.micro_batch_tokens
        self._scorer = Scorer(engine.dtype, grpo.temperature)
        if engine.gradient_checkpointing:
            policy.gradient_checkpointing_enable()
        self._optimizer = torch.optim.AdamW(
            [parameter for parameter in policy.parameters() if parameter.requires_grad],
            lr=grpo.learning_rate,
            weight_decay=grpo.weight_decay,
        )

    def log_probs(self, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        return self._scorer.log_probs(self.policy, rollouts, self._micro_batch_tokens)

    def reference_log_probs(self, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        if self._lora:
            with adapters_off(self.policy) as reference:
                return self._scorer.log_probs(reference, rollouts, self._micro_batch_tokens)
        if self._reference is None:
            raise RuntimeError("this trainer was made without a reference")
        return self._scorer.log_probs(self._reference, rollouts, self._micro_batch_tokens)

    def update(self, rows: Sequence[TrainingRow], objective: Objective, learning_rate: float) -> Update:
        self.policy.train()
        for parameter in self._trained().values():
            parameter.grad = torch.zeros_like(parameter)
        loss = 0.0
        sums: dict[str, float] = {}
        maxima: dict[str, float] = {}
        computed = padding = 0
        for part in micro_batches([row.rollout for row in rows], self._micro_batch_tokens):
            batch = [rows[index] for index in part.rollouts]
            computed, padding = computed + part.computed_tokens, padding + part.padding_tokens
            scores = self._scorer.score(self.policy, [row.rollout for row in batch])
            found = objective(loss_inputs(batch, scores))
            # Weighted sums, not a mean of micro-batch means: micro-batches differ in length.
            found.loss.backward()
            loss += found.loss.item()
            for name, value in found.sums.items():
                sums[name] = sums.get(name, 0.0) + value.item()
            for name, value in found.maxima.items():
                maxima[name] = max(maxima.get(name, -math.inf), value.item())
        tokens = sum(len(row.rollout.token_ids) for row in rows)
        grad_norm = torch.nn.utils.clip_grad_norm_(self._trained().values(), self._max_grad_norm).item()
        skipped = not (math.isfinite(loss) and math.isfinite(grad_norm))
        if not skipped:
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
            with stops_deferred():
                self._optimizer.step()
                self.updates += 1
        self._optimizer.zero_grad(set_to_none=True)
        means = {name: value / tokens for name, value in sums.items()}
        return Update(loss, grad_norm, skipped, means, maxima, computed, padding)

    def weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from merged_weights(self.policy)

    def whole_weights(self) -> AbstractContextManager[None]:
        return nullcontext()

    def state(self) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = {"step": torch.tensor(float(self.updates))}
        for name, parameter in self._trained().items():
            state[f"policy.{name}"] = parameter.detach()
            moments = self._optimizer.state.get(parameter, {})  # none before the first update
            state |= {f"{moment}.{name}": moments[moment] for moment in MOMENTS if moment in moments}
        return state

    @torch.no_grad()
    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        self.updates = int(state["step"])
        for name, parameter in self._trained().items():
            parameter.copy_(state[f"policy.{name}"])
            moments: dict[str, Any] = self._optimizer.state[parameter]
            moments.clear()
            if self.updates:
                moments["step"] = state["step"].clone()
                moments |= {moment: state[f"{moment}.{name}"].to(parameter.device).clone() for moment in MOMENTS}

    def export(self) -> PreTrainedModel:
        if self._lora:
            merge_adapters(self.policy)
        return self.policy

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        return {name: parameter for name, parameter in self.policy.named_parameters() if parameter.requires_grad}
