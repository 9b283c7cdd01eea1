"""The record of an experiment, as an export takes it along: what was made of what, from which settings, how it did, what it took.

Its files are copies of this workspace's own, but two that the ledger is asked for: every attempt, failed ones too, and the bill.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.accounting.bill import make_bill
from stages.accounting.origin import origin_of_this_process
from stages.accounting.prices import read_prices
from stages.accounting.records import Attempt
from stages.accounting.statement import as_json
from stages.accounting.unit_costs import unit_costs
from stages.accounting.workspace import here, present_prices, recorded_identities, workspace_ledger
from stages.errors import LadderError
from stages.graph import in_order, load_graph, locked_identities, locked_stages, workspace_identity
from stages.params import Params, load_params
from stages.store.files import copy_whole, read_json, write_json

RECORD = Path("record")
COPIED = ("dvc.lock", "params.yaml", "compute.txt", "reports/evaluation.json", "reports/problems.json")
BILL, ATTEMPTS, ORIGIN, EXAMINATION = "bill.json", "attempts.json", "origin.json", "examination.json"
FILES = (*COPIED, BILL, ATTEMPTS, ORIGIN, EXAMINATION)


@dataclass(frozen=True, slots=True)
class Record:
    """What lies in an export's folder `record/`: parsed, and as yet believed."""

    lock: dict[str, Any]
    """The stages of dvc.lock."""
    params: Params
    problems: dict[str, Any]
    evaluation: dict[str, Any]
    bill: dict[str, Any]
    attempts: list[dict[str, Any]]
    examined: dict[str, Any] | None
    """What llama.cpp made of it (stages/exporting/examine.py); None where it was not asked."""
    commit: str | None
    """Of the code; None where it lay in no Git."""
    dirty: bool | None
    """Whether the code differed from it."""


def keep_record(folder: Path) -> None:
    """Write the record of this workspace below `folder`. Raises LadderError where part of it is missing."""
    _check_present()
    for name in COPIED:
        if not Path(name).exists():
            raise LadderError(f"{name}: missing; `dvc repro` makes it, `dvc checkout` restores it")
        copy_whole(Path(name), folder / name)
    params = load_params()
    with workspace_ledger() as ledger:
        bill = make_bill(ledger, here(), recorded_identities(), present_prices())
        attempts = ledger.attempts(here())
    carbon = read_prices().carbon
    costs = unit_costs(bill, params.evaluation.samples_per_problem)
    write_json(folder / BILL, as_json(bill, costs, carbon.kg_per_kwh if carbon else None))
    write_json(folder / ATTEMPTS, [_told(attempt) for attempt in attempts])
    origin = origin_of_this_process()
    write_json(folder / ORIGIN, {"commit": origin.commit, "dirty": origin.dirty})


def _check_present() -> None:
    """Raise LadderError unless dvc.lock records the workspace as it stands: nothing else can be made again by its commit."""
    graph, locked = load_graph(), locked_identities()
    hashes: dict[str, str] = {}
    for name in in_order(graph):
        if not graph[name].always_changed and locked.get(name) != workspace_identity(graph[name], hashes):
            raise LadderError(
                f"{name}: dvc.lock does not record it as the workspace stands; `dvc repro` makes it, or `git checkout`"
            )


def read_record(folder: Path) -> Record:
    """The record below `folder`. Raises LadderError where a part is missing or broken."""
    if not (folder / "dvc.lock").exists():
        raise LadderError(f"{folder / 'dvc.lock'}: missing; export the rung again")
    return Record(
        locked_stages(folder / "dvc.lock"),
        load_params(folder / "params.yaml"),
        read_json(folder / "reports/problems.json"),
        read_json(folder / "reports/evaluation.json"),
        read_json(folder / BILL),
        read_json(folder / ATTEMPTS),
        read_json(folder / EXAMINATION) if (folder / EXAMINATION).exists() else None,
        **read_json(folder / ORIGIN),
    )


def made_by(lock: dict[str, Any], path: str) -> tuple[str, str]:
    """The stage that made `path`, and DVC's md5 of what it made. Raises LadderError where dvc.lock has no such stage."""
    for stage, entry in lock.items():
        for out in entry.get("outs", []):
            if out["path"] == path:
                return stage, out["md5"]
    raise LadderError(f"{path}: dvc.lock records no stage that made it; `dvc repro` makes it")


def _told(attempt: Attempt) -> dict[str, Any]:
    """Of an attempt what others may know: the machine's name is nobody's business."""
    return {
        "id": attempt.id,
        "stage": attempt.stage,
        "identity": attempt.identity,
        "status": attempt.status,
        "cause": attempt.failure and attempt.failure.cause,
        "why": attempt.failure and attempt.failure.message,
        "began": datetime.fromtimestamp(attempt.started_at, UTC).isoformat(timespec="seconds"),
        "wall_s": attempt.wall_s,
        "device": attempt.device.name,
        "devices": attempt.device.count,
        "joules": attempt.energy and attempt.energy.joules,
        "commit": attempt.origin.commit,
        "dirty": attempt.origin.dirty,
    }
