"""What a run's results took to make: by identity, as the bill counts, whoever made them."""

from dataclasses import dataclass

from dashboards.load.book import Book
from dashboards.load.present import is_present
from dashboards.load.runs import Run, locked
from stages.accounting.records import Attempt


@dataclass(frozen=True, slots=True)
class RunCost:
    """`usd` leaves out the `unpriced` attempts; `stages_unknown` were made where this ledger has not been."""

    attempts: int
    usd: float
    hours: float
    """Device hours."""
    unpriced: int
    stages_unknown: int


def makers_of(run: Run, book: Book) -> list[Attempt]:
    """The attempts that made its present results, wherever that was, and those at what is being made now, oldest first."""
    present = _present(run)
    newest = {one.stage: one.identity for one in run.attempts if one.identity}  # the last one wins
    at_work = [one for one in run.attempts if one.stage not in present and one.identity == newest.get(one.stage)]
    found = {one.id: one for one in (*book.makers(present.values()), *at_work)}
    return [found[number] for number in sorted(found)]


def cost_of(run: Run, book: Book) -> RunCost:
    """Of `makers_of`."""
    counted = makers_of(run, book)
    usd = [book.usd[one.id] for one in counted]
    known = {one.identity for one in counted}
    return RunCost(
        attempts=len(counted),
        usd=sum(one for one in usd if one is not None),
        hours=sum(one.wall_s * one.device.count for one in counted) / 3600,
        unpriced=usd.count(None),
        stages_unknown=sum(identity not in known for stage, identity in _present(run).items() if stage != "cost"),
    )


def _present(run: Run) -> dict[str, str]:
    return {stage: identity for stage, identity in locked(run).items() if is_present(run, stage)}
