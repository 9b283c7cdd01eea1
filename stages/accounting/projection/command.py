"""`python -m stages.accounting project`: the rest of the run at hand, or with an option the whole of it as it might be."""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

from stages.accounting.ledger import ledger_path
from stages.accounting.prices import read_prices
from stages.accounting.projection.futures import Ladder
from stages.accounting.projection.measured import MeasuredRung
from stages.accounting.projection.present import read_present
from stages.accounting.projection.questions import Change, rest_of_run, what_if
from stages.accounting.projection.reading import (
    device_facts,
    planned_rungs,
    read_measured,
    read_other_stages,
    still_planned,
)
from stages.accounting.projection.release import MODEL, what_if_released
from stages.accounting.projection.results import Projection
from stages.accounting.projection.table import table
from stages.accounting.projection.timed import what_if_timed
from stages.accounting.reading import reading
from stages.accounting.workspace import here
from stages.errors import LadderError
from stages.params import HubBase, Params, load_params

PROFILES = Path("profiles")


def run(arguments: argparse.Namespace) -> None:
    """Print the projection that `arguments` ask for. Raises LadderError."""
    projection = project(load_params(), arguments)
    print(json.dumps(asdict(projection), indent=2) if arguments.json else table(projection))


def project(params: Params, arguments: argparse.Namespace) -> Projection:
    """The answer from this workspace's ledger and settings. Raises LadderError."""
    change = Change(arguments.longest_first, arguments.rollouts, arguments.device)
    if change.device is not None:
        _check_device(change.device, params)
    other = _profile(arguments.profile) if arguments.profile else params
    if arguments.timed_steps is not None:
        _check_recipes_model(other, f"--timed-steps {arguments.timed_steps}: it tells of the recipe's model")
        return what_if_timed(planned_rungs(other), other.grpo, change, arguments.timed_steps, device_facts(params))
    if other.base != params.base:
        return _of_another_model(arguments.profile, other, change, params)
    if arguments.profile:
        change = replace(change, plan=planned_rungs(other))
    scope = here()
    with reading(ledger_path()) as ledger:
        present = read_present(ledger, scope)
        measured, elsewhere = read_measured(params, ledger, present, scope)
        others = read_other_stages(ledger, present, scope)
    rungs = tuple(_first(rung, arguments.first_steps) for rung in measured)
    facts = device_facts(params)
    if change == Change():
        return rest_of_run(Ladder(rungs, still_planned(params, present, rungs)), facts, others)
    return what_if(Ladder(rungs, planned_rungs(params)), change, facts, elsewhere)


def _check_device(device: str, params: Params) -> None:
    """Raise LadderError where nobody has priced it, or not on the settings' market."""
    prices, operations = read_prices(), params.operations
    names = [name for row in prices.devices for name in (row.device, *row.also)]
    if device not in (*names, *operations.prices):
        known = ", ".join(sorted({*names, *operations.prices}))
        raise LadderError(f"--device {device!r}: unknown; choose one of {known}, or add it to prices.yaml")
    prices.price_of(device, operations.market, operations.prices)


def _first(rung: MeasuredRung, steps: int | None) -> MeasuredRung:
    if steps is not None and steps < 1:
        raise LadderError(f"--first-steps {steps}: nothing can be projected from that; give a number of steps above 0")
    return rung if steps is None else rung.first(steps)


def _profile(name: str) -> Params:
    known = sorted(file.stem for file in PROFILES.glob("*.yaml"))
    if name not in known:
        raise LadderError(f"--profile {name!r}: there is no such profile; choose one of {', '.join(known)}")
    return load_params(PROFILES / f"{name}.yaml")


def _check_recipes_model(params: Params, said: str) -> None:
    if not (isinstance(params.base, HubBase) and params.base.name == MODEL):
        raise LadderError(f"{said}, {MODEL}, and the rungs are not for that; name its profile, as --profile deepscaler")


def _of_another_model(name: str, other: Params, change: Change, params: Params) -> Projection:
    """By the release's totals, where it is its model: a pace that was measured on another model says nothing."""
    _check_recipes_model(
        other,
        f"--profile {name!r}: its base is not this workspace's, whose steps were measured (run some steps of it first, "
        f"`make profile PROFILE={name}`), and published is what it takes to train the recipe's model",
    )
    # On the release's own devices by its own market; beside another device all at this workspace's.
    facts = device_facts(other if change.device is None else params)
    return what_if_released(planned_rungs(other), change, facts)
