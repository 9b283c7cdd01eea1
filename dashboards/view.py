"""What every page is given: all runs, those that were chosen, the ledger; read anew when a source has changed, and only then."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dashboards.load.book import EMPTY, Book, known_prices, read_book, version_of
from dashboards.load.runs import Run, all_runs
from dashboards.look import EXPECTED
from flows.experiment import FOLDER
from stages.accounting.ledger import ledger_path
from stages.errors import LadderError
from stages.params import RUNGS

ROOT = Path()  # Streamlit is started in the checkout
WATCHED = ("dvc.lock", "params.yaml", "reports/bill.json", *(f"runs/live/train@{rung}.jsonl" for rung in RUNGS))


@dataclass(frozen=True, slots=True)
class Sources:
    """`broken` says what can't be read, in words."""

    runs: tuple[Run, ...]
    book: Book
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """`colours` is by a run's key, of the chosen ones."""

    runs: tuple[Run, ...]
    chosen: tuple[Run, ...]
    colours: Mapping[str, str]
    book: Book


def version() -> tuple[object, ...]:
    """Another one whenever some source may say something else: times and sizes of files alone are looked at."""
    places = [ROOT, *(mark.parent.parent for mark in (ROOT / FOLDER).glob("*/runs/experiment.json"))]
    files = [place / name for place in places for name in WATCHED]
    files += [place / f"metrics/train/{rung}.csv" for place in places for rung in RUNGS]
    files += [ROOT / ".git/packed-refs", ROOT / ".git/HEAD", *(ROOT / ".git/refs").rglob("*"), ROOT / "runs/sweeps.db"]
    return (version_of(ledger_path()), *(_state(file) for file in files))


def sources() -> Sources:
    return _sources(version())


@lru_cache(2)
def _sources(version: tuple[object, ...]) -> Sources:
    broken = []
    book = EMPTY
    try:
        book = read_book(ledger_path(), known_prices(broken.append))
    except LadderError as error:
        broken.append(str(error))
    try:
        runs = all_runs(ROOT, book, broken.append)
    except EXPECTED as error:
        broken.append(f"{error}")
        runs = []
    return Sources(tuple(runs), book, tuple(broken))


def _state(file: Path) -> tuple[str, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return (str(file), stat.st_mtime_ns, stat.st_size)
