"""Stage `sample@CHECKPOINT`: its answers to the held-out problems, at the full context. `python -m stages.sample 8k`

Answers at a shorter context are the same answers, cut: a token's random number depends on its position alone. So one
sampling serves both, and a mended grader never samples again. What is sampled is kept (stages/evaluation/answers.py).
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from stages.engines.device import occupied_device
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Sampling
from stages.evaluation.answers import Answerer, answerer_of
from stages.params import CHECKPOINTS, Evaluation, Params
from stages.problems.problem import Problem, read_problems
from stages.problems.sample import Sample
from stages.stage import stage
from stages.store.files import write_jsonl


def run(
    answerer: Answerer,
    problems: Sequence[Problem],
    params: Params,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Sample]:
    """Per problem `samples_per_problem` samples and, if asked for, a greedy answer; one that several benchmarks share once."""
    evaluation = params.evaluation
    once = list({problem.id: problem for problem in problems}.values())
    prompts = encode_prompts(once, answerer.tokenizer, params.task.prompt, params.grpo.max_prompt_tokens)
    return answerer.answers(prompts, sampling_of(evaluation), (params.seed, "evaluation"), on_progress)


def sampling_of(evaluation: Evaluation) -> Sampling:
    return Sampling(
        evaluation.samples_per_problem,
        evaluation.temperature,
        evaluation.max_response_tokens,
        evaluation.top_p,
        evaluation.greedy,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.sample", description=__doc__)
    parser.add_argument("checkpoint", choices=CHECKPOINTS)
    name = parser.parse_args().checkpoint
    with stage(f"sample@{name}", occupied_device) as running:
        params, problems = running.params, read_problems(Path("data/heldout.jsonl"))
        total = len({problem.id for problem in problems}) * sampling_of(params.evaluation).answers
        with answerer_of(Path("models") / name, params, running.took) as answerer:
            samples = run(answerer, problems, params, lambda done: running.progress(done, total, "samples"))
        write_jsonl(Path(f"samples/{name}.jsonl"), (asdict(sample) for sample in samples))


if __name__ == "__main__":
    main()
