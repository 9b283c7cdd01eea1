"""The proof that a sampler apart from the trainer samples from the trainer's weights, given anew after every update.

An update that misses a part of the weights raises no error of its own (vLLM 0.32 on a CPU leaves a tied output head as it
was), and training goes on with the wrong policy. So the sampler answers a few prompts, and the log-probabilities that it
reports are compared with those that the trainer gives the same tokens. What is compared is what training uses: sampled,
decoded token by token, at the training temperature; vLLM's `prompt_logprobs` know no temperature.

It sees a difference above rounding: one small step may hide below it in bfloat16, weights that stay behind don't.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch

from stages.engines.protocols import Prompt, Rollout, Sampling, TrainEngine
from stages.errors import LadderError

PROMPTS = 4
SAME_SHARE = 0.25  # of the proof's tokens; in bfloat16 a rounding may part two answers early
TOKENS = 32
KEY = ("proof",)

# Mean absolute difference, in nats a token, that two implementations may have in the last bits of their sums.
# float32 on a CPU: 5e-7 was measured; a stale layer costs tenths. On a GPU vLLM's attention multiplies 32-bit numbers in TF32, of
# 11 bits: 0.001 was measured on an H200. bfloat16 rounds to 8 bits, and the two round at different places: 0.005 to 0.011 was
# measured on a CPU, 0.035 to 0.076 on an H200.
TOLERANCE = {
    ("cpu", "float32"): 1e-3, ("cuda", "float32"): 1e-2, ("cpu", "bfloat16"): 0.1, ("cuda", "bfloat16"): 0.1
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answers:
    """What one sampler, `by` its name, answered to the proof's prompts."""

    by: str
    rollouts: list[Rollout]


class Proof:
    """Asks the first of `prompts`, as `sampling` says, but for one short answer each."""

    def __init__(self, prompts: Sequence[Prompt], sampling: Sampling, dtype: str, device: str) -> None:
        self.prompts = prompts[:PROMPTS]
        self.sampling = replace(sampling, n=1, max_response_tokens=min(TOKENS, sampling.max_response_tokens))
        self._tolerance = TOLERANCE[device, dtype]

    def check(self, answers: Sequence[Answers], trainer: TrainEngine) -> None:
        """Raise LadderError for the first sampler whose weights are not the trainer's; the same on every rank."""
        trained = iter(trainer.log_probs(list(chain.from_iterable(answer.rollouts for answer in answers))))
        for answer in answers:
            sampler_N = torch.cat([torch.from_numpy(rollout.logp_T) for rollout in answer.rollouts])
            trainer_N = torch.cat([next(trained) for _ in answer.rollouts])
            difference = (sampler_N - trainer_N).abs().mean().item()
            # Not `difference > tolerance`: NaN is no proof either.
            if not (math.isfinite(difference) and difference <= self._tolerance):
                raise LadderError(
                    f"{answer.by} does not sample from the trainer's weights: the log-probabilities of its own answers "
                    f"({len(sampler_N)} tokens, {sampler_N.mean():.4f} on average) are {difference:.2g} a token from the "
                    f"trainer's ({trainer_N.mean():.4f}), and rounding explains {self._tolerance:g} at most; use the locked "
                    "version of vLLM, or set engine.rollout to 'torch'"
                )

    def check_again(self, found: Answers, proved: Sequence[Rollout]) -> None:
        """Raise LadderError unless a sampler that was given the weights anew answers as it did when the trainer proved it.

        The seeds are the same, and so are the tokens, up to where a rounding parts two answers; over them the log-probabilities
        are compared, at the same tolerance as with the trainer's.
        """
        gaps: list[np.ndarray] = []
        for ours, theirs in zip(found.rollouts, proved, strict=True):
            shared = _shared(ours.token_ids, theirs.token_ids)
            gaps.append(np.abs(ours.logp_T[:shared] - theirs.logp_T[:shared]))
        gap_N, asked = np.concatenate(gaps), sum(len(rollout.token_ids) for rollout in proved)
        difference = float(gap_N.mean()) if len(gap_N) else math.inf
        if not (difference <= self._tolerance and len(gap_N) >= SAME_SHARE * asked):
            raise LadderError(
                f"{found.by} was given the weights anew and does not sample from them: {len(gap_N)} of {asked} tokens are those "
                f"that it gave before, their log-probabilities {difference:.2g} apart, and rounding explains "
                f"{self._tolerance:g}; use the locked version of vLLM, or set engine.rollout to 'torch'"
            )


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
