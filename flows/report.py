"""The table at the end of a ladder: what every checkpoint learned and what it took."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.accounting.bill import Bill, Spend, without_price
from stages.params import CHECKPOINTS, RUNGS, Params

HEADER = (
    "         |         |       | train  |   at its own context      |   at the full context     |        |        |         |",
    "rung     | context | steps | reward | greedy sampled cut   len  | greedy sampled cut   len  | tokens | minutes | dollars |",
)


@dataclass(frozen=True, slots=True)
class TrainingTotals:
    """Of one rung: its steps, the mean reward of the last tenth of them, the tokens that it sampled."""

    steps: int
    reward: float
    sampled_tokens: int


def ladder_table(params: Params, bill: Bill, root: Path = Path()) -> str:
    """One line a checkpoint; minutes and dollars are those of its training, sampling and grading, "-" where unknown."""
    lines = list(HEADER)
    made = {result.stage: result.made for result in bill.results}
    for name in CHECKPOINTS:
        contexts = json.loads((root / f"metrics/evaluation/{name}.json").read_bytes())
        trained = _training_totals(root / f"metrics/train/{name}.csv") if name in RUNGS else None
        spent = [made.get(stage) for stage in _stages_of(name)]
        lines.append(
            f"{name:<8} | {_context(params, name):>7} | {trained.steps if trained else '-':>5} | "
            f"{f'{trained.reward:.3f}' if trained else '-':>6} | {_examination(contexts['own'])} | "
            f"{_examination(contexts['full'])} | {_thousands(trained.sampled_tokens) if trained else '-':>6} | {_spent(spent)}"
        )
    what = "what this ledger saw of the ladder" if bill.unknown else "the whole ladder"
    lines.append(
        f"{what} took {bill.made.seconds / 60:.1f} minutes of work and ${bill.made.usd:.4f} to make; "
        f"spent in this workspace so far: ${bill.total.usd:.4f} in {bill.total.attempts} attempts, "
        f"${bill.total.wasted_usd:.4f} of it wasted"
    )
    if bill.total.unpriced:
        lines.append(without_price(bill.total.unpriced, bill.unpriced_devices))
    if bill.unknown:
        lines.append(
            f"the making of {len(bill.unknown)} of {len(bill.results)} stages is not in this ledger, "
            f"nor in these figures: {', '.join(sorted(bill.unknown))}"
        )
    return "\n".join(lines)


def _training_totals(path: Path) -> TrainingTotals:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    last = rows[-max(1, len(rows) // 10) :]
    return TrainingTotals(
        steps=len(rows),
        reward=sum(float(row["reward"]) for row in last) / len(last),
        sampled_tokens=sum(int(row["sampled_tokens"]) for row in rows),
    )


def _stages_of(name: str) -> list[str]:
    making = [f"curriculum@{name}", f"train@{name}"] if name in RUNGS else ["prepare", "base"]
    return [*making, f"sample@{name}", f"evaluate@{name}", f"elsewhere@{name}"]


def _context(params: Params, name: str) -> int:
    return params.rungs.of(RUNGS[0] if name == "base" else name).max_response_tokens


def _examination(figures: dict[str, Any]) -> str:
    greedy = f"{figures['greedy']:.3f}" if "greedy" in figures else "-"
    return f"{greedy:>6} {figures['sampled']:>7.3f} {figures['truncated']:>4.0%} {figures['mean_length']:>5.0f}"


def _thousands(count: int) -> str:
    return f"{count / 1000:.0f}k"


def _spent(parts: list[Spend | None]) -> str:
    known = [part for part in parts if part is not None]
    complete = len(known) == len(parts)  # a sum without one of its parts would look cheap
    minutes = f"{sum(part.seconds for part in known) / 60:.2f}" if complete else "-"
    priced = complete and not any(part.unpriced for part in known)
    return f"{minutes:>7} | {f'{sum(part.usd for part in known):.4f}' if priced else '-':>7} |"
