"""One GRPO step of the recipe's shape on a GPU: how long, in which phase, how near to what the card can do.

    python -m benchmarks.gpu_step 8k:128:0.001 8k:32:0 24k:32:0.001 --out parts
    python -m benchmarks.gpu_step --part sample 8k:128:0:kept 8k:128:0:none --out parts
    python -m benchmarks.trl_peer --attention fa4 --liger --beta 0 --out parts/trl-best.json
    python -m benchmarks.gpu_step --merge parts

A case is LIMIT:PROMPTS[xGROUP]:BETA[:LOGPROBS]. Each is written to a file of its own, and --merge makes one result of all: a card
may be had for less time than all of them take (benchmarks/gpu_parts.py). The model is DeepSeek-R1-Distill-Qwen-1.5B's shape with
random weights; prompts and lengths are those of benchmarks/gpu_shape.py. A step is stages/grpo/rung.py's own, with the settings
of profiles/deepscaler.yaml, vLLM in this process and the torch trainer. Two things are not as in training: how long an answer is
was drawn before, and which are right is a coin's (a box is put at the end of each text, and graded), so that all groups teach.

Before the timed steps one small update is made, so that the optimizer's moments take their memory while vLLM samples. MFU is
nominal operations (stages/accounting/flops.py: no recomputation) over the update's seconds and the card's dense bfloat16 rate.
`cache_floor_s` is what reading keys and values alone takes at the card's memory rate: no decoding of these lengths is faster.

With --devices above 1 each has a rank with a vLLM of its own, and DeepSpeed trains: what a step took is the main rank's account,
with the seconds that each rank sampled beside it (benchmarks/gpu_scale.py compares them).

LOGPROBS says how the sampler's log-probabilities come: `kept` on the GPU until the end, `returned` by vLLM with each token, or,
with --part sample alone, `none`. --part sample has no trainer; --part train no sampler, its answers are random tokens.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks.gpu_card import DeviceMemory, card, sampled_figures, step_figures
from benchmarks.gpu_forced import ANSWER, CoinGrader, ForcedRollout, random_rollouts
from benchmarks.gpu_parts import merge, write_part
from benchmarks.gpu_shape import LIMITS, SHAPES, SPECIAL, Work, make_model, make_tokenizer, save_folder, work
from stages.accounting.flops import TRAINING, forward_flops
from stages.accounting.records import StepCost
from stages.engines.build import Start, make_trainer
from stages.engines.checkpoint import Checkpoint
from stages.engines.device import prepare_device
from stages.engines.launch import run_ranks
from stages.engines.objective import Objective
from stages.engines.protocols import Rollout, Sampling, TrainingRow
from stages.engines.rank_process import as_rank, is_rank
from stages.engines.ranks import ALONE, Ranks, init_ranks
from stages.engines.shape import shape_of
from stages.engines.vllm.proof import Proof
from stages.grading import Grader
from stages.grpo.loss import loss_sums
from stages.grpo.metrics import StepMetrics
from stages.grpo.rung import GrpoRung, RungSettings
from stages.params import Params, load_params
from stages.problems.problem import Problem
from stages.stage import cause_of

PROFILE = Path("profiles/deepscaler.yaml")
LOGPROBS = ("kept", "returned", "none")
WARM_ROWS = 32
GROUP = 8  # answers to a prompt


@dataclass(frozen=True, slots=True)
class Case:
    """A step that is timed."""

    limit: str
    prompts: int
    group: int
    beta: float
    logprobs: str


def case(text: str) -> Case:
    limit, asked, beta, *rest = [*text.split(":"), "kept"][:4]
    if limit not in LIMITS or rest[0] not in LOGPROBS:
        raise ValueError(text)
    prompts, _, group = asked.partition("x")
    return Case(limit, int(prompts), int(group or GROUP), float(beta), rest[0])


def settings(options: argparse.Namespace, case: Case, limit: int) -> Params:
    """The recipe's, at the size that is asked for."""
    values: dict[str, Any] = load_params(PROFILE).model_dump()
    device = "cpu" if options.shape == "tiny" else "cuda"
    dtype = "float32" if device == "cpu" else "bfloat16"
    values["seed"] = options.seed
    values["engine"] |= {
        "device": device, "dtype": dtype, "threads": 2 if device == "cpu" else 8, "attention": options.attention,
        "compile": options.compile, "gradient_checkpointing": options.checkpointing,
        "train": "deepspeed" if options.devices > 1 else "torch",
    }  # fmt: skip
    values["grpo"] |= {
        "prompts_per_step": case.prompts, "mini_batch_prompts": case.prompts // options.updates, "kl_coef": case.beta,
        "log_completions_steps": 0,
    }  # fmt: skip
    rung = {"max_response_tokens": limit, "rollouts_per_prompt": case.group, "steps": options.steps}
    for name in ("r8k", "r16k", "r24k"):
        values["rungs"][name] |= rung
    values["evaluation"]["max_response_tokens"] = limit
    values["operations"] |= {
        "rollout_batch_rows": options.rows, "micro_batch_tokens": options.micro_batch_tokens,
        "vllm_gpu_memory": options.vllm_memory, "devices": options.devices, "zero_stage": options.zero_stage,
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


class Bench:
    """The model, and what samples from it and trains it: made once, for all cases."""

    def __init__(self, options: argparse.Namespace, folder: Path, ranks: Ranks) -> None:
        self._options, self._device, self._ranks = options, card().times(ranks.world), ranks
        self._works = [
            (each, work(options.shape, each.limit, each.prompts, each.group, options.seed)) for each in options.cases
        ]
        largest, asked = max(self._works, key=lambda pair: (pair[0].beta > 0, pair[1].limit))  # a reference, if one has
        self._params = settings(options, largest, max(work.limit for _, work in self._works))
        place, tokenizer = prepare_device(self._params.engine), make_tokenizer(options.shape)
        self._start = Start(Checkpoint(make_model(options.shape, place, options.seed), tokenizer), folder, folder)
        self._shape = shape_of(self._start.checkpoint.model)  # before shards change what the model holds
        if options.part != "train":
            if ranks.is_main and not (folder / "model.safetensors").exists():
                save_folder(self._start.checkpoint.model, tokenizer, folder)
            ranks.from_main(None)  # it is there
            self._sampler = self._make_sampler(folder)
        if options.part == "step":
            self._sampler.sleep()
        if options.part != "sample":
            self._trainer = make_trainer(self._start, self._params, ranks)
            self._warm_up(asked)

    def run(self) -> None:
        act = {"sample": self._sample, "train": self._train, "step": self._step}[self._options.part]
        for case, asked in self._works:
            with DeviceMemory() as memory:
                began = perf_counter()
                figures: dict[str, Any] = act(case, asked, settings(self._options, case, asked.limit))
            lengths = list(asked.lengths.values())
            figures |= {
                "whole_s": perf_counter() - began,
                "peak_device_gib": max(self._ranks.gather([memory.peak_bytes])) / 2**30,
                "tokens": asked.tokens,
                "mean_tokens": asked.tokens / len(lengths),
                "at_limit_share": lengths.count(asked.limit) / len(lengths),
            }
            if self._ranks.is_main:
                self._write(case, figures)

    def _write(self, case: Case, figures: dict[str, Any]) -> None:
        options, aside = self._options, ("cases", "out", "merge", "folder")
        chosen = {name: value for name, value in vars(options).items() if name not in aside} | asdict(case)
        chosen["v2_runner"] = os.environ.get("VLLM_USE_V2_MODEL_RUNNER", "vLLM's choice")
        name = f"{options.part}-{case.limit}-{case.prompts}x{case.group}-beta{case.beta:g}-{case.logprobs}"
        write_part(options.out / f"{name}{options.tag}.json", "ours", chosen, figures)

    def _make_sampler(self, folder: Path) -> ForcedRollout:
        """For the longest of all works; the first one's prompts are the proof's."""
        (first, asked), params = self._works[0], self._params
        limit = max(work.limit for _, work in self._works)
        longest = max(len(prompt.token_ids) for _, work in self._works for prompt in work.prompts) + limit
        sampling = Sampling(first.group, params.grpo.temperature, limit)
        proof = Proof(asked.prompts, sampling, params.engine.dtype, params.engine.device)
        eos = SHAPES[self._options.shape]["vocab_size"] - SPECIAL
        return ForcedRollout(asked, folder, eos, longest, params.engine, params.operations, proof, self._ranks)

    def _warm_up(self, asked: Work) -> None:
        """One small update: kernels are compiled, the moments take their memory."""
        few = random_rollouts(asked, self._options.shape, self._options.seed)[:WARM_ROWS]
        ref = self._trainer.reference_log_probs(few) if self._params.grpo.kl_coef > 0 else None
        rows = rows_of(few, self._trainer.log_probs(few), ref)
        self._trainer.update(rows, objective(self._params), self._params.grpo.learning_rate)

    def _sample(self, case: Case, asked: Work, params: Params) -> dict[str, Any]:
        self._sampler.work, self._sampler.logprobs = asked, case.logprobs
        sampling, figures = Sampling(case.group, params.grpo.temperature, asked.limit), []
        for step in range(self._options.steps):
            self._sampler.seconds.clear()
            rollouts = self._sampler.generate(asked.prompts, sampling, (self._options.seed, "step", step))
            assert sum(len(rollout.token_ids) for rollout in rollouts) == asked.tokens
            took = self._sampler.seconds["generate"]
            figures.append(sampled_figures(self._options.shape, asked, took, self._device))
            print(json.dumps(figures[-1]), flush=True)
        return {"steps": figures}

    def _train(self, case: Case, asked: Work, params: Params) -> dict[str, Any]:
        """Reference pass and update alone."""
        rollouts = random_rollouts(asked, self._options.shape, self._options.seed)
        began = perf_counter()
        ref = self._trainer.reference_log_probs(rollouts) if case.beta > 0 else None
        scored = perf_counter()
        update = self._trainer.update(rows_of(rollouts, None, ref), objective(params), params.grpo.learning_rate)
        update_s = perf_counter() - scored
        lengths = (len(one.prompt.token_ids) + len(one.token_ids) for one in rollouts)
        flops = TRAINING * forward_flops(self._shape, lengths)
        return {
            "reference_s": scored - began,
            "update_s": update_s,
            "update_tokens_per_s": asked.tokens / update_s,
            "update_mfu": flops / update_s / self._device.peak_flops if self._device.peak_flops else None,
            "padding_share": update.padding_tokens / max(1, update.computed_tokens),
            "grad_norm": update.grad_norm,
        }

    def _step(self, case: Case, asked: Work, params: Params) -> dict[str, Any]:
        """Whole steps of a rung."""
        self._sampler.work, self._sampler.logprobs = asked, case.logprobs
        names = [prompt.problem_id for prompt in asked.prompts]
        problems = [Problem(name, name, (ANSWER,), "", 1, "", "train", None, None) for name in names]
        steps: list[dict[str, Any]] = []
        self._sampler.seconds.clear()

        def stepped(metrics: StepMetrics, cost: StepCost) -> None:
            sampled_s = self._ranks.gather([self._sampler.seconds["generate"]])
            found = step_figures(
                self._options.shape, asked, metrics, cost, self._sampler.seconds, self._device, sampled_s
            )
            steps.append(found)
            if self._ranks.is_main:
                print(json.dumps(found), flush=True)
            self._sampler.seconds.clear()

        with Grader(params.grading.timeout_s, params.grading.require_closed_thinking) as grader:
            coins: Any = CoinGrader(grader, case.group, self._options.seed)
            rung = RungSettings("8k", params.seed, params.grpo, params.rungs.r8k, params.guards, params.task)
            tokenizer = self._start.checkpoint.tokenizer
            climbing = GrpoRung(
                rung, problems, asked.prompts, tokenizer, self._trainer, self._sampler, coins, self._shape, self._ranks
            )
            climbing.climb(None, self._options.steps, stepped)
        return {"steps": steps}


def objective(params: Params) -> Objective:
    return partial(loss_sums, settings=params.grpo, kl_coef=params.grpo.kl_coef)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_step", description=__doc__)
    parser.add_argument("cases", type=case, nargs="*", default=[Case("8k", 128, GROUP, 0.001, "kept")], metavar="CASE")
    parser.add_argument("--merge", type=Path, metavar="FOLDER")
    parser.add_argument("--part", choices=["step", "sample", "train"], default="step")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--zero-stage", type=int, choices=[0, 1, 2, 3], default=2, help="with several devices")
    parser.add_argument("--updates", type=int, default=1, help="optimizer steps a step")
    parser.add_argument("--rows", type=int, default=512, help="answers under way at a time")
    parser.add_argument("--micro-batch-tokens", type=int, default=16_384)
    parser.add_argument("--attention", choices=["sdpa", "varlen", "varlen-fa4"], default="varlen")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--checkpointing", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--vllm-memory", type=float, default=0.5, help="vLLM's share of the card's memory")
    parser.add_argument("--shape", choices=list(SHAPES), default="r1-distill-1.5b", help="tiny: on a CPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the model lies, or is laid to be used again")
    parser.add_argument("--tag", default="", help="what tells a part's file from another one's of the same case")
    parser.add_argument("--out", type=Path, default=Path("gpu_step-parts"))
    options = parser.parse_args()
    if options.part != "sample" and any(each.logprobs == "none" for each in options.cases):
        parser.error("log-probabilities 'none' are for --part sample: an update needs them")
    if options.merge is not None:
        print(merge(options.merge))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    if is_rank():
        with as_rank(lambda error: f"{type(error).__name__}: {error}", cause_of):
            Bench(options, options.folder, init_ranks("cpu" if options.shape == "tiny" else "cuda")).run()
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if options.devices > 1:
            command = [sys.executable, "-m", "benchmarks.gpu_step", *sys.argv[1:], "--folder", str(folder)]
            run_ranks(command, options.devices)
        else:
            Bench(options, folder, ALONE).run()


if __name__ == "__main__":
    main()
