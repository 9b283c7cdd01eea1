"""Low-rank adapters (LoRA, arXiv 2106.09685) inside a model, by peft. The model keeps its class, and whoever samples from it
samples with them; its other parameters are frozen. Only who has adapters waits for peft."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from stages.errors import LadderError
from stages.params import Lora

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer

ADAPTER = "default"


def add_adapters(model: PreTrainedModel, lora: Lora, seed: int) -> None:
    """Give `model` adapters that change nothing yet (B is 0); `seed` decides their A."""
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(seed)
    targets = "all-linear" if lora.target_modules == ["all-linear"] else lora.target_modules
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0)
    try:
        inject_adapter_in_model(config, model, ADAPTER)
    except ValueError as error:
        linear = sorted(
            {name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
        )
        raise LadderError(
            f"params.yaml: grpo.lora.target_modules: {lora.target_modules} ({' '.join(str(error).split())[:120]}); "
            f"this model has {', '.join(linear)}"
        ) from None

    # Adapters can't be merged into a weight that two layers share: each layer would get both.
    shared = [name for name in _layers(model) if name.rpartition(".")[2] in ("embed_tokens", "lm_head")]
    if shared and model.config.tie_word_embeddings:
        raise LadderError(
            f"params.yaml: grpo.lora.target_modules: {lora.target_modules} has {shared[0]}, whose weight this model ties "
            "to another layer's; name other layers"
        )


@contextmanager
def adapters_off(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """`model` as it was before it got its adapters."""
    layers = _layers(model).values()
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield model
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def merged_weights(model: PreTrainedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """The parameters by transformers' names, each adapter's product added to its layer's weight."""
    layers = _layers(model)
    for name, parameter in model.named_parameters():
        owner, _, _ = name.partition(".base_layer.")
        if owner == name:
            if ".lora_" not in name:
                yield name, parameter.detach()
        else:
            delta = _delta(layers[owner]) if name.endswith(".weight") else 0.0
            yield name.replace(".base_layer.", "."), (parameter + delta).detach()


def merge_adapters(model: PreTrainedModel) -> None:
    """Add the adapters to the weights, in float32, and take them out."""
    torch.nn.Module.to(model, dtype=torch.float32)  # those that were held in fewer bits (stages/engines/build.py)
    for name, layer in _layers(model).items():
        layer.merge(adapter_names=[ADAPTER])
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer.get_base_layer())
    model.requires_grad_(True)


def _delta(layer: "LoraLayer") -> torch.Tensor:
    delta: torch.Tensor = layer.get_delta_weight(ADAPTER)  # type: ignore[attr-defined]  # peft declares it in the subclasses alone
    return delta


def _layers(model: PreTrainedModel) -> dict[str, "LoraLayer"]:
    from peft.tuners.lora import LoraLayer

    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
