"""Proofs that `deterministic` repeats, and what it costs (benchmarks/gpu_proofs.py)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from benchmarks.gpu_proof import Lesson, Proved, drawn, follow_rung, on, recipe
from benchmarks.gpu_proofs_engines import NOWHERE, bare
from benchmarks.gpu_proofs_faults import vllm_if_here
from benchmarks.gpu_rung import here, lay_start, weights_sha256
from stages.engines.build import Start, make_trainer
from stages.engines.device import prepare_device

STEPS = 3


def deterministic_repeats(folder: Path) -> Proved:
    """`deterministic`: rungs give the same bytes twice, sampled by torch and by vLLM."""
    figures: dict[str, Any] = {}
    for rollout in ("torch", *(["vllm"] if vllm_if_here() == "vllm" else [])):
        for deterministic in (True, False) if rollout == "vllm" else (True,):
            engine = {"rollout": rollout, "deterministic": deterministic}
            name = f"{rollout}, {'deterministic' if deterministic else 'free'}"
            ends = [
                follow_rung(folder, name=f"{name} {n}".replace(", ", "-").replace(" ", "-"), engine=engine, steps=STEPS)
                for n in range(2)
            ]
            figures[name] = {
                "same_weights": len({end.what["weights_sha256"] for end in ends}) == 1,
                "same_metrics": len({end.what["metrics_sha256"] for end in ends}) == 1,
            }
    ok = all(found["same_weights"] for name, found in figures.items() if "deterministic" in name)
    return Proved(
        ok, f"weights and table of {STEPS} steps with those of a second run, in processes of their own", figures
    )


def deterministic_cost(folder: Path) -> Proved:
    """What `deterministic` costs an update of the recipe's shape, and whether it is what makes the bytes repeat."""
    found: dict[str, list[dict[str, Any]]] = {"deterministic": [], "free": []}
    for _ in range(2):
        for name, its in found.items():
            command = [sys.executable, "-m", "benchmarks.gpu_proofs", "--updates", name]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            its.append(json.loads(said.splitlines()[-1]))
    best = {name: min(one["update_s"] for one in its) for name, its in found.items()}
    same = {name: len({one["weights_sha256"] for one in its}) == 1 for name, its in found.items()}
    return Proved(
        same["deterministic"],
        "weights after three updates with those of a second process",
        {"ratio_update_s": best["deterministic"] / best["free"], "same_bytes": same, "update_s": best, "runs": found},
    )


def updates(deterministic: bool) -> dict[str, Any]:
    """Three updates on the recipe's shape (on a CPU: the tiny one), the first of which warms up."""
    shape = "r1-distill-1.5b" if here() == "cuda" else "tiny"
    params = recipe(
        shape,
        engine={"deterministic": deterministic, "rollout": "torch", "attention": "varlen"},
        operations={"micro_batch_tokens": 16_384},
        grpo={"kl_coef": 0.0},
    )
    prepare_device(params.engine)
    model: Any = on(shape)
    trainer = make_trainer(Start(bare(model), NOWHERE, NOWHERE), params)
    rollouts = drawn(shape, 4, longest=4096)
    lesson = Lesson(rollouts, [torch.zeros(len(rollout.token_ids)) - 12.0 for rollout in rollouts])
    seconds = []
    for _ in range(3):
        began = perf_counter()
        lesson.update(trainer, params)
        seconds.append(perf_counter() - began)
    tokens = sum(len(rollout.token_ids) for rollout in rollouts)
    return {"update_s": median(seconds[1:]), "tokens": tokens, "weights_sha256": weights_sha256(model)}


def batch_invariance(folder: Path) -> Proved:
    """What vLLM's own VLLM_BATCH_INVARIANT gives (not set by the engine): samples together and apart, with it and without."""
    found = {}
    for name, flag in (("free", "0"), ("invariant", "1")):
        command = [sys.executable, "-m", "benchmarks.gpu_proofs", "--batches", str(folder)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"VLLM_BATCH_INVARIANT": flag}
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        found[name] = json.loads(lines[-1]) if done.returncode == 0 and lines else {"failed": done.stdout[-500:]}
    return Proved("failed" not in found["free"], "samples of one batch with the same ones asked apart", found)


def batches(folder: Path) -> dict[str, Any]:
    from benchmarks.gpu_rung import RESPONSE_TOKENS, problems, settings
    from stages.engines.checkpoint import load_tokenizer
    from stages.engines.prompts import encode_prompts
    from stages.engines.protocols import Sampling
    from stages.engines.vllm.engine import VllmRollout

    params = settings({"rollout": "vllm"}, {}, 1)
    prepare_device(params.engine)
    path = lay_start(folder)
    tokenizer = load_tokenizer(path)
    prompts = encode_prompts(problems(), tokenizer, "{problem}", 32)
    sampler = VllmRollout(path, int(tokenizer.eos_token_id), 128, params.engine, params.operations)
    sampling = Sampling(16, 1.0, RESPONSE_TOKENS)
    together = sampler.generate(prompts, sampling, ("a",))
    began = perf_counter()
    again = sampler.generate(prompts, sampling, ("a",))
    took = perf_counter() - began
    apart = [one for prompt in prompts for one in sampler.generate([prompt], sampling, ("a",))]
    pairs = {"again": again, "apart": apart}
    figures: dict[str, Any] = {
        "tokens_per_s": sum(len(one.token_ids) for one in again) / took,
        "samples": len(together),
    }
    for name, others in pairs.items():
        figures[f"same_tokens_{name}"] = sum(a == b for a, b in zip(together, others, strict=True))
        figures[f"same_bits_{name}"] = sum(
            a == b and a.logp_T.tobytes() == b.logp_T.tobytes() for a, b in zip(together, others, strict=True)
        )
    sampler.close()
    return figures
