"""Stage `sample@CHECKPOINT`: its answers to the held-out problems, at the full context. `python -m stages.sample 8k`

Answers at a shorter context are the same answers, cut: a token's random number depends on its position alone. So one
sampling serves both, and a mended grader never samples again.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from stages.engines.checkpoint import Checkpoint, load_checkpoint
from stages.engines.device import occupied_device, prepare_device
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Rollout, Sampling
from stages.engines.rollout import TorchRollout
from stages.params import CHECKPOINTS, Engine, Evaluation
from stages.problems.problem import Problem, read_problems
from stages.problems.sample import Sample
from stages.stage import stage
from stages.store.files import write_jsonl


def run(
    checkpoint: Checkpoint,
    problems: list[Problem],
    instruction: str,
    max_prompt_tokens: int,
    engine: Engine,
    batch_rows: int,
    evaluation: Evaluation,
    seed: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Sample]:
    """Per problem `samples_per_problem` samples, then, if asked for, a greedy answer."""
    prompts = encode_prompts(problems, checkpoint.tokenizer, instruction, max_prompt_tokens)
    sampler = TorchRollout(checkpoint.model, checkpoint.eos_token_id, checkpoint.pad_token_id, batch_rows, engine.dtype)
    limit = evaluation.max_response_tokens
    sampling = Sampling(evaluation.samples_per_problem, evaluation.temperature, limit)
    rollouts = sampler.generate(prompts, sampling, (seed, "evaluation"), on_progress)
    samples = _samples(checkpoint, rollouts, greedy=False)
    if evaluation.greedy:
        answers = sampler.generate(prompts, Sampling(1, 0.0, limit), (seed, "greedy"))
        samples += _samples(checkpoint, answers, greedy=True)
    return samples


def _samples(checkpoint: Checkpoint, rollouts: list[Rollout], greedy: bool) -> list[Sample]:
    texts = checkpoint.tokenizer.batch_decode(
        [list(rollout.token_ids) for rollout in rollouts], skip_special_tokens=True
    )
    return [
        Sample(rollout.prompt.problem_id, rollout.index, greedy, text, len(rollout.token_ids), rollout.truncated)
        for rollout, text in zip(rollouts, texts, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.sample", description=__doc__)
    parser.add_argument("checkpoint", choices=CHECKPOINTS)
    name = parser.parse_args().checkpoint
    with stage(f"sample@{name}", occupied_device) as running:
        params = running.params
        problems = read_problems(Path("data/heldout.jsonl"))
        total = len(problems) * params.evaluation.samples_per_problem
        samples = run(
            load_checkpoint(Path("models") / name, prepare_device(params.engine)),
            problems,
            params.problems.instruction,
            params.grpo.max_prompt_tokens,
            params.engine,
            params.operations.rollout_batch_rows,
            params.evaluation,
            params.seed,
            lambda done: running.progress(done, total, "samples"),
        )
        write_jsonl(Path(f"samples/{name}.jsonl"), (asdict(sample) for sample in samples))


if __name__ == "__main__":
    main()
