"""A checkpoint's own answers to held-out problems, as it is asked about every token of them again.

They are kept as text (samples/CHECKPOINT.jsonl) and made tokens anew: where a text can be said in several ways, not always the
sampled ones. The greedy answer where there is one, else the first sample.
"""

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from stages.engines.protocols import Prompt, Rollout
from stages.errors import LadderError
from stages.problems.problem import Problem
from stages.problems.sample import Sample


def spread(problems: Sequence[Problem], count: int) -> list[Problem]:
    """At most `count` of them, each once, evenly over the table."""
    once = list({problem.id: problem for problem in problems}.values())
    return [once[place * len(once) // count] for place in range(count)] if count < len(once) else once


def own_answers(
    prompts: Sequence[Prompt], samples: Sequence[Sample], tokenizer: PreTrainedTokenizerBase
) -> list[Rollout]:
    """An answer a prompt, in order. Raises LadderError where a prompt has none."""
    chosen: dict[str, Sample] = {}
    for sample in sorted(samples, key=lambda sample: (not sample.greedy, sample.index)):
        chosen.setdefault(sample.problem_id, sample)
    found = []
    for prompt in prompts:
        if prompt.problem_id not in chosen:
            raise LadderError(f"samples: no answer to problem {prompt.problem_id}; `dvc repro` samples it")
        sample = chosen[prompt.problem_id]
        ids = tokenizer.encode(sample.response, add_special_tokens=False)
        ids += [] if sample.truncated else [int(tokenizer.eos_token_id)]
        if ids:  # an answer of special tokens alone, cut, is an empty text
            logp_T = np.zeros(len(ids), dtype=np.float32)
            found.append(Rollout(prompt, sample.index, tuple(ids), sample.truncated, logp_T, sample.greedy))
    return found
