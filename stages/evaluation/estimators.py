"""What a problem's samples say of it: avg@n, pass@k, maj@k. One figure a problem; a benchmark's is their mean.

    avg@n  = c / n, the share of right samples (the release's pass@1, "the mean of 16 samples")
    pass@k = 1 - C(n - c, k) / C(n, k), the chance that one of k is right (Chen et al., arXiv 2107.03374, equation 1)
    maj@k  = the chance that the answer given most often by k is the right one (Wang et al., arXiv 2203.11171)

pass@k and maj@k are means over all C(n, k) subsets of the n samples: unbiased, exact and the same in whatever order the samples
stand. maj@k of the first k samples, as others count it, is one of these subsets. Answers given equally often share the credit.

P: problems, N: samples of each.
"""

from functools import cache
from math import comb

import numpy as np
import numpy.typing as npt

from stages.errors import LadderError

Shares = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Classes = npt.NDArray[np.int64]

RIGHT = 0
"""The class of the right answers; wrong ones count up from 1, equal answers in one class."""
SILENT = -1
"""The class of what gives no answer: it has no vote."""


def avg(right_PN: Flags) -> Shares:
    """The share of right samples of every problem. Returns (P,)."""
    return np.asarray(right_PN.mean(axis=1), dtype=np.float64)


def pass_at_k(right_PN: Flags, k: int) -> Shares:
    """pass@k of every problem. Returns (P,); raises LadderError where k is not within 1..N."""
    n = _checked(right_PN.shape, k)
    by_count = np.array([1 - comb(n - right, k) / comb(n, k) for right in range(n + 1)])
    return np.asarray(by_count[right_PN.sum(axis=1)], dtype=np.float64)


def maj_at_k(class_PN: Classes, k: int) -> Shares:
    """maj@k of every problem from the class of every answer. Returns (P,); raises LadderError where k is not within 1..N."""
    n = _checked(class_PN.shape, k)
    votes = [np.bincount(row[row >= RIGHT], minlength=1) for row in class_PN]
    return np.array([_credit(int(row[0]), tuple(sorted(row[1:][row[1:] > 0].tolist())), n, k) for row in votes])


@cache  # many problems have the same counts
def _credit(right: int, wrong: tuple[int, ...], n: int, k: int) -> float:
    """The right class's expected credit in a vote of k of n samples; `wrong`: the sizes of the other classes.

    Sums over the votes m that the right class gets: every other one gets at most m, and `ties` of them m. A class of
    fewer than m samples can't reach m, so all of them and the silent are one pool.
    """
    credit = 0.0
    for m in range(1, min(right, k) + 1):
        rivals = [size for size in wrong if size >= m]
        pool = n - right - sum(rivals)
        for (votes, ties), ways in _votes(rivals, m, k - m).items():
            credit += comb(right, m) * ways * comb(pool, k - m - votes) / comb(n, k) / (ties + 1)
    return credit


def _votes(rivals: list[int], m: int, most: int) -> dict[tuple[int, int], int]:
    """The ways in which classes of these sizes get (votes together, how many have m), none above m, `most` at most."""
    ways = {(0, 0): 1}
    for size in rivals:
        grown: dict[tuple[int, int], int] = {}
        for (votes, ties), count in ways.items():
            for got in range(min(m, most - votes) + 1):
                key = (votes + got, ties + (got == m))
                grown[key] = grown.get(key, 0) + count * comb(size, got)
        ways = grown
    return ways


def _checked(shape: tuple[int, ...], k: int) -> int:
    n = shape[1]
    if not 1 <= k <= n:
        raise LadderError(f"k: {k}, but there are {n} samples of a problem; choose one of 1 to {n}")
    return n
