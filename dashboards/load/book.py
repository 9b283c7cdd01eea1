"""What the ledger says at one moment: attempts and what they cost."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from stages.accounting.bill import PriceOf, attempt_usd, made_by
from stages.accounting.reading import reading
from stages.accounting.records import Attempt, StepCost, Totals
from stages.accounting.workspace import present_prices
from stages.errors import LadderError

REMEMBERED = 128  # attempts, a few hundred kB each


@dataclass(frozen=True, slots=True)
class Book:
    """All attempts, oldest first; dollars by attempt, corrections included (None: nobody knows its price)."""

    path: Path
    attempts: Sequence[Attempt]
    usd: Mapping[int, float | None]
    totals: Mapping[int, Totals]
    by_experiment: Mapping[str | None, Sequence[Attempt]]
    by_identity: Mapping[str, Sequence[Attempt]]

    def spent(self, attempts: Iterable[Attempt]) -> float | None:
        """Dollars of `attempts`; None where there are none, or one of them has no known price."""
        found = [self.usd[one.id] for one in attempts]
        known = [usd for usd in found if usd is not None]
        return sum(known) if found and len(known) == len(found) else None

    def usual_s(self, stage: str) -> float:
        """What finished attempts at a stage took, the median, whoever made them; 0 where there are none."""
        taken = [one.wall_s for one in self.attempts if one.stage == stage and one.status == "done"]
        return statistics.median(taken) if taken else 0.0

    def makers(self, identities: Iterable[str]) -> list[Attempt]:
        """The attempts that made the results with these identities, wherever that was."""
        return [one for identity in identities for one in made_by(self.by_identity.get(identity, ()))]


EMPTY = Book(Path(), (), MappingProxyType({}), MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))


def version_of(path: Path) -> tuple[tuple[int, int], ...]:
    """Another one whenever the ledger at `path` may say something else."""
    stats = [place.stat() for place in (path, path.with_name(f"{path.name}-wal")) if place.exists()]
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


def known_prices(say: Callable[[str], object] = lambda said: None) -> PriceOf:
    """The present ones. Where settings or prices are refused, which `say` is told, none: what was booked with a price has it."""
    try:
        return present_prices()
    except LadderError as error:
        say(str(error))
        return lambda device: None


def read_book(path: Path, price_of: PriceOf) -> Book:
    """The ledger at `path`; `price_of` prices what was booked without one. Raises LadderError where it is broken."""
    with reading(path) as reader:
        attempts, totals = reader.attempts(), reader.totals()
        usd = {one.id: attempt_usd(one, one.price or price_of(one.device.name)) for one in attempts}
        for correction in reader.corrections():
            usd[correction.attempt] = (usd.get(correction.attempt) or 0.0) + correction.usd
    by_experiment: dict[str | None, list[Attempt]] = {}
    by_identity: dict[str, list[Attempt]] = {}
    for one in attempts:
        by_experiment.setdefault(one.origin.experiment, []).append(one)
        by_identity.setdefault(one.identity, []).append(one)
    return Book(path, attempts, usd, totals, by_experiment, by_identity)


def steps_of_attempts(book: Book, attempts: Iterable[Attempt]) -> dict[int, Sequence[StepCost]]:
    """What each step of `attempts` took, by attempt; the ledger is opened for those alone that are not remembered."""
    found: dict[int, Sequence[StepCost]] = {}
    asked: list[Attempt] = []
    for one in attempts:
        total, known = book.totals.get(one.id), _remembered.get(one.uid, ())
        if total is None:
            found[one.id] = ()
        elif known and known[-1].step == total.last_step:  # a step is never changed
            found[one.id] = known
        else:
            asked.append(one)
    if asked:
        with reading(book.path) as reader:
            for one in asked:
                found[one.id] = _remembered[one.uid] = tuple(reader.steps(one.id))
    while len(_remembered) > REMEMBERED:
        _remembered.pop(next(iter(_remembered)), None)
    return found


_remembered: dict[str, Sequence[StepCost]] = {}  # by the attempt's uid
