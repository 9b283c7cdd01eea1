"""The panels of the time line: which figures of a step stand where, smoothed and thinned, of several runs over one another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboards.load.marks import borders
from dashboards.load.runs import Run
from dashboards.load.settings import context_of
from dashboards.load.thin import kept

Axis = Literal["step", "tokens", "hours", "dollars"]
X_OF: Mapping[Axis, str] = {"step": "ladder_step", "tokens": "tokens", "hours": "hours", "dollars": "usd"}
X_TITLES: Mapping[Axis, str] = {
    "step": "step, over all rungs",
    "tokens": "sampled tokens",
    "hours": "hours of the rungs' attempts",
    "dollars": "dollars of the rungs' attempts",
}
MOST_BANDS = 3  # runs: bands of more hide one another
POINTS, LEAST_POINTS = 1200, 128  # of a line: of one run, and of each of many


@dataclass(frozen=True, slots=True)
class Panel:
    """`lines` are columns of a rung's table, each with what it is called; a band goes from the first to the second of `band`, or,
    with `spread`, as far to both sides of the line."""

    key: str
    title: str
    unit: str
    lines: Mapping[str, str]
    band: tuple[str, str] | None = None
    spread: str | None = None


LENGTHS = {"completions/mean_length": "mean", "completions/p50_length": "median"}
GAPS = {"sampling/sampling_logp_difference/mean": "mean", "sampling/sampling_logp_difference/max": "largest"}
CLIPS = {"clip_ratio/low_mean": "low", "clip_ratio/high_mean": "high"}
MOST_LENGTHS = ("completions/p10_length", "completions/p90_length")
PANELS = (
    Panel(
        "reward",
        "Reward",
        "mean of all answers, and its spread within groups",
        {"reward": "reward"},
        spread="reward_std",
    ),
    Panel("kl", "KL against the reference", "nats a token", {"kl": "KL"}),
    Panel("kl_coef", "KL coefficient", "factor of the KL term", {"kl_coef": "coefficient"}),
    Panel("entropy", "Entropy", "nats a token", {"entropy": "entropy"}),
    Panel("grad_norm", "Gradient norm", "before clipping", {"grad_norm": "norm"}),
    Panel("clip", "Clipped ratios", "share of tokens", CLIPS),
    Panel(
        "length",
        "Response length",
        "tokens, 10 to 90 % of the answers, the context's limit",
        LENGTHS,
        band=MOST_LENGTHS,
    ),
    Panel("truncated", "Truncated", "share cut by the context", {"completions/clipped_ratio": "cut"}),
    Panel("zero_std", "Groups that teach nothing", "share, all right or all wrong", {"frac_reward_zero_std": "share"}),
    Panel("gap", "Sampler-trainer gap", "nats a token", GAPS),
    Panel("skipped", "Skipped updates", "of a step, not finite", {"skipped_updates": "updates"}),
    Panel("rate", "Learning rate", "of the optimizer", {"learning_rate": "rate"}),
)


@dataclass(frozen=True, slots=True)
class Course:
    """A run's steps (with `hours` and `usd` where the axis asks for them), and how it is called."""

    run: Run
    name: str
    steps: pd.DataFrame


def panel_data(panel: Panel, courses: Sequence[Course], axis: Axis, smoothing: float) -> pd.DataFrame:
    """The points of a panel, thinned, extremes kept: x, value, run, rung, step; `line` where it has several, `raw` (before
    smoothing) where there is smoothing, `low` and `high` where it has a band. A page has many: it is sent no other column.
    """
    points = max(LEAST_POINTS, POINTS // max(1, len(courses)))
    if len(courses) > MOST_BANDS:
        panel = replace(panel, band=None, spread=None)
    parts = [
        part
        for course in courses
        for column, label in panel.lines.items()
        if (part := _line(panel, course, column, label, axis, smoothing, points)) is not None
    ]
    names = dict.fromkeys(name for part in parts for name in part)
    return pd.DataFrame(
        {name: np.concatenate([part.get(name, _blank(part)) for part in parts]) for name in names},
        columns=list(names) or ["x"],
    )


def _line(
    panel: Panel, course: Course, column: str, label: str, axis: Axis, smoothing: float, points: int
) -> dict[str, NDArray[Any]] | None:
    steps = course.steps
    if steps.empty or column not in steps or steps[column].isna().all():
        return None

    def smooth(name: str) -> NDArray[np.float64]:
        return smoothed(steps[name].astype("float64"), steps["rung"], smoothing).to_numpy()

    x, raw = steps[X_OF[axis]].to_numpy(dtype=float), steps[column].to_numpy(dtype=float)
    value = smooth(column)
    low = high = np.full(len(x), np.nan)
    if column == next(iter(panel.lines)):
        if panel.spread in steps:
            spread = smooth(panel.spread)
            low, high = np.maximum(value - spread, 0), np.minimum(value + spread, 1)
        elif panel.band is not None and panel.band[0] in steps:
            low, high = smooth(panel.band[0]), smooth(panel.band[1])
    extremes = [raw] if np.isnan(high).all() else [raw, low, high]
    there = np.flatnonzero(~np.isnan(x))
    places = there[kept([values[there] for values in extremes], points)] if len(there) else there
    columns = {"x": x, "value": value}
    if smoothing > 0:
        columns["raw"] = raw
    if len(extremes) > 1:
        columns |= {"low": low, "high": high}
    texts = {"run": course.name, "line": label} if len(panel.lines) > 1 else {"run": course.name}
    return (
        {name: values[places] for name, values in columns.items()}
        | {name: np.full(len(places), text, dtype=object) for name, text in texts.items()}
        | {name: steps[name].to_numpy()[places] for name in ("rung", "step")}
    )


def _blank(part: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    return np.full(len(part["x"]), np.nan)


def smoothed(values: pd.Series, rungs: pd.Series, amount: float) -> pd.Series:
    """An exponential mean, begun anew in every rung: of each value before, `amount` times the weight of the one after it."""
    if amount <= 0:
        return values
    return values.groupby(rungs, sort=False).transform(lambda part: part.ewm(alpha=1 - amount).mean())


def rung_starts(courses: Sequence[Course], axis: Axis) -> pd.DataFrame:
    """Where each rung begins and the last one ends: x, rung, run. Runs that have the same borders share them."""
    rows = []
    for course in courses:
        steps = course.steps
        if steps.empty:
            continue
        x = steps[X_OF[axis]].to_numpy(dtype=float)
        spans = borders(steps)
        rows += [
            (0.0 if not place else float(x[steps["ladder_step"].searchsorted(span.first) - 1]), span.rung)
            for place, span in enumerate(spans)
        ]
        rows.append((float(x[-1]), ""))
    found = pd.DataFrame(rows, columns=["x", "rung"]).dropna().drop_duplicates()
    return found.reset_index(drop=True)


def limits(courses: Sequence[Course], axis: Axis) -> pd.DataFrame:
    """The context's limit in response tokens along each rung: x, x2, limit, run."""
    rows = []
    for course in courses:
        contexts, steps = context_of(course.run), course.steps
        for span in borders(steps):
            mine = steps[steps["rung"] == span.rung][X_OF[axis]].dropna()
            if span.rung in contexts and not mine.empty:
                rows.append((float(mine.iloc[0]), float(mine.iloc[-1]), contexts[span.rung], course.name))
    return pd.DataFrame(rows, columns=["x", "x2", "limit", "run"]).drop_duplicates(["x", "x2", "limit"])
