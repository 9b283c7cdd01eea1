"""What was spent, as frames: the bill of a scope, divided by rung, stage, phase, attempt and state, and by what it was good for.

Dollars and their waste are the bill's (stages/accounting/bill.py). Device-hours are seconds times devices; of an attempt's energy
each phase has its share by seconds, as of its dollars. What was wasted of hours and energy is what was wasted of the dollars.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, nan
from pathlib import Path

import pandas as pd

from dashboards.load.book import known_prices, version_of
from stages.accounting.bill import CORRECTION, JOULES_PER_KWH, Bill, Line, PriceOf, Spend, make_bill
from stages.accounting.prices import PRICES
from stages.accounting.reading import Scope, reading
from stages.accounting.records import PHASES, Attempt
from stages.accounting.statement import rung_of
from stages.accounting.waste import SETUP, WORK
from stages.params import CHECKPOINTS, PARAMS

USEFUL, UNKNOWN = "useful", "no price"
UNITS_PER_USD = 10**12  # of a flow's whole numbers: a miniature costs a thousandth of a dollar
PHASE_ORDER = (*PHASES, SETUP, WORK, CORRECTION)
MEASURES = {"dollars": "usd", "device-hours": "device_hours", "energy": "kwh"}
UNITS = {"dollars": "dollars", "device-hours": "device-hours", "energy": "energy (kWh)"}
GROUPS = ("rung", "stage", "phase", "attempt", "state")
PARTS = ("attempt", "stage", "rung", "phase", "state", "outcome", "usd", "device_hours", "kwh")
ATTEMPTS = (
    "attempt", "stage", "state", "started", "last sign", "minutes", "devices", "device", "usd", "wasted_usd", "kwh",
    "energy is", "run", "experiment", "sweep", "workspace", "commit", "cause", "error",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spending:
    """The bill of some attempts, and these, oldest first."""

    bill: Bill
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part of the sum: the name of the node that it goes through in every column, its kind (a colour), its amount."""

    path: tuple[str, ...]
    kind: str
    amount: int


def read_spending(path: Path, scope: Scope, identities: Mapping[str, str], price_of: PriceOf) -> Spending:
    """Of the ledger at `path`, as it is at this moment. Raises LadderError where it is broken."""
    with reading(path) as reader:
        return Spending(make_bill(reader, scope, identities, price_of), reader.attempts(scope))


def parts(spending: Spending) -> pd.DataFrame:
    """The bill's lines, each divided by what it was good for: the columns PARTS. NaN dollars where nobody knows the price."""
    kwh_per_s = {
        one.id: one.energy.joules / JOULES_PER_KWH / one.wall_s
        for one in spending.attempts
        if one.energy and one.wall_s
    }
    columns: dict[str, list[object]] = {name: [] for name in PARTS}
    for line in spending.bill.lines:
        hours = line.seconds / 3600 * line.device_count
        kwh = line.seconds * kwh_per_s.get(line.attempt, 0.0)
        for outcome, usd, share in _outcomes(line):
            row = (
                line.attempt, line.stage, rung_of(line), line.phase, line.state, outcome, usd, hours * share, kwh * share,
            )  # fmt: skip
            for name, value in zip(PARTS, row, strict=True):
                columns[name].append(value)
    return pd.DataFrame(columns).astype({"usd": "float64", "device_hours": "float64", "kwh": "float64"})


def _outcomes(line: Line) -> list[tuple[str, float, float]]:
    """What the line was good for, in dollars and as a share of it."""
    if line.usd is None:
        return [(UNKNOWN, nan, 1.0)]
    wasted = [(reason, usd, usd / line.usd if line.usd else 0.0) for reason, usd in line.wasted.items()]
    useful = line.usd - fsum(usd for _, usd, _ in wasted)
    share = 1.0 - fsum(share for *_, share in wasted)
    # The rest of what is all wasted is the last bit of a sum.
    return wasted if wasted and abs(share) < 1e-9 else [(USEFUL, useful, share), *wasted]


def grouped(divided: pd.DataFrame, by: str, split: str, measure: str) -> pd.DataFrame:
    """`divided` (of `parts`) summed by two of its columns: `by`, `split`, `amount`; what has no amount is left out."""
    column = MEASURES[measure]
    names = list(dict.fromkeys((by, split)))
    sums = divided.groupby(names, sort=False, as_index=False)[column].sum(min_count=1).dropna()
    return sums[sums[column] != 0].rename(columns={column: "amount"}).reset_index(drop=True)


def in_order(by: str, values: Iterable[object]) -> list[object]:
    """The groups as they come in a climb, others as they came in the ledger."""
    known = {"phase": PHASE_ORDER, "rung": ("(all)", *CHECKPOINTS), "outcome": (USEFUL,)}.get(by, ())
    found = list(dict.fromkeys(values))
    return [one for one in known if one in found] + [one for one in found if one not in known]


def leaves(divided: pd.DataFrame, total: str) -> list[Leaf]:
    """The dollars as they flow: all, stage, phase, useful or the reason of waste; kind `useful` or `wasted`.

    A stage's refunds make its other parts smaller, each in proportion: a flow has no part below nothing. A stage that was
    refunded all that it took is not in it.
    """
    priced = divided.dropna(subset="usd")
    sums = priced.groupby(["stage", "phase", "outcome"], sort=False)["usd"].sum()
    found = []
    for stage, of_stage in sums.groupby(level="stage", sort=False):
        paid, refunded = of_stage[of_stage > 0], fsum(of_stage[of_stage < 0])
        left = 1 + refunded / fsum(paid) if len(paid) else 0.0
        for (_, phase, outcome), usd in paid.items():
            amount = round(usd * left * UNITS_PER_USD)
            if amount > 0:
                kind = USEFUL if outcome == USEFUL else "wasted"
                found.append(Leaf((total, str(stage), str(phase), str(outcome)), kind, amount))
    return found


def attempts_table(spending: Spending) -> pd.DataFrame:
    """A row an attempt, the newest first: the columns ATTEMPTS. Times are UTC."""
    by_attempt = spending.bill.by(lambda line: str(line.attempt))
    rows = [_attempt_row(one, by_attempt[str(one.id)]) for one in reversed(spending.attempts)]
    table = pd.DataFrame(rows, columns=list(ATTEMPTS))
    times = {name: pd.to_datetime(table[name], unit="s", utc=True) for name in ("started", "last sign")}
    return table.assign(**times)


def _attempt_row(one: Attempt, spent: Spend) -> tuple[object, ...]:
    usd, wasted = (nan, nan) if spent.unpriced else (spent.usd, spent.wasted_usd)
    return (
        one.id, one.stage, one.status, one.started_at, one.heartbeat_at, one.wall_s / 60, one.device.count,
        one.device.name, usd, wasted, nan if one.energy is None else one.energy.joules / JOULES_PER_KWH,
        "" if one.energy is None else f"estimated ({one.energy.source})" if one.energy.estimate else one.energy.source,
        one.origin.run, one.origin.experiment or "", one.origin.sweep or "", one.origin.workspace or "",
        (one.origin.commit or "")[:10], one.failure.cause if one.failure else "", one.failure.message if one.failure else "",
    )  # fmt: skip


def prices_table(bill: Bill) -> pd.DataFrame:
    """By which prices the scope is billed."""
    rows = [
        (
            used.device, used.price.market, used.price.usd_per_hour, used.price.usd_per_kwh, used.price.date,
            used.price.source, used.attempts,
        )
        for used in bill.prices
    ]  # fmt: skip
    names = ["device", "market", "dollars an hour", "dollars a kWh on top", "date", "source", "attempts"]
    return pd.DataFrame(rows, columns=names).astype({"dollars a kWh on top": "float64"})


def corrections_table(bill: Bill) -> pd.DataFrame:
    rows = [(one.attempt, one.made_at, one.usd, one.why) for one in bill.corrections]
    table = pd.DataFrame(rows, columns=["attempt", "made", "usd", "why"])
    return table.assign(made=pd.to_datetime(table["made"], unit="s", utc=True))


def spending_of(path: Path, scope: Scope) -> tuple[Spending, pd.DataFrame]:
    """Of `path`'s attempts in `scope`, and their `parts`; read anew once ledger, settings or prices change. Not to be changed.

    Raises LadderError where the ledger is broken; with bad settings what was booked with its price is still known.
    """
    return _remembered(path, scope, (version_of(path), *(version_of(file) for file in (PARAMS, PRICES))))


@lru_cache(8)
def _remembered(path: Path, scope: Scope, version: object) -> tuple[Spending, pd.DataFrame]:
    spending = read_spending(path, scope, {}, known_prices())
    return spending, parts(spending)
