"""What a rung asks of its two engines: one samples from the policy, one trains it.

A rung may run on several ranks (stages/engines/ranks.py). Every rank has a RolloutEngine of its own and a part of one
TrainEngine; all ranks make the same calls in the same order, with the same arguments unless said otherwise.

Shapes: T tokens of one response.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.engines.objective import Objective


@dataclass(frozen=True, slots=True)
class Prompt:
    """A problem as the model is asked it; its samples are numbered from `first_sample` on, above 0 where it is asked again."""

    problem_id: str
    token_ids: tuple[int, ...]
    first_sample: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample: `n` answers a prompt at a `temperature` above 0; one longer than `max_response_tokens` is cut (truncated).

    `top_p` leaves only the likeliest tokens that have so much probability together (nucleus sampling, arXiv 1904.09751). A policy
    that is trained is sampled whole, at 1.
    """

    n: int
    temperature: float
    max_response_tokens: int
    top_p: float = 1.0
    greedy: bool = False
    """Besides the `n`, one answer a prompt of the likeliest tokens, after them."""

    @property
    def answers(self) -> int:
        """How many a prompt."""
        return self.n + self.greedy


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer that is asked for: the sample `index` of the prompt, or the `greedy` one."""

    prompt: Prompt
    index: int
    greedy: bool


def asked(prompts: Sequence[Prompt], sampling: Sampling) -> list[Asked]:
    """Every answer that `sampling` asks for, grouped by prompt."""
    answers: list[Asked] = []
    for prompt in prompts:
        samples = range(prompt.first_sample, prompt.first_sample + sampling.n)
        answers += [Asked(prompt, index, False) for index in samples]
        answers += [Asked(prompt, 0, True)] * sampling.greedy
    return answers


@dataclass(frozen=True, slots=True)
class Rollout:
    """One completion. `token_ids` ends with the end-of-sequence token unless it was `truncated`.

    `logp_T` is what the sampler gave each token, at the sampling's temperature, in float32. `greedy` is the one that the sampling
    asked for besides.
    """

    prompt: Prompt
    index: int
    token_ids: tuple[int, ...]
    truncated: bool
    logp_T: np.ndarray = field(compare=False)
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A rollout with its advantage and its tokens' weight in the mini-batch's loss (stages/grpo/loss.py).

    Log-probabilities are (T,) on the CPU; `old_logp_T` is None where the policy is unchanged since sampling: its forward pass
    serves both. `ref_logp_T` is None where the loss has no KL term.
    """

    rollout: Rollout
    advantage: float
    weight: float
    old_logp_T: torch.Tensor | None
    ref_logp_T: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class Update:
    """What an optimizer step saw: `means` and `maxima` over the mini-batch's response tokens, by metric.

    `grad_norm` is that before clipping. A step with a non-finite loss or gradient is `skipped`: weights and optimizer are as they
    were before it. `computed_tokens` are the positions of its forward passes on all ranks, `padding_tokens` those that are empty.
    """

    loss: float
    grad_norm: float
    skipped: bool
    means: Mapping[str, float]
    maxima: Mapping[str, float]
    computed_tokens: int
    padding_tokens: int


class TrainEngine(Protocol):
    @property
    def updates(self) -> int:
        """Optimizer steps taken so far, skipped ones left out: while it is the same, so are the weights."""

    def log_probs(self, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        """Each response token's log-probability under the policy, at the training temperature; (T,) on the CPU, one a rollout."""

    def reference_log_probs(self, rollouts: Sequence[Rollout]) -> list[torch.Tensor]:
        """The same under the frozen reference. Raises RuntimeError where the engine was made without one."""

    def update(self, rows: Sequence[TrainingRow], objective: Objective, learning_rate: float) -> Update:
        """One optimizer step on a mini-batch: the same rows on every rank, which share the work among themselves.

        No rows (all groups skipped) is a step on a gradient of 0: AdamW's moments and weight decay act.
        """

    def weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The policy's whole parameters by transformers' names, adapters merged, one at a time; on every rank."""

    def whole_weights(self) -> AbstractContextManager[None]:
        """Within it the policy's module is whole on every rank, and each may sample from it by itself; no other call is made."""

    def state(self) -> dict[str, torch.Tensor]:
        """Weights, AdamW moments and step count, whole, by ``policy.NAME``, ``exp_avg.NAME``, ``exp_avg_sq.NAME`` and ``step``.

        It is the same for every engine and number of ranks, so that a rung may be resumed on another; full on rank 0 alone.
        """

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a `state`; the same on every rank."""

    def export(self) -> PreTrainedModel:
        """The trained model, whole, adapters merged. It ends the training."""


class RolloutEngine(Protocol):
    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[Rollout]:
        """`sampling.answers` rollouts a prompt, grouped by prompt in the order given; ranks may be given different prompts.

        A rollout's random numbers belong to (`key`, problem id, sample index), whatever it is batched with. `on_progress` is
        told the rollouts done so far.
        """

    def sync(self, trainer: TrainEngine) -> None:
        """Sample from the trainer's present weights from now on. Raises LadderError where the engine can't prove that it does."""

    def sleep(self) -> None:
        """Free what memory it can, the weights' too: the next `sync` comes before the next `generate`."""

    def close(self) -> None:
        """End what was started."""
