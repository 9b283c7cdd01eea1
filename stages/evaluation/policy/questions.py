"""What a policy is asked: every held-out problem, as often and as a checkpoint is, and what an answer to it is known by.

A checkpoint's samples differ by their random numbers, a policy's by their number alone: what draws them is the endpoint's own.
`top_p` is always said, so that no endpoint cuts the distribution by a default of its own. (vLLM takes others, as top_k, from the
model's generation_config.json unless it is started with --generation-config vllm.)
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from stages.params import Evaluation
from stages.problems.problem import Problem, question


@dataclass(frozen=True, slots=True)
class Question:
    """One answer to be asked for; `index` counts the answers to the problem at this temperature."""

    problem_id: str
    index: int
    prompt: str
    temperature: float
    top_p: float
    max_tokens: int

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    def key(self, model: str) -> str:
        """A hash of all that decides what is asked: the answer is kept by it."""
        said = [model, self.prompt, self.temperature, self.top_p, self.max_tokens, self.index]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def body(self, model: str) -> dict[str, object]:
        """As the protocol has it."""
        return {
            "model": model,
            "messages": [{"role": "user", "content": self.prompt}],
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }


def questions(problems: Sequence[Problem], samples: int, template: str, settings: Evaluation) -> list[Question]:
    """`samples` a problem, then, if asked for, a greedy one; of a problem that two benchmarks have once."""
    limit = settings.max_response_tokens
    once = {problem.id: problem for problem in problems}.values()
    prompts = {one.id: question(one, template) for one in once}
    asked = [
        Question(name, index, prompt, settings.temperature, settings.top_p, limit)
        for name, prompt in prompts.items()
        for index in range(samples)
    ]
    greedy = [Question(name, 0, prompt, 0.0, 1.0, limit) for name, prompt in prompts.items()] if settings.greedy else []
    return asked + greedy
