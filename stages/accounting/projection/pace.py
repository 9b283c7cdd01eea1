"""How far the pace of a machine wanders from what it was while it was measured.

Steps of one rung scatter, and on a machine that does other things the scatter does not average out as independent noise would:
host load is self-similar, with Hurst exponents of 0.63 to 0.97 (Dinda, The statistical properties of host load, 1999), so that
the standard deviation of a mean over n steps is ``scatter * n ** (HURST - 1)``. The mean of the measured steps and that of the
steps to come both miss the true pace by so much. Besides, BETWEEN of the variance between the rungs' paces is taken for the
machine's (the other part is that longer answers cost more), and DRIFT stays even where nothing scattered. Rungs wander each for
itself: an hour apart, they meet other loads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.accounting.projection.measured import Floats, MeasuredRung

HURST = 0.85
BETWEEN = 0.25
DRIFT = 0.05
"""Standard deviation of the logarithm."""


@dataclass(frozen=True, slots=True)
class Wander:
    """`scatter` of a step's and `between` of the rungs' seconds a token: variances of logarithms."""

    scatter: float
    freedom: int
    between: float

    def factor_F(self, measured_steps: int, steps: int, futures: int, random: np.random.Generator) -> Floats:
        """Pace of `steps` to come over that of `measured_steps`."""
        means = measured_steps ** (2 * HURST - 2) + max(1, steps) ** (2 * HURST - 2)
        spread = np.sqrt(self.scatter * means + BETWEEN * self.between + DRIFT**2)
        return np.asarray(np.exp(spread * random.standard_t(self.freedom, futures)))


def fit_wander(warm: Sequence[MeasuredRung]) -> Wander:
    """From the steps of a device's rungs without their warming up."""
    logs = [np.log(rung.working_N() / rung.tokens_N()) for rung in warm]
    freedom = max(2, sum(len(each) - 1 for each in logs))
    return Wander(
        scatter=sum(float(((each - each.mean()) ** 2).sum()) for each in logs) / freedom,
        freedom=freedom,
        between=float(np.var([each.mean() for each in logs], ddof=1)) if len(logs) > 1 else 0.0,
    )
