"""Where a study is kept: a database by its SQLAlchemy address, and what is said where that fails."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from stages.errors import LadderError
from stages.params import Sweep

STUDIES = "sqlite:///runs/sweeps.db"
LOCKED_S = 30.0  # how long SQLite waits for another process's write
LOCKED_READER_S = 5.0  # and who only looks, who asks again soon
FIELD = "params.yaml: sweep.storage"

optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line a trial is ours to say
warnings.filterwarnings("ignore", category=ExperimentalWarning)  # the version is pinned: what it has, it has


def address_of(sweep: Sweep) -> str:
    return sweep.storage or STUDIES


@contextmanager
def storage(address: str) -> Iterator[RDBStorage]:
    """The database at `address`, made where it is SQLite's and not there yet. Raises LadderError, in the block too."""
    url = _url(address)
    local = _is_local(url)
    if local and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    options = {"connect_args": {"timeout": LOCKED_S}} if local else None
    with _explaining(url, LOCKED_S), _closing(RDBStorage(address, options)) as opened:
        yield opened


@contextmanager
def stored(address: str) -> Iterator[RDBStorage | None]:
    """The database at `address` for who only looks: opened read-only; None where it is not there yet. Raises LadderError, in the
    block too.
    """
    url = _url(address)
    options: dict[str, Any] = {"execution_options": {"postgresql_readonly": True}}
    if _is_local(url):
        if not _has_begun(url):
            yield None
            return
        address = _read_only(url).render_as_string(hide_password=False)
        options = {"connect_args": {"timeout": LOCKED_READER_S}}
    with _explaining(url, LOCKED_READER_S), _closing(RDBStorage(address, options, skip_table_creation=True)) as opened:
        yield opened


def _is_local(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _has_begun(url: URL) -> bool:
    """Whether there is a SQLite file, and in it what its maker writes first."""
    path = Path(url.database or "")
    return path.is_file() and path.stat().st_size > 0


def _read_only(url: URL) -> URL:
    """The same SQLite file, by an address in which SQLite itself refuses to write."""
    path = Path(url.database or "").absolute().as_uri()
    return url.set(database=path, query={**url.query, "mode": "ro", "uri": "true"})


@contextmanager
def _closing(opened: RDBStorage) -> Iterator[RDBStorage]:
    try:
        yield opened
    finally:
        opened.scoped_session.remove()
        opened.engine.dispose()


@contextmanager
def _explaining(url: URL, waited_s: float) -> Iterator[None]:
    """LadderError in place of what Optuna, SQLAlchemy and a database's driver raise."""
    shown = url.render_as_string(hide_password=True)
    try:
        yield
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
        raise explained(shown, error, waited_s) from None


def explained(shown: str, error: Exception, waited_s: float) -> LadderError:
    """What a database's refusal means, without SQLAlchemy's pages."""
    cause: BaseException = error
    while (deeper := getattr(cause, "orig", None) or cause.__cause__) is not None:
        cause = deeper
    said = " ".join(f"{cause}".split())[:300]
    if "locked" in said:
        return LadderError(
            f"{FIELD}: {shown}: another process has kept it locked for {waited_s:.0f} s; end that one (`fuser` names it), or "
            "give the sweep a storage of its own"
        )
    if "readonly database" in said:  # SQLite's journal is still there: who may not write can't roll it back either
        return LadderError(f"{FIELD}: {shown}: a write was cut off; `python -m flows.sweep report` brings it in order")
    return LadderError(f"{FIELD}: {shown}: {type(cause).__name__}: {said}; correct the address or mend the database")


def _url(address: str) -> URL:
    try:
        url = make_url(address)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise LadderError(f"{FIELD}: {error}; sqlite:///FILE or postgresql://USER@HOST/DATABASE") from None
    return url
