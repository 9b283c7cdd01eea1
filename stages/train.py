"""Stage `train@RUNG`: one rung of GRPO from the checkpoint below it. `python -m stages.train 8k`"""

import argparse
from pathlib import Path

from stages.accounting.ledger import StepCost
from stages.engines.build import make_sampler, make_trainer
from stages.engines.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.engines.device import occupied_device, prepare_device
from stages.engines.prompts import encode_fitting
from stages.grading import Grader
from stages.grpo.checkpoints import RungCheckpoints, rung_checkpoints
from stages.grpo.metrics import StepMetrics
from stages.grpo.rung import Climbed, GrpoRung, OnStep, RungSettings
from stages.params import CHECKPOINTS, RUNGS, Params
from stages.problems.problem import Problem, read_problems
from stages.stage import stage
from stages.store.files import write_csv, write_jsonl

BASE = Path("models/base")


def run(
    name: str,
    params: Params,
    start: Checkpoint,
    problems: list[Problem],
    base: Path | None = None,
    checkpoints: RungCheckpoints | None = None,
    on_step: OnStep = lambda metrics, cost: None,
) -> Climbed:
    """Train `start` in place. `base` is the checkpoint that the KL term holds on to where the settings say so."""
    settings = RungSettings(name, params.seed, params.grpo, params.rungs.of(name), params.guards)
    fitting = encode_fitting(problems, start.tokenizer, params.problems.instruction, params.grpo.max_prompt_tokens)
    trainer = make_trainer(start, base, params)
    sampler = make_sampler(start, params)
    try:
        with Grader(params.grading.timeout_s, params.grading.require_closed_thinking) as grader:
            rung = GrpoRung(settings, fitting, start.tokenizer, trainer, sampler, grader)
            climbed = rung.climb(checkpoints, params.operations.checkpoint_every_steps, on_step)
    finally:
        sampler.close()
    trainer.export()
    return climbed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("rung", choices=RUNGS)
    name = parser.parse_args().rung
    with stage(f"train@{name}", occupied_device) as running:
        params = running.params
        steps = params.rungs.of(name).steps

        def report(metrics: StepMetrics, cost: StepCost) -> None:
            running.took(cost)
            running.progress(metrics.step, steps, _summary(metrics, cost))

        with rung_checkpoints(running.identity, params.operations.keep_checkpoints) as checkpoints:
            below = Path("models") / CHECKPOINTS[CHECKPOINTS.index(name) - 1]
            start = load_checkpoint(below, prepare_device(params.engine))
            problems = read_problems(Path(f"data/curriculum/{name}.jsonl"))
            climbed = run(name, params, start, problems, BASE, checkpoints, report)
            save_checkpoint(start, Path("models") / name)
            write_jsonl(Path(f"samples/train/{name}.jsonl"), climbed.completions)
            write_csv(Path(f"metrics/train/{name}.csv"), [metrics.row() for metrics in climbed.metrics])
            checkpoints.delete()


def _summary(metrics: StepMetrics, cost: StepCost) -> str:
    return (
        f"reward {metrics.reward:.2f} length {metrics.completions_mean_length:.0f} "
        f"truncated {metrics.completions_clipped_ratio:.0%} {cost.tokens_per_s:.0f} tokens/s"
    )


if __name__ == "__main__":
    main()
