"""A sample as a request of its own to vLLM: its seed belongs to its name, whatever it is batched with.

vLLM's `n` would derive the seeds of a group from its place in the call. With requests of its own a group costs no second
prefill either: they share the prompt's blocks in vLLM's prefix cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.engines.protocols import Prompt, Rollout, Sampling
from stages.randomness import rng


@dataclass(frozen=True, slots=True)
class Request:
    prompt: Prompt
    index: int
    seed: int

    def rollout(self, token_ids: Sequence[int], logps: Sequence[float], eos_token_id: int) -> Rollout:
        truncated = token_ids[-1] != eos_token_id
        return Rollout(self.prompt, self.index, tuple(token_ids), truncated, np.array(logps, dtype=np.float32))


def requests(prompts: Sequence[Prompt], n: int, key: tuple[str | int, ...]) -> list[Request]:
    """`n` a prompt, grouped by prompt."""
    return [
        Request(prompt, index, int(rng(*key, prompt.problem_id, index).integers(2**63)))
        for prompt in prompts
        for index in range(prompt.first_sample, prompt.first_sample + n)
    ]


def request_settings(sampling: Sampling, seed: int, eos_token_id: int) -> dict[str, object]:
    """The settings of one request, by the names that vLLM's SamplingParams and its HTTP API share.

    Nothing but the sampling's own `top_p` cuts or bends the policy's distribution. `min_tokens` would, so there is none. The one
    end of a response is the checkpoint's end-of-sequence token.
    """
    return {
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_response_tokens,
        "seed": seed,
        "logprobs": 0,  # that of the chosen token, no others
        "stop_token_ids": [eos_token_id],
        "ignore_eos": True,  # vLLM's own idea of it
        "top_p": sampling.top_p,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
