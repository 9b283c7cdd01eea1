"""A checkpoint: a folder with safetensors weights in float32, the model's config and its tokenizer."""

import gc
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

from stages.engines.device import on_device
from stages.errors import LadderError
from stages.params import GgufBase, HubBase
from stages.store.digest import check_pin
from stages.store.files import whole_folder

logging.disable_progress_bar()  # a stage has a progress line of its own


@dataclass(frozen=True, slots=True)
class Checkpoint:
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def eos_token_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def pad_token_id(self) -> int:
        """Padding is masked, so that any token serves where a tokenizer has none of its own."""
        pad = self.tokenizer.pad_token_id
        return self.eos_token_id if pad is None else int(pad)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write the whole folder or nothing."""
    with whole_folder(path) as partial:
        checkpoint.model.save_pretrained(partial)
        checkpoint.tokenizer.save_pretrained(partial)


def load_checkpoint(path: Path, device: torch.device) -> Checkpoint:
    """The checkpoint in `path`. Raises LadderError where it is missing or broken."""
    tokenizer = load_tokenizer(path)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    except (OSError, SafetensorError, ValueError) as error:
        raise _broken(path, error) from None
    gc.freeze()  # torch and transformers are half a million objects, which each full collection would go through for 0.2 s
    return Checkpoint(on_device(model, device), tokenizer)


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of the checkpoint in `path`. Raises LadderError where it is missing or broken."""
    try:
        # Not AutoTokenizer: for a Qwen2 it builds Qwen2's own splitter, whatever tokenizer.json says.
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise _broken(path, error) from None
    return tokenizer


def _broken(path: Path, error: Exception) -> LadderError:
    detail = " ".join(str(error).split())[:200]
    return LadderError(f"{path}: not a checkpoint ({detail}); `dvc checkout {path}` restores it")


def load_base(base: HubBase | GgufBase) -> Checkpoint:
    """The weights that the ladder starts from, as their makers published them. Raises LadderError where they can't be had."""
    if isinstance(base, GgufBase):
        path = Path(base.path)
        check_pin(path, base.pin)
        read = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        del read.config.quantization_config  # its weights are float32 now, and transformers saves no quantized model
        model = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
        model.load_state_dict(read.state_dict())
        return Checkpoint(model, AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name))
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base.name, revision=base.revision, dtype=torch.float32, use_safetensors=True
        )
        return Checkpoint(model, AutoTokenizer.from_pretrained(base.name, revision=base.revision))
    except OSError as error:
        detail = " ".join(str(error).split())[:200]
        raise LadderError(
            f"params.yaml: base.name: {base.name!r} at {base.revision[:8]} can't be had from the hub ({detail}); check the "
            "network, or fill the hub's cache with `hf download` first"
        ) from None
