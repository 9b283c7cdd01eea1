"""A sample as a request of its own to vLLM: its seed belongs to its name, whatever it is batched with.

vLLM's `n` would derive the seeds of a group from its place in the call. With requests of its own a group costs no second
prefill either: they share the prompt's blocks in vLLM's prefix cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.engines.protocols import Asked, Prompt, Rollout, Sampling, asked
from stages.randomness import rng


@dataclass(frozen=True, slots=True)
class Request:
    asked: Asked
    seed: int

    def rollout(self, token_ids: Sequence[int], logps: Sequence[float] | np.ndarray, eos_token_id: int) -> Rollout:
        truncated, logp_T = token_ids[-1] != eos_token_id, np.array(logps, dtype=np.float32)
        return Rollout(self.asked.prompt, self.asked.index, tuple(token_ids), truncated, logp_T, self.asked.greedy)


def requests(prompts: Sequence[Prompt], sampling: Sampling, key: tuple[str | int, ...]) -> list[Request]:
    """`sampling.answers` a prompt, grouped by prompt."""
    return [
        Request(one, int(rng(*key, one.prompt.problem_id, one.index).integers(2**63)))
        for one in asked(prompts, sampling)
    ]


def request_settings(
    sampling: Sampling, request: Request, eos_token_id: int, logprobs: int | None = 0
) -> dict[str, object]:
    """The settings of one request, by the names that vLLM's SamplingParams and its HTTP API share.

    `logprobs`: how many tokens' beside the chosen one's log-probability comes with each token; None brings none at all.

    Nothing but the sampling's own `top_p` cuts or bends the policy's distribution. `min_tokens` would, so there is none. The one
    end of a response is the checkpoint's end-of-sequence token.
    """
    return {
        "temperature": 0.0 if request.asked.greedy else sampling.temperature,
        "max_tokens": sampling.max_response_tokens,
        "seed": request.seed,
        "logprobs": logprobs,
        "stop_token_ids": [eos_token_id],
        "ignore_eos": True,  # vLLM's own idea of it
        "top_p": 1.0 if request.asked.greedy else sampling.top_p,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
