"""The bill: what the present results took to make, and what was spent in this workspace.

A stage that DVC restores from its run cache has no attempt of its own, so the bill of the present results goes by
identity: the newest finished attempt at each stage of dvc.lock, and every failed or killed attempt at the same identity
before it. ``usd = wall_s / 3600 * device_count * usd_per_hour``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.accounting.ledger import Attempt
from stages.errors import LadderError
from stages.params import Price


@dataclass(frozen=True, slots=True)
class Spend:
    """What some attempts took together."""

    attempts: int
    wall_s: float
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Bill:
    """`by_stage` holds the present results' spend; a stage whose making this ledger never saw is in `unknown`."""

    made: Spend
    spent_here: Spend
    by_stage: dict[str, Spend]
    unknown: tuple[str, ...]


def make_bill(attempts: Sequence[Attempt], identities: Mapping[str, str], prices: Mapping[str, Price]) -> Bill:
    """The bill of the stages in `identities` (stage -> identity). Raises LadderError for a device without a price."""
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
        ),
        spent_here=spend(attempts, prices),
        by_stage=by_stage,
        unknown=tuple(unknown),
    )


def spend(attempts: Sequence[Attempt], prices: Mapping[str, Price]) -> Spend:
    return Spend(
        attempts=len(attempts),
        wall_s=sum(attempt.wall_s for attempt in attempts),
        cost_usd=sum(cost_usd(attempt, prices) for attempt in attempts),
    )


def cost_usd(attempt: Attempt, prices: Mapping[str, Price]) -> float:
    return attempt.wall_s / 3600 * attempt.device_count * price_of(attempt.device, prices).usd_per_hour


def price_of(device: str, prices: Mapping[str, Price]) -> Price:
    """A device without a price is an error: a bill that leaves it out would call it free."""
    if device not in prices:
        raise LadderError(
            f"params.yaml: operations.prices: no price for {device!r}; add its usd_per_hour and where it is known from"
        )
    return prices[device]


def _made_by(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The newest finished attempt and the unfinished ones that led to it (a killed attempt's steps were resumed)."""
    done = [index for index, attempt in enumerate(attempts) if attempt.status == "done"]
    if not done:
        return []
    before = done[-2] + 1 if len(done) > 1 else 0
    return list(attempts[before : done[-1] + 1])
