"""What the profile `laptop` does within 12 GiB of a larger card (benchmarks/gpu_proofs.py).

Another process holds the rest of the card's memory, so that neither torch nor vLLM can have more. The order is stages/train.py's:
vLLM starts, sleeps, and the weights come to the GPU. Speed is this card's, not a laptop's.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.gpu_card import DeviceMemory
from benchmarks.gpu_proof import Lesson, Proved, on
from benchmarks.gpu_shape import SHAPES, SPECIAL, make_tokenizer, save_folder, work
from stages.engines.build import Start, make_trainer
from stages.engines.checkpoint import Checkpoint
from stages.engines.device import prepare_device
from stages.engines.protocols import Prompt, Rollout, Sampling
from stages.engines.vllm.proof import Proof
from stages.params import Params, load_params
from stages.process import die_with_parent
from stages.randomness import rng

PROFILE = Path("profiles/laptop.yaml")
CAP_BYTES = 12 * 2**30
PROMPTS, GROUP, RESPONSE_TOKENS = 8, 8, 1024
CONTEXTS = (2048, 4096, 8192, 12_288, 16_384, 24_576, 32_768)
BALLAST = """
import sys, torch
held = torch.cuda.mem_get_info()[0] - int(sys.argv[1])
ballast = torch.empty(max(0, held), dtype=torch.uint8, device="cuda")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def rest_of_the_card_held() -> Iterator[None]:
    """CAP_BYTES are free when the block begins; this process has not touched the card yet."""
    ballast = subprocess.Popen(
        [sys.executable, "-c", BALLAST, str(CAP_BYTES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        preexec_fn=partial(die_with_parent, os.getpid()),
    )  # fmt: skip
    assert ballast.stdout is not None
    if ballast.stdout.readline().strip() != b"held":
        raise RuntimeError(f"the ballast ended with {ballast.wait()}")
    try:
        yield
    finally:
        ballast.kill()
        ballast.wait()


def settings() -> Params:
    """The profile's; its share of the memory is one of 12 GiB."""
    values: dict[str, Any] = load_params(PROFILE).model_dump()
    values["operations"]["vllm_gpu_memory"] *= CAP_BYTES / torch.cuda.get_device_properties(0).total_memory
    return Params.model_validate(values)


def laptop(folder: Path) -> Proved:
    with rest_of_the_card_held(), DeviceMemory() as memory:
        held = torch.cuda.mem_get_info()
        others = held[1] - held[0]
        figures: dict[str, Any] = {"free_at_start_gib": held[0] / 2**30}
        try:
            _measure(folder, settings(), figures)
        except BaseException:
            print(figures, torch.cuda.memory_summary(), file=sys.stderr)
            raise
        figures["peak_gib"] = (memory.peak_bytes - others) / 2**30
    wanted = _longest_of(load_params(PROFILE))
    ok = figures["longest_context"] >= wanted
    return Proved(ok, f"the longest context that an update has memory for with the last rung's {wanted}", figures)


def _longest_of(params: Params) -> int:
    """The last rung's longest response with the longest prompt."""
    return params.rungs.r24k.max_response_tokens + params.grpo.max_prompt_tokens


def _free_gib() -> float:
    return torch.cuda.mem_get_info()[0] / 2**30


def _measure(folder: Path, params: Params, figures: dict[str, Any]) -> None:
    """Into `figures`."""
    from benchmarks.gpu_forced import ForcedRollout

    shape = "r1-distill-1.5b"
    place = prepare_device(params.engine)
    tokenizer, path = make_tokenizer(shape), folder / "model"
    eos = SHAPES[shape]["vocab_size"] - SPECIAL
    model: Any = on(shape)
    save_folder(model, tokenizer, path)
    torch.nn.Module.to(model, "cpu")
    torch.cuda.empty_cache()
    asked = work(shape, "8k", PROMPTS, GROUP, 0)
    lengths = {name: min(length, RESPONSE_TOKENS) for name, length in asked.lengths.items()}
    asked = replace(asked, limit=RESPONSE_TOKENS, lengths=lengths)
    sampling = Sampling(GROUP, params.grpo.temperature, RESPONSE_TOKENS)
    proof = Proof(asked.prompts, sampling, params.engine.dtype, params.engine.device)
    longest = _longest_of(params)
    began = perf_counter()
    sampler = ForcedRollout(asked, path, eos, longest, params.engine, params.operations, proof)
    figures["vllm_start_s"] = perf_counter() - began
    figures["cache_tokens"] = _cache_tokens(sampler)
    figures["awake_free_gib"] = _free_gib()
    sampler.sleep()
    figures["asleep_free_gib"] = _free_gib()
    torch.nn.Module.to(model, place)
    trainer: Any = make_trainer(Start(Checkpoint(model, tokenizer), path, path), params)
    torch.cuda.empty_cache()
    figures["trainer_gib"] = figures["asleep_free_gib"] - _free_gib()
    sampler.sync(trainer)
    figures["sync_s"] = sampler.seconds["sync"]
    sampler.seconds.clear()
    rollouts = sampler.generate(asked.prompts, sampling, ("laptop",))
    tokens = sum(len(rollout.token_ids) for rollout in rollouts)
    figures |= {"sampled_tokens": tokens, "sample_tokens_per_s": tokens / sampler.seconds["generate"]}
    sampler.sleep()
    figures |= _trained(trainer, params, rollouts)
    figures["longest_context"], figures["contexts"] = _longest(trainer, params)
    sampler.sync(trainer)  # vLLM still has its memory beside the trainer's
    figures["rung_hours"] = _rung_hours(params, figures)
    sampler.close()


def _cache_tokens(sampler: Any) -> int:
    config = sampler._llm.llm_engine.vllm_config.cache_config
    return int(config.num_gpu_blocks * config.block_size)


def _trained(trainer: Any, params: Params, rollouts: list[Rollout]) -> dict[str, float]:
    tokens = sum(len(rollout.token_ids) for rollout in rollouts)
    lesson = Lesson(rollouts, trainer.log_probs(rollouts))
    trainer.reference_log_probs(rollouts)  # compiles, as the update does
    lesson.update(trainer, params)
    began = perf_counter()
    trainer.reference_log_probs(rollouts)
    scored = perf_counter()
    lesson.update(trainer, params)
    updated = perf_counter()
    return {
        "reference_tokens_per_s": tokens / (scored - began),
        "update_tokens_per_s": tokens / (updated - scored),
        "micro_batch_tokens": trainer._micro_batch_tokens,
    }


def _longest(trainer: Any, params: Params) -> tuple[int, dict[str, Any]]:
    """Of CONTEXTS the last that one response's update has memory for, and how fast each is."""
    words, fits, found = SHAPES["r1-distill-1.5b"]["vocab_size"] - SPECIAL, 0, {}
    prompt = Prompt("context", tuple(rng(0, "context").integers(0, words, 200).tolist()))
    trainer._micro_batch_tokens = 1  # a response is not divided: what it lacks is an error at once
    for context in CONTEXTS:
        answer = tuple(rng(0, "context", context).integers(0, words, context - 200).tolist())
        rollout = Rollout(prompt, 0, answer, True, np.full(len(answer), -12.0, dtype=np.float32))
        torch.cuda.reset_peak_memory_stats()
        began = perf_counter()
        try:
            Lesson([rollout], [torch.full((len(answer),), -12.0)]).update(trainer, params)
        except torch.OutOfMemoryError:
            break
        fits = context
        found[str(context)] = {
            "tokens_per_s": context / (perf_counter() - began),
            "peak_torch_gib": torch.cuda.max_memory_reserved() / 2**30,
        }
    torch.cuda.empty_cache()
    return fits, found


def _rung_hours(params: Params, figures: dict[str, Any]) -> dict[str, float]:
    """Of each rung at this card's rates, if answers are as long as those here in proportion to the context."""
    share = figures["sampled_tokens"] / (PROMPTS * GROUP * RESPONSE_TOKENS)
    rates = ("sample_tokens_per_s", "reference_tokens_per_s", "update_tokens_per_s")
    token_s = sum(1 / figures[rate] for rate in rates)
    rungs = {"8k": params.rungs.r8k, "16k": params.rungs.r16k, "24k": params.rungs.r24k}
    return {
        name: rung.steps
        * params.grpo.prompts_per_step
        * rung.rollouts_per_prompt
        * share
        * rung.max_response_tokens
        * token_s
        / 3600
        for name, rung in rungs.items()
    }
