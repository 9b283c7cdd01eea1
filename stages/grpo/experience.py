"""What a step learns from: groups of graded completions, sampled until enough of them can teach something.

A group whose rewards are all equal has no advantages. DAPO's dynamic sampling (arXiv 2503.14476, section 3.2) samples further
prompts in its place; here at most `refill_rounds` times a step, and what is still missing then is filled up with such groups, so
that a step always trains on as many groups and its denominators stay the recipe's.

Shapes: P prompts, G completions of each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from transformers import PreTrainedTokenizerBase

from stages.engines.protocols import Prompt, Rollout, RolloutEngine, Sampling
from stages.engines.ranks import Ranks
from stages.grading import BatchGrader, Grade
from stages.grpo.advantages import group_advantages
from stages.grpo.order import ProblemOrder
from stages.grpo.rewards import rewards
from stages.grpo.stopwatch import Stopwatch
from stages.params import Grpo
from stages.problems.problem import Problem
from stages.problems.to_grade import to_grade


@dataclass(frozen=True, slots=True)
class Group:
    """The completions of one prompt: which are `right` (1 or 0), and the `rewards` they earn."""

    rollouts: Sequence[Rollout]
    right_G: np.ndarray
    rewards_G: np.ndarray

    @property
    def teaches(self) -> bool:
        """Whether its rewards differ."""
        return bool((self.rewards_G != self.rewards_G[0]).any())


@dataclass(frozen=True, slots=True)
class Experience:
    """All groups that a step `sampled`, in order, and those that it trains on (`kept`), with their advantages."""

    sampled: Sequence[Group]
    kept: Sequence[Group]
    advantages_PG: np.ndarray
    grades: Sequence[Grade]
    """Of all that was sampled."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the sampler problems and has the answers graded: each rank its own, and all know of all."""

    problems: Sequence[Problem]
    prompts: Sequence[Prompt]
    template: str
    """Of the prompts, as a reward function is given them."""
    tokenizer: PreTrainedTokenizerBase
    sampler: RolloutEngine
    grader: BatchGrader
    ranks: Ranks
    on_sampled: Callable[[int, int], None]
    """Told of how many rollouts this rank has sampled how many so far."""

    def ask(
        self,
        indices: Sequence[int],
        sampling: Sampling,
        key: tuple[str | int, ...],
        asked: dict[int, int],
        watch: Stopwatch,
    ) -> list[tuple[list[Rollout], list[Grade]]]:
        """For each of `indices` its rollouts and their grades. `asked` counts each problem's samples; they are added."""
        prompts = []
        for index in indices:
            prompts.append(replace(self.prompts[index], first_sample=asked.get(index, 0)))
            asked[index] = asked.get(index, 0) + sampling.n
        mine = self.ranks.share(indices)
        with watch.phase("sample"):
            told = partial(self.on_sampled, len(mine) * sampling.n)
            rollouts = self.sampler.generate(self.ranks.share(prompts), sampling, key, told)
        with watch.phase("grade"):
            grades = self._grades(mine, rollouts, sampling.n)
        starts = range(0, len(rollouts), sampling.n)
        with watch.phase("sample"):  # another rank's may take longer
            return self.ranks.gather([(rollouts[at : at + sampling.n], grades[at : at + sampling.n]) for at in starts])

    def texts(self, rollouts: Sequence[Rollout]) -> list[str]:
        if not rollouts:  # of fewer prompts than ranks; transformers would make one text of them
            return []
        return self.tokenizer.batch_decode([list(rollout.token_ids) for rollout in rollouts], skip_special_tokens=True)

    def _grades(self, indices: Sequence[int], rollouts: Sequence[Rollout], group: int) -> list[Grade]:
        items = [
            to_grade(self.problems[indices[row // group]], text, rollout.truncated, self.template)
            for row, (text, rollout) in enumerate(zip(self.texts(rollouts), rollouts, strict=True))
        ]
        return self.grader.grade_batch(items)


def collect(
    asker: Asker, order: ProblemOrder, settings: Grpo, sampling: Sampling, key: tuple[str | int, ...], watch: Stopwatch
) -> Experience:
    """Sample a step's groups; the random numbers belong to `key`."""
    sampled: list[Group] = []
    graded: list[Grade] = []
    asked: dict[int, int] = {}
    for _ in range(1 + settings.refill_rounds):
        missing = settings.prompts_per_step - sum(group.teaches for group in sampled)
        if sampled and missing <= 0:
            break
        for rollouts, grades in asker.ask(list(order.visit(missing)), sampling, key, asked, watch):
            graded += grades
            right_G = np.array([float(grade.reward) for grade in grades])
            earned_G = rewards(rollouts, grades, settings, sampling.max_response_tokens)
            sampled.append(Group(rollouts, right_G, earned_G))
    # Those that teach first, filled up with others; then in the order of the visits, so that mini-batches have some of both.
    by_use = sorted(range(len(sampled)), key=lambda number: not sampled[number].teaches)
    kept = [sampled[number] for number in sorted(by_use[: settings.prompts_per_step])]
    rewards_PG = np.stack([group.rewards_G for group in kept])
    return Experience(sampled, kept, group_advantages(rewards_PG, settings.scale_advantages), graded)
