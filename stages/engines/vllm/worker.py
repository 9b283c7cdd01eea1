"""What runs beside the model inside vLLM: new weights in place of the old ones, without a restart.

A server takes it by `--worker-extension-cls stages.engines.vllm.worker.LadderWorker` (stages/engines/vllm/http.py); in this
process its function is called with the worker itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

IDENTITY = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
"""Settings of a model's config that tell another architecture from ours."""


def replace_weights(worker: Any, weights: Iterator[tuple[str, torch.Tensor]]) -> None:
    """Load `weights`, by transformers' names, into the running model of `worker`."""
    worker.reload_weights(weights_iterator=weights, is_checkpoint_format=True)
    # On a CPU a linear layer computes with a packed copy of its weight. Reloading packs anew what was loaded, and a tied head
    # is not loaded: the embedding is. Elsewhere there is no copy, and this does nothing.
    for module in worker.get_model().modules():
        if isinstance(module, ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)


def read_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of the folder's safetensors files. Raises FileNotFoundError where there is none: vLLM would do without."""
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise FileNotFoundError(f"{folder}: no weights here; the server has to see the trainer's disk")
    for path in paths:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (no dictionary: it can't be iterated)
                yield name, file.get_tensor(name)


class LadderWorker:
    """Methods that `vllm serve` calls by name over HTTP (`/collective_rpc`)."""

    ladder_weights = ""
    """What a client named the weights that are loaded; nothing in a server that was just started."""

    def ladder_replace_weights(self, folder: str) -> None:
        self.ladder_weights = ""
        replace_weights(self, read_weights(Path(folder)))

    def ladder_name_weights(self, name: str) -> None:
        self.ladder_weights = name

    def ladder_weights_name(self) -> str:
        return self.ladder_weights

    def ladder_settings(self) -> dict[str, Any]:
        """What a client has to know before it believes what this server samples."""
        model = self.model_config  # type: ignore[attr-defined]  # vLLM makes this class a base of its own worker
        config = model.hf_config.to_dict()
        return {
            "dtype": str(model.dtype).removeprefix("torch."),
            "logprobs_mode": model.logprobs_mode,
            "max_model_len": model.max_model_len,
        } | {name: config.get(name) for name in IDENTITY}
