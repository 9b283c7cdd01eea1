"""Where on a run's time line something happened to its rungs: an attempt ended without a result, another one went on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from dashboards.load.book import Book
from dashboards.load.files import Saved
from dashboards.load.runs import Run
from dashboards.load.series import attempts_at
from stages.params import RUNGS

What = Literal["failed", "killed", "pruned", "resumed", "began again"]
COLUMNS = ("ladder_step", "rung", "what", "said")


@dataclass(frozen=True, slots=True)
class Border:
    """A rung's place on the time line: it begins after `first - 1`."""

    rung: str
    first: int
    last: int


def borders(steps: pd.DataFrame) -> list[Border]:
    if steps.empty:
        return []
    rungs, at = steps["rung"].to_numpy(), steps["ladder_step"].to_numpy()
    edges = np.flatnonzero(rungs[1:] != rungs[:-1]) + 1
    firsts, lasts = [0, *edges], [*edges - 1, len(rungs) - 1]
    return [Border(str(rungs[a]), int(at[a]), int(at[b])) for a, b in zip(firsts, lasts, strict=True)]


def marks_of(run: Run, steps: pd.DataFrame, book: Book) -> pd.DataFrame:
    """By `ladder_step`, the columns COLUMNS: what happened after that step, in words."""
    rows: list[dict[str, object]] = []
    for border in borders(steps):
        attempts = attempts_at(run, f"train@{border.rung}", book)
        reached = 0  # the last step that was booked until then
        for number, one in enumerate(attempts):
            if booked := book.totals.get(one.id):  # until its first step is booked nobody knows where it goes on
                if number:
                    what: What = "resumed" if booked.first_step > 1 else "began again"
                    said = f"attempt {one.id} from step {booked.first_step}"
                    rows.append(_row(border, booked.first_step - 1, what, said))
                reached = booked.last_step
            if one.unfinished:
                why = one.failure.message if one.failure else one.status
                rows.append(_row(border, reached, one.status, f"attempt {one.id}: {why}"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(border: Border, step: int, what: str, said: str) -> dict[str, object]:
    return {"ladder_step": border.first - 1 + step, "rung": border.rung, "what": what, "said": said[:300]}


def guards_fired(run: Run, book: Book) -> Sequence[str]:
    """The words of the guards that stopped its rungs, where nothing has been tried since; what is saved was stopped by none."""
    if isinstance(run.files, Saved):
        return []
    last = [attempts[-1] for rung in RUNGS if (attempts := attempts_at(run, f"train@{rung}", book))]
    return [one.failure.message for one in last if one.failure and one.failure.cause == "guard"]
