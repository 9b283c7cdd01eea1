"""Before money is spent: does what is about to start exceed its budget, as far as the measured steps tell?

What is projected is the rungs, all of them for a run and the one that starts for a rung; of a run's other stages what their
newest finished attempts took. Nothing measured, nothing projected: then the hard limit alone stands guard.
"""

import os
import sys

from stages.accounting.bill import PriceOf
from stages.accounting.budget import Spent, spent_by
from stages.accounting.projection import Change, what_if
from stages.accounting.projection.futures import Ladder
from stages.accounting.projection.measured import FEWEST_STEPS
from stages.accounting.projection.reading import device_facts, planned_rungs, read_measured
from stages.accounting.projection.results import Projection
from stages.accounting.reading import LedgerReader
from stages.accounting.records import Attempt
from stages.errors import BudgetReached
from stages.params import Params

FORCED = "LADDER_OVER_BUDGET"


def check_ahead(params: Params, reader: LedgerReader, price_of: PriceOf, rung: str | None = None) -> None:
    """Ask on a terminal whether to begin a run (or `rung`) that is projected to exceed its budget; elsewhere BudgetReached."""
    if os.environ.get(FORCED) == "1":
        return
    said = exceeded(params, reader, price_of, rung)
    if said is None:
        return
    if not sys.stdin.isatty():
        raise BudgetReached(f"{said}; raise it, or begin all the same with {FORCED}=1")
    print(f"{said}. Begin all the same? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise BudgetReached(f"{said}; not begun")
    os.environ[FORCED] = "1"  # for the stages of this flow, too


def exceeded(params: Params, reader: LedgerReader, price_of: PriceOf, rung: str | None = None) -> str | None:
    """Which limit the projection exceeds, in words with its interval; None where none does, or nothing was measured."""
    budget = params.operations.budget
    if budget.usd is None and budget.hours is None:
        return None
    whole_run = rung is None or budget.per != "rung"
    projection = _projection(params, reader, None if whole_run else rung)
    if projection is None:
        return None
    others = _other_stages(reader, price_of) if whole_run else Spent(0.0, 0.0)
    middle = Spent(projection.usd.value + others.usd, projection.seconds.value / 3600 + others.hours)
    low = Spent(projection.usd.low + others.usd, projection.seconds.low / 3600 + others.hours)
    high = Spent(projection.usd.high + others.usd, projection.seconds.high / 3600 + others.hours)
    bounds = {
        key: (one, other)
        for (key, one, _), (_, other, _) in zip(low.of_limits(budget), high.of_limits(budget), strict=True)
    }
    for key, expected, limit in middle.of_limits(budget):
        if expected > limit:
            least, most = bounds[key]
            return (
                f"params.yaml: operations.budget.{key}: {limit:g} a {budget.per}, but it is projected to take {expected:.3g} "
                f"({least:.3g} to {most:.3g})"
            )
    return None


def _projection(params: Params, reader: LedgerReader, rung: str | None) -> Projection | None:
    """Of all rungs, or of `rung`, from their first step to their last."""
    measured, _ = read_measured(params, reader)
    enough = tuple(one for one in measured if len(one.steps) >= FEWEST_STEPS)
    plan = tuple(one for one in planned_rungs(params) if rung in (None, one.name))
    return what_if(Ladder(enough, plan), Change(), device_facts(params)) if enough else None


def _other_stages(reader: LedgerReader, price_of: PriceOf) -> Spent:
    """Of every stage that is no rung, its newest finished attempt."""
    newest: dict[str, Attempt] = {}
    for attempt in reader.attempts():
        if attempt.status == "done" and not attempt.stage.startswith("train@"):
            newest[attempt.stage] = attempt
    return spent_by(newest.values(), price_of)
