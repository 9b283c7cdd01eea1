"""Whether one run beats another: paired differences on the problems that both answered, checkpoint by checkpoint.

As stages/evaluation/comparison.py does it between a run's own checkpoints: bootstrap intervals over problems, a sign-flip test,
Holm's correction over all that is asked of a measure. Seeds differ between runs: that two runs of one recipe differ says little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dashboards.load.files import Files, by_content
from stages.errors import LadderError
from stages.evaluation.intervals import Bootstrap, Resampling, holm, sign_flip_p
from stages.params import CHECKPOINTS
from stages.problems.problem import TWINS

GRADES = "grades/{}.parquet"
COLUMNS = (
    "checkpoint", "benchmark", "measure", "against", "value", "difference", "low", "high", "p_value", "p_adjusted",
    "shown", "problems", "unpaired",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asked:
    checkpoint: str
    benchmark: str
    measure: str
    pairs: pd.DataFrame
    unpaired: int


def between(first: Files, second: Files, resampling: Resampling) -> pd.DataFrame:
    """`second` less `first`: the columns COLUMNS; `unpaired` problems only one of the two has, `against` is the first's accuracy.

    A checkpoint is left out that one of them has not graded. Raises LadderError where a table is damaged.
    """
    places = [(name, first.place(GRADES.format(name)), second.place(GRADES.format(name))) for name in CHECKPOINTS]
    pairs = tuple((name, one, other) for name, one, other in places if one and other)
    states = tuple((place.stat().st_mtime_ns, place.stat().st_size) for _, *both in pairs for place in both)
    return _between(pairs, states, resampling)


@lru_cache(32)
def _between(
    pairs: tuple[tuple[str, Path, Path], ...], states: tuple[tuple[int, int], ...], resampling: Resampling
) -> pd.DataFrame:
    asked = [one for name, first, second in pairs for one in _asked(name, shares(first), shares(second))]
    asked.sort(key=lambda one: one.measure, reverse=True)  # sampled, then greedy
    rows = [
        row for _, family in groupby(asked, key=lambda one: one.measure) for row in _judged(list(family), resampling)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@by_content(32)
def shares(path: Path) -> pd.DataFrame:
    """The share of right answers by `benchmark`, `measure` (sampled, greedy) and `problem_id`. Raises LadderError."""
    try:
        table = pq.read_table(path, columns=["problem_id", "benchmark", "greedy", "reward"]).to_pandas()
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())[:200]
        raise LadderError(f"{path}: not a table of graded answers ({said}); `dvc checkout` restores it") from None
    table["measure"] = table["greedy"].map({True: "greedy", False: "sampled"})
    right = (table["reward"] == 1).astype("float64")
    return (
        right.groupby([table["benchmark"], table["measure"], table["problem_id"]]).mean().rename("right").reset_index()
    )


def _asked(checkpoint: str, first: pd.DataFrame, second: pd.DataFrame) -> list[_Asked]:
    both = first.merge(second, on=["benchmark", "measure", "problem_id"], suffixes=("_first", "_second"), how="outer")
    twins = both["benchmark"].str.endswith(TWINS)  # several twins of one problem are no independent problems
    both = both if twins.all() else both[~twins]
    found = []
    for (benchmark, measure), part in both.groupby(["benchmark", "measure"], sort=True):
        pairs = part.dropna(subset=["right_first", "right_second"])
        if len(pairs) > 1:
            found.append(_Asked(checkpoint, str(benchmark), str(measure), pairs, len(part) - len(pairs)))
    return found


def _judged(family: Sequence[_Asked], resampling: Resampling) -> list[tuple[object, ...]]:
    """The answers to all that was asked of one measure."""
    rows, p_values = [], []
    for one in family:
        before_P, after_P = one.pairs["right_first"].to_numpy(), one.pairs["right_second"].to_numpy()
        change_P = after_P - before_P
        interval = Bootstrap(len(change_P), resampling, one.benchmark).difference(change_P)
        p_values.append(sign_flip_p(change_P, resampling, one.benchmark))
        rows.append((one, before_P.mean(), after_P.mean(), change_P.mean(), interval.low, interval.high))
    return [
        (
            one.checkpoint, one.benchmark, one.measure, before, after, difference, low, high, p_value, adjusted,
            adjusted <= 1 - resampling.confidence, len(one.pairs), one.unpaired,
        )
        for (one, before, after, difference, low, high), p_value, adjusted in zip(
            rows, p_values, holm(p_values), strict=True
        )
    ]  # fmt: skip
