"""A budget: what has been spent of it, when to warn, when to end.

`run`: all that the results of the run took so far, wherever an earlier attempt at the same was stopped, so that running again
does not get round it: the attempts of the run itself, and those of others that led to what it goes on with. `rung`: the same of
the stage alone. `sweep`: every attempt of the sweep (LADDER_SWEEP); outside one a run's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from stages.accounting.bill import PriceOf, attempt_usd, made_by
from stages.accounting.reading import LedgerReader, Scope
from stages.accounting.records import Attempt
from stages.params import Budget


@dataclass(frozen=True, slots=True)
class Spent:
    usd: float
    hours: float

    def of_limits(self, budget: Budget) -> list[tuple[str, float, float]]:
        """Each limit there is: its key, what is spent of it, and the limit."""
        limits = (("usd", self.usd, budget.usd), ("hours", self.hours, budget.hours))
        return [(key, spent, limit) for key, spent, limit in limits if limit is not None]


@dataclass(frozen=True, slots=True)
class Purse:
    """Whose budget it is: a stage's attempt of `run`, made from `identity`, on results with the identities `below`."""

    budget: Budget
    run: str
    sweep: str | None
    identity: str
    below: frozenset[str]

    @property
    def limited(self) -> bool:
        return self.budget.usd is not None or self.budget.hours is not None

    def spent(self, reader: LedgerReader, price_of: PriceOf) -> Spent:
        """Until now, by the ledger."""
        return spent_by(self._attempts(reader), reader, price_of)

    def _attempts(self, reader: LedgerReader) -> Iterable[Attempt]:
        if self.budget.per == "sweep" and self.sweep is not None:
            return reader.attempts(Scope(sweep=self.sweep))
        leading = self._leading(reader)
        return leading if self.budget.per == "rung" else [*leading, *reader.attempts(Scope(run=self.run))]

    def _leading(self, reader: LedgerReader) -> list[Attempt]:
        """The attempts under way at this identity, the unfinished ones before it, and (of a run) what its inputs took to make."""
        identities = {self.identity} | (set() if self.budget.per == "rung" else self.below)
        found = reader.attempts_at(identities)
        leading = []
        for identity in identities:
            at = [attempt for attempt in found if attempt.identity == identity]
            leading += since_done(at) if identity == self.identity else made_by(at)
        return leading


def spent_by(attempts: Iterable[Attempt], reader: LedgerReader, price_of: PriceOf) -> Spent:
    """What `attempts` took together, each once, with their corrections; those whose price nobody knows took hours alone."""
    each = {attempt.id: attempt for attempt in attempts}
    usd = [attempt_usd(attempt, attempt.price or price_of(attempt.device.name)) for attempt in each.values()]
    usd += [one.usd for one in reader.corrections() if one.attempt in each]
    return Spent(sum(one for one in usd if one is not None), sum(attempt.wall_s for attempt in each.values()) / 3600)


def since_done(attempts: list[Attempt]) -> list[Attempt]:
    """Those after the newest finished one."""
    done = [index for index, attempt in enumerate(attempts) if attempt.status == "done"]
    return attempts[done[-1] + 1 :] if done else attempts


def reached(spent: Spent, budget: Budget) -> str | None:
    """Which hard limit `spent` has come to, in words that name the mend."""
    for key, used, limit in spent.of_limits(budget):
        if used >= limit:
            return (
                f"params.yaml: operations.budget.{key}: {limit:g} a {budget.per}, and {used:.4g} are spent; raise it and run "
                "again: the work so far is kept"
            )
    return None


def warned(spent: Spent, budget: Budget) -> str | None:
    """Which soft limit `spent` has come to."""
    for key, used, limit in spent.of_limits(budget):
        if used >= budget.warn_at * limit:
            return f"{used:.4g} of the {limit:g} {key} that operations.budget allows a {budget.per} are spent"
    return None
