"""The bill: what the present results took to make, and what was spent in this workspace.

A stage that DVC restores from its run cache has no attempt of its own, so the bill of the present results goes by
identity: the newest finished attempt at each stage of dvc.lock, and every failed or killed attempt at the same identity
before it. ``usd = wall_s / 3600 * device_count * usd_per_hour``, at the price that the attempt was booked at; where none was
booked, at the present one of params.yaml or prices.yaml; where that is missing too, the attempt is counted as unpriced.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stages.accounting.ledger import Attempt
from stages.accounting.prices import Price


@dataclass(frozen=True, slots=True)
class Spend:
    """What some attempts took together; `cost_usd` leaves out the `unpriced` ones, whose price nobody knows."""

    attempts: int
    wall_s: float
    cost_usd: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Bill:
    """`by_stage` holds the present results' spend; a stage whose making this ledger never saw is in `unknown`.

    `unpriced_devices` are those of the unpriced attempts in `spent_here`.
    """

    made: Spend
    spent_here: Spend
    by_stage: dict[str, Spend]
    unknown: tuple[str, ...]
    unpriced_devices: tuple[str, ...]


def make_bill(attempts: Sequence[Attempt], identities: Mapping[str, str], prices: Mapping[str, Price]) -> Bill:
    """The bill of the stages in `identities` (stage -> identity)."""
    by_stage, unknown = {}, []
    for stage, identity in identities.items():
        made_by = _made_by([attempt for attempt in attempts if attempt.identity == identity])
        if made_by:
            by_stage[stage] = spend(made_by, prices)
        else:
            unknown.append(stage)
    return Bill(
        made=Spend(
            attempts=sum(part.attempts for part in by_stage.values()),
            wall_s=sum(part.wall_s for part in by_stage.values()),
            cost_usd=sum(part.cost_usd for part in by_stage.values()),
            unpriced=sum(part.unpriced for part in by_stage.values()),
        ),
        spent_here=spend(attempts, prices),
        by_stage=by_stage,
        unknown=tuple(unknown),
        unpriced_devices=tuple(sorted({each.device for each in attempts if cost_usd(each, prices) is None})),
    )


def spend(attempts: Sequence[Attempt], prices: Mapping[str, Price]) -> Spend:
    costs = [cost_usd(attempt, prices) for attempt in attempts]
    return Spend(
        attempts=len(attempts),
        wall_s=sum(attempt.wall_s for attempt in attempts),
        cost_usd=sum(cost for cost in costs if cost is not None),
        unpriced=costs.count(None),
    )


def cost_usd(attempt: Attempt, prices: Mapping[str, Price]) -> float | None:
    """Dollars of `attempt`; None where it has no booked price and its device no present one."""
    usd_per_hour = attempt.usd_per_hour
    if usd_per_hour is None:
        if attempt.device not in prices:
            return None
        usd_per_hour = prices[attempt.device].usd_per_hour
    return attempt.wall_s / 3600 * attempt.device_count * usd_per_hour


def without_price(attempts: int, devices: Iterable[str]) -> str:
    """The line that says what a sum of dollars leaves out."""
    return (
        f"not in these dollars: {attempts} attempt(s) without a price, on {', '.join(map(repr, devices))}; "
        "add it to operations.prices in params.yaml"
    )


def _made_by(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The newest finished attempt and the unfinished ones that led to it (a killed attempt's steps were resumed)."""
    done = [index for index, attempt in enumerate(attempts) if attempt.status == "done"]
    if not done:
        return []
    before = done[-2] + 1 if len(done) > 1 else 0
    return list(attempts[before : done[-1] + 1])
