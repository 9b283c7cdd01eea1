"""Another device: by what it was measured to take where the ledger has that, else by published peaks, marked as such.

By peaks, the phases that multiply matrices (reference, update) gain the ratio of the peaks of dense bfloat16 to a power between
COMPUTE_GAIN's bounds; sampling, which waits for memory, that of the memory's bandwidths, or, where one is unknown, that of the
peaks to a power between BLIND_GAIN's (the roofline's two roofs: Williams, Waterman and Patterson, 2009). All else is the host's
and stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.accounting.projection.futures import Ladder, RungFutures
from stages.accounting.projection.measured import WORKING, DeviceFacts, Floats, MeasuredRung
from stages.accounting.projection.pace import DRIFT
from stages.accounting.projection.results import facts_of
from stages.accounting.projection.seconds import blocks_FS, warmed
from stages.errors import LadderError

COMPUTE_GAIN = (0.5, 1.1)
MEMORY_GAIN = (0.5, 1.1)
PEAKS_SPREAD = 0.25
"""Of what software makes of a device's peaks, all phases alike (standard deviation of the logarithm)."""
BLIND_GAIN = (0.1, 0.9)
OTHER_CONTEXT = 0.15
"""How far (standard deviation of the logarithm) seconds a token compare between devices that were measured at other contexts."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Seconds there over seconds here (F,), by phase; `basis` says from what, `assumption` at length."""

    factors_F: Mapping[str, Floats]
    basis: str
    assumption: str
    watts: float | None
    """Of one device there: as measured, or else the most that it is built to draw."""

    def of(self, rung: RungFutures, device: str) -> RungFutures:
        seconds = {phase: taken * self.factors_F.get(phase, 1.0) for phase, taken in rung.seconds_F.items()}
        watts = None if self.watts is None else self.watts * rung.devices
        return replace(rung, device=device, seconds_F=seconds, watts=watts)


def conversion_to(
    device: str, ladder: Ladder, facts: Mapping[str, DeviceFacts], elsewhere: Sequence[MeasuredRung]
) -> Conversion:
    """From the ladder's device to `device`; `elsewhere` holds what was measured on any. Raises LadderError."""
    facts_of(device, facts)
    measured = [rung for rung in elsewhere if rung.device == device and len(rung.steps) > 1]
    if measured:
        return _by_measurement(device, ladder, measured)
    return by_peaks(ladder.device, device, facts, ladder.futures, ladder.random("device", device))


def _by_measurement(device: str, ladder: Ladder, there: Sequence[MeasuredRung]) -> Conversion:
    """Seconds a token of whole steps, phase by phase, at the same contexts where both have one."""
    random = ladder.random("device", device)
    shared = {rung.context for rung in there} & {rung.context for rung in ladder.telling}
    here = [rung for rung in ladder.telling if not shared or rung.context in shared]
    there = [rung for rung in there if not shared or rung.context in shared]
    spread = DRIFT * np.sqrt(2) if shared else OTHER_CONTEXT
    common_F = np.exp(spread * random.standard_normal(ladder.futures))
    factors = {}
    for phase in WORKING:
        before_F, after_F = (_per_token_F(rungs, phase, ladder.futures, random) for rungs in (here, there))
        factors[phase] = common_F * np.divide(after_F, before_F, out=np.ones_like(after_F), where=before_F > 0)
    steps = sum(len(rung.steps) for rung in there)
    where = f"at the same context(s) {sorted(shared)}" if shared else "at other contexts, hence wide"
    note = f"{device}: as measured there in {steps} steps, device seconds a token by phase, {where}; as many devices as now"
    watts = [rung.watts / rung.devices for rung in there if rung.watts is not None]
    return Conversion(factors, f"measured on {device}", note, float(np.mean(watts)) if watts else None)


def _per_token_F(rungs: Sequence[MeasuredRung], phase: str, futures: int, random: np.random.Generator) -> Floats:
    """Device seconds a token: the mean over rungs, resampled by blocks of steps."""
    means = []
    for rung in map(warmed, rungs):
        paces_N = rung.seconds_N(phase) * rung.devices / rung.tokens_N()
        means.append(paces_N[blocks_FS(len(paces_N), futures, len(paces_N), random)].mean(axis=1))
    return np.asarray(np.mean(means, axis=0))


def by_peaks(
    here: str, there: str, facts: Mapping[str, DeviceFacts], futures: int, random: np.random.Generator
) -> Conversion:
    """Raises LadderError where a peak is not published: nothing is guessed."""
    known_there = facts_of(there, facts)
    peaks = {device: facts[device].peak_tflops_bf16 if device in facts else None for device in (here, there)}
    if peaks[here] is None:
        raise LadderError(
            f"--device {there!r}: what is known was measured on {here!r}, which has no published peak (peak_tflops_bf16 of "
            "prices.yaml) to compare with; measure a rung on a GPU first"
        )
    if peaks[there] is None:
        raise LadderError(
            f"--device {there!r}: no step was measured on it, and prices.yaml has no peak_tflops_bf16 of it; add that with its "
            "source, or measure a rung there"
        )
    compute = _peak(peaks[here]) / _peak(peaks[there])
    bandwidths = [facts[device].memory_gb_per_s for device in (here, there)]
    known = all(bandwidths)
    memory = _peak(bandwidths[0]) / _peak(bandwidths[1]) if known else compute
    low, high = MEMORY_GAIN if known else BLIND_GAIN
    common_F = np.exp(PEAKS_SPREAD * random.standard_normal(futures))
    compute_F = common_F * compute ** random.uniform(*COMPUTE_GAIN, futures)
    sample_F = common_F * memory ** random.uniform(low, high, futures)
    factors = {"sample": sample_F, "reference": compute_F, "update": compute_F}
    roof = f"by memory bandwidth ({1 / memory:.2f} x)" if known else "(bandwidths unknown) by it"
    note = (
        f"{there}: not measured; by published peaks: reference and update by bf16 TFLOPS ({1 / compute:.2f} x) to a power of "
        f"{COMPUTE_GAIN[0]:g} to {COMPUTE_GAIN[1]:g}, sampling {roof} to {low:g} to {high:g}, both within a sd of "
        f"{PEAKS_SPREAD:.0%}, all else as now; as many devices as now"
    )
    return Conversion(factors, "published peaks", note, known_there.watts)


def _peak(known: float | None) -> float:
    assert known is not None
    return known
