"""The processor that an engine runs on, set up so that the same settings give the same bytes."""

import os

import torch
from transformers import PreTrainedModel

from stages.accounting.records import CPU_CORE, Device
from stages.errors import LadderError
from stages.params import Engine, Params


def occupied_device(params: Params) -> Device:
    """What a stage with an engine is billed for: its threads' CPU cores, or one GPU."""
    return _occupied(params, 1)


def occupied_by_ranks(params: Params) -> Device:
    """The same of all ranks together."""
    return _occupied(params, params.operations.devices)


def _occupied(params: Params, ranks: int) -> Device:
    if params.engine.device == "cpu":
        return Device(CPU_CORE, ranks * params.engine.threads)
    if not torch.cuda.is_available():
        raise LadderError(
            "params.yaml: engine.device: 'cuda', but torch finds no GPU; set it to 'cpu' or mend the driver"
        )
    return Device(torch.cuda.get_device_name(), ranks)


def matmuls_in(dtype: str, device: torch.device) -> torch.autocast:
    """Compute matrix products in `dtype`: the trainer's, and the sampler's alike, or one would not be the other's policy."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16")


def on_device(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    torch.nn.Module.to(model, device)  # in place; transformers' own `to` hides its type
    return model


def prepare_device(engine: Engine) -> torch.device:
    """The torch device of `engine`: thread count fixed, and deterministic algorithms required where it says so."""
    torch.set_num_threads(engine.threads)
    if engine.deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS is deterministic only with a fixed workspace
        torch.use_deterministic_algorithms(True)
        # Or all memory is written once more as it is allocated, vLLM's too.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # documented
    torch.backends.cuda.matmul.allow_tf32 = False
    os.environ["DS_ACCELERATOR"] = (
        engine.device
    )  # or DeepSpeed, which transformers imports as it saves a model, guesses and warns
    return torch.device(engine.device)
