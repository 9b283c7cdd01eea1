"""The present experiment as a record: what it is, what was made of what, what came out, and all that it took.

Everything is there as it was measured, failed and killed attempts too, but for: the workspace's folder, hosts, users and
addresses (see private.py); texts of problems and completions; figures by step that can be computed again. A metric keeps six
digits and a step's seconds four, so that a record of three rungs of 2,000 steps takes about two megabytes; an attempt's
totals and the bill are exact. What has not been made yet is None. No time of the export is in it: the same state is
the same record.
"""

import csv
import getpass
import math
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.accounting.bill import make_bill
from stages.accounting.ledger import ledger_path
from stages.accounting.origin import origin_of_this_process, workspace
from stages.accounting.prices import read_prices
from stages.accounting.reading import LedgerReader, Scope
from stages.accounting.records import PHASES, Attempt, StepCost
from stages.accounting.sharing.private import Private, addresses_free, longest_first
from stages.accounting.statement import as_json
from stages.accounting.unit_costs import EXAMINED, unit_costs
from stages.accounting.workspace import present_prices, recorded_identities, workspace_ledger
from stages.errors import LadderError
from stages.graph import locked_stages
from stages.params import CHECKPOINTS, PARAMS, RUNGS, load_params, read_yaml
from stages.store.files import read_json

METRICS = "metrics/train/{}.csv"
EVALUATION = Path("reports/evaluation.json")
PROBLEMS = Path("reports/problems.json")
METRIC_DIGITS, STEP_DIGITS = 6, 4
STEP_FIGURES = ("sampled_tokens", "trained_tokens", "energy_j")


def experiment(scope: Scope, with_steps: bool = True) -> dict[str, Any]:
    """What the record of this workspace says, with the attempts in `scope`. Raises LadderError where there is no ledger."""
    if not ledger_path().exists():
        raise LadderError(f"{ledger_path()}: there is no ledger yet, nothing to export; a run makes it")
    origin, params = origin_of_this_process(), load_params()
    identities = recorded_identities()
    with workspace_ledger() as reader:
        made = make_bill(reader, scope, identities, present_prices())
        attempts = reader.attempts(scope)
        private = _private(attempts)
        booked = _attempts(reader, attempts, private, with_steps)
    carbon = read_prices().carbon
    costs = unit_costs(made, params.evaluation.samples_per_problem)
    settings = read_yaml(PARAMS)
    told: dict[str, Any] = private.cleaned(
        {
            "params": settings | {"operations": addresses_free(settings["operations"])},
            "params_hash": origin.params_hash,
            "lock_hash": origin.lock_hash,
            "commit": origin.commit,
            "dirty": origin.dirty,
            "scope": {"run": scope.run, "whole_workspace": scope.run is None},
            "made": _made(identities),
            "train": {rung: _columns(Path(METRICS.format(rung))) for rung in RUNGS},
            "examined": {name: _report(Path(EXAMINED.format(name))) for name in CHECKPOINTS},
            "evaluation": _report(EVALUATION),
            "problems": _counts(_report(PROBLEMS)),
            "bill": as_json(made, costs, carbon.kg_per_kwh if carbon else None),
            "attempts": booked,
        }
    )
    return told


def _private(attempts: Iterable[Attempt]) -> Private:
    here = Path(workspace())
    folders = longest_first([str(here), str(here.resolve()), *(attempt.origin.workspace for attempt in attempts)])
    names = longest_first([socket.gethostname(), _user(), *(attempt.host for attempt in attempts)])
    return Private(folders, os.path.expanduser("~"), names)  # noqa: PTH111 (Path's raises without a home)


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name (Python 3.13 raises the second)
        return None


def _made(identities: dict[str, str]) -> dict[str, Any]:
    """By stage of dvc.lock: its identity, and the hash of everything that it read and made."""
    return {
        stage: {
            "identity": identities.get(stage),
            "deps": {dep["path"]: dep["md5"] for dep in entry.get("deps", [])},
            "outs": {out["path"]: out["md5"] for out in entry.get("outs", [])},
        }
        for stage, entry in locked_stages().items()
    }


def _columns(path: Path) -> dict[str, list[float | None]] | None:
    """A CSV of numbers by column."""
    if not path.exists():
        return None
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [_figure(row[name]) for row in rows] for name in rows[0]} if rows else None


def _figure(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:  # nothing was measured
        return None
    return rounded(value, METRIC_DIGITS) if math.isfinite(value) else None


def rounded(value: float, digits: int) -> float:
    """To `digits` significant ones; a whole number as one."""
    if value == int(value) and abs(value) < 10**15:
        return int(value)
    return float(f"{value:.{digits}g}")


def _report(path: Path) -> Any:
    return read_json(path) if path.exists() else None


def _counts(report: dict[str, Any] | None) -> dict[str, Any] | None:
    """The report on the problems without their texts."""
    if report is None:
        return None
    leaks = {kind: len(found) for kind, found in report["leaks"].items()}
    return {**report, "conflicts": len(report["conflicts"]), "leaks": leaks}


def _attempts(
    reader: LedgerReader, attempts: Sequence[Attempt], private: Private, with_steps: bool
) -> list[dict[str, Any]]:
    totals = reader.totals()
    hosts = list(dict.fromkeys(attempt.host for attempt in attempts))
    corrections = reader.corrections()
    return [
        {
            "id": attempt.id,
            "uid": attempt.uid,
            "stage": attempt.stage,
            "identity": attempt.identity,
            "state": attempt.status,
            "failure": attempt.failure
            and {"cause": attempt.failure.cause, "message": private.message(attempt.failure.message)},
            "started_at": attempt.started_at,
            "wall_s": attempt.wall_s,
            "device": asdict(attempt.device),
            "machine": hosts.index(attempt.host) + 1,
            "origin": {key: value for key, value in asdict(attempt.origin).items() if key != "workspace"},
            "price": attempt.price and asdict(attempt.price),
            "energy": attempt.energy and asdict(attempt.energy),
            "corrections": [
                {"usd": one.usd, "why": private.message(one.why)} for one in corrections if one.attempt == attempt.id
            ],
            "totals": asdict(totals[attempt.id]) if attempt.id in totals else None,
            "steps": _steps(reader.steps(attempt.id)) if with_steps and attempt.id in totals else None,
        }
        for attempt in attempts
    ]


def _steps(steps: Sequence[StepCost]) -> dict[str, list[float | None]]:
    seconds: dict[str, list[float | None]] = {
        f"{phase}_s": [rounded(getattr(step, f"{phase}_s"), STEP_DIGITS) for step in steps] for phase in PHASES
    }
    figures = {
        name: [None if (value := getattr(step, name)) is None else rounded(value, METRIC_DIGITS) for step in steps]
        for name in STEP_FIGURES
    }
    return {"step": [step.step for step in steps], **seconds, **figures}
