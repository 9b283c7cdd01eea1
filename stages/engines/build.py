"""The engines that the settings name; each is imported only where it is used."""

import copy
from pathlib import Path

from transformers import PreTrainedModel

from stages.engines.checkpoint import Checkpoint, load_checkpoint
from stages.engines.lora import add_adapters
from stages.engines.protocols import RolloutEngine, TrainEngine
from stages.engines.ranks import ALONE, Ranks
from stages.engines.rollout import TorchRollout
from stages.engines.trainer import TorchTrainer
from stages.params import Params


def make_trainer(start: Checkpoint, base: Path | None, params: Params, ranks: Ranks = ALONE) -> TrainEngine:
    """What trains `start.model`, in place. `base` is the base's checkpoint, where `kl_reference` asks for it."""
    reference = _reference(start, base, params)
    if params.grpo.lora is not None:
        add_adapters(start.model, params.grpo.lora, params.seed)
    return TorchTrainer(start.model, reference, params.engine, params.operations, params.grpo)


def make_sampler(start: Checkpoint, params: Params) -> RolloutEngine:
    """What samples from the policy, which starts as `start`."""
    return TorchRollout(
        start.model, start.eos_token_id, start.pad_token_id, params.operations.rollout_batch_rows, params.engine.dtype
    )


def _reference(start: Checkpoint, base: Path | None, params: Params) -> PreTrainedModel | None:
    """A frozen model for the KL term; None where the loss has none, or where LoRA's policy is its own."""
    if params.grpo.kl_coef == 0 or params.grpo.lora is not None:
        return None
    if params.grpo.kl_reference == "base" and base is not None:
        reference = load_checkpoint(base, start.model.device).model
    else:
        reference = copy.deepcopy(start.model)
    reference.requires_grad_(False)
    return reference
