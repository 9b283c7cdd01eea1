"""Training by plain torch on one device: AdamW over micro-batches, whole or through LoRA's adapters.

Where a micro-batch finds no memory the work is done again in smaller ones, half as large, down to a response at a time. The sums
are the same but for the rounding of another order. (A sampler that fills the memory leaves none: operations.vllm_gpu_memory.)
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from transformers import PreTrainedModel

from stages.engines.lora import adapters_off, merge_adapters, merged_weights
from stages.engines.objective import Objective
from stages.engines.protocols import Rollout, TrainingRow, Update
from stages.engines.scoring import Scorer, loss_inputs
from stages.engines.tally import Tally
from stages.params import Engine, Grpo, Operations
from stages.process import stops_deferred

MOMENTS = ("exp_avg", "exp_avg_sq")

T = TypeVar("T")


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
        self._scorer = Scorer(engine, grpo.temperature)
        for model in (policy, reference):
            if model is not None:
                self._scorer.prepare(model)
        if engine.gradient_checkpointing:
            policy.gradient_checkpointing_enable()
        self._optimizer = torch.optim.AdamW(
            [parameter for parameter in policy.parameters() if parameter.requires_grad],
            lr=grpo.learning_rate,
            weight_decay=grpo.weight_decay,
            fused=engine.device == "cuda",  # one pass over the memory, and no copies
        )

    def log_probs(self, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        return self._within_memory(lambda tokens: self._scorer.log_probs(self.policy, rollouts, tokens))

    def reference_log_probs(self, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        if self._lora:
            with adapters_off(self.policy) as reference:
                return self._within_memory(lambda tokens: self._scorer.log_probs(reference, rollouts, tokens))
        if self._reference is None:
            raise RuntimeError("this trainer was made without a reference")
        model = self._reference
        return self._within_memory(lambda tokens: self._scorer.log_probs(model, rollouts, tokens))

    def update(self, rows: Sequence[TrainingRow], objective: Objective, learning_rate: float) -> Update:
        self.policy.train()
        tally, computed, padding = self._within_memory(lambda budget: self._gradients(rows, objective, budget))
        loss, sums, maxima = tally.read()
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

    def _gradients(
        self, rows: Sequence[TrainingRow], objective: Objective, micro_batch_tokens: int
    ) -> tuple[Tally, int, int]:
        """Lay the loss's gradient in the parameters; the loss, and the positions computed and those of them that are padding."""
        for parameter in self._trained().values():
            parameter.grad = torch.zeros_like(parameter)
        tally, computed, padding = Tally(), 0, 0
        for part in self._scorer.micro_batches([row.rollout for row in rows], micro_batch_tokens):
            batch = [rows[index] for index in part.rollouts]
            computed, padding = computed + part.computed_tokens, padding + part.padding_tokens
            scores = self._scorer.score(self.policy, [row.rollout for row in batch])
            found = objective(loss_inputs(batch, scores))
            # Weighted sums, not a mean of micro-batch means: micro-batches differ in length.
            found.loss.backward()
            tally.add(found)
        return tally, computed, padding

    def _within_memory(self, work: Callable[[int], T]) -> T:
        """`work` of as many tokens at once as there is memory for."""
        while True:
            try:
                return work(self._micro_batch_tokens)
            except torch.OutOfMemoryError:
                if self._micro_batch_tokens == 1:
                    raise
            self._optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            before, self._micro_batch_tokens = self._micro_batch_tokens, max(1, self._micro_batch_tokens // 2)
            print(
                f"no memory for {before} tokens at once: going on with {self._micro_batch_tokens} "
                "(operations.micro_batch_tokens)",
                file=sys.stderr,
            )

    def weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        if self._lora:
            yield from merged_weights(self.policy)
        else:
            yield from ((name, parameter.detach()) for name, parameter in self.policy.named_parameters())

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
                counted_on = parameter.device if self._optimizer.defaults["fused"] else "cpu"
                moments["step"] = state["step"].to(counted_on, copy=True)
                moments |= {moment: state[f"{moment}.{name}"].to(parameter.device).clone() for moment in MOMENTS}

    def export(self) -> PreTrainedModel:
        if self._lora:
            merge_adapters(self.policy)
        return self.policy

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        return {name: parameter for name, parameter in self.policy.named_parameters() if parameter.requires_grad}
