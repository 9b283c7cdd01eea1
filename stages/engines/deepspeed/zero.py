"""Whole weights and moments out of a DeepSpeed engine and back, whatever ZeRO stage shards them (arXiv 1910.02054).

Stage 0 shards nothing; 1 and 2 give every rank a part of one flat vector of all parameters, whose weights are held whole besides;
3 gives every rank a part of every parameter, padded to the same length. Reads are collectives: all ranks make them, in one order.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed

from stages.engines.deepspeed.guarded_adamw import GuardedAdamW
from stages.errors import LadderError


class Shards:
    """The trained parameters of `engine`, whose optimizer was made as `adamw`."""

    def __init__(self, engine: Any, adamw: GuardedAdamW, stage: int) -> None:
        self._engine = engine
        self._adamw = adamw
        self._stage = stage
        self.set_steps(torch.zeros(()))

    @property
    def steps(self) -> torch.Tensor:
        """The steps that the moments were made of."""
        step: torch.Tensor = self._adamw.state[self._owned()[0]]["step"]
        return step

    def set_steps(self, step: torch.Tensor) -> None:
        """Say that `step` steps were taken; the moments are 0 until they are written."""
        self._adamw.start_from(self._owned(), step)
        if self._stage in (1, 2):  # DeepSpeed keeps views of the moments, linked at its first step: link them to these
            self._engine.optimizer._hp_optimizer_states_linked = False
            self._engine.optimizer._lazy_init_hp_params_optimizer_state()

    def read(self, parameter: Any, moment: str | None = None) -> torch.Tensor:
        """The whole of a trained parameter, or of its `moment`; on every rank."""
        if self._stage == 0:
            kept: torch.Tensor = parameter.detach() if moment is None else self._adamw.state[parameter][moment]
            return kept
        from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

        whole: torch.Tensor = (
            safe_get_full_fp32_param(parameter) if moment is None else safe_get_full_optimizer_state(parameter, moment)
        )
        return whole

    @torch.no_grad()
    def write(self, parameter: Any, value: torch.Tensor, moment: str | None = None) -> None:
        """The reverse of `read`: every rank is given the whole `value` and keeps its part."""
        value = value.to(parameter.device)
        if moment is None and parameter.numel():  # under ZeRO 3 a parameter is empty where it isn't gathered
            parameter.copy_(value)
        if self._stage == 0:
            if moment is not None:
                self._adamw.state[parameter][moment].copy_(value)
            return
        from deepspeed.utils import (
            safe_set_full_fp32_param,
            safe_set_full_optimizer_state,
            safe_set_local_fp32_param,
            safe_set_local_optimizer_state,
        )

        if self._stage == 3:
            part = _part(parameter, value)  # DeepSpeed's setters of the whole don't know the padding
            if moment is None:
                parameter.ds_tensor.copy_(part)
                safe_set_local_fp32_param(parameter, part)
            else:
                safe_set_local_optimizer_state(parameter, part, moment)
        elif moment is None:
            safe_set_full_fp32_param(parameter, value)
        else:
            safe_set_full_optimizer_state(parameter, value, moment)

    def whole(self, parameter: Any) -> torch.Tensor:
        """The weight as the model computes with it, trained or not; a copy where it has to be gathered."""
        weight: torch.Tensor
        if self._stage != 3:
            weight = parameter.detach()
            return weight
        import deepspeed

        with deepspeed.zero.GatheredParameters([parameter]):
            weight = parameter.detach().clone()
        return weight

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """All weights whole on every rank, and ranks free to run the model each in its own way."""
        if self._stage != 3:
            yield
            return
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(self._engine.module.parameters())):
            self._remove_hooks()
            try:
                yield
            finally:
                self._engine.optimizer.parameter_offload.setup_zero_stage3_hooks()

    def dissolve(self) -> None:
        """Leave the model with whole parameters of its own. The engine is of no use from then on."""
        if self._stage != 3:
            return
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(self._engine.module.parameters())):
            self._remove_hooks()
            whole: dict[int, torch.nn.Parameter] = {}  # tied ones stay one
            for module in self._engine.module.modules():
                for name, parameter in module._parameters.items():
                    if parameter is not None:
                        copied = torch.nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
                        module._parameters[name] = whole.setdefault(id(parameter), copied)

    def _remove_hooks(self) -> None:
        """Of ZeRO 3: they would release each layer behind its forward pass, and record a pass that other ranks don't make."""
        offload = self._engine.optimizer.parameter_offload
        offload._remove_module_hooks()
        offload.forward_hooks.clear()
        offload.backward_hooks.clear()

    def _owned(self) -> list[torch.Tensor]:
        """The tensors that this rank's AdamW steps."""
        if self._stage == 0:
            return [parameter for group in self._adamw.param_groups for parameter in group["params"]]
        zero = self._engine.optimizer
        owned: list[torch.Tensor] = (
            zero.fp32_partitioned_groups_flat if self._stage == 3 else zero.single_partition_of_fp32_groups
        )
        return owned


def _part(parameter: Any, value: torch.Tensor) -> torch.Tensor:
    """This rank's part of `value` under ZeRO 3, padded with 0."""
    length = parameter.ds_tensor.numel()
    part = value.new_zeros(length)
    here = value.flatten()[torch.distributed.get_rank() * length :][:length]
    part[: len(here)] = here
    return part


def import_deepspeed(device: str) -> Any:
    """DeepSpeed, set up for `device` and quiet. Raises LadderError where it is not installed."""
    os.environ["DS_ACCELERATOR"] = device
    try:
        import deepspeed
    except ModuleNotFoundError as error:
        if error.name != "deepspeed":
            raise
        raise LadderError(
            "params.yaml: engine.train: 'deepspeed', but DeepSpeed is not installed; `make install EXTRAS=deepspeed` "
            "brings it (EXTRAS=gpu brings vLLM too), or set it to 'torch'"
        ) from None
    deepspeed.utils.logger.setLevel(logging.ERROR)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # on a CPU it would compile collectives of its own
    warnings.filterwarnings("ignore", "`torch.distributed", FutureWarning)  # of names that DeepSpeed calls
    return deepspeed
