"""An examination here and by lm-evaluation-harness (its hf backend): the same checkpoint, problems and limits, on a CPU.

    make run && pip install 'lm_eval[hf]==0.4.13' && python -m benchmarks.evaluation [--checkpoint models/24k] [--problems 240]

Each problem is answered four times at temperature 1 and once greedily. Ours is `Answerer` with the torch engine; theirs is
`HFLM.generate_until` in the fastest of several batch sizes, the repeats as further requests, as its own tasks do it. From texts
to texts, grading apart (ours with it has a figure of its own). One thread each, in turns, in processes of their own; the best of
three runs each.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from stages.errors import LadderError, exit_on_error
from stages.params import Params, load_params
from stages.problems.problem import Problem, read_problems

BATCH_SIZES = (32, 128, 512)
RUNS = 3
SAMPLES = 4
TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    greedy: list[str]
    graded_seconds: float | None = None
    """With the grading of all answers."""


def chosen(count: int) -> list[Problem]:
    """As many of the held-out problems, evenly over the table."""
    problems = read_problems(Path("data/heldout.jsonl"))
    return problems[:: max(1, len(problems) // count)][:count]


def ours(checkpoint: Path, count: int) -> Run:
    import torch

    from stages.engines.build import make_sampler
    from stages.engines.checkpoint import load_checkpoint
    from stages.engines.prompts import encode_prompts
    from stages.engines.protocols import Prompt, RolloutEngine, Sampling
    from stages.evaluation.answers import Answerer
    from stages.evaluation.grade import grade_samples

    torch.set_num_threads(1)
    params, problems = settings(), chosen(count)
    loaded, limit = load_checkpoint(checkpoint, torch.device("cpu")), params.evaluation.max_response_tokens

    def make(prompts: list[Prompt], sampling: Sampling) -> RolloutEngine:
        return make_sampler(loaded, checkpoint, prompts, sampling, params, trained=False)

    started = time.perf_counter()
    answerer = Answerer(loaded.tokenizer, make, params.operations.rollout_batch_rows, kept=None)
    prompts = encode_prompts(problems, loaded.tokenizer, params.task.prompt, params.grpo.max_prompt_tokens)
    samples = answerer.answers(prompts, Sampling(SAMPLES, TEMPERATURE, limit, greedy=True), (0, "evaluation"))
    answered = time.perf_counter() - started
    grade_samples(samples, problems, params.grading, params.task)
    graded = time.perf_counter() - started
    return Run(answered, [sample.response for sample in samples if sample.greedy], graded)


def theirs(checkpoint: Path, count: int, batch_size: int) -> Run:
    import torch

    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        raise LadderError("lm_eval: not installed; `pip install 'lm_eval[hf]==0.4.13'` brings the peer") from None
    from stages.engines.checkpoint import load_checkpoint
    from stages.engines.prompts import encode

    torch.set_num_threads(1)
    params, problems = settings(), chosen(count)
    loaded, limit = load_checkpoint(checkpoint, torch.device("cpu")), params.evaluation.max_response_tokens
    prompts = [encode(problem, loaded.tokenizer, params.task.prompt) for problem in problems]
    longest = max(len(prompt.token_ids) for prompt in prompts) + limit
    model = HFLM(
        loaded.model,
        tokenizer=loaded.tokenizer,
        device="cpu",
        batch_size=batch_size,
        max_length=longest,
        add_bos_token=False,
    )
    contexts = [loaded.tokenizer.decode(list(prompt.token_ids)) for prompt in prompts]

    def requests(repeats: int, **kwargs: Any) -> list[Any]:
        how = {"until": [], "max_gen_toks": limit, **kwargs}
        return [
            Instance("generate_until", {}, (context, how), number) for context in contexts for number in range(repeats)
        ]

    started = time.perf_counter()
    model.generate_until(
        requests(SAMPLES, do_sample=True, temperature=TEMPERATURE, top_p=1.0, top_k=0), disable_tqdm=True
    )
    greedy = model.generate_until(requests(1, do_sample=False), disable_tqdm=True)
    return Run(time.perf_counter() - started, greedy)


def settings() -> Params:
    return load_params()


def alone(function: Any, *arguments: Any) -> Run:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        run: Run = process.submit(function, *arguments).result()
        return run


def figures(checkpoint: Path, count: int) -> dict[str, Any]:
    mine: list[Run] = []
    peer: dict[int, list[Run]] = {size: [] for size in BATCH_SIZES}
    for _ in range(RUNS):
        mine.append(alone(ours, checkpoint, count))
        for size in BATCH_SIZES:
            peer[size].append(alone(theirs, checkpoint, count, size))
    best = {size: best_of(runs) for size, runs in peer.items()}
    equal = [
        one.strip() == other.strip() for one, other in zip(mine[0].greedy, peer[BATCH_SIZES[0]][0].greedy, strict=True)
    ]
    graded = min(run.graded_seconds for run in mine if run.graded_seconds is not None)
    return {
        "lm_eval_seconds_over_ours": round(min(best.values()) / best_of(mine), 2),
        "lm_eval_seconds_over_ours_with_grading": round(min(best.values()) / graded, 2),
        "same_greedy_answers": sum(equal),
        "problems": len(equal),
        "our_seconds": [round(run.seconds, 2) for run in mine],
        "lm_eval_seconds_by_batch_size": {
            str(size): [round(run.seconds, 2) for run in runs] for size, runs in peer.items()
        },
    }


def best_of(runs: Sequence[Run]) -> float:
    return min(run.seconds for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("models/24k"))
    parser.add_argument("--problems", type=int, default=240)
    arguments = parser.parse_args()
    result = figures(arguments.checkpoint, arguments.problems)
    configuration = {
        "checkpoint": str(arguments.checkpoint),
        "samples": SAMPLES,
        "temperature": TEMPERATURE,
        "max_response_tokens": settings().evaluation.max_response_tokens,
        "threads": 1,
    }
    path = write_result("evaluation", ["torch", "transformers", "lm_eval"], configuration, result)
    print(f"{path}: {json.dumps(result)}")


if __name__ == "__main__":
    exit_on_error(main)
