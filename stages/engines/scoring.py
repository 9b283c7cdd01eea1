"""The forward pass of training: log-probabilities and entropies of responses, a few rows at a time.

Shapes: B responses of a micro-batch, T tokens of a response (padded on the right), R rows and S tokens that the model is fed
(stages/engines/packing.py), N response tokens (unpadded), H hidden size, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from stages.engines.device import matmuls_in
from stages.engines.head import linear_log_probs
from stages.engines.objective import LossInputs
from stages.engines.packing import MicroBatch, micro_batches, pack
from stages.engines.protocols import Prompt, Rollout, TrainingRow
from stages.engines.varlen import NAMES, check_flash_attention_4, full_batches, pack_in_one_row
from stages.errors import LadderError
from stages.params import Engine

CHECK_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}  # nats a token: what rounding explains
HEAD_CHUNK_TOKENS = 2048  # logits of 2,048 tokens at a time: 1.2 GB in float32 for a vocabulary of 152 k


@dataclass(frozen=True, slots=True)
class Scores:
    logp_BT: torch.Tensor
    entropy_BT: torch.Tensor
    mask_BT: torch.Tensor


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores responses as `engine` says, their logits divided by `temperature` as the sampler's were.

    A model has to be `prepared` first.
    """

    engine: Engine
    temperature: float

    def prepare(self, model: PreTrainedModel) -> None:
        """Have `model` attend as its responses will be laid out, and its layers compiled. Raises LadderError."""
        if self.engine.attention == "varlen-fa4":
            check_flash_attention_4()
        if self.engine.attention != "sdpa":
            model.set_attn_implementation(NAMES[self.engine.attention])
        if self.engine.compile:
            # One set a kind of pass (with or without gradients, adapters, as a reference); beyond its limit torch only warns.
            torch._dynamo.config.recompile_limit = 32
            for layer in model.model.layers:  # all are one function to the compiler, which compiles it once
                layer.compile(dynamic=True)

    def micro_batches(self, rollouts: Sequence[Rollout], micro_batch_tokens: int) -> Iterator[MicroBatch]:
        """The parts of `rollouts` that are scored at once."""
        divide = micro_batches if self.engine.attention == "sdpa" else full_batches
        return divide(rollouts, micro_batch_tokens)

    def score(self, model: PreTrainedModel, rollouts: Sequence[Rollout]) -> Scores:
        lay_out = pack if self.engine.attention == "sdpa" else pack_in_one_row
        packed = lay_out(rollouts, model.device)
        with matmuls_in(self.engine.dtype, model.device):
            hidden_RSH = model.model(
                input_ids=packed.ids_RS, position_ids=packed.positions_RS, use_cache=False, **packed.seen
            ).last_hidden_state
        hidden_NH = hidden_RSH.flatten(0, 1).index_select(0, packed.before_N)
        logp_N, entropy_N = self._head(model, hidden_NH, packed.targets_N)
        lengths_B = torch.tensor([len(rollout.token_ids) for rollout in rollouts])
        mask_BT = (torch.arange(int(lengths_B.max())) < lengths_B[:, None]).to(model.device)
        zeros_BT = torch.zeros(mask_BT.shape, device=model.device)
        return Scores(
            zeros_BT.masked_scatter(mask_BT, logp_N), zeros_BT.masked_scatter(mask_BT, entropy_N), mask_BT.float()
        )

    def _head(
        self, model: PreTrainedModel, hidden_NH: torch.Tensor, targets_N: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability and entropy of each token, the vocabulary's logits held for a chunk of tokens only."""
        weight_VH = self.plain_head(model)
        if weight_VH is not None and len(hidden_NH) > HEAD_CHUNK_TOKENS:
            dtype: torch.dtype = getattr(torch, self.engine.dtype)
            return linear_log_probs(
                hidden_NH.to(dtype), weight_VH.to(dtype), targets_N, self.temperature, self.engine.compile
            )

        def chunk(hidden_CH: torch.Tensor, targets_C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            with matmuls_in(self.engine.dtype, hidden_CH.device):
                logits_CV = self.logits(model, hidden_CH)
            logp_CV = torch.log_softmax(logits_CV.float() / self.temperature, dim=-1)
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

    def plain_head(self, model: PreTrainedModel) -> torch.Tensor | None:
        """The weight of the vocabulary's layer, (V, H), if that is all there is to it: no bias, no adapter."""
        head = model.lm_head
        return head.weight if type(head) is torch.nn.Linear and head.bias is None else None

    def logits(self, model: PreTrainedModel, hidden_CH: torch.Tensor) -> torch.Tensor:
        logits_CV: torch.Tensor = model.lm_head(hidden_CH)
        return logits_CV

    @torch.no_grad()
    def log_probs(
        self, model: PreTrainedModel, rollouts: Sequence[Rollout], micro_batch_tokens: int
    ) -> list[torch.Tensor]:
        """Each response token's log-probability under `model`, (T,) on the CPU, one a rollout."""
        model.eval()
        found: dict[int, torch.Tensor] = {}
        for batch in self.micro_batches(rollouts, micro_batch_tokens):
            scores = self.score(model, [rollouts[row] for row in batch.rollouts])
            for row, logp_T in zip(batch.rollouts, scores.logp_BT.cpu(), strict=True):
                found[row] = logp_T[: len(rollouts[row].token_ids)].clone()
        return [found[row] for row in range(len(rollouts))]


@torch.no_grad()
def check_model(model: PreTrainedModel, scorer: Scorer) -> None:
    """Prepare `model` for `scorer`. Raises LadderError where it computes what scorer and embedded sampler would not.

    They call the model's parts, and some architectures scale or cap their logits, some let a token see no more than a window.
    """
    config = model.config
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    if windowed or "sliding_attention" in (getattr(config, "layer_types", None) or []):
        raise LadderError(
            f"base: {model.config.model_type} attends to a sliding window, which this trainer does not know; use another base"
        )
    model.eval()
    prompt = Prompt("check", tuple(token % model.config.vocab_size for token in range(3, 19)))
    rollout = Rollout(prompt, 0, tuple(reversed(prompt.token_ids)), True, np.zeros(16, dtype=np.float32))
    ids_1S = torch.tensor([prompt.token_ids + rollout.token_ids], device=model.device)
    with matmuls_in(scorer.engine.dtype, model.device):
        logits_TV = model(input_ids=ids_1S, use_cache=False).logits[0, len(prompt.token_ids) - 1 : -1]
    own_TV = torch.log_softmax(logits_TV.float() / scorer.temperature, dim=-1)
    own_T = own_TV.gather(1, ids_1S[0, len(prompt.token_ids) :, None]).squeeze(1)
    scorer.prepare(model)
    found_T = scorer.score(model, [rollout]).logp_BT[0]
    gap = (found_T - own_T).abs().mean().item()
    if not gap <= CHECK_TOLERANCE[scorer.engine.dtype]:
        raise LadderError(
            f"base: {model.config.model_type} changes its logits in a way that this trainer does not know (its log-probabilities "
            f"are {gap:.2g} a token from the model's own); use another base"
        )


def balanced_shares(rollouts: Sequence[Rollout], world: int) -> list[list[int]]:
    """Each rank's rows: the longest first, each to the rank that has the fewest tokens so far (lengths are long-tailed)."""
    lengths = [len(rollout.prompt.token_ids) + len(rollout.token_ids) for rollout in rollouts]
    shares: list[list[int]] = [[] for _ in range(world)]
    loads = [0] * world
    for index in sorted(range(len(rollouts)), key=lambda index: -lengths[index]):
        rank = loads.index(min(loads))
        shares[rank].append(index)
        loads[rank] += lengths[index]
    return [sorted(share) for share in shares]


def loss_inputs(rows: Sequence[TrainingRow], scores: Scores) -> LossInputs:
    """What the objective is given of the rows of one micro-batch."""
    device = scores.logp_BT.device

    def padded(per_row: list[torch.Tensor]) -> torch.Tensor:
        stacked_BT = torch.zeros(scores.mask_BT.shape)
        for row, values_T in enumerate(per_row):
            stacked_BT[row, : len(values_T)] = values_T
        return stacked_BT.to(device)

    old = [row.old_logp_T for row in rows if row.old_logp_T is not None]
    if len(old) not in (0, len(rows)):
        raise ValueError("of an update's rows all have old log-probabilities or none has")
    ref = [row.ref_logp_T for row in rows if row.ref_logp_T is not None]
    return LossInputs(
        logp_BT=scores.logp_BT,
        old_logp_BT=padded(old) if old else scores.logp_BT.detach(),
        ref_logp_BT=padded(ref) if ref else None,
        sampler_logp_BT=padded([torch.from_numpy(row.rollout.logp_T) for row in rows]),
        entropy_BT=scores.entropy_BT,
        advantage_B=torch.tensor([row.advantage for row in rows], device=device, dtype=torch.float32),
        weight_B=torch.tensor([row.weight for row in rows], device=device, dtype=torch.float32),
        mask_BT=scores.mask_BT,
    )
