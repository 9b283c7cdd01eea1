"""Stage `sample@CHECKPOINT`: its answers to the held-out problems, at the full context. `python -m stages.sample 8k`

Answers at a shorter context are the same answers, cut: a token's random number depends on its position alone. So one
sampling serves both, and a mended grader never samples again.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from stages.engines.build import make_sampler
from stages.engines.checkpoint import Checkpoint, load_checkpoint
from stages.engines.device import occupied_device, prepare_device
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Rollout, Sampling
from stages.params import CHECKPOINTS, Params
from stages.problems.problem import Problem, read_problems
from stages.problems.sample import Sample
from stages.stage import stage
from stages.store.files import write_jsonl


def run(
    checkpoint: Checkpoint,
    folder: Path,
    problems: list[Problem],
    params: Params,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Sample]:
    """Per problem `samples_per_problem` samples, then, if asked for, a greedy answer. The checkpoint was read from `folder`."""
    evaluation = params.evaluation
    prompts = encode_prompts(problems, checkpoint.tokenizer, params.problems.instruction, params.grpo.max_prompt_tokens)
    sampling = Sampling(evaluation.samples_per_problem, evaluation.temperature, evaluation.max_response_tokens)
    sampler = make_sampler(checkpoint, folder, prompts, sampling, params, trained=False)
    try:
        samples = _samples(
            checkpoint, sampler.generate(prompts, sampling, (params.seed, "evaluation"), on_progress), False
        )
        if evaluation.greedy:
            greedy = Sampling(1, 0.0, evaluation.max_response_tokens)
            samples += _samples(checkpoint, sampler.generate(prompts, greedy, (params.seed, "greedy")), greedy=True)
    finally:
        sampler.close()
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
        folder = Path("models") / name
        checkpoint = load_checkpoint(folder, prepare_device(params.engine))
        samples = run(checkpoint, folder, problems, params, lambda done: running.progress(done, total, "samples"))
        write_jsonl(Path(f"samples/{name}.jsonl"), (asdict(sample) for sample in samples))


if __name__ == "__main__":
    main()
