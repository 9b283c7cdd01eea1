"""Energy by a stated wattage, where no counter can be read: joules = watts x seconds."""

import threading
import time

from stages.accounting.meters.reading import Reading
from stages.accounting.meters.tree import TreeWatch


class CpuMeter:
    """CPU seconds of this process and its descendants x the watts of a core at work; an idle core is taken to draw nothing."""

    source = "cpu-seconds x watts (estimate)"
    estimate = True

    def __init__(self, cores: int, watts: float | None) -> None:
        self._cores, self._watts = cores, watts
        self._watch = TreeWatch()
        self._lock = threading.Lock()
        self._last = self._watch.look()

    def read(self) -> Reading:
        with self._lock:
            now, before = self._watch.look(), self._last
            self._last = now
        worked = (now.cpu_s - before.cpu_s) / max(1e-9, now.wall_s - before.wall_s)  # cores
        return Reading(
            energy_j=None if self._watts is None else self._watts * now.cpu_s,
            peak_memory_bytes=now.peak_bytes,
            utilisation=min(1.0, worked / self._cores),
            power_w=None if self._watts is None else self._watts * worked,
        )

    def close(self) -> None:
        pass


class ClockMeter:
    """Seconds x the most that the devices are built to draw: for GPUs that tell nothing, and more than they will have drawn."""

    source = "seconds x watts (estimate)"
    estimate = True

    def __init__(self, count: int, watts: float | None) -> None:
        self._watts = None if watts is None else count * watts
        self._began = time.monotonic()

    def read(self) -> Reading:
        energy_j = None if self._watts is None else self._watts * (time.monotonic() - self._began)
        return Reading(energy_j, peak_memory_bytes=None, utilisation=None, power_w=self._watts)

    def close(self) -> None:
        pass
