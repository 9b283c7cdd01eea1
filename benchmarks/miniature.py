"""Does the miniature show the recipe's effect? Five seeds at the settings of profiles/mini.yaml, and three controls.

    python -m benchmarks.miniature [--seeds 220 221 222 223 224] [--jobs 1]

Every arm starts from the same base and is examined on the same held-out problems (none of them in training), at the full
context:

- `ladder`: 8k, 16k, 24k, contexts and difficulty growing;
- `more_supervised`: as many further supervised steps on the base's own mixture as the ladder has GRPO steps;
- `longest_first`: as many GRPO steps at 24k's context and on 24k's problems from the first day;
- `all_problems`: the ladder's contexts, but every rung sees the problems of 24k (no growing difficulty).

A finished seed is kept under runs/benchmarks/ and not made again. One thread a seed.
"""

import argparse
import copy
import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from stages import base, prepare, sample, train
from stages.engines.build import Start, make_sampler
from stages.engines.checkpoint import Checkpoint
from stages.engines.protocols import Prompt, RolloutEngine, Sampling
from stages.engines.supervised import teach
from stages.evaluation.answers import Answerer
from stages.evaluation.breakdown import rating_name
from stages.evaluation.examination import examination_of
from stages.evaluation.figures import overview
from stages.evaluation.grade import grade_samples
from stages.params import RUNGS, Generated, MiniatureBase, Params, read_yaml
from stages.problems.curriculum import Candidate, pick
from stages.problems.screening import Prepared
from stages.process import die_with_parent
from stages.store.digest import md5
from stages.store.files import write_json

PROFILE = Path("profiles/mini.yaml")
NOWHERE = Path("no folder")  # the checkpoints are in memory, and torch samples from there
FINISHED = Path("runs/benchmarks/miniature")
CONTROLS = ("more_supervised", "longest_first", "all_problems")
GRPO_ARMS = ("ladder", "longest_first", "all_problems")


def run_seed(params: Params) -> dict[str, Any]:
    """All arms of one seed: figures by arm and checkpoint."""
    gate = prepare.make_gate(params.problems.leaks, None, FINISHED.parent, print)
    tables = prepare.run(params.problems, params.seed, gate)
    started = time.perf_counter()
    start = base.run(params.base, params.engine, params.seed, tables.heldout)
    minutes = (time.perf_counter() - started) / 60
    return {
        "base": {**_examined(params, start, tables), "train_minutes": minutes},
        "ladder": _climb(params, RUNGS, start, tables),
        "more_supervised": {"end": _more_supervised(params, start, tables)},
        "longest_first": _climb(_longest_first(params), RUNGS[-1:], start, tables),
        "all_problems": _climb(_all_problems(params), RUNGS, start, tables),
    }


def _climb(params: Params, rungs: Sequence[str], start: Checkpoint, tables: Prepared) -> dict[str, Any]:
    checkpoint = Checkpoint(copy.deepcopy(start.model), start.tokenizer)
    figures = {}
    for name in rungs:
        candidates = [Candidate(problem, problem.rating, 0) for problem in tables.train]
        within = pick(candidates, name, params.rungs.of(name), params.seed).within
        problems = [placed.candidate.problem for placed in within]
        started = time.perf_counter()
        steps = train.run(name, params, Start(checkpoint, NOWHERE, NOWHERE), problems).metrics
        minutes = (time.perf_counter() - started) / 60
        figures[name] = {
            **_examined(params, checkpoint, tables),
            "train_minutes": minutes,
            "train_tokens": sum(step.sampled_tokens for step in steps),
            "train_truncated": statistics.mean(step.completions_clipped_ratio for step in steps),
        }
    return figures


def _more_supervised(params: Params, start: Checkpoint, tables: Prepared) -> dict[str, Any]:
    assert isinstance(params.base, MiniatureBase)
    checkpoint = Checkpoint(copy.deepcopy(start.model), start.tokenizer)
    steps = sum(params.rungs.of(name).steps for name in RUNGS)
    settings = params.base.model_copy(update={"lesson_steps": 0, "mixture_steps": steps})
    excluded = {problem.problem for problem in tables.heldout}
    started = time.perf_counter()
    teach(checkpoint.model, checkpoint.tokenizer, settings, excluded, (params.seed, "more supervised"))
    minutes = (time.perf_counter() - started) / 60
    return {**_examined(params, checkpoint, tables), "train_minutes": minutes}


def _longest_first(params: Params) -> Params:
    steps = sum(params.rungs.of(name).steps for name in RUNGS)
    longest = params.rungs.r24k.model_copy(update={"steps": steps})
    return params.model_copy(update={"rungs": params.rungs.model_copy(update={"r24k": longest})})


def _all_problems(params: Params) -> Params:
    hardest = params.rungs.r24k
    widest = {"difficulty": hardest.difficulty}
    rungs = {f"r{name}": params.rungs.of(name).model_copy(update=widest) for name in RUNGS}
    return params.model_copy(update={"rungs": params.rungs.model_copy(update=rungs)})


def _examined(params: Params, checkpoint: Checkpoint, tables: Prepared) -> dict[str, Any]:
    """Accuracy and lengths at the full context, over all held-out problems and by rating."""

    def make(prompts: list[Prompt], sampling: Sampling) -> RolloutEngine:
        return make_sampler(checkpoint, NOWHERE, prompts, sampling, params, trained=False)

    answerer = Answerer(checkpoint.tokenizer, make, params.operations.rollout_batch_rows, kept=None)
    asked = [problem for problem in tables.heldout if problem.source == "digit_sums"]  # the twins are another question
    graded = grade_samples(sample.run(answerer, asked, params), asked, params.grading, params.task)
    examination = examination_of(graded, asked, params.evaluation.max_response_tokens)
    figures = overview(examination)
    kept: dict[str, Any] = {key: figures[key] for key in ("sampled", "greedy", "mean_length", "truncated")}
    return kept | {"by_rating": {name: overview(part) for name, part in examination.by(rating_name).items()}}


def summarise(params: Params, by_seed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the seeds say about the two aims and the three controls; ratios first."""
    hardest = f"{params.rungs.r24k.difficulty[-1].high:g}"
    seeds = list(by_seed.values())
    return {
        "hardest_sampled_24k_over_base": _spread(
            _hardest(seed["ladder"]["24k"], hardest) / _hardest(seed["base"], hardest) for seed in seeds
        ),
        "ladder_tokens_over_longest_first": _spread(
            _total(seed["ladder"], "train_tokens") / _total(seed["longest_first"], "train_tokens") for seed in seeds
        ),
        "ladder_minutes_over_longest_first": _spread(
            _total(seed["ladder"], "train_minutes") / _total(seed["longest_first"], "train_minutes") for seed in seeds
        ),
        "gain_on_let_in_problems": {name: _spread(_gain(params, seed, name) for seed in seeds) for name in RUNGS},
        "sampled": _by_arm(seeds, lambda figures: figures["sampled"]),
        "greedy": _by_arm(seeds, lambda figures: figures["greedy"]),
        "hardest_sampled": _by_arm(seeds, lambda figures: _hardest(figures, hardest)),
        "train_tokens": {arm: _spread(_total(seed[arm], "train_tokens") for seed in seeds) for arm in GRPO_ARMS},
        "train_minutes": {arm: _spread(_total(seed[arm], "train_minutes") for seed in seeds) for arm in GRPO_ARMS},
        "seeds": by_seed,
    }


def _by_arm(seeds: Sequence[dict[str, Any]], figure: Callable[[dict[str, Any]], float]) -> dict[str, Any]:
    """One figure of the base, of every rung of the ladder and of the end of every control."""
    return {
        "base": _spread(figure(seed["base"]) for seed in seeds),
        **{f"ladder {name}": _spread(figure(seed["ladder"][name]) for seed in seeds) for name in RUNGS},
        **{arm: _spread(figure(_end(seed[arm])) for seed in seeds) for arm in CONTROLS},
    }


def _end(arm: dict[str, Any]) -> dict[str, Any]:
    """By name: a JSON file has lost the order of the rungs."""
    figures: dict[str, Any] = arm["end"] if "end" in arm else arm[RUNGS[-1]]
    return figures


def _spread(values: Iterable[float]) -> dict[str, Any]:
    listed = list(values)
    return {"mean": statistics.mean(listed), "min": min(listed), "max": max(listed), "seeds": listed}


def let_in_ratings(params: Params, name: str) -> list[int]:
    """The ratings that a rung is the first to let in."""
    seen = [_highest(params, other) for other in RUNGS[: RUNGS.index(name)]]
    lowest = int(params.rungs.of(name).difficulty[0].low)
    return [r for r in range(lowest, int(_highest(params, name)) + 1) if all(r > top for top in seen)]


def _highest(params: Params, name: str) -> float:
    return params.rungs.of(name).difficulty[-1].high


def _gain(params: Params, seed: dict[str, Any], name: str) -> float:
    """Sampled accuracy after the rung less before it, on the problems of the ratings that it lets in."""
    position = RUNGS.index(name)
    before = seed["base"] if position == 0 else seed["ladder"][RUNGS[position - 1]]
    after, ratings = seed["ladder"][name], [f"{rating}" for rating in let_in_ratings(params, name)]
    gains = [after["by_rating"][rating]["sampled"] - before["by_rating"][rating]["sampled"] for rating in ratings]
    return float(statistics.mean(gains))


def _hardest(figures: dict[str, Any], rating: str) -> float:
    return float(figures["by_rating"][rating]["sampled"])


def _total(arm: dict[str, Any], figure: str) -> float:
    return float(sum(rung[figure] for rung in arm.values()))


def _seed_params(values: dict[str, Any], seed: int) -> Params:
    return Params.model_validate(values | {"seed": seed})


def _finished_path(values: dict[str, Any], seed: int) -> Path:
    """Named by what decides a seed's figures: the code, the compute packages, the settings."""
    settings = {key: value for key, value in values.items() if key not in ("operations", "sweep")}
    code = [md5(path) for path in (Path("stages"), Path("compute.txt"), Path(__file__))]
    key = hashlib.sha256(json.dumps([code, settings], sort_keys=True).encode()).hexdigest()[:12]
    return FINISHED / key / f"{seed}.json"


def _run_and_keep(values: dict[str, Any], seed: int) -> int:
    path = _finished_path(values, seed)
    if not path.exists():
        write_json(path, run_seed(_seed_params(values, seed)))
    return seed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.miniature", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[220, 221, 222, 223, 224])
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once, a thread each")
    arguments = parser.parse_args()
    values = read_yaml(PROFILE)
    with ProcessPoolExecutor(
        arguments.jobs, get_context("spawn"), initializer=die_with_parent, initargs=(os.getpid(),)
    ) as pool:
        for future in as_completed([pool.submit(_run_and_keep, values, seed) for seed in arguments.seeds]):
            print(f"seed {future.result()} is done", file=sys.stderr, flush=True)
    seeds = {str(seed): json.loads(_finished_path(values, seed).read_bytes()) for seed in arguments.seeds}
    params = _seed_params(values, arguments.seeds[0])
    configuration = {
        "profile": values,
        "seeds": arguments.seeds,
        "heldout_problems": _heldout(params),
        "jobs": arguments.jobs,
    }
    path = write_result("miniature", ["torch", "transformers", "numpy"], configuration, summarise(params, seeds))
    print(path)


def _heldout(params: Params) -> int:
    generated = [source for source in params.problems.sources if isinstance(source, Generated)]
    return sum(len(source.ratings) * source.heldout_per_rating for source in generated)


if __name__ == "__main__":
    main()
