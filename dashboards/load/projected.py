"""What this workspace's run would take otherwise, as frames: always with an interval (stages/accounting/projection)."""

import argparse
from collections.abc import Sequence
from functools import lru_cache

import pandas as pd

from stages.accounting.prices import read_prices
from stages.accounting.projection import Projection
from stages.accounting.projection.command import project
from stages.accounting.projection.results import Estimate
from stages.accounting.projection_options import add_arguments
from stages.params import Params, load_params


@lru_cache(64)
def projected(
    version: object, longest_first: bool = False, rollouts: int | None = None, device: str | None = None
) -> Projection:
    """As `python -m stages.accounting project` with these options: without any, the rest of the run.

    `version` is that of all that it is read from. Raises LadderError where too little was measured.
    """
    command = argparse.ArgumentParser()
    add_arguments(command)
    command.set_defaults(longest_first=longest_first, rollouts=rollouts, device=device)
    return project(load_params(), command.parse_args([]))


def devices(params: Params) -> list[str]:
    """Those that have a price on the settings' market, by their first name each."""
    priced = read_prices().on_market(params.operations.market, params.operations.prices)
    first = {row.device for row in read_prices().devices} | set(params.operations.prices)
    return [name for name in priced if name in first]


def intervals(projection: Projection) -> pd.DataFrame:
    """What the question asks about, and what it is compared with: `what`, `measure`, `value`, `low`, `high`."""
    against = projection.compared
    rows = [] if against is None else _rows(against.what, against.seconds, against.usd)
    rows += _rows("still to come" if against is None else "what if", projection.seconds, projection.usd)
    return pd.DataFrame(rows, columns=["what", "measure", "value", "low", "high"])


def _rows(what: str, seconds: Estimate, usd: Estimate) -> list[tuple[str, str, float, float, float]]:
    return [
        (what, measure, estimate.value * unit, estimate.low * unit, estimate.high * unit)
        for measure, estimate, unit in (("hours", seconds, 1 / 3600), ("dollars", usd, 1.0))
    ]


def by_rung(projection: Projection) -> pd.DataFrame:
    """A row a rung (or another stage): steps, hours and dollars with both ends of their intervals."""
    rows = [
        {
            "rung": rung.name,
            "steps": rung.steps,
            "measured steps": rung.measured_steps,
            **_ends("hours", rung.seconds, 1 / 3600),
            **_ends("dollars", rung.usd),
            **(_ends("sampled tokens", rung.sampled_tokens) if rung.sampled_tokens else {}),
            "devices": rung.devices,
            "device": rung.device,
        }
        for rung in projection.by_rung
    ]
    return pd.DataFrame(rows)


def _ends(name: str, estimate: Estimate, unit: float = 1.0) -> dict[str, float]:
    ends: Sequence[tuple[str, float]] = (
        (name, estimate.value), (f"{name}, low", estimate.low), (f"{name}, high", estimate.high),
    )  # fmt: skip
    return {label: value * unit for label, value in ends}
