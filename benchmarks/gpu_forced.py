"""A sampler whose answers have the lengths drawn for them, a grader whose verdicts were drawn (benchmarks/gpu_step.py)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.gpu_shape import SHAPES, SPECIAL, Work
from stages.engines.protocols import Prompt, Rollout, Sampling, TrainEngine
from stages.engines.vllm.engine import VllmRollout
from stages.engines.vllm.requests import Request
from stages.grading import Grade, GradeItem, Grader
from stages.randomness import rng

ANSWER, WRONG = "7", "8"


class ForcedRollout(VllmRollout):
    """Gives every answer the length that was drawn for it, and notes what it does for how long."""

    def __init__(self, work: Work, *arguments: Any) -> None:
        self.work, self.logprobs = work, "kept"
        self.seconds: Counter[str] = Counter()
        super().__init__(*arguments)
        self._can_keep = self._keeps_logps

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling, *others: Any, **named: Any) -> list[Rollout]:
        self._keeps_logps = self._can_keep and self.logprobs == "kept"
        rollouts = self._timed("generate", super().generate, prompts, sampling, *others, **named)
        return [replace(rollout, truncated=len(rollout.token_ids) == self.work.limit) for rollout in rollouts]

    def sync(self, trainer: TrainEngine) -> None:
        self._timed("sync", super().sync, trainer)

    def sleep(self) -> None:
        self._timed("sleep", super().sleep)

    def _wake(self) -> None:
        self._timed("wake", super()._wake)

    def _settings(self, number: int, request: Request, sampling: Sampling) -> dict[str, Any]:
        name = (request.asked.prompt.problem_id, request.asked.index)
        drawn = self.work.lengths.get(name, sampling.max_response_tokens)  # none for a proof's prompt of another case
        settings = super()._settings(number, request, sampling)
        if self.logprobs == "none":
            settings["logprobs"] = None
        return settings | {"max_tokens": min(drawn, sampling.max_response_tokens), "stop_token_ids": []}

    def _logps(self, completions: Sequence[Any]) -> list[Any]:
        if self.logprobs == "none":
            return [np.zeros(len(completion.token_ids), dtype=np.float32) for completion in completions]
        return super()._logps(completions)

    def _timed(self, name: str, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        began, inner = perf_counter(), sum(self.seconds.values())
        found = act(*arguments, **named)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        # Of a call within another one, as the proof's within `sync`, the seconds are not counted twice.
        self.seconds[name] += perf_counter() - began - (sum(self.seconds.values()) - inner)
        return found


class CoinGrader:
    """Grades for real, each answer with a box at its end: in every group half of them, drawn by seed, are right."""

    def __init__(self, grader: Grader, group: int, seed: int) -> None:
        self._grader, self._group, self._seed = grader, group, seed

    def grade_batch(self, items: Sequence[GradeItem]) -> list[Grade]:
        problems = [item.row.columns["problem"] for item in items[:: self._group]]
        coins = [coin for problem in problems for coin in coins_of(self._group, self._seed, problem)]
        return self._grader.grade_batch(
            [
                GradeItem(f"{item.response} </think> \\boxed{{{ANSWER if coin else WRONG}}}", item.answer)
                for item, coin in zip(items, coins, strict=True)
            ]
        )


def coins_of(group: int, seed: int, problem: str) -> list[bool]:
    """Which of a group's answers are right: half of them, on whatever rank it is graded."""
    return [bool(place < group // 2) for place in rng(seed, "coin", problem).permutation(group)]


def random_rollouts(work: Work, shape: str, seed: int) -> list[Rollout]:
    """Answers of random tokens, as likely as a model that knows nothing finds them."""
    words = SHAPES[shape]["vocab_size"] - SPECIAL
    prompts = {prompt.problem_id: prompt for prompt in work.prompts}
    return [
        Rollout(
            prompts[name],
            sample,
            tuple(rng(seed, "answer", name, sample).integers(0, words, length).tolist()),
            length == work.limit,
            np.full(length, -np.log(words), dtype=np.float32),
        )
        for (name, sample), length in work.lengths.items()
    ]
