"""How much of an accuracy is lost when a problem is changed a little: originals against their twins.

A twin is the same problem with other numbers (its answer computed anew), or told otherwise with the same answer: GSM-Symbolic
(arXiv 2410.05229), MATH-Perturb (arXiv 2502.06453). An original and all its twins of one change are one family, and the
families are what is resampled: several twins of one problem are no independent problems.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from stages.errors import LadderError
from stages.evaluation.intervals import Bootstrap, Interval, Resampling, sign_flip_p

ALL = "all"


@dataclass(frozen=True, slots=True)
class Share:
    """The share of right answers to a problem; `twin_of` is the id of its original, `change` what was changed."""

    problem_id: str
    twin_of: str | None
    change: str | None
    right: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Accuracy on the originals of one kind of change less that on their twins, the mean over families."""

    change: str
    originals: float
    originals_interval: Interval
    twins: float
    twins_interval: Interval
    gap: float
    gap_interval: Interval
    p_value: float
    families: int
    twin_problems: int


def gaps(shares: Sequence[Share], resampling: Resampling) -> list[Gap]:
    """The gap of every kind of change, and of `all` of them; empty without twins.

    An original that two benchmarks have counts by the mean of its shares. Raises LadderError where a twin's original is
    missing.
    """
    twins = [share for share in shares if share.twin_of is not None]
    originals: dict[str, list[float]] = {}
    for share in shares:
        if share.twin_of is None:
            originals.setdefault(share.problem_id, []).append(share.right)
    for twin in twins:
        if twin.twin_of not in originals:
            raise LadderError(
                f"data/heldout.jsonl: problem {twin.problem_id} is a twin of {twin.twin_of}, not held out itself; add its source"
            )
    changes = sorted({str(twin.change) for twin in twins})
    kinds = {change: [twin for twin in twins if str(twin.change) == change] for change in changes}
    if len(kinds) > 1:
        kinds[ALL] = twins
    return [_gap(change, part, originals, resampling) for change, part in kinds.items()]


def _gap(change: str, twins: list[Share], originals: dict[str, list[float]], resampling: Resampling) -> Gap:
    families: dict[str, list[float]] = {}
    for twin in twins:
        families.setdefault(str(twin.twin_of), []).append(twin.right)
    ordered = sorted(families)
    original_P = np.array([mean(originals[name]) for name in ordered])
    twin_P = np.array([mean(families[name]) for name in ordered])
    bootstrap = Bootstrap(len(ordered), resampling, "twins", change)
    return Gap(
        change=change,
        originals=float(original_P.mean()),
        originals_interval=bootstrap.share(original_P),
        twins=float(twin_P.mean()),
        twins_interval=bootstrap.share(twin_P),
        gap=float((original_P - twin_P).mean()),
        gap_interval=bootstrap.difference(original_P - twin_P),
        p_value=sign_flip_p(original_P - twin_P, resampling, "twins", change),
        families=len(ordered),
        twin_problems=len(twins),
    )
