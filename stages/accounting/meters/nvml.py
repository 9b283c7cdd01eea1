"""NVIDIA's management library: what the GPUs of this process have drawn, how much they work and hold.

Energy is the GPU's own counter of millijoules (Volta and newer); where there is none, power is summed up once a second. Both
are of a whole GPU: in MIG mode, where others may have the other instances, the energy is unknown. Utilisation and memory are of
the moment alone, so a thread looks once a second. A reading in between may tell what the thread saw last. An error after the
start is warned of once: the work goes on, the energy stays as it was.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from stages.accounting.meters.reading import Reading, UnmeteredError
from stages.accounting.meters.sampler import Sampler
from stages.errors import LadderError
from stages.gpus import VISIBLE, handles_and_gpus

LOOK_EVERY_S = 1.0
COUNT_SHARE = (
    0.005  # of the readers' time at most goes into asking the counter, which takes milliseconds on some machines
)


@dataclass(slots=True)
class _Gpu:
    handle: Any
    shared: bool
    """Whether it is a MIG instance, or a GPU of which others may have another one."""
    began_mj: int | None
    """Its counter as the meter began; None where it has none."""


@dataclass(frozen=True, slots=True)
class _Look:
    """All GPUs together at one moment; None where one of them doesn't tell."""

    at_s: float
    power_w: float | None
    utilisation: float | None


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
        shared = any(gpu.shared for gpu in self._gpus)
        self._counts = not shared and all(gpu.began_mj is not None for gpu in self._gpus)
        self._energy_j: float | None = None if shared else 0.0
        self._peak_bytes: int | None = None
        self._worked: list[float] = []  # utilisation at the looks since the last reading
        self._now = _Look(time.monotonic(), None, None)
        self._lock = threading.Lock()
        self._broken = False
        self._count_at = 0.0
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
            self._guarded(self._take)

    def _guarded(self, ask: Callable[[], None]) -> None:
        """Ask NVML, unless it has failed before; where it fails now, say so and keep the energy that was read last."""
        if self._broken:
            return
        try:
            ask()
        except self._nvml.NVMLError as error:
            self._broken = True
            self._now = replace(self._now, power_w=None, utilisation=None)
            self._worked = []
            print(
                f"warning: NVML: {error}; the attempt's energy stays as it was read last", file=sys.stderr, flush=True
            )

    def _take(self) -> None:
        """Look at everything."""
        nvml, handles = self._nvml, [gpu.handle for gpu in self._gpus]
        if self._counts:
            self._count()
        before, at_s = self._now, time.monotonic()
        memory = [self._told(nvml.nvmlDeviceGetMemoryInfo, handle) for handle in handles]
        if None not in memory:
            self._peak_bytes = max(self._peak_bytes or 0, *(each.used for each in memory))
        if any(gpu.shared for gpu in self._gpus):
            return
        power = [self._told(nvml.nvmlDeviceGetPowerUsage, handle) for handle in handles]
        rates = [self._told(nvml.nvmlDeviceGetUtilizationRates, handle) for handle in handles]
        power_w = None if None in power else 1e-3 * sum(power)
        utilisation = None if None in rates else sum(rate.gpu for rate in rates) / len(rates) / 100
        if utilisation is not None:
            self._worked.append(utilisation)
        if not self._counts and self._energy_j is not None:
            if power_w is None:
                self._energy_j = None
            elif before.power_w is not None:
                self._energy_j += (at_s - before.at_s) * (power_w + before.power_w) / 2
        self._now = _Look(at_s, power_w, utilisation)

    def _count(self) -> None:
        """Look at the counters alone."""
        started = time.monotonic()
        counted = [self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle) for gpu in self._gpus]
        self._energy_j = 1e-3 * sum(now - (gpu.began_mj or 0) for gpu, now in zip(self._gpus, counted, strict=True))
        ended = time.monotonic()
        self._count_at = ended + (ended - started) / COUNT_SHARE

    def read(self) -> Reading:
        with self._lock:
            if time.monotonic() >= self._count_at:
                self._guarded(self._count if self._counts else self._take)
            worked, self._worked = self._worked, []
            utilisation = sum(worked) / len(worked) if worked else self._now.utilisation
            return Reading(self._energy_j, self._peak_bytes, utilisation, self._now.power_w)

    def close(self) -> None:
        self._sampler.stop()
        with suppress(self._nvml.NVMLError):  # there is nothing left to lose
            self._nvml.nvmlShutdown()


def _handles(nvml: Any, count: int, environment: Mapping[str, str]) -> list[Any]:
    """NVML's handles of the first `count` devices that CUDA sees."""
    try:
        handles = [handle for handle, _ in handles_and_gpus(nvml, environment)]
    except LadderError as error:
        raise UnmeteredError(str(error)) from None
    if len(handles) < count:
        raise UnmeteredError(
            f"NVML: {len(handles)} GPU(s) are visible ({VISIBLE} {environment.get(VISIBLE)!r}), {count} are used"
        )
    return handles[:count]
