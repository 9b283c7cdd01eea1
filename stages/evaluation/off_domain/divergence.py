"""How far a policy's distribution has come from the base's: exact, over the whole vocabulary.

    KL(policy || base) at t = sum_v p(v | x_<t) (log p(v | x_<t) - log q(v | x_<t)),  p the policy's, q the base's, in nats

No sampling is in it, as in the k3 estimate that training uses (Schulman, "Approximating KL divergence"): that one knows only the
sampled token. On a policy's own answers its mean over tokens is what the KL term of the loss estimates.

Shapes: N tokens asked, C of a chunk, H hidden size, V vocabulary.
"""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from stages.engines.device import matmuls_in
from stages.engines.packing import pack
from stages.engines.protocols import Rollout
from stages.engines.scoring import Scorer
from stages.engines.varlen import pack_in_one_row

CHUNK_TOKENS = 256  # two models' logits in float64: 0.6 GB for a vocabulary of 152 k


@torch.no_grad()
def divergences(
    policy: PreTrainedModel, base: PreTrainedModel, scorer: Scorer, rollouts: Sequence[Rollout], micro_batch_tokens: int
) -> list[float]:
    """KL(policy || base) summed over the response of each rollout, in nats. Both models are `prepared` by `scorer`."""
    policy.eval()
    base.eval()
    found = [0.0] * len(rollouts)
    for batch in scorer.micro_batches(rollouts, micro_batch_tokens):
        rows = [rollouts[row] for row in batch.rollouts]
        kl_N = _divergence(policy, base, scorer, rows)
        for row, kl_T in zip(batch.rollouts, kl_N.split([len(one.token_ids) for one in rows]), strict=True):
            found[row] = float(kl_T.sum())
    return found


def _divergence(
    policy: PreTrainedModel, base: PreTrainedModel, scorer: Scorer, rollouts: Sequence[Rollout]
) -> torch.Tensor:
    """(N,), of all responses one after the other, in float64 on the CPU."""
    of_policy, of_base = (_hidden(model, scorer, rollouts).split(CHUNK_TOKENS) for model in (policy, base))
    parts = []
    for policy_CH, base_CH in zip(of_policy, of_base, strict=True):
        with matmuls_in(scorer.engine.dtype, policy_CH.device):
            logits_CV, base_logits_CV = scorer.logits(policy, policy_CH), scorer.logits(base, base_CH)
        logp_CV = torch.log_softmax(logits_CV.double(), dim=-1)
        logq_CV = torch.log_softmax(base_logits_CV.double(), dim=-1)
        parts.append((logp_CV.exp() * (logp_CV - logq_CV)).sum(dim=-1).cpu())
    return torch.cat(parts)


def _hidden(model: PreTrainedModel, scorer: Scorer, rollouts: Sequence[Rollout]) -> torch.Tensor:
    """The last layer's states that predict the responses' tokens, (N, H), laid out as training lays them out."""
    packed = (pack if scorer.engine.attention == "sdpa" else pack_in_one_row)(rollouts, model.device)
    with matmuls_in(scorer.engine.dtype, model.device):
        hidden_RSH: torch.Tensor = model.model(
            input_ids=packed.ids_RS, position_ids=packed.positions_RS, use_cache=False, **packed.seen
        ).last_hidden_state
    return hidden_RSH.flatten(0, 1).index_select(0, packed.before_N)
