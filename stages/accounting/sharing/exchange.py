"""What the commands of sharing do: export, import, compare."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stages.accounting.ledger import ledger_path
from stages.accounting.reading import Scope
from stages.accounting.sharing.comparison import compare
from stages.accounting.sharing.gather import experiment
from stages.accounting.sharing.record import Record, checked, read_record
from stages.accounting.sharing.sealed import HASH, digest, opened, sealed
from stages.accounting.sharing.table import as_table
from stages.accounting.workspace import here
from stages.errors import LadderError
from stages.store.files import copy_whole, write_bytes

RECORDS = Path("runs/records")
SHORT = 16  # digits of a hash that name a kept record


def export(path: Path, scope: Scope) -> None:
    """Write this workspace's record, whole or not at all; another file than a record is never replaced."""
    if path.exists():
        try:
            opened(path)
        except LadderError:
            raise LadderError(
                f"{path}: exists and is no intact record; name another file, or remove it first"
            ) from None
    content = experiment(scope)
    file = sealed(content)
    write_bytes(path, file)
    print(f"{path}: {len(content['attempts'])} attempts, {len(file)} bytes, {HASH} {opened(path)[HASH]}")


def import_records(paths: Sequence[Path], as_json: bool, at_price: Sequence[tuple[str, float]]) -> None:
    """Keep all of `paths`, or none where one is refused, and show them beside this experiment."""
    hashes = [read_record(path).sha256 for path in paths]
    kept = [RECORDS / f"{one[:SHORT]}.json" for one in hashes]
    for path, place in zip(paths, kept, strict=True):
        if not place.exists() or place.read_bytes() != path.read_bytes():
            copy_whole(path, place)
    show(list(dict.fromkeys(kept)), as_json, at_price)


def compare_kept(as_json: bool, at_price: Sequence[tuple[str, float]]) -> None:
    """Show this experiment beside all that were imported."""
    show(sorted(RECORDS.glob("*.json")), as_json, at_price)


def show(kept: Sequence[Path], as_json: bool, at_price: Sequence[tuple[str, float]]) -> None:
    """This workspace's experiment, if it has one, and the records `kept`. Raises LadderError where there is nothing."""
    records = {path.stem[:SHORT]: read_record(path) for path in kept}
    if ledger_path().exists():
        records = {"here": _here()} | records
    if not records:
        raise LadderError(
            f"{RECORDS}: no record, and no ledger here; bring one with `python -m stages.accounting import`"
        )
    rows = compare(list(records.values()), dict(at_price))
    if as_json:
        print(json.dumps({"experiments": list(records), "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        print(as_table(list(records), rows))


def _here() -> Record:
    content = experiment(here(), with_steps=False)
    return checked(content | {HASH: digest(content)}, Path("this workspace"))
