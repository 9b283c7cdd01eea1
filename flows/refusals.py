"""What is refused of a ladder before any of it begins: wrong settings, what is too dear, what this machine can't hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.accounting.ahead import check_ahead
from stages.accounting.ledger import Ledger, ledger_path
from stages.accounting.prices import read_prices
from stages.accounting.reading import reading
from stages.accounting.records import CPU_CORE, Failure, Status
from stages.accounting.workspace import present_prices
from stages.errors import BudgetReached, LadderError
from stages.estimate import check_fits
from stages.params import CHECKPOINTS, PARAMS, Params, load_params


def checked(root: Path = Path(), experiment: str | None = None) -> Params:
    """The settings of the checkout `root`. Raises LadderError where they, or what they ask for, are refused."""
    with refusals_booked():
        params = load_params(root / PARAMS)
        read_prices().price_of(CPU_CORE, params.operations.market, params.operations.prices)
        if experiment is None:  # an experiment's rungs look ahead themselves, once its base is there
            with reading(ledger_path()) as ledger:
                check_ahead(params, ledger, present_prices())
        # Those that are here need no more room; a stale one is checked by its own stage before it is made anew.
        check_fits(params, checkpoints=sum(not (root / "models" / name).exists() for name in CHECKPOINTS))
    return params


@contextmanager
def refusals_booked() -> Iterator[None]:
    """A refusal is an attempt too, at the flow."""
    try:
        yield
    except LadderError as error:
        booked = Ledger.open_here()
        status: Status = "killed" if isinstance(error, BudgetReached) else "failed"
        booked.end(booked.start("ladder"), status, Failure(error.cause, str(error)))
        raise
