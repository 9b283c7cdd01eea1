"""What has been spent until when, and what of it counts against the budget of params.yaml (`operations.budget`).

An attempt spends evenly from its start to its last sign of life; a correction counts when it was made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.accounting.ahead import counted
from stages.accounting.bill import PriceOf, attempt_usd
from stages.accounting.projection.present import read_present
from stages.accounting.reading import LedgerReader, Scope
from stages.accounting.records import Attempt, Correction
from stages.accounting.workspace import here
from stages.params import RUNGS, Budget

Floats = NDArray[np.float64]
POINTS = 1000
LIMITS = {"usd": "dollars", "hours": "hours of work"}


def burned(attempts: Sequence[Attempt], corrections: Iterable[Correction], price_of: PriceOf) -> pd.DataFrame:
    """`time` (UTC), and until then `usd` (of attempts with a price, corrections too) and `hours` of work."""
    if not attempts:
        return pd.DataFrame({"time": pd.to_datetime([], utc=True), "usd": [], "hours": []})
    begins_N = np.array([one.started_at for one in attempts])
    # A step of no width would have no slope: nothing that was booked is shorter than a microsecond.
    ends_N = np.maximum(np.array([one.heartbeat_at for one in attempts]), begins_N + 1e-6)
    priced = [attempt_usd(one, one.price or price_of(one.device.name)) or 0.0 for one in attempts]
    hours = [one.wall_s / 3600 for one in attempts]
    ids = {one.id for one in attempts}
    refunds = [one for one in corrections if one.attempt in ids]
    times = _thinned(np.unique(np.concatenate([begins_N, ends_N, [one.made_at for one in refunds]])))
    usd_T = _ramps(times, begins_N, ends_N, np.array(priced))
    for one in refunds:
        usd_T += np.where(times >= one.made_at, one.usd, 0.0)
    return pd.DataFrame(
        {
            "time": pd.to_datetime(times, unit="s", utc=True),
            "usd": usd_T,
            "hours": _ramps(times, begins_N, ends_N, np.array(hours)),
        }
    )


def _thinned(times_T: Floats) -> Floats:
    """At most POINTS of them, the first and the last among them; between two a sum that grows is drawn as a line."""
    places = np.linspace(0, len(times_T) - 1, min(len(times_T), POINTS)).round().astype(int)
    return np.asarray(times_T[places])


def _ramps(times_T: Floats, begins_N: Floats, ends_N: Floats, amounts_N: Floats) -> Floats:
    """What has come together until each of `times_T`: the integral of all ramps' slopes."""
    slopes_N = amounts_N / (ends_N - begins_N)
    since_T = np.zeros_like(times_T)
    for at_N, sign in ((begins_N, 1.0), (ends_N, -1.0)):
        order = np.argsort(at_N)
        before_T = np.searchsorted(at_N[order], times_T, side="right")
        slopes = np.concatenate([[0.0], np.cumsum(slopes_N[order])])
        moments = np.concatenate([[0.0], np.cumsum((slopes_N * (at_N - times_T[0]))[order])])
        since_T += sign * (slopes[before_T] * (times_T - times_T[0]) - moments[before_T])
    return since_T


@dataclass(frozen=True, slots=True)
class Counted:
    """The attempts that count against one limit: those of a run, of one rung, or of a sweep."""

    name: str
    attempts: Sequence[Attempt]


def against_the_budget(budget: Budget, reader: LedgerReader) -> list[Counted]:
    """Of the workspace's settings as they are now (stages/accounting/budget.py): of `rung` each rung has the limit for itself."""
    present = read_present(reader, here())
    if budget.per == "rung":
        rungs = [(f"train@{rung}", counted(reader, present, (f"train@{rung}",), None)) for rung in RUNGS]
        return [Counted(name, attempts) for name, attempts in rungs if attempts]
    if budget.per == "sweep" and (sweep := _newest_sweep(reader)):
        return [Counted(f"the sweep {sweep}", reader.attempts(Scope(sweep=sweep)))]
    return [Counted("this run", _each_once(counted(reader, present, present.stages, None)))]


def _newest_sweep(reader: LedgerReader) -> str | None:
    return next((one.origin.sweep for one in reversed(reader.attempts()) if one.origin.sweep), None)


def _each_once(attempts: Iterable[Attempt]) -> list[Attempt]:
    return [one for _, one in sorted({one.id: one for one in attempts}.items())]


def limits(budget: Budget) -> Mapping[str, tuple[float, float]]:
    """By column of `burned`, the soft limit and the hard one, of the limits that are set."""
    hard = {"usd": budget.usd, "hours": budget.hours}
    return {name: (budget.warn_at * limit, limit) for name, limit in hard.items() if limit is not None}
