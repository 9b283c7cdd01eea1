"""Training by DeepSpeed's ZeRO (arXiv 1910.02054), stages 0 to 3, on one rank or several, on GPUs or a CPU's processes.

Every rank is given the same rows and takes its share of them. The gradient is the sum over all ranks' rows, as if one rank
had had them all, so that the loss curve is torch's but for rounding. Every rank holds the whole reference (it is only read),
and under ZeRO 3 the whole of the vocabulary's layer while a micro-batch is at work: its tokens pass in chunks, ranks differ in
their number, and ZeRO 3 wants all ranks to gather the same layers in the same order.

Weights and gradients are float32; `dtype` bfloat16 computes matrix products in it by torch's autocast, as TorchTrainer does.
(DeepSpeed's own `torch_autocast` would reduce gradients in bfloat16 too.)
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.engines.deepspeed.guarded_adamw import MOMENTS, GuardedAdamW
from stages.engines.deepspeed.zero import Shards, import_deepspeed
from stages.engines.lora import adapters_off, merge_adapters, merged_weights
from stages.engines.objective import Objective
from stages.engines.packing import MicroBatch
from stages.engines.protocols import Prompt, Rollout, TrainingRow, Update
from stages.engines.ranks import Ranks, init_alone
from stages.engines.scoring import Scorer, Scores, balanced_shares, loss_inputs
from stages.engines.tally import Tally
from stages.errors import MicroBatchTooLarge
from stages.params import Engine, Grpo, Operations
from stages.process import stops_deferred

KEPT_NUMEL = (
    100_000  # ZeRO 3 leaves parameters of at most so many numbers whole: gathering them takes longer than it saves
)
BUCKET_NUMEL = 50_000_000  # gradients are reduced so many at a time: the buffer is allocated at every backward pass
NOTHING = Rollout(Prompt("", (0,) * 4), 0, (0,) * 4, False, np.zeros(4, dtype=np.float32))
EMPTY = MicroBatch([], 0, 0)  # a pass over NOTHING
"""A short row for a rank that has fewer micro-batches than another: all must make as many passes. Not one of a single token, for
whose size torch.compile would compile all layers once more."""


class DeepSpeedTrainer:
    """As TorchTrainer, on `ranks`; with `zero_stage` 3 the policy is whole within `whole_weights` alone."""

    def __init__(
        self,
        policy: PreTrainedModel,
        reference: PreTrainedModel | None,
        engine: Engine,
        operations: Operations,
        grpo: Grpo,
        ranks: Ranks,
    ) -> None:
        deepspeed = import_deepspeed(engine.device)
        self.policy = policy
        self._reference = reference
        self._ranks = ranks
        self._zero_stage = operations.zero_stage
        self._micro_batch_tokens = operations.micro_batch_tokens
        self._lora = grpo.lora is not None
        self._whole_scorer = Scorer(engine, grpo.temperature)
        self._scorer = _ShardedScorer(engine, grpo.temperature) if self._zero_stage == 3 else self._whole_scorer
        for model in (policy, reference):
            if model is not None:
                self._scorer.prepare(model)
        if engine.gradient_checkpointing:
            policy.gradient_checkpointing_enable()
        init_alone(engine.device)
        trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
        self._adamw = GuardedAdamW(
            trained,
            grpo.learning_rate,
            grpo.weight_decay,
            grpo.max_grad_norm,
            sharded=self._zero_stage > 0,
            fused=operations.offload_optimizer,  # a CPU would go through all numbers a dozen times
        )
        scored = _Scored(policy, self._scorer)
        self._engine, *_ = deepspeed.initialize(
            model=scored, optimizer=self._adamw, config=_config(operations, engine.device, trained)
        )
        if self._zero_stage == 3:
            deepspeed.zero.register_external_parameter(scored, policy.lm_head.weight)
        self._shards = Shards(self._engine, self._adamw, self._zero_stage)

    @property
    def updates(self) -> int:
        return int(self._shards.steps)

    def log_probs(self, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        self._engine.eval()
        found: list[tuple[int, torch.Tensor]] = []
        with torch.no_grad():
            for part in self._passes(rollouts):
                with self._memory_for(part):
                    scores = self._score([rollouts[row] for row in part.rollouts])
                found += [
                    (row, logp_T[: len(rollouts[row].token_ids)].cpu().clone())
                    for row, logp_T in zip(part.rollouts, scores.logp_BT, strict=False)
                ]
        return self._in_order(found)

    def reference_log_probs(self, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        if self._lora:
            with adapters_off(self.policy):
                return self.log_probs(rollouts)
        if self._reference is None:
            raise RuntimeError("this trainer was made without a reference")
        tokens, found = self._micro_batch_tokens, list[tuple[int, torch.Tensor]]()
        for part in self._shares(rollouts)[self._ranks.rank]:
            with self._memory_for(part):
                logps = self._whole_scorer.log_probs(self._reference, [rollouts[row] for row in part.rollouts], tokens)
            found += zip(part.rollouts, logps, strict=True)
        return self._in_order(found)

    def update(self, rows: Sequence[TrainingRow], objective: Objective, learning_rate: float) -> Update:
        self._engine.train()
        tally = Tally()
        passes = self._passes([row.rollout for row in rows])
        for number, one in enumerate(passes, start=1):
            self._engine.set_gradient_accumulation_boundary(number == len(passes))
            batch = [rows[index] for index in one.rollouts]
            with self._memory_for(one):
                scores = self._score([row.rollout for row in batch])
                if batch:
                    found = objective(loss_inputs(batch, scores))
                    part = found.loss
                    tally.add(found)
                else:
                    part = 0.0 * scores.logp_BT.sum()
                # Times the world: DeepSpeed makes the mean over ranks of what is their sum.
                self._engine.backward(part * self._ranks.world, scale_wrt_gas=False)
        everyone = self._ranks.gather([tally.read()])
        positions = self._ranks.gather([(one.computed_tokens, one.padding_tokens) for one in passes])
        loss = sum(part for part, _, _ in everyone)
        with stops_deferred():
            self._step(learning_rate, refused=not math.isfinite(loss))
        skipped = not (math.isfinite(loss) and math.isfinite(self._adamw.grad_norm))
        tokens = sum(len(row.rollout.token_ids) for row in rows)
        names = dict.fromkeys(name for _, sums, _ in everyone for name in sums)
        peaks = dict.fromkeys(name for _, _, maxima in everyone for name in maxima)
        return Update(
            loss,
            self._adamw.grad_norm,
            skipped,
            {name: sum(sums.get(name, 0.0) for _, sums, _ in everyone) / tokens for name in names},
            {name: max(maxima.get(name, -math.inf) for _, _, maxima in everyone) for name in peaks},
            computed_tokens=sum(computed for computed, _ in positions),
            padding_tokens=sum(padding for _, padding in positions),
        )

    def weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        if self._lora:
            with self.whole_weights():
                yield from ((name, weight.clone()) for name, weight in merged_weights(self.policy))
        else:
            yield from ((name, self._shards.whole(parameter)) for name, parameter in self.policy.named_parameters())

    def whole_weights(self) -> AbstractContextManager[None]:
        """Within it `policy` is whole on every rank and may be run, each rank by itself; not for `update` or `log_probs`."""
        return self._shards.gathered()

    def state(self) -> dict[str, torch.Tensor]:
        state = {"step": self._shards.steps.clone()}
        for name, parameter in self._trained().items():
            for kind in (None, *MOMENTS) if self.updates else (None,):
                whole = self._shards.read(parameter, kind)
                if self._ranks.is_main:
                    state[f"{kind or 'policy'}.{name}"] = whole.cpu()
        return state

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        self._shards.set_steps(state["step"])
        for name, parameter in self._trained().items():
            for kind in (None, *MOMENTS) if state["step"] > 0 else (None,):
                self._shards.write(parameter, state[f"{kind or 'policy'}.{name}"], kind)

    def export(self) -> PreTrainedModel:
        self._shards.dissolve()
        if self._lora:
            merge_adapters(self.policy)
        return self.policy

    def _passes(self, rollouts: Sequence[Rollout]) -> list[MicroBatch]:
        """This rank's micro-batches as rows of `rollouts`, filled up with empty ones to as many as the rank with most has."""
        batches = self._shares(rollouts)
        most = max(1, *map(len, batches))  # at least one: DeepSpeed takes no step without a backward pass
        mine = batches[self._ranks.rank]
        return mine + [EMPTY] * (most - len(mine))

    def _shares(self, rollouts: Sequence[Rollout]) -> list[list[MicroBatch]]:
        """Every rank's micro-batches."""
        return [
            [
                replace(batch, rollouts=[share[index] for index in batch.rollouts])
                for batch in self._scorer.micro_batches([rollouts[row] for row in share], self._micro_batch_tokens)
            ]
            for share in balanced_shares(rollouts, self._ranks.world)
        ]

    @contextmanager
    def _memory_for(self, batch: MicroBatch) -> Iterator[None]:
        """Around a pass over `batch`. Raises MicroBatchTooLarge where smaller ones may find the memory that it did not.

        They can't be tried here, as TorchTrainer does: the other ranks wait in a collective of this pass.
        """
        try:
            yield
        except torch.OutOfMemoryError as error:
            if len(batch.rollouts) < 2 or self._micro_batch_tokens == 1:
                raise
            raise MicroBatchTooLarge(
                f"rank {self._ranks.rank}: no memory for {self._micro_batch_tokens} tokens at once "
                f"({' '.join(str(error).split())[:200]})"
            ) from error

    def _score(self, rollouts: Sequence[Rollout]) -> Scores:
        return Scores(*self._engine(rollouts or [NOTHING]))

    def _step(self, learning_rate: float, refused: bool) -> None:
        self._adamw.refused = refused
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.step()

    def _in_order(self, found: list[tuple[int, torch.Tensor]]) -> list[torch.Tensor]:
        everyone = dict(self._ranks.gather(found))
        return [everyone[row] for row in range(len(everyone))]

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        return {name: parameter for name, parameter in self.policy.named_parameters() if parameter.requires_grad}


class _Scored(torch.nn.Module):
    """What DeepSpeed is given to train: a module whose forward pass scores rollouts."""

    def __init__(self, policy: PreTrainedModel, scorer: Scorer) -> None:
        super().__init__()
        self.policy = policy
        self._scorer = scorer

    def forward(self, rollouts: Sequence[Rollout]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        scores = self._scorer.score(self.policy, rollouts)
        return scores.logp_BT, scores.entropy_BT, scores.mask_BT  # not Scores: DeepSpeed finds tensors in tuples alone


class _ShardedScorer(Scorer):
    def plain_head(self, model: PreTrainedModel) -> None:
        """ZeRO 3 has its weight whole while a pass runs, and takes it away before the backward pass."""

    def logits(self, model: PreTrainedModel, hidden_CH: torch.Tensor) -> torch.Tensor:
        # Not by calling the layer: ZeRO 3's hooks would gather it once a chunk. `_Scored` has it gathered as a whole.
        logits_CV: torch.Tensor = model.lm_head.forward(hidden_CH)
        return logits_CV


def _config(operations: Operations, device: str, trained: Sequence[torch.nn.Parameter]) -> dict[str, Any]:
    offloaded = {"offload_optimizer": {"device": "cpu", "pin_memory": device == "cuda"}}
    return {
        "train_micro_batch_size_per_gpu": 1,  # DeepSpeed only counts by it: micro-batches are of any size
        "gradient_accumulation_steps": 1,
        "gradient_clipping": 0.0,  # GuardedAdamW clips
        "zero_optimization": {
            "stage": operations.zero_stage,
            "stage3_param_persistence_threshold": KEPT_NUMEL,
            "reduce_bucket_size": min(BUCKET_NUMEL, sum(parameter.numel() for parameter in trained)),
            "sub_group_size": 2**60,  # one step for all that a rank owns: GuardedAdamW sees the whole gradient
        }
        | (offloaded if operations.offload_optimizer else {}),
        "zero_force_ds_cpu_optimizer": False,  # DeepSpeed's own for a CPU neither guards nor is torch's formula to the bit
        "zero_allow_untested_optimizer": True,  # GuardedAdamW is torch's, which is tested
        "steps_per_print": None,
    }
