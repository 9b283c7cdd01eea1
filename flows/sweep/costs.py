"""What a sweep's trials took, by the ledger: each attempt belongs to the trial that is its run.

What several trials share (the tables, the base) is booked with the one that made it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stages.accounting.bill import make_bill
from stages.accounting.ledger import ledger_path
from stages.accounting.reading import Scope, reading
from stages.accounting.workspace import present_prices


@dataclass(frozen=True, slots=True)
class TrialCost:
    """Of one trial. By stage: dollars, and how far a rung's attempts came."""

    usd: float = 0.0
    seconds: float = 0.0
    sampled_tokens: int = 0
    trained_tokens: int = 0
    attempts: int = 0
    by_stage: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)


def trial_costs(sweep: str) -> dict[str, TrialCost]:
    """By the trial's name. Attempts without a known price count as no dollars."""
    with reading(ledger_path()) as reader:
        attempts = {attempt.id: attempt for attempt in reader.attempts(Scope(sweep=sweep))}
        totals = reader.totals()
        bill = make_bill(reader, Scope(sweep=sweep), {}, present_prices())
    usd = dict.fromkeys(attempts, 0.0)
    for line in bill.lines:
        usd[line.attempt] += line.usd or 0.0
    costs: dict[str, TrialCost] = {}
    for name in dict.fromkeys(attempt.origin.run for attempt in attempts.values()):
        mine = [attempt for attempt in attempts.values() if attempt.origin.run == name]
        taken = [totals[attempt.id] for attempt in mine if attempt.id in totals]
        costs[name] = TrialCost(
            usd=sum(usd[attempt.id] for attempt in mine),
            seconds=sum(attempt.wall_s for attempt in mine),
            sampled_tokens=sum(total.sampled_tokens for total in taken),
            trained_tokens=sum(total.trained_tokens for total in taken),
            attempts=len(mine),
            by_stage={
                stage: sum(usd[attempt.id] for attempt in mine if attempt.stage == stage)
                for stage in dict.fromkeys(attempt.stage for attempt in mine)
            },
            steps={
                attempt.stage: max(
                    totals[other.id].last_step for other in mine if other.stage == attempt.stage and other.id in totals
                )
                for attempt in mine
                if attempt.id in totals
            },
        )
    return costs
