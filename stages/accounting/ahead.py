"""Before money is spent: does what is about to start exceed its budget, as far as the measured steps tell?

Projected is what the present settings' results took so far, by the ledger (wasted attempts too), and what is still to come of
them: all of a run, or the rung that starts. Nothing measured, nothing projected: then the hard limit alone stands guard.
"""

import os
import sys
from dataclasses import dataclass

from stages.accounting.bill import PriceOf, made_by
from stages.accounting.budget import Spent, since_done, spent_by
from stages.accounting.origin import SWEEP
from stages.accounting.projection import rest_of_run
from stages.accounting.projection.futures import Ladder
from stages.accounting.projection.present import Present, read_present
from stages.accounting.projection.reading import device_facts, read_measured, read_other_stages, still_planned
from stages.accounting.reading import LedgerReader, Scope
from stages.accounting.records import Attempt
from stages.accounting.workspace import here
from stages.errors import BudgetReached
from stages.params import RUNGS, Budget, Params

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
    present = read_present(reader, here())
    if all(f"train@{name}" in present.made for name in (RUNGS if rung is None else (rung,))):
        return None  # nothing of it is about to start
    rungs: tuple[str | None, ...] = (None,)
    if budget.per == "rung":
        rungs = RUNGS if rung is None else (rung,)
    for name in rungs:
        spend = projected_spend(params, reader, price_of, present, name)
        if spend is not None and (said := _beyond(spend, budget, name)):
            return said
    return None


@dataclass(frozen=True, slots=True)
class ProjectedSpend:
    """Of a run or a rung from its first step to its last: the middle, and the bounds of the interval."""

    middle: Spent
    low: Spent
    high: Spent


def projected_spend(
    params: Params, reader: LedgerReader, price_of: PriceOf, present: Present, rung: str | None = None
) -> ProjectedSpend | None:
    """What the run (or `rung`) took so far and what is still to come of it; None where too little was measured."""
    measured, _ = read_measured(params, reader, present, here())
    if not any(one.enough for one in measured):
        return None
    plan = tuple(one for one in still_planned(params, present, measured) if rung in (None, one.name))
    others = read_other_stages(reader, present, here()) if rung is None else []
    rest = rest_of_run(Ladder(tuple(measured), plan), device_facts(params), others)
    sweep = os.environ.get(SWEEP) if params.operations.budget.per == "sweep" else None
    stages = present.stages if rung is None else (f"train@{rung}",)
    spent = spent_by(counted(reader, present, stages, sweep), reader, price_of)
    middle, low, high = (
        Spent(spent.usd + getattr(rest.usd, bound), spent.hours + getattr(rest.seconds, bound) / 3600)
        for bound in ("value", "low", "high")
    )
    return ProjectedSpend(middle, low, high)


def counted(reader: LedgerReader, present: Present, stages: tuple[str, ...], sweep: str | None) -> list[Attempt]:
    """What made the results that are there, what was begun of those that are not, and what else the sweep took: all that counts
    against a budget."""
    identities = {stage: present.identities[stage] for stage in stages if stage in present.identities}
    found = reader.attempts_at(set(identities.values()))
    counted = [] if sweep is None else reader.attempts(Scope(sweep=sweep))
    for stage, identity in identities.items():
        at = [attempt for attempt in found if attempt.identity == identity]
        counted += made_by(at) if stage in present.made else since_done(at)
    return counted


def _beyond(spend: ProjectedSpend, budget: Budget, rung: str | None) -> str | None:
    limits = zip(spend.middle.of_limits(budget), spend.low.of_limits(budget), spend.high.of_limits(budget), strict=True)
    what = "it" if rung is None else f"train@{rung}"
    for (key, expected, limit), (_, least, _), (_, most, _) in limits:
        if expected > limit:
            return (
                f"params.yaml: operations.budget.{key}: {limit:g} a {budget.per}, but {what} is projected to take "
                f"{expected:.3g} ({least:.3g} to {most:.3g})"
            )
    return None
