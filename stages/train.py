"""Stage `train@RUNG`: one rung of GRPO from the checkpoint below it. `python -m stages.train 8k`

With `operations.devices` above 1 this process books the attempt and starts as many ranks, each of which runs this module again.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from stages.accounting.records import StepCost
from stages.engines.build import Start, make_sampler, make_trainer
from stages.engines.checkpoint import load_checkpoint, save_checkpoint
from stages.engines.device import occupied_by_ranks, on_device, prepare_device
from stages.engines.launch import run_ranks
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Sampling
from stages.engines.rank_process import as_rank, is_rank
from stages.engines.ranks import ALONE, Ranks, init_ranks
from stages.engines.shape import shape_of
from stages.errors import MicroBatchTooLarge
from stages.grading import make_grader
from stages.grpo.checkpoints import RESUME, RungCheckpoints, rung_checkpoints
from stages.grpo.metrics import StepMetrics
from stages.grpo.micro_batches import halve, within_memory
from stages.grpo.rung import Climbed, GrpoRung, OnSampled, OnStep, RungSettings
from stages.params import CHECKPOINTS, RUNGS, Params
from stages.problems.dry_run import FEW, graded_answers
from stages.problems.problem import Problem
from stages.problems.rung_rows import read_rung_table
from stages.stage import Running, cause_of, joined, one_line, stage
from stages.store.files import write_csv, write_jsonl

BASE = Path("models/base")
LIVE = Path("runs/live")
TELL_EVERY_S = 5.0  # while a step samples


class Reporter:
    """Tells how far the rung is: after every step, and now and then while a long one samples."""

    def __init__(self, running: Running, steps: int) -> None:
        self._running = running
        self._steps = steps
        self._told = time.monotonic()
        self._live = LIVE / f"{running.name}.jsonl"

    def step(self, metrics: StepMetrics, cost: StepCost) -> str | None:
        """Why the rung has to end, if it has to."""
        why = self._running.took(cost)
        self._note({"attempt": self._running.booking.attempt, **metrics.row(), **asdict(cost)})
        self._tell(
            metrics.step,
            f"reward {metrics.reward:.2f} length {metrics.completions_mean_length:.0f} "
            f"truncated {metrics.completions_clipped_ratio:.0%} {cost.tokens_per_s:.0f} tokens/s",
        )
        return why

    def sampled(self, steps: int, total: int, done: int) -> None:
        if time.monotonic() - self._told > TELL_EVERY_S:
            self._tell(steps, f"then sampled {done}/{total}")

    def _note(self, row: dict[str, Any]) -> None:
        """The rung's table while it grows, that of a rung that fails too: the table among the outs is written at its end."""
        self._live.parent.mkdir(parents=True, exist_ok=True)
        with self._live.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _tell(self, done: int, note: str) -> None:
        self._told = time.monotonic()
        self._running.progress(done, self._steps, note)


def run(
    name: str,
    params: Params,
    start: Start,
    problems: list[Problem],
    checkpoints: RungCheckpoints | None = None,
    on_step: OnStep = lambda metrics, cost: None,
    on_sampled: OnSampled = lambda steps, total, done: None,
    ranks: Ranks = ALONE,
) -> Climbed:
    """Train the model of `start` in place, which may lie on the CPU: it goes to the engine's device."""
    grpo, rung = params.grpo, params.rungs.of(name)
    prompts = encode_prompts(problems, start.checkpoint.tokenizer, params.task.prompt, grpo.max_prompt_tokens)
    sampling = Sampling(rung.rollouts_per_prompt, grpo.temperature, rung.max_response_tokens)
    shape = shape_of(start.checkpoint.model)  # before adapters or shards change what the model holds
    # The sampler first: vLLM takes its share of a GPU's memory before the trainer takes what it needs, the weights' too.
    sampler = make_sampler(start.checkpoint, start.folder, prompts, sampling, params, trained=True, ranks=ranks)
    try:
        sampler.sleep()
        on_device(start.checkpoint.model, torch.device(params.engine.device))
        trainer = make_trainer(start, params, ranks)
        settings = RungSettings(name, params.seed, grpo, rung, params.guards, params.task)
        with make_grader(params.grading, params.task, parts=ranks.world) as grader:
            tokenizer = start.checkpoint.tokenizer
            climbing = GrpoRung(
                settings, problems, prompts, tokenizer, trainer, sampler, grader, shape, ranks, on_sampled
            )
            climbed = climbing.climb(checkpoints, params.operations.checkpoint_every_steps, on_step)
        sampler.sleep()
        trainer.export()
    finally:
        sampler.close()
    return climbed


def make(running: Running, name: str, checkpoints: RungCheckpoints, ranks: Ranks) -> None:
    """Make the rung's outs; of several ranks the main one writes them."""
    operations = within_memory(running.params.operations, checkpoints.folder)
    params = running.params.model_copy(update={"operations": operations})
    prepare_device(params.engine)
    below = Path("models") / CHECKPOINTS[CHECKPOINTS.index(name) - 1]
    start = Start(load_checkpoint(below, torch.device("cpu")), below, BASE)
    problems = read_rung_table(Path(f"data/curriculum/{name}.parquet"))
    if ranks.is_main and params.task.is_function:
        graded_answers(problems[:FEW], params)  # before anything is spent
    reporter = Reporter(running, params.rungs.of(name).steps)
    if ranks.is_main:
        climbed = run(name, params, start, problems, checkpoints, reporter.step, reporter.sampled, ranks)
        save_checkpoint(start.checkpoint, Path("models") / name)
        write_jsonl(Path(f"samples/train/{name}.jsonl"), climbed.completions)
        write_csv(Path(f"metrics/train/{name}.csv"), [metrics.row() for metrics in climbed.metrics])
    else:
        run(name, params, start, problems, checkpoints, ranks=ranks)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("rung", choices=RUNGS)
    name = parser.parse_args().rung
    if is_rank():
        with as_rank(partial(one_line, f"train@{name}"), cause_of):
            running = joined(f"train@{name}")
            checkpoints = RungCheckpoints(RESUME / running.identity, running.params.operations.keep_checkpoints)
            make(running, name, checkpoints, init_ranks(running.params.engine.device))
        return
    with (
        stage(f"train@{name}", occupied_by_ranks) as running,
        rung_checkpoints(running.identity, running.params.operations.keep_checkpoints) as checkpoints,
    ):
        operations = running.params.operations
        fewer = within_memory(operations, checkpoints.folder)
        if fewer != operations:
            running.say(f"takes {fewer.micro_batch_tokens} tokens at once: more found no memory")
            running.replan(fewer)
        try:
            if operations.devices > 1:
                run_ranks([sys.executable, "-m", "stages.train", name], operations.devices, running.environment())
            else:
                make(running, name, checkpoints, ALONE)
        except MicroBatchTooLarge as error:
            raise halve(operations, checkpoints.folder, error) from error
        checkpoints.delete()


if __name__ == "__main__":
    main()
