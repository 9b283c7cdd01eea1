"""Where a study is kept: a database by its SQLAlchemy address, and what is said where that fails."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from stages.errors import LadderError
from stages.params import Sweep

STUDIES = "sqlite:///runs/sweeps.db"
LOCKED_S = 30.0  # how long SQLite waits for another process's write
FIELD = "params.yaml: sweep.storage"

optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line a trial is ours to say
warnings.filterwarnings("ignore", category=ExperimentalWarning)  # the version is pinned: what it has, it has


def address_of(sweep: Sweep) -> str:
    return sweep.storage or STUDIES


@contextmanager
def storage(address: str) -> Iterator[RDBStorage]:
    """The database at `address`, made where it is SQLite's and not there yet. Raises LadderError, in the block too."""
    url = _url(address)
    local = url.get_backend_name() == "sqlite"
    if local and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    shown = url.render_as_string(hide_password=True)
    try:
        opened = RDBStorage(address, {"connect_args": {"timeout": LOCKED_S}} if local else None)
        try:
            yield opened
        finally:
            opened.engine.dispose()
    except ImportError as error:
        raise LadderError(
            f"{FIELD}: {shown}: its driver is not installed ({error.__cause__ or error}); `pip install 'psycopg[binary]'` brings "
            "PostgreSQL's"
        ) from None
    except RuntimeError as error:  # Optuna's, of a schema that it does not read
        if "optuna" not in str(error):
            raise
        raise LadderError(f"{FIELD}: {shown}: {' '.join(str(error).split())}") from None
    except (SQLAlchemyError, StorageInternalError) as error:
        raise explained(shown, error) from None


def explained(shown: str, error: Exception) -> LadderError:
    """What a database's refusal means, without SQLAlchemy's pages."""
    cause: BaseException = error
    while (deeper := getattr(cause, "orig", None) or cause.__cause__) is not None:
        cause = deeper
    said = " ".join(f"{cause}".split())[:300]
    if "locked" in said:
        return LadderError(
            f"{FIELD}: {shown}: another process has kept it locked for {LOCKED_S:.0f} s; end that one (`fuser` names it), or "
            "give the sweep a storage of its own"
        )
    return LadderError(f"{FIELD}: {shown}: {type(cause).__name__}: {said}; correct the address or mend the database")


def _url(address: str) -> URL:
    try:
        url = make_url(address)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise LadderError(f"{FIELD}: {error}; sqlite:///FILE or postgresql://USER@HOST/DATABASE") from None
    return url
