"""One GRPO step by TRL's GRPOTrainer with vLLM in its process, on the model, prompts and lengths of benchmarks/gpu_step.py.

    python -m benchmarks.trl_peer --attention sdpa --beta 0.001 --out parts/trl-default.json
    python -m benchmarks.trl_peer --attention fa4 --liger --beta 0 --out parts/trl-best.json

TRL runs as its user would: its importance sampling correction, sleep mode at level 2, gradient checkpointing, one optimizer step,
weights in the checkpoint's dtype (bfloat16; ours trains in float32, which costs us memory and time). As in ours every answer has
the length that was drawn for it: each request is given its own `max_tokens`, and vLLM no tokenizer, whose detokenizing TRL would
otherwise pay for. The rewards are the same coins. The first step is made with short answers and not timed.
"""

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks.gpu_card import DeviceMemory, card, sampled_figures
from benchmarks.gpu_forced import coins_of
from benchmarks.gpu_parts import write_part
from benchmarks.gpu_shape import LIMITS, SHAPES, Work, make_model, make_tokenizer, save_folder, work

WARM_TOKENS = 128
ATTENTION = {"sdpa": "sdpa", "fa4": "flash_attention_4"}
SECONDS: Counter[str] = Counter()


@contextmanager
def timed(name: str) -> Iterator[None]:
    began = perf_counter()
    yield
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    SECONDS[name] += perf_counter() - began


def timing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **named: Any) -> Any:
        with timed(name):
            return function(*arguments, **named)

    return called


def forced_llm(asked: Work) -> type:
    """vLLM's LLM, that gives each request its own length."""
    from vllm import LLM

    names = {prompt.token_ids: prompt.problem_id for prompt in asked.prompts}

    class ForcedLLM(LLM):  # type: ignore[misc]
        warm = False

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named, skip_tokenizer_init=True)

        def generate(self, prompts: list[Any], sampling_params: Any, **named: Any) -> Any:
            seen: Counter[str] = Counter()
            each = []
            for prompt in prompts:
                name = names[tuple(prompt["prompt_token_ids"])]
                length = asked.lengths[name, seen[name]]
                seen[name] += 1
                own = sampling_params.clone()
                own.max_tokens = length if self.warm else min(length, WARM_TOKENS)
                own.ignore_eos, own.detokenize = True, False
                each.append(own)
            self.warm = True
            with timed("generate"):
                return super().generate(prompts, sampling_params=each, **named)

        def sleep(self, *arguments: Any, **named: Any) -> Any:
            with timed("sleep"):
                return super().sleep(*arguments, **named)

    return ForcedLLM


def run_trl(options: argparse.Namespace, asked: Work, folder: Path) -> list[dict[str, Any]]:
    """Figures of the timed step."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer
    from trl.generation import vllm_generation

    vllm_generation.LLM = forced_llm(asked)
    generation = vllm_generation.VLLMGeneration
    generation.sync_weights = timing("sync", generation.sync_weights)  # wakes the weights, too
    steps: list[dict[str, Any]] = []
    device = card()

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *arguments: object, **named: object) -> None:
            self.began = perf_counter()
            SECONDS.clear()

        def on_step_end(self, *arguments: object, **named: object) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            step_s = perf_counter() - self.began
            steps.append(
                {
                    "step_s": step_s,
                    "tokens_per_s": asked.tokens / step_s,
                    **sampled_figures(options.shape, asked, SECONDS["generate"], device),
                    "sync_s": SECONDS["sync"],
                    "sleep_s": SECONDS["sleep"],
                    "grade_s": SECONDS["grade"],
                    "scored_s": SECONDS["prepare"]
                    - sum(SECONDS[name] for name in ("generate", "sync", "sleep", "grade")),
                    "update_s": step_s - SECONDS["prepare"],
                }
            )
            print(json.dumps(steps[-1]), flush=True)

    class Timed(GRPOTrainer):  # type: ignore[misc]
        def _prepare_inputs(self, batch: Any) -> Any:
            with timed("prepare"):
                return super()._prepare_inputs(batch)

        def _calculate_rewards(self, *arguments: Any, **named: Any) -> Any:
            with timed("grade"):
                return super()._calculate_rewards(*arguments, **named)

    def reward(completions: list[Any], **columns: Any) -> list[float]:
        groups = range(len(completions) // options.group)
        return [float(coin) for number in groups for coin in coins_of(options.group, options.seed, str(number))]

    rows = [{"prompt": " ".join(f"w{token}" for token in prompt.token_ids)} for prompt in asked.prompts]
    longest = max(len(prompt.token_ids) for prompt in asked.prompts) + asked.limit
    on_gpu = options.shape != "tiny"
    with tempfile.TemporaryDirectory() as output:
        config = GRPOConfig(
            output_dir=output, per_device_train_batch_size=options.rows,
            gradient_accumulation_steps=len(asked.lengths) // options.rows, num_generations=options.group,
            max_completion_length=asked.limit, max_steps=2, learning_rate=1e-6, lr_scheduler_type="constant",
            beta=options.beta, temperature=0.6, loss_type="dapo", bf16=on_gpu, use_cpu=not on_gpu,
            gradient_checkpointing=True, use_liger_kernel=options.liger, use_vllm=True, vllm_mode="colocate",
            vllm_enable_sleep_mode=on_gpu, vllm_gpu_memory_utilization=options.vllm_memory, vllm_max_model_length=longest,
            model_init_kwargs={"attn_implementation": ATTENTION[options.attention]}, shuffle_dataset=False,
            report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True, dataloader_num_workers=0,
        )  # fmt: skip
        trainer = Timed(
            model=str(folder), reward_funcs=reward, args=config, train_dataset=Dataset.from_list(rows),
            processing_class=make_tokenizer(options.shape), callbacks=[Steps()],
        )  # fmt: skip
        trainer.train()
    return steps[-1:]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trl_peer", description=__doc__)
    parser.add_argument("--attention", choices=list(ATTENTION), default="sdpa")
    parser.add_argument("--liger", action="store_true")
    parser.add_argument("--beta", type=float, default=0.001)
    parser.add_argument("--limit", choices=list(LIMITS), default="8k")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--rows", type=int, default=2, help="answers of one forward and backward pass")
    parser.add_argument("--vllm-memory", type=float, default=0.5)
    parser.add_argument("--shape", choices=list(SHAPES), default="r1-distill-1.5b")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the model lies, or is laid to be used again")
    parser.add_argument("--out", type=Path, default=Path("trl_peer-part.json"))
    options = parser.parse_args()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # the weights are handed over in this process
    asked = work(options.shape, options.limit, options.prompts, options.group, options.seed)
    with tempfile.TemporaryDirectory() as temporary, DeviceMemory() as memory:
        folder = options.folder or Path(temporary)
        if not (folder / "model.safetensors").exists():
            place = torch.device("cpu" if options.shape == "tiny" else "cuda")
            save_folder(make_model(options.shape, place, options.seed), make_tokenizer(options.shape), folder)
            if place.type == "cuda":
                torch.cuda.empty_cache()
        steps = run_trl(options, asked, folder)
    figures = {"steps": steps, "tokens": asked.tokens, "peak_device_gib": memory.peak_bytes / 2**30}
    write_part(
        options.out,
        "trl",
        {name: value for name, value in vars(options).items() if name not in ("folder", "out")},
        figures,
    )


if __name__ == "__main__":
    main()
