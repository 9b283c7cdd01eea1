"""What an attempt draws while it runs: energy, memory, utilisation.

GPUs are read by NVML, a CPU by RAPL where its counters may be read; elsewhere energy is estimated from a stated wattage. A GPU's
attempt is metered by its GPUs alone: the host's CPU and memory draw comes on top.
"""

from stages.accounting.meters.choose import meter_of
from stages.accounting.meters.reading import Meter, Reading

__all__ = ["Meter", "Reading", "meter_of"]
