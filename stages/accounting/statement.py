"""A bill as people and programs read it: a table, CSV, JSON."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from stages.accounting.bill import Bill, Line, Spend, without_price
from stages.accounting.records import BookedPrice
from stages.accounting.unit_costs import UnitCosts

CURRENCY = "USD"
_LINE = tuple(field.name for field in fields(Line) if field.name not in ("price", "started_at"))
_PRICE = tuple(field.name for field in fields(BookedPrice))


def rung_of(line: Line) -> str:
    """The rung, or the checkpoint, that a stage's name ends with."""
    return line.stage.partition("@")[2] or "(all)"


KEYS: dict[str, Callable[[Line], str]] = {
    "rung": rung_of,
    "stage": lambda line: line.stage,
    "phase": lambda line: line.phase,
    "state": lambda line: line.state,
    "run": lambda line: line.run,
}


def as_json(bill: Bill, costs: UnitCosts, carbon_kg_per_kwh: float | None) -> dict[str, Any]:
    """Every figure; dollars are not rounded, so that the rows add up to the total."""
    return {
        "currency": CURRENCY,
        "total_usd": bill.total.usd,
        "useful_usd": bill.total.useful_usd,
        "wasted_usd": bill.total.wasted_usd,
        "wasted_by_reason": bill.wasted_by_reason(),
        "made": _spend(bill.made),
        "made_usd": None if bill.unknown or bill.made.unpriced else bill.made.usd,
        "attempts": bill.total.attempts,
        "seconds": bill.total.seconds,
        "flops": bill.flops,
        "energy_kwh": bill.energy_kwh,
        "energy_estimated_kwh": bill.energy_estimated_kwh,
        "co2_kg": None if carbon_kg_per_kwh is None else bill.energy_kwh * carbon_kg_per_kwh,
        "unpriced_attempts": bill.total.unpriced,
        "unpriced_devices": bill.unpriced_devices,
        "unknown_stages": bill.unknown,
        "prices": [{"device": used.device, **asdict(used.price), "attempts": used.attempts} for used in bill.prices],
        "corrections": [asdict(one) for one in bill.corrections],
        "unit_costs": asdict(costs),
        "results": [
            {
                "stage": result.stage,
                "made_usd": result.made and result.made.usd,
                "made_seconds": result.made and result.made.seconds,
                "spent_usd": result.here.usd,
                "spent_seconds": result.here.seconds,
            }
            for result in bill.results
        ],
        **{f"by_{name}": {part: _spend(spend) for part, spend in bill.by(key).items()} for name, key in KEYS.items()},
        "rows": [_row(line) for line in bill.lines],
    }


def as_csv(bill: Bill) -> str:
    """One row a phase of an attempt."""
    out = io.StringIO()
    names = list(_priced(bill.lines[0])) if bill.lines else ["attempt"]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for line in bill.lines:
        row = _priced(line)
        writer.writerow(row | {"wasted": " ".join(f"{reason}={usd:.6g}" for reason, usd in line.wasted.items())})
    return out.getvalue()


def as_table(bill: Bill, costs: UnitCosts, carbon_kg_per_kwh: float | None) -> str:
    results = {result.stage: result for result in bill.results}
    made = {stage: result.made for stage, result in results.items()}
    lines = [f"{'':<16} {'attempts':>8} {'minutes':>9} {'dollars':>10} {'useful':>10} {'wasted':>10} {'made for':>10}"]
    by_stage = bill.by(KEYS["stage"])
    for stage in [*made, *(stage for stage in by_stage if stage not in made)]:
        spend = by_stage.get(stage, NOTHING)
        lines.append(_line(stage, spend, made.get(stage), known=stage in made))
    lines.append(_line("total", bill.total, None if bill.unknown else bill.made, known=bool(made)))
    for name in ("rung", "phase", "state"):
        lines += ["", f"by {name}", *(_line(part, spend) for part, spend in bill.by(KEYS[name]).items())]
    if reasons := bill.wasted_by_reason():
        lines += ["", "wasted on", *(f"{reason:<16} {_usd(usd):>51}" for reason, usd in reasons.items())]
    return "\n".join([*lines, "", *_notes(bill, costs, carbon_kg_per_kwh)])


NOTHING = Spend(0, 0.0, 0.0, 0.0, 0)


def _line(name: str, spend: Spend, made: Spend | None = None, known: bool = False) -> str:
    making = f" {_usd(None if made is None or made.unpriced else made.usd):>10}" if known else ""
    return (
        f"{name:<16} {spend.attempts:>8} {spend.seconds / 60:>9.2f} {_usd(spend.usd):>10} {_usd(spend.useful_usd):>10}"
        f" {_usd(spend.wasted_usd):>10}{making}"
    )


def _notes(bill: Bill, costs: UnitCosts, carbon_kg_per_kwh: float | None) -> list[str]:
    per_answer = {name: usd for name, usd in costs.usd_per_correct_answer.items() if usd is not None}
    notes = [
        f"of the present results: dollars per point of accuracy gained: {_usd(costs.usd_per_accuracy_point)}"
        + _parts({rung.rung: rung.usd_per_point for rung in costs.rungs}),
        f"of the present results: dollars per million trained tokens: {_usd(costs.usd_per_million_trained_tokens)}"
        + _parts({rung.rung: rung.usd_per_million_trained_tokens for rung in costs.rungs}),
        f"of the present results: dollars per right answer of an examination:{_parts(per_answer) or ' -'}",
    ]
    energy = f"energy: {bill.energy_kwh:.6f} kWh"
    if bill.energy_estimated_kwh:
        energy += f", {bill.energy_estimated_kwh:.6f} of it estimated"
    if carbon_kg_per_kwh is not None:
        energy += f"; {bill.energy_kwh * carbon_kg_per_kwh:.6f} kg of CO2 at {carbon_kg_per_kwh} kg a kWh"
    notes.append(f"{energy}; nominal compute of all steps: {bill.flops:.3g} FLOPs")
    for used in bill.prices:
        price = used.price
        electricity = "" if price.usd_per_kwh is None else f" and {price.usd_per_kwh} a kWh"
        notes.append(
            f"price: {used.device} {price.usd_per_hour} an hour{electricity} ({price.market}, {price.date}, {used.attempts} "
            f"attempts): {price.source}"
        )
    notes += _corrected(bill)
    if bill.unknown:
        notes.append(f"not made in this ledger: {', '.join(bill.unknown)}")
    if bill.total.unpriced:
        notes.append(without_price(bill.total.unpriced, bill.unpriced_devices))
    return notes


def _parts(parts: Mapping[str, float | None]) -> str:
    return f" ({', '.join(f'{name} {_usd(usd)}' for name, usd in parts.items())})" if parts else ""


def _corrected(bill: Bill) -> list[str]:
    return [f"correction of attempt {one.attempt}: {_usd(one.usd)} ({one.why})" for one in bill.corrections]


def _usd(usd: float | None) -> str:
    """Cents where there are some, else three figures: a miniature costs less than one."""
    if usd is None:
        return "-"
    return f"{usd:.2f}" if abs(usd) >= 1 or usd == 0 else f"{Decimal(f'{usd:.3g}'):f}"


def _spend(spend: Spend) -> dict[str, float]:
    return asdict(spend) | {"useful_usd": spend.useful_usd}


def _priced(line: Line) -> dict[str, Any]:
    """The row with its price: a table of its own has no list of them beside it."""
    began = datetime.fromtimestamp(line.started_at, UTC).isoformat(timespec="seconds")
    return _row(line) | {"started_at": began} | {name: getattr(line.price, name, None) for name in _PRICE}


def _row(line: Line) -> dict[str, Any]:
    told = {name: getattr(line, name) for name in _LINE}  # asdict() copies each value: half a second of a large bill
    return told | {"rung": rung_of(line), "useful_usd": line.useful_usd, "wasted_usd": line.wasted_usd}
