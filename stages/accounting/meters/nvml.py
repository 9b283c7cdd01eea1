"""NVIDIA's management library: what the GPUs of this process have drawn, how much they work and hold.

Energy is the GPU's own counter of millijoules (Volta and newer); where there is none, power is summed up once a second. Both
are of a whole GPU: in MIG mode, where others may have the other instances, the energy is unknown. Utilisation and memory are of
the moment alone, so a thread looks once a second. An error after the start is warned of once: the work goes on, the energy
stays as it was.
"""

import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stages.accounting.meters.reading import Reading, UnmeteredError
from stages.accounting.meters.sampler import Sampler
from stages.accounting.meters.visible import visible_gpus, visible_instances

LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class _Gpu:
    handle: Any
    shared: bool
    """Whether it is a MIG instance, or a GPU of which others may have another one."""
    began_mj: int | None
    """Its counter as the meter began; None where it has none."""


@dataclass(frozen=True, slots=True)
class _Look:
    """All GPUs at one moment: what is in their counters, in milliwatts and bytes; None where one of them doesn't tell."""

    at_s: float
    counted_j: float | None
    power_w: float | None
    utilisation: float | None
    memory_bytes: int | None


class NvmlMeter:
    source = "nvml"
    estimate = False

    def __init__(self, count: int, environment: Mapping[str, str] = os.environ) -> None:
        """Of the first `count` GPUs that CUDA sees. Raises UnmeteredError where NVML doesn't tell them."""
        import pynvml  # its import is quick, but only a GPU's attempt needs it

        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._gpus = [self._begin(handle) for handle in _handles(pynvml, count, environment)]
        except pynvml.NVMLError as error:
            raise UnmeteredError(f"NVML: {error}") from None
        self._counts = all(gpu.began_mj is not None for gpu in self._gpus)
        self._lock = threading.Lock()
        self._broken = False
        self._peak_bytes: int | None = None
        self._summed_j: float | None = 0.0
        self._worked: list[float] = []
        self._last = _Look(time.monotonic(), None, None, None, None)
        self._look()
        self._sampler = Sampler(self._look, LOOK_EVERY_S)

    def _begin(self, handle: Any) -> _Gpu:
        return _Gpu(handle, self._is_shared(handle), self._told(self._nvml.nvmlDeviceGetTotalEnergyConsumption, handle))

    def _is_shared(self, handle: Any) -> bool:
        mode = self._told(self._nvml.nvmlDeviceGetMigMode, handle)
        return bool(mode and mode[0]) or bool(self._told(self._nvml.nvmlDeviceIsMigDeviceHandle, handle))

    def _told(self, function: Any, handle: Any) -> Any:
        """What `function` tells of a GPU; None where that kind of GPU, or this user's right, has no such thing."""
        try:
            return function(handle)
        except (self._nvml.NVMLError_NotSupported, self._nvml.NVMLError_NoPermission):
            return None

    def _look(self) -> None:
        with self._lock:
            if self._broken:
                return
            try:
                now = self._take()
            except self._nvml.NVMLError as error:
                self._broken = True
                self._last = _Look(time.monotonic(), self._last.counted_j, None, None, None)
                print(
                    f"warning: NVML: {error}; the attempt's energy stays as it was read last",
                    file=sys.stderr,
                    flush=True,
                )
                return
            if self._summed_j is not None and self._last.power_w is not None and now.power_w is not None:
                self._summed_j += (now.at_s - self._last.at_s) * (now.power_w + self._last.power_w) / 2
            if now.power_w is None:
                self._summed_j = None
            if now.utilisation is not None:
                self._worked.append(now.utilisation)
            if now.memory_bytes is not None:
                self._peak_bytes = max(self._peak_bytes or 0, now.memory_bytes)
            self._last = now

    def _take(self) -> _Look:
        nvml, whole = self._nvml, [gpu for gpu in self._gpus if not gpu.shared]
        at_s = time.monotonic()
        counted = [self._told(nvml.nvmlDeviceGetTotalEnergyConsumption, gpu.handle) for gpu in whole if self._counts]
        power = [self._told(nvml.nvmlDeviceGetPowerUsage, gpu.handle) for gpu in whole]
        rates = [self._told(nvml.nvmlDeviceGetUtilizationRates, gpu.handle) for gpu in whole]
        memory = [self._told(nvml.nvmlDeviceGetMemoryInfo, gpu.handle) for gpu in self._gpus]
        all_whole = len(whole) == len(self._gpus)
        return _Look(
            at_s,
            counted_j=1e-3 * sum(counted) if all_whole and self._counts and None not in counted else None,
            power_w=1e-3 * sum(power) if all_whole and None not in power else None,
            utilisation=sum(rate.gpu for rate in rates) / len(rates) / 100 if all_whole and None not in rates else None,
            memory_bytes=None if None in memory else max(each.used for each in memory),
        )

    def read(self) -> Reading:
        self._look()
        with self._lock:
            worked, self._worked = self._worked, []
            began_j = 1e-3 * sum(gpu.began_mj or 0 for gpu in self._gpus)
            energy_j = self._summed_j if self._last.counted_j is None else self._last.counted_j - began_j
            utilisation = sum(worked) / len(worked) if worked else None
            return Reading(energy_j, self._peak_bytes, utilisation, self._last.power_w)

    def close(self) -> None:
        self._sampler.stop()
        with suppress(self._nvml.NVMLError):  # there is nothing left to lose
            self._nvml.nvmlShutdown()


def _handles(nvml: Any, count: int, environment: Mapping[str, str]) -> list[Any]:
    """NVML's handles of the first `count` devices that CUDA sees."""
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    instances = visible_instances(listed)
    if instances:
        handles = [nvml.nvmlDeviceGetHandleByUUID(name) for name in instances]
    else:
        all_of_them = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        names = {nvml.nvmlDeviceGetName(handle) for handle in all_of_them}
        by_uuid = listed is not None and listed.startswith("GPU-")
        if len(names) > 1 and not by_uuid and environment.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
            raise UnmeteredError(
                f"NVML: this machine's GPUs differ ({', '.join(sorted(names))}), and CUDA numbers them by speed, NVML by "
                "place; set CUDA_DEVICE_ORDER=PCI_BUS_ID"
            )
        uuids = [nvml.nvmlDeviceGetUUID(handle) for handle in all_of_them]
        handles = [all_of_them[place] for place in visible_gpus(listed, uuids)]
    if len(handles) < count:
        raise UnmeteredError(
            f"NVML: {len(handles)} GPU(s) are visible (CUDA_VISIBLE_DEVICES {listed!r}), {count} are used"
        )
    return handles[:count]
