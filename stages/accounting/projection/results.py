"""What a projection says: never a bare number, always an interval, what it rests on and what it supposes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.accounting.bill import JOULES_PER_KWH
from stages.accounting.projection.futures import RungFutures
from stages.accounting.projection.measured import DeviceFacts, Floats
from stages.errors import LadderError

CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True)
class Estimate:
    """The middle of the simulated futures, and between what bounds the stated share of them lies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RungProjection:
    """`steps` to come of a rung, from `measured_steps`, or other stages. `spent_seconds` they took before: in no estimate."""

    name: str
    measured_steps: int
    steps: int
    device: str
    devices: int
    spent_seconds: float
    seconds: Estimate
    device_hours: Estimate
    usd: Estimate
    sampled_tokens: Estimate | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The run that a what-if is held against, and by how much the what-if's dollars and seconds exceed it (1: alike)."""

    what: str
    seconds: Estimate
    usd: Estimate
    seconds_ratio: Estimate
    usd_ratio: Estimate


@dataclass(frozen=True, slots=True)
class Projection:
    """`basis` says where the paces are from: measured here, scaled by published peaks, or published totals."""

    question: str
    basis: str
    confidence: float
    spent_seconds: float
    spent_usd: float
    seconds: Estimate
    device_hours: Estimate
    usd: Estimate
    by_rung: tuple[RungProjection, ...]
    compared: Comparison | None
    assumptions: tuple[str, ...]


def estimate(values_F: Floats, confidence: float = CONFIDENCE) -> Estimate:
    low, value, high = np.quantile(values_F, [(1 - confidence) / 2, 0.5, (1 + confidence) / 2])
    return Estimate(float(value), float(low), float(high))


def facts_of(device: str, facts: Mapping[str, DeviceFacts]) -> DeviceFacts:
    """Raises LadderError for a device that nobody has priced: nothing is free."""
    if device not in facts:
        raise LadderError(
            f"prices: no price for {device!r}, known are {', '.join(sorted(facts)) or 'none'}; add it to prices.yaml, or to "
            "operations.prices in params.yaml"
        )
    return facts[device]


def usd_per_s(rung: RungFutures, facts: Mapping[str, DeviceFacts]) -> float:
    """Of all its devices, with their energy where the price does not include it and somebody knows the watts."""
    price = facts_of(rung.device, facts).price
    energy = (rung.watts or 0.0) * (price.usd_per_kwh or 0.0) / JOULES_PER_KWH
    return rung.devices * price.usd_per_hour / 3600 + energy


def priced(rungs: Sequence[RungFutures], facts: Mapping[str, DeviceFacts]) -> list[str]:
    """By which price each device is priced, and what becomes of its energy."""
    said = []
    for device in dict.fromkeys(rung.device for rung in rungs):
        price = facts_of(device, facts).price
        row = f"{device} priced at {price.usd_per_hour:g} an hour ({price.market}, {price.date}; {price.source})"
        if price.usd_per_kwh is not None:
            watts = [rung.watts for rung in rungs if rung.device == device]
            known = [f"{one:.4g}" for one in dict.fromkeys(watts) if one is not None]
            row += f", its energy at {price.usd_per_kwh:g} a kWh and {' or '.join(known)} W" if known else ""
            row += (
                "; nobody knows the watts of some of it, whose energy is not in these dollars" if None in watts else ""
            )
        said.append(row)
    return said


def projected(
    question: str,
    basis: str,
    rungs: Sequence[RungFutures],
    facts: Mapping[str, DeviceFacts],
    assumptions: Sequence[str],
    against: tuple[str, Sequence[RungFutures]] | None = None,
) -> Projection:
    """The answer from simulated rungs; `against` names another run's futures, drawn with the same random numbers."""
    prices = [usd_per_s(rung, facts) for rung in rungs]
    compared = None
    if against is not None:
        what, others = against
        seconds_F, usd_F = _seconds_F(others), _usd_F(others, facts)
        compared = Comparison(
            what,
            estimate(seconds_F),
            estimate(usd_F),
            estimate(_seconds_F(rungs) / seconds_F),
            estimate(_usd_F(rungs, facts) / usd_F),
        )
    return Projection(
        question=question,
        basis=basis,
        confidence=CONFIDENCE,
        spent_seconds=sum(rung.spent_s for rung in rungs),
        spent_usd=sum(rung.spent_s * price for rung, price in zip(rungs, prices, strict=True)),
        seconds=estimate(_seconds_F(rungs)),
        device_hours=estimate(np.sum([rung.devices * rung.total_F() / 3600 for rung in rungs], axis=0)),
        usd=estimate(_usd_F(rungs, facts)),
        by_rung=tuple(_of_rung(rung, price) for rung, price in zip(rungs, prices, strict=True)),
        compared=compared,
        assumptions=(*assumptions, *priced([*rungs, *(against[1] if against else ())], facts)),
    )


def _seconds_F(rungs: Sequence[RungFutures]) -> Floats:
    return np.asarray(np.sum([rung.total_F() for rung in rungs], axis=0))


def _usd_F(rungs: Sequence[RungFutures], facts: Mapping[str, DeviceFacts]) -> Floats:
    dollars = [rung.total_F() * usd_per_s(rung, facts) for rung in rungs]
    return np.asarray(np.sum(dollars, axis=0))


def _of_rung(rung: RungFutures, price: float) -> RungProjection:
    total_F = rung.total_F()
    return RungProjection(
        name=rung.name,
        measured_steps=rung.measured_steps,
        steps=rung.steps,
        device=rung.device,
        devices=rung.devices,
        spent_seconds=rung.spent_s,
        seconds=estimate(total_F),
        device_hours=estimate(total_F * rung.devices / 3600),
        usd=estimate(total_F * price),
        sampled_tokens=None if rung.tokens_F is None else estimate(rung.tokens_F),
    )
