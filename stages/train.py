"""Stage `train@RUNG`: one rung of GRPO from the checkpoint below it. `python -m stages.train 8k`"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from stages.engines.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.engines.device import occupied_device, prepare_device
from stages.grading import Grader
from stages.grpo.resume import ResumeState, resume_state
from stages.grpo.rung import GrpoRung, RungSettings, StepMetrics
from stages.params import CHECKPOINTS, RUNGS, Params
from stages.problems.problem import Problem, read_problems
from stages.stage import stage
from stages.store.files import write_csv


def run(
    name: str,
    params: Params,
    start: Checkpoint,
    problems: list[Problem],
    resume: ResumeState | None = None,
    on_step: Callable[[StepMetrics], None] = lambda metrics: None,
) -> list[StepMetrics]:
    """Train `start` in place and return the metrics of every step."""
    settings = RungSettings(
        name=name,
        seed=params.seed,
        instruction=params.problems.instruction,
        engine=params.engine,
        grpo=params.grpo,
        rung=params.rungs.of(name),
    )
    with Grader(
        timeout_s=params.grading.timeout_s, require_closed_thinking=params.grading.require_closed_thinking
    ) as grader:
        rung = GrpoRung(settings, start, problems, grader)
        return rung.climb(resume, params.operations.checkpoint_every_steps, on_step)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("rung", choices=RUNGS)
    name = parser.parse_args().rung
    with stage(f"train@{name}", occupied_device) as running, resume_state(running.identity) as resume:
        steps = running.params.rungs.of(name).steps

        def report(metrics: StepMetrics) -> None:
            note = f"reward {metrics.reward:.2f} length {metrics.mean_length:.0f} truncated {metrics.truncated:.0%}"
            running.progress(metrics.step, steps, note)

        device = prepare_device(running.params.engine)
        checkpoint = load_checkpoint(Path("models") / CHECKPOINTS[CHECKPOINTS.index(name) - 1], device)
        problems = read_problems(Path(f"data/curriculum/{name}.jsonl"))
        metrics = run(name, running.params, checkpoint, problems, resume, report)
        save_checkpoint(checkpoint, Path("models") / name)
        write_csv(Path(f"metrics/train/{name}.csv"), [asdict(row) for row in metrics])
        resume.delete()


if __name__ == "__main__":
    main()
