"""What the ledger says at one moment: attempts and what they cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from stages.accounting.bill import PriceOf, attempt_usd
from stages.accounting.reading import reading
from stages.accounting.records import Attempt, StepCost, Totals

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
        """Dollars of `attempts`; None where none of them has a price."""
        known = [usd for one in attempts if (usd := self.usd[one.id]) is not None]
        return sum(known) if known else None


EMPTY = Book(Path(), (), MappingProxyType({}), MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))


def version_of(path: Path) -> tuple[tuple[int, int], ...]:
    """Another one whenever the ledger at `path` may say something else."""
    stats = [place.stat() for place in (path, path.with_name(f"{path.name}-wal")) if place.exists()]
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


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
    asked: list[tuple[tuple[str, int], int]] = []
    for one in attempts:
        total = book.totals.get(one.id)
        key = (one.uid, total.last_step if total else 0)  # a step is never changed: more of them are another entry
        if total is None:
            found[one.id] = ()
        elif (known := _remembered.get(key)) is not None:
            found[one.id] = known
        else:
            asked.append((key, one.id))
    if asked:
        with reading(book.path) as reader:
            for key, attempt in asked:
                found[attempt] = _remembered[key] = tuple(reader.steps(attempt))
    while len(_remembered) > REMEMBERED:
        _remembered.pop(next(iter(_remembered)), None)
    return found


_remembered: dict[tuple[str, int], Sequence[StepCost]] = {}
