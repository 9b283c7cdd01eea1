"""The bill: what attempts took, phase by phase, what of it was wasted, and what the present results took to make.

``usd = wall_s / 3600 * device_count * usd_per_hour + kWh * usd_per_kwh``, the second term where electricity is not in the price
by the hour, both at the prices that the attempt was booked at (where none was booked, at the present one). Its phases share it by
their seconds. A stage that DVC restores from its run cache has no attempt of its own, so the making of a result goes by identity:
the newest finished attempt at it, and the unfinished ones that led to it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from stages.accounting.reading import LedgerReader, Scope
from stages.accounting.records import Attempt, BookedPrice, Correction
from stages.accounting.waste import NO_STEPS, PhaseUse, phase_uses, step_uses

JOULES_PER_KWH = 3.6e6
CORRECTION = "correction"  # the phase of a correction's line
PriceOf = Callable[[str], BookedPrice | None]
"""The present price of a device by its name; None where nobody knows it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A phase of an attempt. `usd` is None where nobody knows the device's price; `wasted` are dollars by reason."""

    attempt: int
    run: str
    stage: str
    phase: str
    state: str
    device: str
    device_count: int
    seconds: float
    usd: float | None
    wasted: Mapping[str, float]
    started_at: float
    price: BookedPrice | None

    @property
    def wasted_usd(self) -> float:
        return fsum(self.wasted.values())

    @property
    def useful_usd(self) -> float:
        return (self.usd or 0.0) - self.wasted_usd


@dataclass(frozen=True, slots=True)
class Spend:
    """Sums over lines; `usd` leaves out the `unpriced` attempts, whose price nobody knows."""

    attempts: int
    seconds: float
    usd: float
    wasted_usd: float
    unpriced: int

    @property
    def useful_usd(self) -> float:
        return self.usd - self.wasted_usd


@dataclass(frozen=True, slots=True)
class Result:
    """A stage of dvc.lock: what it took to make, wherever that was (None: this ledger never saw it), and its part of the bill."""

    stage: str
    made: Spend | None
    here: Spend


@dataclass(frozen=True, slots=True)
class PriceUsed:
    """A price by which attempts on `device` are billed, and how many of them."""

    device: str
    price: BookedPrice
    attempts: int


@dataclass(frozen=True, slots=True)
class Bill:
    lines: list[Line]
    results: list[Result]
    prices: list[PriceUsed]
    corrections: list[Correction]
    unpriced_devices: list[str]
    energy_kwh: float
    energy_estimated_kwh: float
    """The part of `energy_kwh` that no counter measured."""
    flops: float
    """Nominal, of all steps."""
    trained_tokens: Mapping[str, int]
    """By stage, of what made the present results."""
    made: Spend = field(init=False)
    total: Spend = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", spend(self.lines))
        object.__setattr__(self, "made", _together(result.made for result in self.results if result.made))

    @property
    def unknown(self) -> list[str]:
        """Stages whose making this ledger never saw."""
        return [result.stage for result in self.results if result.made is None]

    def by(self, key: Callable[[Line], str]) -> dict[str, Spend]:
        """The total, divided by `key`, in the order of the lines."""
        parts: dict[str, list[Line]] = {}
        for line in self.lines:
            parts.setdefault(key(line), []).append(line)
        return {name: spend(lines) for name, lines in parts.items()}

    def wasted_by_reason(self) -> dict[str, float]:
        """Dollars, the largest first."""
        sums: dict[str, list[float]] = {}
        for line in self.lines:
            for reason, usd in line.wasted.items():
                sums.setdefault(reason, []).append(usd)
        return dict(sorted(((reason, fsum(parts)) for reason, parts in sums.items()), key=lambda part: -part[1]))


def make_bill(reader: LedgerReader, scope: Scope, identities: Mapping[str, str], price_of: PriceOf) -> Bill:
    """The bill of the attempts in `scope`, beside the results whose stages and identities are given."""
    meant = reader.attempts(scope)
    # What others took at the same counts for the results, and decides what of an unfinished attempt was lost.
    unfinished = {attempt.identity for attempt in meant if attempt.unfinished and attempt.identity}
    makers = reader.attempts_at(set(identities.values()) | unfinished)
    known = sorted({attempt.id: attempt for attempt in [*meant, *makers]}.values(), key=lambda attempt: attempt.id)
    uses = step_uses(reader, known)
    corrections: dict[int, list[Correction]] = {}
    for correction in reader.corrections():
        corrections.setdefault(correction.attempt, []).append(correction)
    prices = {attempt.id: attempt.price or price_of(attempt.device.name) for attempt in known}

    def lines_of(attempt: Attempt) -> list[Line]:
        phases = phase_uses(attempt, uses.get(attempt.id, NO_STEPS))
        return _lines(attempt, phases, prices[attempt.id], corrections.get(attempt.id, []))

    made = {
        stage: made_by([attempt for attempt in makers if attempt.identity == identity])
        for stage, identity in identities.items()
    }
    ids = {attempt.id for attempt in meant}
    results = [
        Result(
            stage,
            spend([line for attempt in makers_of for line in lines_of(attempt)]) if makers_of else None,
            spend([line for attempt in makers_of if attempt.id in ids for line in lines_of(attempt)]),
        )
        for stage, makers_of in made.items()
    ]
    used: dict[tuple[str, BookedPrice], int] = {}
    for attempt in meant:
        if (price := prices[attempt.id]) is not None:
            used[attempt.device.name, price] = used.get((attempt.device.name, price), 0) + 1
    energies = [attempt.energy for attempt in meant if attempt.energy]
    trained = {
        stage: sum(kept.trained_tokens for attempt in makers_of if (kept := uses.get(attempt.id, NO_STEPS).kept))
        for stage, makers_of in made.items()
    }
    return Bill(
        lines=[line for attempt in meant for line in lines_of(attempt)],
        results=results,
        prices=[PriceUsed(device, price, count) for (device, price), count in used.items()],
        corrections=[one for attempt in meant for one in corrections.get(attempt.id, [])],
        unpriced_devices=sorted({attempt.device.name for attempt in meant if prices[attempt.id] is None}),
        energy_kwh=fsum(energy.joules for energy in energies) / JOULES_PER_KWH,
        energy_estimated_kwh=fsum(energy.joules for energy in energies if energy.estimate) / JOULES_PER_KWH,
        flops=fsum(
            part.sample_flops + part.reference_flops + part.update_flops
            for attempt in meant
            for use in (uses.get(attempt.id, NO_STEPS),)
            for part in (use.kept, use.lost)
            if part is not None
        ),
        trained_tokens={stage: tokens for stage, tokens in trained.items() if tokens},
    )


def attempt_usd(attempt: Attempt, price: BookedPrice | None) -> float | None:
    """Dollars of `attempt`, corrections left aside; None where its price is unknown."""
    if price is None:
        return None
    usd = attempt.wall_s / 3600 * attempt.device.count * price.usd_per_hour
    if price.usd_per_kwh is not None and attempt.energy is not None:
        usd += attempt.energy.joules / JOULES_PER_KWH * price.usd_per_kwh
    return usd


def spend(lines: Iterable[Line]) -> Spend:
    attempts: set[int] = set()
    unpriced: set[int] = set()
    seconds: list[float] = []
    usd: list[float] = []
    wasted: list[float] = []
    for line in lines:
        attempts.add(line.attempt)
        seconds.append(line.seconds)
        if line.usd is None:
            unpriced.add(line.attempt)
        else:
            usd.append(line.usd)
        if line.wasted:
            wasted.extend(line.wasted.values())
    return Spend(len(attempts), fsum(seconds), fsum(usd), fsum(wasted), len(unpriced))


def without_price(attempts: int, devices: Iterable[str]) -> str:
    """The line that says what a sum of dollars leaves out."""
    return (
        f"not in these dollars: {attempts} attempt(s) without a price, on {', '.join(map(repr, devices))}; "
        "add it to prices.yaml, or your own to operations.prices in params.yaml"
    )


def _lines(
    attempt: Attempt, phases: Sequence[PhaseUse], price: BookedPrice | None, corrections: Sequence[Correction]
) -> list[Line]:
    usd = attempt_usd(attempt, price)
    usd_per_s = usd / attempt.wall_s if usd and attempt.wall_s else 0.0

    def line(phase: str, seconds: float, dollars: float | None, wasted: Mapping[str, float]) -> Line:
        run, device = attempt.origin.run, attempt.device
        return Line(
            attempt.id, run, attempt.stage, phase, attempt.status, device.name, device.count, seconds, dollars, wasted,
            attempt.started_at, price,
        )  # fmt: skip

    lines = [
        line(
            use.phase,
            use.seconds,
            None if usd is None else use.seconds * usd_per_s,
            {} if usd is None else {reason: seconds * usd_per_s for reason, seconds in use.wasted.items()},
        )
        for use in phases
    ]
    for correction in corrections:
        wasted: dict[str, float] = {attempt.status: correction.usd} if attempt.unfinished else {}
        lines.append(line(CORRECTION, 0.0, correction.usd, wasted))
    return lines


def made_by(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Of attempts at one identity: the newest finished one, and the unfinished ones that led to it."""
    newest = next((attempt for attempt in reversed(attempts) if attempt.status == "done"), None)
    if newest is None:
        return []
    there = [one for one in attempts if one.origin.workspace == newest.origin.workspace and one.id <= newest.id]
    done = [index for index, attempt in enumerate(there) if attempt.status == "done"]
    return there[done[-2] + 1 if len(done) > 1 else 0 :]


def _together(parts: Iterable[Spend]) -> Spend:
    parts = list(parts)
    return Spend(
        attempts=sum(part.attempts for part in parts),
        seconds=fsum(part.seconds for part in parts),
        usd=fsum(part.usd for part in parts),
        wasted_usd=fsum(part.wasted_usd for part in parts),
        unpriced=sum(part.unpriced for part in parts),
    )
