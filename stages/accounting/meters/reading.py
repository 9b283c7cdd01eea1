"""What a meter tells, whatever it reads."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a meter; what it can't know is None.

    energy_j: joules since the meter began, of all devices of the attempt together, at most a second ago (NVML).
    peak_memory_bytes: the most that one GPU, or this process and its children, have held at a look since the meter began.
    utilisation: share (0..1) of the devices' time that they worked, on average since the last reading.
    power_w: watts of all devices together: at most a second ago (NVML), or on average since the last reading.
    """

    energy_j: float | None
    peak_memory_bytes: int | None
    utilisation: float | None
    power_w: float | None


class Meter(Protocol):
    """Begins as it is made. `read` may be called from several threads, and raises nothing: the work goes on without a meter."""

    @property
    def source(self) -> str:
        """What the energy is read from, or estimated by."""

    @property
    def estimate(self) -> bool:
        """Whether the energy is computed from a stated wattage and not read from a counter."""

    def read(self) -> Reading: ...

    def close(self) -> None:
        """Stop; a closed meter is not read again."""


class UnmeteredError(Exception):
    """Why a device's counters can't be read here: another meter serves."""
