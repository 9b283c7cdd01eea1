"""What `engine.deterministic` costs on a GPU, and what it gives: rungs of a 0.5 B Qwen2, with it and without.

    python -m benchmarks.gpu_deterministic [--steps 6] [--repeats 2]

The model has the shape of Qwen2.5-0.5B and random weights: time and bits depend on shapes, not on what a model knows. Every rung
is a process of its own (8 prompts x 8 responses of up to 128 tokens, bfloat16, KL term on, two updates a step) and samples and
trains by plain torch. The first step warms up and is not counted. Bits are compared by the hash of all weights at the end.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from benchmarks.record import write_result
from stages.accounting.records import StepCost
from stages.engines.build import Start, make_sampler, make_trainer
from stages.engines.checkpoint import Checkpoint
from stages.engines.device import prepare_device
from stages.engines.protocols import Prompt, Sampling
from stages.engines.shape import shape_of
from stages.engines.tiny_qwen2 import build_tokenizer
from stages.grading import Grader
from stages.grpo.rung import GrpoRung, RungSettings
from stages.params import Params, load_params
from stages.problems.problem import Problem
from stages.randomness import rng

NOWHERE = Path("no folder")  # the checkpoint is in memory, and torch samples from there
PROFILE = Path("profiles/mini.yaml")
SHAPE = {
    "vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2, "max_position_embeddings": 4096, "tie_word_embeddings": True,
}  # fmt: skip
PROMPTS, GROUP, PROMPT_TOKENS, RESPONSE_TOKENS = 8, 8, 128, 128


def settings(steps: int, deterministic: bool) -> Params:
    """The miniature's settings, changed to the benchmark's size and device."""
    values: dict[str, Any] = load_params(PROFILE).model_dump()
    values["engine"] |= {"device": "cuda", "dtype": "bfloat16", "threads": 8, "deterministic": deterministic}
    values["grpo"] |= {
        "prompts_per_step": PROMPTS, "mini_batch_prompts": PROMPTS // 2, "log_completions_steps": 0, "max_prompt_tokens": 512,
        "learning_rate": 1e-6,
    }  # fmt: skip
    for name in ("r8k", "r16k", "r24k"):
        values["rungs"][name] |= {"max_response_tokens": RESPONSE_TOKENS, "rollouts_per_prompt": GROUP, "steps": steps}
    values["evaluation"]["max_response_tokens"] = RESPONSE_TOKENS
    values["operations"] |= {"micro_batch_tokens": 16_384, "rollout_batch_rows": PROMPTS * GROUP}
    return Params.model_validate(values)


def model_on(device: torch.device) -> PreTrainedModel:
    torch.manual_seed(0)
    with device:  # made there: a CPU takes half a minute to draw as many numbers
        return Qwen2ForCausalLM(Qwen2Config(**SHAPE))


def run_rung(steps: int, deterministic: bool) -> dict[str, Any]:
    """Seconds by phase of the counted steps and the hash of the weights that they end with."""
    params = settings(steps, deterministic)
    tokenizer = build_tokenizer()  # of 20 symbols: the model says much that it can't read, and earns nothing
    start = Checkpoint(model_on(prepare_device(params.engine)), tokenizer)
    draw = rng(0, "prompts")
    prompts = [
        Prompt(str(i), tuple(draw.integers(0, SHAPE["vocab_size"], PROMPT_TOKENS).tolist())) for i in range(2 * PROMPTS)
    ]
    problems = [Problem(str(i), str(i), ("0",), "", 1, "", "train", None, None) for i in range(len(prompts))]
    costs: list[StepCost] = []
    sampling = Sampling(GROUP, params.grpo.temperature, RESPONSE_TOKENS)
    with Grader(timeout_s=2.0, require_closed_thinking=False) as grader:
        rung = GrpoRung(
            RungSettings("8k", 0, params.grpo, params.rungs.r8k, params.guards, params.task),
            problems,
            prompts,
            tokenizer,
            make_trainer(Start(start, NOWHERE, NOWHERE), params),
            make_sampler(start, NOWHERE, prompts, sampling, params, trained=True),
            grader,
            shape_of(start.model),
        )
        rung.climb(None, steps, lambda metrics, cost: costs.append(cost))
    digest = hashlib.sha256()
    for parameter in start.model.parameters():
        digest.update(parameter.detach().cpu().numpy().tobytes())
    counted = costs[1:]
    return {
        "sample_s": statistics.median(cost.sample_s for cost in counted),
        "reference_s": statistics.median(cost.reference_s for cost in counted),
        "update_s": statistics.median(cost.update_s for cost in counted),
        "step_s": statistics.median(cost.wall_s for cost in counted),
        "peak_memory_gib": max(cost.peak_memory_bytes for cost in costs) / 2**30,
        "weights_sha256": digest.hexdigest(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_deterministic", description=__doc__)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rung", choices=["deterministic", "free"], help="run one rung here and print its figures")
    arguments = parser.parse_args()
    if arguments.rung:
        print(json.dumps(run_rung(arguments.steps, arguments.rung == "deterministic")))
        return
    runs: dict[str, list[dict[str, Any]]] = {"deterministic": [], "free": []}
    for _ in range(arguments.repeats):
        for kind, found in runs.items():
            command = [
                sys.executable,
                "-m",
                "benchmarks.gpu_deterministic",
                "--steps",
                str(arguments.steps),
                "--rung",
                kind,
            ]
            found.append(
                json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
            )
            print(kind, found[-1], file=sys.stderr, flush=True)
    best = {
        kind: {key: min(run[key] for run in found) for key in found[0] if key.endswith("_s")}
        for kind, found in runs.items()
    }
    figures = {
        "ratio_step_seconds_deterministic_over_free": best["deterministic"]["step_s"] / best["free"]["step_s"],
        "ratio_update_seconds_deterministic_over_free": best["deterministic"]["update_s"] / best["free"]["update_s"],
        "bits_repeat": {kind: len({run["weights_sha256"] for run in found}) == 1 for kind, found in runs.items()},
        "runs": runs,
    }
    configuration = {
        "model": SHAPE, "prompts": PROMPTS, "group": GROUP, "prompt_tokens": PROMPT_TOKENS, "response_tokens": RESPONSE_TOKENS,
        "steps": arguments.steps, "gpu": torch.cuda.get_device_name(),
    }  # fmt: skip
    print(write_result("gpu_deterministic", ["torch", "transformers"], configuration, figures))


if __name__ == "__main__":
    main()
