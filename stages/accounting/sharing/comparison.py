"""Experiments side by side: in which settings they differ, how well they did, what they took.

Accuracy is the mean of the samples (`avg@n`) at the full context. `made` is what the present results took to make, `spent` all
that the record's attempts did; `wasted` by reason as in waste.py. Dollars are at the prices that each paid: device-hours
and a common price (`at_price`) make them comparable.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from stages.accounting.sharing.record import Record
from stages.accounting.sharing.record import Row as BillRow

Value = float | str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of an experiment, with its interval where it has one; None where it isn't known."""

    value: Value
    low: float | None = None
    high: float | None = None
    metric: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`cells` in the order of the experiments."""

    section: str
    name: str
    cells: Sequence[Cell]


UNKNOWN = Cell(None)


def compare(records: Sequence[Record], at_price: Mapping[str, float] | None = None) -> list[Row]:
    """All rows, section by section. `at_price`: dollars an hour by device, for what the attempts would have cost at them."""

    def rows(section: str, figures: Callable[[Record], Mapping[str, Value | Cell]]) -> list[Row]:
        return _side_by_side(section, [figures(record) for record in records])

    settings = rows("settings that differ", lambda record: _dotted(record.params))
    return [
        *rows("experiment", _told),
        *(row for row in settings if len(set(row.cells)) > 1),
        *rows("accuracy", _accuracies),
        *rows("dollars", lambda record: _dollars(record, at_price or {})),
        *rows("minutes", _minutes),
        *rows("device-hours", lambda record: device_hours(record.bill.rows)),
        *rows("tokens", _tokens),
        *rows("price an hour", _prices),
    ]


def device_hours(rows: Iterable[BillRow]) -> dict[str, float]:
    """By device."""
    hours: dict[str, list[float]] = {}
    for row in rows:
        hours.setdefault(row.device, []).append(row.seconds * row.device_count / 3600)
    return {device: fsum(parts) for device, parts in hours.items()}


def _side_by_side(section: str, figures: Sequence[Mapping[str, Value | Cell]]) -> list[Row]:
    names = dict.fromkeys(name for each in figures for name in each)
    return [Row(section, name, [_cell(each.get(name, UNKNOWN)) for each in figures]) for name in names]


def _cell(value: Value | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(value)


def _dotted(node: Any, key: str = "") -> dict[str, Value]:
    """Every setting by its dotted key; a list is one value, and null is told from a key that isn't there."""
    if isinstance(node, dict):
        return {
            name: value
            for part, one in node.items()
            for name, value in _dotted(one, f"{key}.{part}" if key else part).items()
        }
    return {key: node if isinstance(node, str) else json.dumps(node, ensure_ascii=False, sort_keys=True)}


def _told(record: Record) -> dict[str, Value]:
    states = [attempt.state for attempt in record.attempts]
    said = None if record.commit is None else record.commit[:12] + (" (dirty)" if record.dirty else "")
    unfinished = {state: float(states.count(state)) for state in ("failed", "killed", "pruned")}
    return {"commit": said, "attempts": float(len(states)), **unfinished}


def _accuracies(record: Record) -> dict[str, Cell]:
    rows = record.evaluation.rows if record.evaluation else []
    return {
        f"{row.checkpoint} {row.benchmark}": Cell(row.value, row.low, row.high, row.metric)
        for row in rows
        if row.at == "full" and row.metric.startswith("avg@")
    }


def _dollars(record: Record, at_price: Mapping[str, float]) -> dict[str, Value]:
    bill = record.bill
    hours = device_hours(bill.rows)
    same = fsum(hours[device] * at_price[device] for device in hours) if hours.keys() <= at_price.keys() else None
    return {
        "made": bill.made_usd,
        "spent": bill.total_usd,
        "attempts without a price": float(bill.unpriced_attempts),
        **({"spent at the same price": same} if at_price else {}),
        **{f"wasted: {reason}": usd for reason, usd in bill.wasted_by_reason.items()},
        "a point of accuracy": bill.unit_costs.usd_per_accuracy_point,
        "a million trained tokens": bill.unit_costs.usd_per_million_trained_tokens,
    }


def _minutes(record: Record) -> dict[str, Value]:
    bill = record.bill
    wasted: dict[str, list[float]] = {}
    for row in bill.rows:
        for reason, usd in row.wasted.items():
            if row.usd:  # dollars of a phase are shared by its seconds
                wasted.setdefault(reason, []).append(row.seconds / 60 * usd / row.usd)
    return {
        "made": None if bill.unknown_stages else bill.made.seconds / 60,
        "spent": bill.seconds / 60,
        **{f"wasted: {reason}": fsum(wasted[reason]) for reason in bill.wasted_by_reason if reason in wasted},
        "energy (kWh)": bill.energy_kwh,
    }


def _tokens(record: Record) -> dict[str, Value]:
    totals = [attempt.totals for attempt in record.attempts if attempt.totals]
    return {
        "sampled": float(sum(one.sampled_tokens for one in totals)),
        "trained": float(sum(one.trained_tokens for one in totals)),
    }


def _prices(record: Record) -> dict[str, Value]:
    told: dict[str, list[str]] = {}
    for used in record.bill.prices:
        electricity = "" if used.usd_per_kwh is None else f" + {used.usd_per_kwh}/kWh"
        told.setdefault(used.device, []).append(f"{used.usd_per_hour}{electricity} ({used.market}, {used.date})")
    return {device: "; ".join(prices) for device, prices in told.items()}
