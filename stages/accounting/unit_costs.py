"""What the dollars bought: points of accuracy, right answers, trained tokens. Null where there was nothing to divide by.

Dollars are those that the present results took to make, unfinished attempts on the way included; accuracy is `sampled` (the mean
of the samples) over all held-out problems at the full context.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.accounting.bill import Bill, Spend
from stages.params import CHECKPOINTS, RUNGS

EXAMINED = "metrics/evaluation/{}.json"


@dataclass(frozen=True, slots=True)
class RungCosts:
    """Of one rung: its training over the points that it gained on the checkpoint below, and over its trained tokens."""

    rung: str
    usd: float | None
    points_gained: float | None
    usd_per_point: float | None
    usd_per_million_trained_tokens: float | None


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """`usd_per_accuracy_point`: all that the results took, over the points that the last rung stands above the base.

    `usd_per_correct_answer`: an examination (sampling and grading) over its right answers, by checkpoint.
    """

    usd_per_accuracy_point: float | None
    usd_per_million_trained_tokens: float | None
    usd_per_correct_answer: Mapping[str, float | None]
    rungs: list[RungCosts]


def unit_costs(bill: Bill, samples_per_problem: int, root: Path = Path()) -> UnitCosts:
    made = {result.stage: result.made for result in bill.results}
    figures = {name: _figures(root / EXAMINED.format(name)) for name in CHECKPOINTS}
    accuracy = {name: None if found is None else float(found["sampled"]) for name, found in figures.items()}
    rungs = [
        _rung_costs(rung, _usd(made, f"train@{rung}"), _points(accuracy[below], accuracy[rung]), bill)
        for below, rung in zip(CHECKPOINTS, RUNGS, strict=False)
    ]
    trained = [rung.usd for rung in rungs]
    return UnitCosts(
        usd_per_accuracy_point=_over(
            None if bill.unknown or bill.made.unpriced else bill.made.usd,
            _points(accuracy["base"], accuracy[RUNGS[-1]]),
        ),
        usd_per_million_trained_tokens=_over(_sum(trained), sum(bill.trained_tokens.values()) / 1e6),
        usd_per_correct_answer={
            name: _over(
                _sum([_usd(made, f"sample@{name}"), _usd(made, f"evaluate@{name}")]),
                _right_answers(figures[name], samples_per_problem),
            )
            for name in CHECKPOINTS
        },
        rungs=rungs,
    )


def _rung_costs(rung: str, usd: float | None, points: float | None, bill: Bill) -> RungCosts:
    tokens = bill.trained_tokens.get(f"train@{rung}", 0)
    return RungCosts(rung, usd, points, _over(usd, points), _over(usd, tokens / 1e6))


def _figures(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())["full"]
    except (FileNotFoundError, ValueError, KeyError):  # not examined yet, or while the report is being made anew
        return None
    return found


def _right_answers(figures: dict[str, Any] | None, samples_per_problem: int) -> float | None:
    if figures is None:
        return None
    return float(figures["problems"] * (figures["sampled"] * samples_per_problem + figures.get("greedy", 0.0)))


def _usd(made: Mapping[str, Spend | None], stage: str) -> float | None:
    spend = made.get(stage)
    return None if spend is None or spend.unpriced else spend.usd


def _points(below: float | None, above: float | None) -> float | None:
    return None if below is None or above is None else 100 * (above - below)


def _sum(parts: list[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _over(usd: float | None, bought: float | None) -> float | None:
    return usd / bought if usd is not None and bought is not None and bought > 0 else None
