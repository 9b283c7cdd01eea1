"""One rung of GRPO: sample a group for every prompt, grade it, take one optimizer step a mini-batch, as often as asked for.

The KL term's reference is the trainer's affair. Everything random is named by (seed, rung, step, problem, sample), so a resumed
rung goes on with the very same numbers. On several ranks every rank runs this; the main one reports and writes.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from stages.accounting.flops import ModelShape
from stages.accounting.records import StepCost
from stages.engines.protocols import Prompt, RolloutEngine, Sampling, TrainEngine, TrainingRow, Update
from stages.engines.ranks import ALONE, Ranks
from stages.errors import BudgetReached
from stages.grading import BatchGrader
from stages.grading.failures import check_failures
from stages.grpo.batches import MiniBatch, mini_batches
from stages.grpo.checkpoints import RungCheckpoints
from stages.grpo.costs import step_cost
from stages.grpo.experience import Asker, Experience, collect
from stages.grpo.guards import check_finite, check_guards
from stages.grpo.loss import loss_sums
from stages.grpo.metrics import StepMetrics, mean_of, step_metrics
from stages.grpo.order import ProblemOrder
from stages.grpo.rewards import answer_rewards
from stages.grpo.schedules import adapted_kl_coef, learning_rate
from stages.grpo.stopwatch import Stopwatch
from stages.params import Grpo, Guards, Rung, Task
from stages.problems.problem import Problem
from stages.process import Stopped, stops_deferred
from stages.randomness import rng

STOP_BYTES = 2**29  # of state: what a disk of 200 MB/s takes within STOP_S
OnStep = Callable[[StepMetrics, StepCost], str | None]
"""Told of a finished step; says why the rung has to end with it, if it has to."""

OnSampled = Callable[[int, int, int], None]
"""Told, while a step samples, of the steps finished before it, how many rollouts this rank samples in it, and how many it has."""


@dataclass(frozen=True, slots=True)
class RungSettings:
    """What decides a rung's bytes, besides its problems, its starting weights and its engines; and what stops it."""

    name: str
    seed: int
    grpo: Grpo
    rung: Rung
    guards: Guards
    task: Task


@dataclass(frozen=True, slots=True)
class Position:
    """Where a rung is after a finished step: visits of problems, the KL coefficient, optimizer steps taken, and how many in a
    row, up to now, were skipped as not finite."""

    visits: int
    kl_coef: float
    updates: int
    non_finite: int


@dataclass(frozen=True, slots=True)
class _Step:
    """A step's line of the table, and what its cost goes by."""

    metrics: StepMetrics
    experience: Experience
    batches: Sequence[MiniBatch]
    updates: Sequence[Update]


@dataclass(frozen=True, slots=True)
class Climbed:
    """A rung's table by step, and its answers to a fixed set of prompts, to be read."""

    metrics: list[StepMetrics]
    completions: list[dict[str, Any]]


class GrpoRung:
    def __init__(
        self,
        settings: RungSettings,
        problems: Sequence[Problem],
        prompts: Sequence[Prompt],
        tokenizer: PreTrainedTokenizerBase,
        trainer: TrainEngine,
        sampler: RolloutEngine,
        grader: BatchGrader,
        shape: ModelShape,
        ranks: Ranks = ALONE,
        on_sampled: OnSampled = lambda steps, total, done: None,
    ) -> None:
        self._settings = settings
        self._shape = shape
        self._trainer = trainer
        self._sampler = sampler
        self._ranks = ranks
        self._done = Climbed([], [])
        self._asker = Asker(
            problems, prompts, settings.task.prompt, tokenizer, sampler, grader, ranks,
            lambda total, done: on_sampled(len(self._done.metrics), total, done),
        )  # fmt: skip
        self._order = ProblemOrder(len(problems), settings.seed, settings.name)
        self._at = Position(0, settings.grpo.kl_coef, trainer.updates, 0)
        self._untold: _Step | None = None
        self._synced: int | None = None  # the trainer's updates that the sampler has; None once it has slept
        self._keeps = False  # whether a stop is to find the state of the last finished step
        self._kept_state: dict[str, torch.Tensor] | None = (
            None  # that state, while the step in flight changes the weights
        )

    def climb(
        self,
        checkpoints: RungCheckpoints | None,
        checkpoint_every_steps: int,
        on_step: OnStep = lambda metrics, cost: None,
    ) -> Climbed:
        """Take the steps that are left, from the latest of `checkpoints` if it holds any.

        A stop abandons the step in flight. It leaves a checkpoint of the last finished one where that can be written in time: on
        one rank, up to STOP_BYTES; beyond that the last checkpoint of the interval serves. The last step has one in any case.
        Raises BudgetReached where `on_step` (the main rank's counts) says that it has to end; that step has one, too.
        """
        self._resume(checkpoints)
        steps = self._settings.rung.steps
        self._keeps = checkpoints is not None and self._ranks.world == 1 and _bytes(self._trainer) <= STOP_BYTES
        try:
            watch = Stopwatch()
            self._answer(watch)  # what a stop may have kept from being answered after the step before
            for step in range(len(self._done.metrics) + 1, steps + 1):
                self._untold = self._step(step, watch)
                self._answer(watch)
                # Booked before it is saved: a step that was booked and not saved is taken again, and seen to be; one that was
                # saved and not booked would be missing for ever. So a step's `save` is that of the checkpoint before it.
                why = self._ranks.from_main(self._tell(on_step, watch))
                watch = Stopwatch()
                check_guards(self._settings.name, self._done.metrics, self._settings.guards)
                ends = why is not None and step < steps
                if checkpoints and (ends or step % checkpoint_every_steps == 0 or step == steps):
                    with watch.phase("save"):
                        self._save(checkpoints, self._trainer.state())
                if ends:
                    raise BudgetReached(str(why))
        except Stopped:
            if self._untold and len(self._done.metrics) == self._untold.metrics.step:
                self._tell(on_step, watch)
            if checkpoints:
                self._save_last_finished(checkpoints)
            raise
        return self._done

    def _step(self, step: int, watch: Stopwatch) -> _Step:
        """One step, whole: nothing of the rung's record changes before its end."""
        settings, grpo = self._settings, self._settings.grpo
        self._sync(watch)
        sampling = Sampling(settings.rung.rollouts_per_prompt, grpo.temperature, settings.rung.max_response_tokens)
        experience = collect(
            self._asker, self._order, grpo, sampling, (settings.seed, "rollout", settings.name, step), watch
        )
        where = f"train@{settings.name}: stopped at step {step}"
        check_failures(experience.grades, settings.task.max_failed_share, where)
        self._sampler.sleep()
        self._synced = None
        batches = mini_batches(experience, self._trainer, grpo, sampling.max_response_tokens, watch)
        rate = learning_rate(step, settings.rung.steps, grpo)
        with watch.phase("update"):
            updates, non_finite = self._update(step, [batch.rows for batch in batches], rate)
        metrics = step_metrics(step, experience, batches, updates, rate, self._at.kl_coef)
        kl_coef, kl = self._at.kl_coef, mean_of(updates, "kl")
        if grpo.kl_target is not None and kl is not None:
            rollouts = grpo.prompts_per_step * sampling.n
            kl_coef = adapted_kl_coef(kl_coef, kl, rollouts, grpo.kl_target, grpo.kl_horizon)
        with stops_deferred():
            self._done.metrics.append(metrics)
            self._at = Position(self._order.position, kl_coef, self._trainer.updates, non_finite)
            self._kept_state = None
        return _Step(metrics, experience, batches, updates)

    def _tell(self, on_step: OnStep, watch: Stopwatch) -> str | None:
        """Of the step that is finished and has not been told of."""
        taken, self._untold = self._untold, None
        assert taken is not None
        step, grpo = taken.metrics.step, self._settings.grpo
        cost = step_cost(step, taken.experience, taken.batches, taken.updates, grpo, self._shape, watch)
        return on_step(taken.metrics, cost)

    def _update(self, step: int, batches: list[list[TrainingRow]], rate: float) -> tuple[list[Update], int]:
        """The step's optimizer steps, and how many in a row, up to the last one, were not finite."""
        grpo, non_finite = self._settings.grpo, self._at.non_finite
        objective = partial(loss_sums, settings=grpo, kl_coef=self._at.kl_coef)
        if self._keeps:
            self._kept_state = {name: tensor.to("cpu", copy=True) for name, tensor in self._trainer.state().items()}
        updates = []
        for _ in range(grpo.epochs_per_step):
            for rows in batches:
                updates.append(self._trainer.update(rows, objective, rate))
                non_finite = non_finite + 1 if updates[-1].skipped else 0
                check_finite(self._settings.name, step, non_finite, self._settings.guards)
        return updates, non_finite

    def _sync(self, watch: Stopwatch) -> None:
        """Have the sampler sample from the trainer's present weights."""
        if self._synced != self._trainer.updates:
            with watch.phase("sample"):
                self._sampler.sync(self._trainer)
            self._synced = self._trainer.updates

    def _answer(self, watch: Stopwatch) -> None:
        """After the last finished step, if it is time and not yet done: an answer to each of the fixed prompts, to be read."""
        settings, grpo, step = self._settings, self._settings.grpo, len(self._done.metrics)
        answered = self._done.completions[-1]["step"] if self._done.completions else -1
        if not grpo.log_completions_steps or step % grpo.log_completions_steps or step == answered:
            return
        self._sync(watch)
        asker = self._asker
        count = min(grpo.log_completions_prompts, len(asker.problems))
        chosen = (
            rng(settings.seed, "completions", settings.name).choice(len(asker.problems), count, replace=False).tolist()
        )
        sampling = Sampling(1, grpo.temperature, settings.rung.max_response_tokens)
        answers = asker.ask(chosen, sampling, (settings.seed, "completions", settings.name, step), {}, watch)
        rows = [
            {
                "step": step,
                "problem_id": asker.problems[index].id,
                "prompt": asker.problems[index].problem,
                "completion": asker.texts(rollouts)[0],
                "reward": float(answer_rewards(grades, grpo.partial_credit)[0]),
                "tokens": len(rollouts[0].token_ids),
                "truncated": rollouts[0].truncated,
            }
            for index, (rollouts, grades) in zip(chosen, answers, strict=True)
        ]
        with stops_deferred():
            self._done.completions.extend(rows)

    def _save(self, checkpoints: RungCheckpoints, state: dict[str, torch.Tensor]) -> None:
        if self._ranks.is_main:
            record = {
                "position": asdict(self._at),
                "metrics": [asdict(row) for row in self._done.metrics],
                "completions": self._done.completions,
            }
            checkpoints.save(len(self._done.metrics), state, record)

    def _save_last_finished(self, checkpoints: RungCheckpoints) -> None:
        """Its state was kept where the step in flight may have changed the weights.

        Several ranks are stopped at different places and can't gather a state any more.
        """
        if self._keeps and self._done.metrics:
            self._save(checkpoints, self._trainer.state() if self._kept_state is None else self._kept_state)

    def _resume(self, checkpoints: RungCheckpoints | None) -> None:
        newest = self._ranks.from_main(checkpoints.newest_whole() if checkpoints and self._ranks.is_main else None)
        if checkpoints is None or newest is None:
            return
        saved = checkpoints.read(newest)  # every rank reads it: all are on one host
        self._trainer.load_state(saved.tensors)
        self._at = Position(**saved.record["position"])
        self._order.position = self._at.visits
        self._done = Climbed([StepMetrics(**row) for row in saved.record["metrics"]], saved.record["completions"])
        check_guards(self._settings.name, self._done.metrics, self._settings.guards)


def _bytes(trainer: TrainEngine) -> int:
    """Of a checkpoint: weights and two moments in float32."""
    return 3 * 4 * sum(tensor.numel() for _, tensor in trainer.weights())
