"""One GRPO step of the recipe's shape on a GPU: how long, in which phase, how near to what the card can do.

    python -m benchmarks.gpu_step --limit 8k --out parts/8k.json
    python -m benchmarks.gpu_step --limit 24k --prompts 32 --part sample --out parts/24k-sample.json
    python -m benchmarks.trl_peer --attention fa4 --beta 0 --out parts/trl-fa4.json
    python -m benchmarks.gpu_step --merge parts

A run writes its own file, and --merge makes benchmarks/results/gpu_step.json of them: the card is lent by the minute, and a run
of all does not fit in one loan. The model is DeepSeek-R1-Distill-Qwen-1.5B's shape with random weights; prompts and lengths are
those of benchmarks/gpu_shape.py. A step is stages/grpo/rung.py's own, with the settings of profiles/deepscaler.yaml, vLLM in this
process and the torch trainer. Two things are not as in training: how long an answer is was
drawn before, and which are right is a coin's (a box is put at the end of each text, and graded), so that all groups teach.

Before the timed steps one small update is made, so that the optimizer's moments take their memory while vLLM samples. MFU is
nominal operations (stages/accounting/flops.py: no recomputation) over the update's seconds and the card's dense bfloat16 rate.
`cache_floor_s` is what reading keys and values alone takes at the card's memory rate: no decoding of these lengths is faster.

--part sample: no trainer. --part train: no sampler; the answers are random tokens.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks.gpu_card import Card, DeviceMemory, card, origin, sampled_figures
from benchmarks.gpu_forced import ANSWER, CoinGrader, ForcedRollout, random_rollouts
from benchmarks.gpu_shape import LIMITS, SHAPES, SPECIAL, Work, make_model, make_tokenizer, save_folder, work
from benchmarks.record import RESULTS
from stages.accounting.flops import TRAINING, forward_flops
from stages.accounting.records import StepCost
from stages.engines.build import Start, make_trainer
from stages.engines.checkpoint import Checkpoint
from stages.engines.device import prepare_device
from stages.engines.protocols import Rollout, Sampling, TrainEngine, TrainingRow
from stages.engines.shape import shape_of
from stages.engines.vllm.proof import Proof
from stages.grading import Grader
from stages.grpo.loss import loss_sums
from stages.grpo.metrics import StepMetrics
from stages.grpo.rung import GrpoRung, RungSettings
from stages.params import Params, load_params
from stages.problems.problem import Problem
from stages.store.files import write_json

PROFILE = Path("profiles/deepscaler.yaml")
LOGPROBS = ("kept", "returned", "none")
WARM_ROWS = 32


def settings(options: argparse.Namespace, limit: int) -> Params:
    """The recipe's, at the size that is asked for."""
    values: dict[str, Any] = load_params(PROFILE).model_dump()
    device = "cpu" if options.shape == "tiny" else "cuda"
    dtype = "float32" if device == "cpu" else "bfloat16"
    values["seed"] = options.seed
    values["engine"] |= {"device": device, "dtype": dtype, "threads": 2 if device == "cpu" else 8}
    values["grpo"] |= {
        "prompts_per_step": options.prompts, "mini_batch_prompts": options.prompts // options.updates,
        "kl_coef": options.beta, "log_completions_steps": 0,
    }  # fmt: skip
    for name in ("r8k", "r16k", "r24k"):
        values["rungs"][name] |= {
            "max_response_tokens": limit,
            "rollouts_per_prompt": options.group,
            "steps": options.steps,
        }
    values["evaluation"]["max_response_tokens"] = limit
    values["operations"] |= {
        "rollout_batch_rows": options.rows, "micro_batch_tokens": options.micro_batch_tokens,
        "vllm_gpu_memory": options.vllm_memory,
    }  # fmt: skip
    return Params.model_validate(values)


def rows_of(
    rollouts: Sequence[Rollout], old: Sequence[Any] | None, ref: Sequence[torch.Tensor] | None
) -> list[TrainingRow]:
    weight = 1 / sum(len(rollout.token_ids) for rollout in rollouts)
    return [
        TrainingRow(rollout, 1.0 if n % 2 else -1.0, weight, old[n] if old else None, ref[n] if ref else None)
        for n, rollout in enumerate(rollouts)
    ]


def warm_up(trainer: TrainEngine, rollouts: Sequence[Rollout], params: Params) -> None:
    """One small update: kernels are compiled, the moments take their memory."""
    few = rollouts[:WARM_ROWS]
    ref = trainer.reference_log_probs(few) if params.grpo.kl_coef > 0 else None
    objective = partial(loss_sums, settings=params.grpo, kl_coef=params.grpo.kl_coef)
    trainer.update(rows_of(few, trainer.log_probs(few), ref), objective, params.grpo.learning_rate)


def run_sample(options: argparse.Namespace, asked: Work, params: Params, folder: Path, device: Card) -> dict[str, Any]:
    sampler = make_sampler(options, asked, params, folder, None)
    sampling = Sampling(options.group, params.grpo.temperature, asked.limit)
    sampler.generate(asked.prompts[:4], replace(sampling, max_response_tokens=16), ("warm",))
    figures = []
    for step in range(options.steps):
        sampler.seconds.clear()
        rollouts = sampler.generate(asked.prompts, sampling, (options.seed, "step", step))
        assert sum(len(rollout.token_ids) for rollout in rollouts) == asked.tokens
        figures.append(sampled_figures(options.shape, asked, sampler.seconds["generate"], device))
    sampler.sleep()
    figures[-1]["sleep_s"] = sampler.seconds["sleep"]
    return {"steps": figures}


def make_sampler(
    options: argparse.Namespace, asked: Work, params: Params, folder: Path, proof: Proof | None
) -> ForcedRollout:
    longest = max(len(prompt.token_ids) for prompt in asked.prompts) + asked.limit
    eos = SHAPES[options.shape]["vocab_size"] - SPECIAL
    return ForcedRollout(asked, options.logprobs, folder, eos, longest, params.engine, params.operations, proof)


def run_train(options: argparse.Namespace, asked: Work, params: Params, start: Start, device: Card) -> dict[str, Any]:
    """Reference pass and update alone."""
    trainer = make_trainer(start, params)
    rollouts = random_rollouts(asked, options.shape, options.seed)
    warm_up(trainer, rollouts, params)
    began = perf_counter()
    ref = trainer.reference_log_probs(rollouts) if params.grpo.kl_coef > 0 else None
    scored = perf_counter()
    objective = partial(loss_sums, settings=params.grpo, kl_coef=params.grpo.kl_coef)
    update = trainer.update(rows_of(rollouts, None, ref), objective, params.grpo.learning_rate)
    update_s = perf_counter() - scored
    forward = forward_flops(
        shape_of(start.checkpoint.model),
        (len(one.prompt.token_ids) + len(one.token_ids) for one in rollouts),
    )
    return {
        "reference_s": scored - began,
        "update_s": update_s,
        "update_tokens_per_s": asked.tokens / update_s,
        "update_mfu": TRAINING * forward / update_s / device.peak_flops if device.peak_flops else None,
        "padding_share": update.padding_tokens / max(1, update.computed_tokens),
        "grad_norm": update.grad_norm,
    }


def run_step(
    options: argparse.Namespace, asked: Work, params: Params, start: Start, folder: Path, device: Card
) -> dict[str, Any]:
    """Whole steps of a rung."""
    sampling = Sampling(options.group, params.grpo.temperature, asked.limit)
    sampler = make_sampler(options, asked, params, folder, Proof(asked.prompts, sampling, params.engine.dtype))
    sampler.sleep()
    trainer = make_trainer(start, params)
    warm_up(trainer, random_rollouts(asked, options.shape, options.seed), params)
    problems = [Problem(p.problem_id, p.problem_id, (ANSWER,), "", 1, "", "train", None, None) for p in asked.prompts]
    steps: list[dict[str, Any]] = []
    sampler.seconds.clear()

    def stepped(metrics: StepMetrics, cost: StepCost) -> None:
        steps.append(step_figures(options, asked, metrics, cost, sampler.seconds, device))
        print(json.dumps(steps[-1]), flush=True)
        sampler.seconds.clear()

    with Grader(params.grading.timeout_s, params.grading.require_closed_thinking) as grader:
        coins: Any = CoinGrader(grader, options.group, options.seed)
        rung = RungSettings("8k", params.seed, params.grpo, params.rungs.r8k, params.guards)
        tokenizer, shape = start.checkpoint.tokenizer, shape_of(start.checkpoint.model)
        GrpoRung(rung, problems, asked.prompts, tokenizer, trainer, sampler, coins, shape).climb(
            None, options.steps, stepped
        )
    return {"steps": steps}


def step_figures(
    options: argparse.Namespace,
    asked: Work,
    metrics: StepMetrics,
    cost: StepCost,
    seconds: Counter[str],
    device: Card,
) -> dict[str, Any]:
    assert cost.sampled_tokens == asked.tokens == cost.trained_tokens
    overhead_s = cost.wall_s - seconds["generate"] - cost.reference_s - cost.update_s
    return {
        "step_s": cost.wall_s,
        "tokens_per_s": cost.tokens_per_s,
        **sampled_figures(options.shape, asked, seconds["generate"], device),
        "sync_s": seconds["sync"],
        "wake_s": seconds["wake"],
        "sleep_s": seconds["sleep"],
        "grade_s": cost.grade_s,
        "reference_s": cost.reference_s,
        "update_s": cost.update_s,
        "overhead_share": overhead_s / cost.wall_s,
        "update_mfu": cost.update_flops / cost.update_s / device.peak_flops if device.peak_flops else None,
        "padding_share": cost.padding_tokens / max(1, cost.computed_tokens),
        "peak_torch_gib": cost.peak_memory_bytes / 2**30,
        "logp_gap_mean": metrics.sampling_logp_difference_mean,
        "logp_gap_max": metrics.sampling_logp_difference_max,
        "grad_norm": metrics.grad_norm,
    }


def run(options: argparse.Namespace) -> None:
    asked = work(options.shape, options.limit, options.prompts, options.group, options.seed)
    params = settings(options, asked.limit)
    place, device = prepare_device(params.engine), card()
    with tempfile.TemporaryDirectory() as temporary, DeviceMemory() as memory:
        folder = options.folder or Path(temporary)
        began = perf_counter()
        start = Start(
            Checkpoint(make_model(options.shape, place, options.seed), make_tokenizer(options.shape)), folder, folder
        )
        if options.part != "train" and not (folder / "model.safetensors").exists():
            save_folder(start.checkpoint.model, start.checkpoint.tokenizer, folder)  # type: ignore[arg-type]
        print(f"model made in {perf_counter() - began:.0f} s", flush=True)
        match options.part:
            case "sample":
                del start
                figures = run_sample(options, asked, params, folder, device)
            case "train":
                figures = run_train(options, asked, params, start, device)
            case _:
                figures = run_step(options, asked, params, start, folder, device)
        figures["whole_s"] = perf_counter() - began
    figures["peak_device_gib"] = memory.peak_bytes / 2**30
    figures["tokens"], figures["mean_tokens"] = asked.tokens, asked.tokens / len(asked.lengths)
    figures["at_limit_share"] = sum(length == asked.limit for length in asked.lengths.values()) / len(asked.lengths)
    chosen = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    part = {"peer": "ours", "options": chosen, "figures": figures} | origin()
    write_json(options.out, part)
    print(json.dumps(part), flush=True)


def merge(folder: Path) -> Path:
    """All parts of `folder` in one result; ratios of the steps that both did, by their prompts, limit and KL term."""
    parts = [json.loads(path.read_text()) | {"part": path.stem} for path in sorted(folder.glob("*.json"))]

    def same(part: dict[str, Any]) -> tuple[Any, ...]:
        return (*(part["options"][name] for name in ("limit", "prompts", "group", "beta", "seed")), part["device"])

    ratios = {}
    whole = sorted(
        (part for part in parts if part["options"].get("part", "step") == "step"), key=lambda p: str(same(p))
    )
    for key, found in groupby(whole, key=same):
        by_peer: dict[str, list[float]] = {"ours": [], "trl": []}
        for part in found:
            by_peer[part["peer"]].append(part["figures"]["steps"][-1]["step_s"])
        if by_peer["ours"] and by_peer["trl"]:
            limit, prompts, group, beta, _, device = key
            name = f"ratio_trl_best_over_ours_{limit}_{prompts}x{group}_beta_{beta:g} on {device}"
            ratios[name] = min(by_peer["trl"]) / min(by_peer["ours"])
    path = RESULTS / "gpu_step.json"
    write_json(path, {"benchmark": "python -m benchmarks.gpu_step --merge", "figures": ratios | {"parts": parts}})
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_step", description=__doc__)
    parser.add_argument("--merge", type=Path, metavar="FOLDER")
    parser.add_argument("--part", choices=["step", "sample", "train"], default="step")
    parser.add_argument("--limit", choices=list(LIMITS), default="8k")
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--updates", type=int, default=1, help="optimizer steps a step")
    parser.add_argument("--beta", type=float, default=0.001)
    parser.add_argument(
        "--logprobs", choices=LOGPROBS, default="kept", help="how the sampler's come; none: --part sample"
    )
    parser.add_argument("--rows", type=int, default=512, help="answers under way at a time")
    parser.add_argument("--micro-batch-tokens", type=int, default=32_768)
    parser.add_argument("--vllm-memory", type=float, default=0.5, help="vLLM's share of the card's memory")
    parser.add_argument("--shape", choices=list(SHAPES), default="r1-distill-1.5b", help="tiny: on a CPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the model lies, or is laid to be used again")
    parser.add_argument("--out", type=Path, default=Path("gpu_step-part.json"))
    options = parser.parse_args()
    if options.logprobs == "none" and options.part != "sample":
        parser.error("--logprobs none is for --part sample: an update needs them")
    if options.merge is not None:
        print(merge(options.merge))
        return
    run(options)


if __name__ == "__main__":
    main()
