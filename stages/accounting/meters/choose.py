"""Which meter serves an attempt."""

import sys

from stages.accounting.meters.estimates import ClockMeter, CpuMeter
from stages.accounting.meters.nvml import NvmlMeter
from stages.accounting.meters.rapl import RaplMeter
from stages.accounting.meters.reading import Meter, UnmeteredError
from stages.accounting.records import CPU_CORE, Device


def meter_of(device: Device, watts: float | None) -> Meter:
    """A meter of `device`, which begins at once: counters where they can be read, else an estimate by `watts` of one of them.

    Where `watts` is None too, the energy is unknown.
    """
    if device.name == CPU_CORE:
        try:
            return RaplMeter(device.count)
        except UnmeteredError:  # the rule and not the exception: in containers, in the cloud, for all but root
            return CpuMeter(device.count, watts)
    try:
        return NvmlMeter(device.count)
    except UnmeteredError as why:
        print(f"warning: {why}; the energy is estimated", file=sys.stderr, flush=True)
        return ClockMeter(device.count, watts)
