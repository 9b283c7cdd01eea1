"""What a GGUF's fewer bits cost: the held-out problems are asked again, greedily, of llama.cpp, and graded by the same grader.

What it is compared with are the rung's own greedy answers, which stage `sample` has kept. An export as `hf` needs none of
this: its files are the checkpoint's.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import LadderError
from stages.evaluation.grade import grade_samples
from stages.evaluation.intervals import Bootstrap, Resampling
from stages.exporting.llamacpp import ask
from stages.params import Params
from stages.problems.problem import Problem, read_problems
from stages.problems.sample import Sample
from stages.store.files import read_jsonl

HELDOUT = Path("data/heldout.jsonl")


@dataclass(frozen=True, slots=True)
class Examined:
    """Of `problems` held-out ones; `same` is the share whose answers are the same to the letter. `low` and `high` bound the
    paired difference of the accuracies with the evaluation's confidence. Speeds are of one request at a time on `threads`.
    """

    problems: int
    same: float
    original: float
    exported: float
    difference: float
    low: float | None
    high: float | None
    mib: float
    tokens_per_s: float
    first_token_s: float
    load_s: float
    threads: int


def examine_gguf(
    path: Path,
    rung: str,
    params: Params,
    count: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """An `Examined` as a dictionary. Raises LadderError where the rung has no greedy answers, or llama.cpp is not installed."""
    from stages.engines.checkpoint import load_tokenizer  # torch behind them takes seconds
    from stages.engines.prompts import encode_prompts

    problems = _spread(read_problems(HELDOUT), count)
    known = _greedy(Path(f"samples/{rung}.jsonl"))
    originals = [known[problem.id] for problem in problems]
    tokenizer = load_tokenizer(Path("models") / rung)
    prompts = encode_prompts(problems, tokenizer, params.task.prompt, params.grpo.max_prompt_tokens)
    context = params.grpo.max_prompt_tokens + params.evaluation.max_response_tokens
    spoken = ask(path, prompts, context, params.evaluation.max_response_tokens, params.engine.threads, on_progress)
    rewards = [
        np.array([one.reward for one in grade_samples(given, problems, params.grading, params.task)], dtype=np.float64)
        for given in (originals, spoken.answers)
    ]
    evaluation = params.evaluation
    resampling = Resampling(params.seed, evaluation.bootstrap_draws, evaluation.confidence)
    interval = Bootstrap(len(problems), resampling, "export").difference(rewards[1] - rewards[0])
    return asdict(
        Examined(
            problems=len(problems),
            same=float(
                np.mean([one.response == other.response for one, other in zip(originals, spoken.answers, strict=True)])
            ),
            original=float(rewards[0].mean()),
            exported=float(rewards[1].mean()),
            difference=float((rewards[1] - rewards[0]).mean()),
            low=interval.low,
            high=interval.high,
            mib=path.stat().st_size / 2**20,
            tokens_per_s=spoken.tokens_per_s,
            first_token_s=spoken.first_token_s,
            load_s=spoken.load_s,
            threads=params.engine.threads,
        )
    )


def _spread(problems: Sequence[Problem], count: int) -> list[Problem]:
    """At most `count` of them, each once, evenly over the table."""
    once = list({problem.id: problem for problem in problems}.values())
    if count >= len(once):
        return once
    return [once[place * len(once) // count] for place in range(count)]


def _greedy(path: Path) -> dict[str, Sample]:
    """The greedy answers that stage `sample` wrote, by their problems."""
    found = {row["problem_id"]: Sample(**row) for row in read_jsonl(path) if row["greedy"]}
    if not found:
        raise LadderError(f"{path}: no greedy answers to compare with; set evaluation.greedy to true and `dvc repro`")
    return found
