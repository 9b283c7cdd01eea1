"""The bill of this workspace: its ledger, its dvc.lock, its prices."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.accounting.bill import Bill, make_bill
from stages.accounting.ledger import SHARED, Ledger, ledger_path
from stages.accounting.origin import workspace
from stages.accounting.prices import read_prices
from stages.accounting.reading import LedgerReader, Scope, reading
from stages.accounting.records import BookedPrice
from stages.errors import LadderError
from stages.graph import DVC_LOCK, in_order, load_graph, locked_identities
from stages.params import load_params


def here() -> Scope:
    """All attempts of this workspace: the whole of its own ledger, wherever it was moved to, and its part of a shared one."""
    return Scope(workspace() if SHARED in os.environ else None)


def workspace_bill(scope: Scope | None = None) -> Bill:
    """Of the attempts in `scope` (by default those of this workspace), beside what dvc.lock records.

    Attempts that vanished are closed first.
    """
    with workspace_ledger() as reader:
        return make_bill(reader, scope or here(), recorded_identities(), present_prices())


@contextmanager
def workspace_ledger() -> Iterator[LedgerReader]:
    """What this workspace's ledger says at this moment, once the attempts that vanished are closed. Raises LadderError."""
    if ledger_path().exists():
        ledger = Ledger.open_here()
        ledger.close_vanished()
        ledger.close()
    elif SHARED in os.environ:
        raise LadderError(
            f"{SHARED}: {ledger_path()}: no such ledger; correct the path, or run a stage, which makes it"
        )
    with reading(ledger_path()) as reader:
        yield reader


def recorded_identities(lock: Path = DVC_LOCK) -> dict[str, str]:
    """The identity of every stage that dvc.lock records and that books itself."""
    graph, locked = load_graph(), locked_identities(lock)
    return {stage: locked[stage] for stage in in_order(graph) if stage in locked and not graph[stage].always_changed}


def present_prices() -> Callable[[str], BookedPrice | None]:
    """By prices.yaml and the settings of this moment."""
    operations, prices = load_params().operations, read_prices()

    def price_of(device: str) -> BookedPrice | None:
        try:
            return prices.price_of(device, operations.market, operations.prices).booked()
        except LadderError:  # an attempt that nobody could price when it was booked, either
            return None

    return price_of
