"""What a run's results took to make: by identity, as the bill counts, whoever made them."""

from dataclasses import dataclass

from dashboards.load.book import Book
from dashboards.load.present import is_present
from dashboards.load.runs import Run, locked


@dataclass(frozen=True, slots=True)
class RunCost:
    """`usd` leaves out the `unpriced` attempts; `stages_unknown` were made where this ledger has not been."""

    attempts: int
    usd: float
    hours: float
    """Device hours."""
    unpriced: int
    stages_unknown: int


def cost_of(run: Run, book: Book) -> RunCost:
    """Of its present results, and of the attempts at what is being made now."""
    present = {stage: identity for stage, identity in locked(run).items() if is_present(run, stage)}
    makers = {stage: book.makers([identity]) for stage, identity in present.items()}
    newest = {one.stage: one.identity for one in run.attempts if one.identity}  # the last one wins
    at_work = [
        one
        for one in run.attempts
        if one.stage not in present and one.identity and one.identity == newest.get(one.stage)
    ]
    counted = {one.id: one for attempts in (*makers.values(), at_work) for one in attempts}.values()
    usd = [book.usd[one.id] for one in counted]
    return RunCost(
        attempts=len(counted),
        usd=sum(one for one in usd if one is not None),
        hours=sum(one.wall_s * one.device.count for one in counted) / 3600,
        unpriced=usd.count(None),
        stages_unknown=sum(not attempts for stage, attempts in makers.items() if stage != "cost"),
    )
