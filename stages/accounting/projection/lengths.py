"""How long a rung's answers will be: the trend of the last steps, dying away, within the context.

The share of the context that a mean answer fills, as a logit, is fitted by a line over the later half of the measured steps (the
beginning of a rung, where the policy finds out what pays, is another story). Its slope counts by how far it stands out of its
own error (positive-part shrinkage: James and Stein, 1961); level and slope are drawn from their sampling distributions, the trend
dies away (a damped trend: Gardner and McKenzie, 1985), and every step to come has the scatter of a measured one.
"""

import numpy as np

from stages.accounting.projection.measured import FEWEST_STEPS, Floats

TREND_LASTS = (0.25, 1.0)
"""For how long a trend goes on, in lengths of the window that showed it: anything in between is as likely."""
EDGE = 0.005
"""A mean answer fills neither less nor more than all but this share of the context: a logit needs room."""

ANOTHER_RUN = 0.45
"""Of a rung's mean length when it is taken again, by another seed or settings (standard deviation of the logarithm): between 11
seeds of the miniature it was 0.38, 0.52 and 0.54 at 8k, 16k and 24k."""


def lengths_again_FS(lengths_N: Floats, context: int, steps: int, futures: int, random: np.random.Generator) -> Floats:
    """Mean tokens a response in `steps` steps of the same rung in another run: as they were, all longer or all shorter."""
    as_was_S = lengths_N[:steps]
    after_FS = future_lengths_FS(lengths_N, context, steps - len(as_was_S), futures, random)
    as_were_FS = np.concatenate([np.broadcast_to(as_was_S, (futures, len(as_was_S))), after_FS], axis=1)
    factor_F1 = np.exp(ANOTHER_RUN * random.standard_normal((futures, 1)))
    return np.asarray(np.minimum(context, as_were_FS * factor_F1))


def future_lengths_FS(lengths_N: Floats, context: int, steps: int, futures: int, random: np.random.Generator) -> Floats:
    """Mean tokens a response in `steps` further steps, `futures` times over. `lengths_N` are the measured ones, in order."""
    window = max(min(FEWEST_STEPS, len(lengths_N)), len(lengths_N) // 2)
    filled_N = np.clip(lengths_N[-window:] / context, EDGE, 1 - EDGE)
    logits_N = np.log(filled_N / (1 - filled_N))
    ages_N = np.arange(window) - (window - 1)  # 0 is the last measured step
    slope, level = np.polyfit(ages_N, logits_N, 1)
    residuals_N = logits_N - (level + slope * ages_N)
    freedom = max(1, window - 2)
    spread_F = np.sqrt((residuals_N**2).sum() / random.chisquare(freedom, futures))
    spread_of_ages = ((ages_N - ages_N.mean()) ** 2).sum()
    middle_F = logits_N.mean() + spread_F / np.sqrt(window) * random.standard_normal(futures)
    error = (residuals_N**2).sum() / freedom / spread_of_ages  # variance of the slope
    real = max(0.0, 1 - error / slope**2) if slope else 0.0
    slope_F = real * slope + np.sqrt(real) * spread_F / np.sqrt(spread_of_ages) * random.standard_normal(futures)
    lasts_F = window * random.uniform(*TREND_LASTS, futures)
    ahead_S = np.arange(1, steps + 1)
    grown_FS = lasts_F[:, None] * -np.expm1(-ahead_S / lasts_F[:, None])
    logits_FS = (middle_F - slope_F * ages_N.mean())[:, None] + slope_F[:, None] * grown_FS
    logits_FS += random.choice(residuals_N, (futures, steps))
    return np.asarray(context / (1 + np.exp(-logits_FS)))
