"""Meters: what CUDA sees, RAPL's counters in a folder as the kernel's, CPU time of real children, real GPUs if any."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.cuda import _parse_visible_devices, _transform_uuid_to_ordinals

from stages.accounting.meters import meter_of
from stages.accounting.meters.estimates import ClockMeter, CpuMeter
from stages.accounting.meters.nvml import NvmlMeter
from stages.accounting.meters.rapl import RaplMeter, find_packages, gone_by, share
from stages.accounting.meters.reading import UnmeteredError
from stages.accounting.records import CPU_CORE, Device
from stages.gpus import visible_gpus, visible_instances

RANGE_UJ = 262_143_328_850
BURN = "import time\nwhile time.process_time() < {cpu_s}: pass"

UUIDS = ["GPU-a1-x", "GPU-a1-y", "GPU-b2-x", "GPU-c3-z"]
NUMBERS = st.lists(st.from_regex(r" ?(-?[0-9]{1,2}[a-z]?|[a-z]{0,2}) ?", fullmatch=True), max_size=5)
PREFIXES = st.lists(
    st.sampled_from([*UUIDS, "GPU-a1", "GPU-b", "GPU-c3", "GPU-q", "GPU-", "", "1", "MIG-1"]), max_size=4
)


@settings(max_examples=300, deadline=None)
@given((NUMBERS | PREFIXES).map(",".join))
def test_what_is_visible_is_what_torch_says(listed: str) -> None:
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = listed
    try:
        told: Any = _parse_visible_devices()
    finally:
        del os.environ["CUDA_VISIBLE_DEVICES"]
        if before is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = before
    if told and isinstance(told[0], str):
        told = _transform_uuid_to_ordinals(told, UUIDS) if told[0].startswith("GPU-") else []
    else:  # torch drops those that there aren't as it counts: the first ends the list
        told = told[: next((place for place, number in enumerate(told) if number >= len(UUIDS)), len(told))]
    assert visible_gpus(listed, UUIDS) == told


def test_unset_shows_all_and_mig_instances_go_by_name() -> None:
    assert visible_gpus(None, UUIDS) == [0, 1, 2, 3]
    assert visible_instances("MIG-1,MIG-2,0") == ["MIG-1", "MIG-2"]
    assert visible_instances("MIG-1,MIG-1") == visible_instances("0") == visible_instances(None) == []


@given(st.integers(0, RANGE_UJ - 1), st.integers(0, RANGE_UJ - 1))
def test_a_counter_that_ran_over_goes_on(before: int, drawn: int) -> None:
    assert gone_by(before, (before + drawn) % RANGE_UJ, RANGE_UJ) == drawn


def test_our_share_is_never_more_than_all() -> None:
    assert (share(1.0, 4.0), share(2.0, 1.99), share(0.0, 0.0)) == (0.25, 1.0, 0.0)


def add_zone(powercap: Path, zone: str, name: str, energy_uj: object) -> Path:
    folder = powercap / zone
    folder.mkdir(parents=True)
    for file, text in (("name", name), ("max_energy_range_uj", RANGE_UJ), ("energy_uj", energy_uj)):
        (folder / file).write_text(f"{text}\n")
    return folder / "energy_uj"


def test_packages_alone_are_counted(tmp_path: Path) -> None:
    for zone, name in (
        ("intel-rapl:1", "package-1"), ("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:2", "psys"),
        ("intel-rapl-mmio:0", "package-0"),
    ):  # fmt: skip
        add_zone(tmp_path, zone, name, 5)
    assert [package.folder.name for package in find_packages(tmp_path)] == ["intel-rapl:0", "intel-rapl:1"]


def test_rapl_books_what_we_worked_for_over_the_counters_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.accounting.meters.rapl._busy_s", lambda: 2 * time.process_time())  # as much by others
    first = add_zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 40_000_000)
    second = add_zone(tmp_path, "intel-rapl:1", "package-1", 0)
    meter = RaplMeter(1, tmp_path)
    assert meter.read().energy_j == 0.0
    burn(0.5)
    first.write_text("60000000\n")  # 100 J on, over the end
    second.write_text("20000000\n")
    taken = meter.read()
    assert taken.energy_j is not None
    assert taken.energy_j == pytest.approx(60, rel=0.1)  # half of 120 J; CPU time is told in hundredths of a second
    assert taken.power_w is not None
    assert taken.power_w > 0
    first.unlink()
    assert meter.read().energy_j == meter.read().energy_j == taken.energy_j
    assert capsys.readouterr().err.count("warning: RAPL") == 1
    meter.close()


def burn(cpu_s: float) -> None:
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass


def test_rapl_that_cannot_be_read_leaves_it_to_another(tmp_path: Path) -> None:
    with pytest.raises(UnmeteredError, match="no CPU package"):
        RaplMeter(1, tmp_path)
    counter = add_zone(tmp_path, "intel-rapl:0", "package-0", "")
    with pytest.raises(UnmeteredError, match="invalid literal"):
        RaplMeter(1, tmp_path)
    counter.unlink()
    counter.mkdir()  # root may read any file
    with pytest.raises(UnmeteredError, match="Is a directory"):
        RaplMeter(1, tmp_path)


def test_the_cpu_meter_counts_children_while_they_live_and_after() -> None:
    meter, own_before = CpuMeter(1, watts=10.0), time.process_time()
    before = meter.read().energy_j or 0.0

    def children_s() -> float:
        """CPU seconds by the meter without our own."""
        return ((meter.read().energy_j or 0.0) - before) / 10 - (time.process_time() - own_before)

    burn_below = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN.format(cpu_s=0.5)!r}])\n"
    code = f"{burn_below}print(1, flush=True)\ninput()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()  # the grandchild has ended, the child lives
    deadline = time.monotonic() + 20
    while (alive_s := children_s()) < 0.4 and time.monotonic() < deadline:
        time.sleep(0.01)  # a new process is looked for now and then
    child.communicate(b"\n")
    assert 0.4 < alive_s < 1.5
    assert 0.4 < children_s() < 1.5
    assert (meter.read().peak_memory_bytes or 0) > 2**20


def test_without_watts_the_energy_is_unknown_and_never_0() -> None:
    for meter in (CpuMeter(1, None), ClockMeter(1, None)):
        assert meter.read().energy_j is meter.read().power_w is None
    clock = ClockMeter(2, 100.0)
    first, second = clock.read().energy_j, clock.read().energy_j
    assert first is not None
    assert second is not None
    assert 0 < first < second


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_tells_nothing_is_estimated_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    meter = meter_of(Device("NVIDIA H100 80GB HBM3", 1), 700.0)
    assert meter.estimate
    assert capsys.readouterr().err.startswith("warning: NVML: ")
    assert (meter.read().energy_j or 0) > 0
    meter.close()


def test_a_cpu_has_a_meter_that_says_what_it_is() -> None:
    meter = meter_of(Device(CPU_CORE, 1), 3.5)
    assert meter.estimate == meter.source.endswith("(estimate)")
    burn(0.2)
    reading = meter.read()
    assert (reading.energy_j or 0.0) > 0
    assert 0.02 < (reading.utilisation or 0.0) <= 1  # others may work on this core too
    meter.close()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_at_work_draws_power_times_time() -> None:
    meter = NvmlMeter(1)
    matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    started, powers = time.monotonic(), []
    first = meter.read().energy_j
    while time.monotonic() - started < 8:
        for _ in range(50):
            matrix @ matrix
        torch.cuda.synchronize()
        powers.append(meter.read().power_w or 0.0)
    last, wall_s = meter.read(), time.monotonic() - started
    assert first is not None
    assert last.energy_j is not None
    assert 0.7 < (last.energy_j - first) / (wall_s * sum(powers) / len(powers)) < 1.3
    assert (last.peak_memory_bytes or 0) > 8192 * 8192 * 2
    meter.close()
