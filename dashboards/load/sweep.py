"""What a sweep found and what it took: a study's trials and the ledger, as the frames that charts are drawn from."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from dashboards.load.book import Book
from dashboards.load.studies import Axis, Searched
from stages.accounting.records import Attempt

STATES = ("complete", "pruned", "diverged", "failed", "under way")


def spent(book: Book, sweep: str) -> pd.DataFrame:
    """What each trial took by the ledger; what several share (the tables, the base) is with the one that made it.

    Columns: trial, dollars (NaN: none of its attempts has a price), hours, sampled_tokens, trained_tokens.
    """
    runs: dict[str, list[Attempt]] = {}
    for one in book.attempts:
        if one.origin.sweep == sweep:
            runs.setdefault(one.origin.run, []).append(one)
    rows = []
    for run, mine in runs.items():
        totals = [book.totals[one.id] for one in mine if one.id in book.totals]
        usd = book.spent(mine)
        rows.append({
            "trial": run,
            "dollars": math.nan if usd is None else usd,
            "hours": sum(one.wall_s for one in mine) / 3600,
            "sampled_tokens": sum(total.sampled_tokens for total in totals),
            "trained_tokens": sum(total.trained_tokens for total in totals),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["trial", "dollars", "hours", "sampled_tokens", "trained_tokens"])


def with_costs(study: Searched, costs: pd.DataFrame) -> pd.DataFrame:
    """The trials, with what each took, and `front`: whether no other finished trial that keeps to the constraints is as accurate
    for less money, or more accurate for as much.

    The money is the sweep's own second objective (what its results took to make); else what the trial took by the ledger.
    """
    from flows.sweep.study import unbeaten

    trials = study.trials.merge(costs, on="trial", how="left")
    trials["money"] = trials["usd"] if "usd" in study.objectives else trials["dollars"]
    kept = trials[(trials["state"] == "complete") & trials["feasible"] & trials["money"].notna()]
    scores = {
        int(number): (float(accuracy), -float(money))
        for number, accuracy, money in zip(kept["number"], kept["accuracy"], kept["money"], strict=True)
    }
    trials["front"] = trials["number"].isin(unbeaten(scores))
    return trials


def history(trials: pd.DataFrame) -> pd.DataFrame:
    """The finished trials by number, each with the best accuracy so far of those that keep to the constraints."""
    complete = trials[trials["state"] == "complete"].sort_values("number")
    best = complete["accuracy"].where(complete["feasible"].astype(bool)).cummax().ffill()
    return complete.assign(best=best)[["number", "trial", "accuracy", "feasible", "best"]]


def by_state(trials: pd.DataFrame) -> pd.DataFrame:
    """What the trials of each state that there is took together."""
    columns = ["dollars", "hours", "sampled_tokens", "trained_tokens"]
    summed = trials.groupby("state")[columns].sum().assign(trials=trials.groupby("state").size())
    present = [state for state in STATES if state in summed.index]
    return summed.loc[present, ["trials", *columns]].reset_index()


def parallel(study: Searched, trials: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each trial's place (0 to 1) on each axis, the last one being its accuracy; and the axes' marks."""
    axes = [*study.axes, *_accuracy_axis(trials)]
    named = names(axes)
    lines = pd.concat(
        [
            pd.DataFrame({
                "number": trials["number"], "trial": trials["trial"], "state": trials["state"],
                "accuracy": trials["accuracy"], "axis": named[axis.path], "order": order,
                "place": [axis.place(value) for value in trials[axis.path]],
                "value": [shown(value) for value in trials[axis.path]],
            })
            for order, axis in enumerate(axes)
        ]
    )  # fmt: skip
    marks = [(named[axis.path], order, *mark) for order, axis in enumerate(axes) for mark in axis.marks()]
    return lines[lines["place"].notna()], pd.DataFrame(marks, columns=["axis", "order", "place", "label"])


def over(study: Searched, trials: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """The trials on the map of two settings, under the names `x` and `y`; one of a list of choices as its text."""
    drawn = {
        name: trials[path] if study.axis(path).choices else trials[path].astype(float)
        for name, path in (("x", x), ("y", y))
    }
    kept = trials[["number", "trial", "state", "accuracy", "max_kl", "why"]].assign(**drawn)
    return kept[trials[x].notna() & trials[y].notna()]


def names(axes: Sequence[Axis]) -> dict[str, str]:
    """By its path, what each axis is called: without its section where that is enough."""
    last = [axis.path.rpartition(".")[2] for axis in axes]
    return {axis.path: name if last.count(name) == 1 else axis.path for axis, name in zip(axes, last, strict=True)}


def shown(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _accuracy_axis(trials: pd.DataFrame) -> list[Axis]:
    known = trials["accuracy"].dropna()
    return [] if known.empty else [Axis("accuracy", float(known.min()), float(known.max()))]
