"""Which GPUs CUDA_VISIBLE_DEVICES leaves a process, as the CUDA programming guide defines it and torch reads it.

A MIG instance counts as a GPU. `nvml` is the module pynvml after its nvmlInit.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeVar

from stages.errors import LadderError

VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
BY_PLACE = "PCI_BUS_ID"
Entry = TypeVar("Entry", str, int)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One that this process may use: how CUDA_VISIBLE_DEVICES names it, and what it is called everywhere."""

    entry: str
    uuid: str


def handles_and_gpus(nvml: Any, environment: Mapping[str, str]) -> list[tuple[Any, Gpu]]:
    """NVML's handles of the GPUs that CUDA sees in `environment`, in CUDA's order.

    Raises LadderError where NVML can't tell which ones CUDA means, and NVMLError.
    """
    listed = environment.get(VISIBLE)
    if instances := visible_instances(listed):
        return [(nvml.nvmlDeviceGetHandleByUUID(name), Gpu(name, name)) for name in instances]
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    names = {nvml.nvmlDeviceGetName(handle) for handle in handles}
    by_uuid = listed is not None and listed.startswith("GPU-")
    if len(names) > 1 and not by_uuid and environment.get(ORDER) != BY_PLACE:
        raise LadderError(
            f"NVML: this machine's GPUs differ ({', '.join(sorted(names))}), and CUDA numbers them by speed, NVML by place; "
            f"set {ORDER}={BY_PLACE}"
        )
    uuids = [nvml.nvmlDeviceGetUUID(handle) for handle in handles]
    return [
        (handles[place], Gpu(uuids[place] if by_uuid else str(place), uuids[place]))
        for place in visible_gpus(listed, uuids)
    ]


def visible_gpus(listed: str | None, uuids: Sequence[str]) -> list[int]:
    """Places in `uuids`, of all GPUs, of those that `listed` names by number or by (the beginning of) a UUID, in its order.

    None names all. What stands behind a first invalid entry is not visible; a GPU that is named twice makes all invisible.
    """
    if listed is None:
        return list(range(len(uuids)))
    places = _by_uuid(listed, uuids) if listed.startswith("GPU-") else _numbers(listed)
    return _once([*takewhile(lambda place: 0 <= place < len(uuids), places)])


def visible_instances(listed: str | None) -> list[str]:
    """The names of the MIG instances in `listed`; empty where it names none."""
    return _once([*takewhile(lambda entry: entry.startswith("MIG-"), (listed or "").split(","))])


def _by_uuid(listed: str, uuids: Sequence[str]) -> list[int]:
    """A place for each entry; -1 where no UUID or more than one begins so."""
    entries = _once([*takewhile(lambda entry: entry.startswith("GPU-"), listed.split(","))])
    fitting = [[place for place, uuid in enumerate(uuids) if uuid.startswith(entry)] for entry in entries]
    return [places[0] if len(places) == 1 else -1 for places in fitting]


def _numbers(listed: str) -> list[int]:
    # As strtoul: what follows the digits is not looked at. A negative one ends the list.
    read = [re.match(r"[+-]?[0-9]+", entry.strip()) for entry in listed.split(",")]
    numbers = [int(number[0]) if number else -1 for number in read]
    return _once([*takewhile(lambda number: number >= 0, numbers)])


def _once(entries: list[Entry]) -> list[Entry]:
    return entries if len(set(entries)) == len(entries) else []
