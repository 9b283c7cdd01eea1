"""What metering costs, and whether a GPU's meter tells the truth.

    python -m benchmarks.meters [--pairs 32] [--load-s 20]

Cost: a fixed number of optimizer steps of a small transformer layer, with a meter that is read after each and without one, in
turns; the CPU seconds of the process (its meter's thread included) are compared on a CPU, the seconds by the wall on a GPU. The
readings themselves are timed too. On a CPU all meters are tried that this machine has.

Truth, where there is a GPU: matrix products for `--load-s` seconds. The meter's joules are compared with NVML's power, asked ten
times a second beside the meter, times the seconds. Where there are two GPUs, one alone works and CUDA_VISIBLE_DEVICES names it,
by number and by UUID: the meter has to see the work, and a meter of the other must not.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from benchmarks.record import write_result
from stages.accounting.ledger import CPU_CORE, Device
from stages.accounting.meters import Meter, meter_of
from stages.accounting.meters.estimates import CpuMeter
from stages.accounting.meters.nvml import NvmlMeter

STEPS, WIDTH, ROWS, TOKENS = 4, 256, 8, 128
READINGS = 200


def work_on(device: str) -> Callable[[], None]:
    """One optimizer step, ended when it is done."""
    torch.manual_seed(0)
    scale = 8 if device == "cuda" else 1
    layer = torch.nn.TransformerEncoderLayer(WIDTH * scale, 4, WIDTH * scale * 4, batch_first=True, device=device)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-4)
    batch = torch.randn(ROWS, TOKENS * scale, WIDTH * scale, device=device)

    def step() -> None:
        for _ in range(4):
            optimizer.zero_grad()
            layer(batch).square().mean().backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def seconds_of(step: Callable[[], None], clock: Callable[[], float], meter: Meter | None) -> float:
    """By `clock`, of STEPS steps, with `meter` read after each."""
    started = clock()
    for _ in range(STEPS):
        step()
        if meter is not None:
            meter.read()
    return clock() - started


def overhead(device: str, make: Callable[[], Meter], pairs: int) -> dict[str, Any]:
    step, clock = work_on(device), time.perf_counter if device == "cuda" else time.process_time
    seconds_of(step, clock, None)
    ratios, bare_s = [], []
    for pair in range(pairs):
        taken: dict[bool, float] = {}
        for metered in (pair % 2 == 0, pair % 2 == 1):  # neither always comes first
            meter = make() if metered else None
            taken[metered] = seconds_of(step, clock, meter)
            if meter is not None:
                meter.close()
        ratios.append(taken[True] / taken[False])
        bare_s.append(taken[False])
    meter = make()
    began = time.process_time()
    for _ in range(READINGS):
        meter.read()
    reading_cpu_s = (time.process_time() - began) / READINGS
    meter.close()
    return {
        "ratio_seconds_with_over_without": statistics.median(ratios),
        "ratios": ratios,
        "step_s": statistics.median(bare_s) / STEPS,
        "reading_cpu_s": reading_cpu_s,
        "ratio_reading_over_step": reading_cpu_s / (statistics.median(bare_s) / STEPS),
        "source": meter.source,
        "estimate": meter.estimate,
    }


def burn(seconds: float, tell: Callable[[], None]) -> None:
    matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        for _ in range(60):  # about a tenth of a second
            matrix @ matrix
        torch.cuda.synchronize()
        tell()


def truth(load_s: float) -> dict[str, Any]:
    """A GPU's joules by the meter against its power times the time, both over the same load."""
    import pynvml

    burn(2, lambda: None)
    meter = NvmlMeter(1)
    handle = meter._gpus[0].handle
    told: list[tuple[float, float, float]] = []  # seconds, watts, the meter's joules

    def tell() -> None:
        energy_j = meter.read().energy_j
        assert energy_j is not None
        told.append((time.perf_counter(), pynvml.nvmlDeviceGetPowerUsage(handle) / 1000, energy_j))

    tell()
    burn(load_s, tell)
    last = meter.read()
    meter.close()
    # A reading may be a moment old: from one at which the counter had moved to another such.
    moved = [place for place in range(1, len(told)) if told[place][2] != told[place - 1][2]]
    told = told[moved[0] : moved[-1] + 1]
    by_power_j = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(told))
    energy_j, seconds = told[-1][2] - told[0][2], told[-1][0] - told[0][0]
    return {
        "ratio_energy_over_power_times_time": energy_j / by_power_j,
        "energy_j": energy_j,
        "power_times_time_j": by_power_j,
        "seconds": seconds,
        "mean_power_w": by_power_j / seconds,
        "utilisation": last.utilisation,
        "peak_memory_bytes": last.peak_memory_bytes,
        "has_counter": meter._counts,
    }


def mapping() -> dict[str, Any]:
    """Utilisation by the meters of the working GPU and of the other, as CUDA_VISIBLE_DEVICES names them."""
    uuids = [f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in range(2)]
    seen = {}
    for busy, other in (("1", "0"), ("0", "1"), (uuids[1], uuids[0])):
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.meters", "--burn", "12"],
            env=os.environ | {"CUDA_VISIBLE_DEVICES": busy}, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        meters = {name: NvmlMeter(1, {"CUDA_VISIBLE_DEVICES": name}) for name in (busy, other)}
        time.sleep(5)
        read = {name: meter.read() for name, meter in meters.items()}
        child.wait()
        seen[f"CUDA_VISIBLE_DEVICES={busy[:8]}"] = {
            "busy": {"utilisation": read[busy].utilisation, "energy_j": read[busy].energy_j},
            "other": {"utilisation": read[other].utilisation, "energy_j": read[other].energy_j},
        }
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.meters", description=__doc__)
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--load-s", type=float, default=20.0)
    parser.add_argument("--burn", type=float, help="work a GPU for so many seconds and end")
    arguments = parser.parse_args()
    if arguments.burn:
        burn(1, lambda: None)
        print("burning", flush=True)
        burn(arguments.burn, lambda: None)
        return
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"cpu": {"estimate": overhead("cpu", lambda: CpuMeter(1, 3.5), arguments.pairs)}}
    chosen = meter_of(Device(CPU_CORE, 1), 3.5)
    chosen.close()
    if not chosen.estimate:
        figures["cpu"]["counter"] = overhead("cpu", lambda: meter_of(Device(CPU_CORE, 1), 3.5), arguments.pairs)
    gpus = torch.cuda.device_count()
    if gpus:
        figures["gpu"] = {
            **truth(arguments.load_s),
            "overhead": overhead("cuda", lambda: NvmlMeter(1), arguments.pairs),
        }
    if gpus > 1:
        figures["mapping"] = mapping()
    configuration = {
        "steps": STEPS, "pairs": arguments.pairs, "load_s": arguments.load_s,
        "gpus": [torch.cuda.get_device_name(index) for index in range(gpus)],
    }  # fmt: skip
    print(json.dumps(figures, indent=2))
    print(write_result("meters", ["torch", "psutil", "nvidia-ml-py"], configuration, figures))


if __name__ == "__main__":
    main()
