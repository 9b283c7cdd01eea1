"""The engines that the settings name; each is imported only where it is used."""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from stages.engines.checkpoint import Checkpoint, load_checkpoint
from stages.engines.lora import add_adapters
from stages.engines.protocols import Prompt, RolloutEngine, Sampling, TrainEngine
from stages.engines.ranks import ALONE, Ranks
from stages.engines.rollout import TorchRollout
from stages.engines.scoring import Scorer, check_model
from stages.engines.trainer import TorchTrainer
from stages.params import Params

EXCHANGE = Path("runs/exchange")  # where new weights are laid for vLLM's servers


@dataclass(frozen=True, slots=True)
class Start:
    """The checkpoint that a rung starts from, the folder that it was read from, and the base's (for `kl_reference`)."""

    checkpoint: Checkpoint
    folder: Path
    base: Path


def make_trainer(start: Start, params: Params, ranks: Ranks = ALONE) -> TrainEngine:
    """What trains the checkpoint's model, in place."""
    policy, scorer = start.checkpoint.model, Scorer(params.engine, params.grpo.temperature)
    reference = _reference(start, params)
    check_model(policy, scorer)
    if params.grpo.lora is not None:
        add_adapters(policy, params.grpo.lora, params.seed)
        if params.engine.dtype == "bfloat16" and params.engine.train == "torch":  # ZeRO wants one dtype
            _round_products(policy)
    if params.engine.train == "deepspeed":
        from stages.engines.deepspeed.engine import DeepSpeedTrainer

        return DeepSpeedTrainer(policy, reference, params.engine, params.operations, params.grpo, ranks)
    return TorchTrainer(policy, reference, params.engine, params.operations, params.grpo)


def make_sampler(
    checkpoint: Checkpoint,
    folder: Path,
    prompts: list[Prompt],
    sampling: Sampling,
    params: Params,
    trained: bool,
    ranks: Ranks = ALONE,
) -> RolloutEngine:
    """What samples from `checkpoint`, which lies in `folder`; if it is `trained`, from what the trainer makes of it.

    `prompts` and `sampling` are the longest that it will be asked.
    """
    operations, engine = params.operations, params.engine
    if engine.rollout == "torch":
        return TorchRollout(
            checkpoint.model,
            checkpoint.eos_token_id,
            checkpoint.pad_token_id,
            operations.rollout_batch_rows,
            engine.dtype,
        )
    from stages.engines.vllm.proof import Proof

    longest = max(len(prompt.token_ids) for prompt in prompts) + sampling.max_response_tokens
    proof = Proof(prompts, sampling, engine.dtype, engine.device) if trained else None
    if engine.rollout == "vllm":
        from stages.engines.vllm.engine import VllmRollout

        return VllmRollout(folder, checkpoint.eos_token_id, longest, engine, operations, proof, ranks)
    from stages.engines.vllm.server import ServerRollout

    return ServerRollout(
        folder, checkpoint.eos_token_id, longest, engine, operations, EXCHANGE / folder.name, proof, ranks
    )


def _reference(start: Start, params: Params) -> PreTrainedModel | None:
    """A frozen model for the KL term; None where the loss has none, or where LoRA's policy is its own."""
    if params.grpo.kl_coef == 0 or params.grpo.lora is not None:
        return None
    if params.grpo.kl_reference == "base":
        reference = load_checkpoint(start.base, start.checkpoint.model.device).model
    else:
        reference = copy.deepcopy(start.checkpoint.model)
    reference.requires_grad_(False)
    if params.engine.dtype == "bfloat16":
        _round_products(reference)
    return reference


def _round_products(model: PreTrainedModel) -> None:
    """Keep frozen weights of matrix products in bfloat16, as each pass would round them: the same numbers in half the memory.

    A policy's merged checkpoint has them so: next to what it started from, the adapters' products are added to rounded weights.
    """
    embedded = model.get_input_embeddings().weight  # which is no product's, where the head has another
    products = [
        module
        for module in model.modules()
        if type(module) is torch.nn.Linear and module.weight is not embedded and not module.weight.requires_grad
    ]
    device = model.device
    # By way of the CPU: on a GPU torch's allocator would lay each in a freed one's place, and keep the other half of that.
    for module in products:
        module.to("cpu", torch.bfloat16)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    for module in products:
        module.to(device)
