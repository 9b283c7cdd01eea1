"""How long a rung's steps will take: by phase, a fixed part and one that grows with the step's tokens, at the measured pace.

A phase of a step of T tokens takes ``pace * (fixed + (1 - fixed) * T / T_mean)``. The share `fixed` is regressed over measured
steps (s / T on 1 / T, because noise is a share of a step's time) and drawn from its sampling distribution; the pace is the rung's
own. Steps to come repeat the paces of whole measured steps in blocks (all phases together: a busy machine slows all); by how much
their mean differs from the measured one is the business of pace.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.accounting.projection.measured import WORKING, Floats, MeasuredRung
from stages.accounting.projection.pace import Wander

BLOCK_STEPS = 4


@dataclass(frozen=True, slots=True)
class Scaling:
    """By phase, the share (F,) of its seconds at `tokens` a step that more tokens leave as it is."""

    tokens: float
    fixed_F: Mapping[str, Floats]

    def relative(self, phase: str, tokens: Floats) -> Floats:
        """Seconds of a phase over those at `self.tokens`; (N,) or (F, S) in, (F, N) or (F, S) out."""
        fixed_F1 = self.fixed_F[phase][:, None]
        return np.asarray(fixed_F1 + (1 - fixed_F1) * tokens / self.tokens)


def fit_scaling(rungs: Sequence[MeasuredRung], futures: int, random: np.random.Generator) -> Scaling:
    """From the steps of rungs that were measured on one device."""
    warm = [warmed(rung) for rung in rungs]
    tokens_N = np.concatenate([rung.tokens_N() for rung in warm])
    mean = float(tokens_N.mean())
    fixed = {}
    for phase in WORKING:
        seconds_N = np.concatenate([rung.seconds_N(phase) for rung in warm])
        fixed[phase] = _fixed_share_F(mean / tokens_N, seconds_N * mean / tokens_N, futures, random)
    return Scaling(mean, fixed)


def _fixed_share_F(inverse_N: Floats, paces_N: Floats, futures: int, random: np.random.Generator) -> Floats:
    """Share a / (a + b) of the line ``pace = b + a * inverse``; anything is as likely where the steps are too much alike."""
    if not paces_N.any():
        return np.zeros(futures)
    paces_N = np.minimum(paces_N, 3 * np.median(paces_N)) if np.median(paces_N) > 0 else paces_N
    centred_N = inverse_N - inverse_N.mean()
    spread = (centred_N**2).sum()
    if spread < 1e-9:
        return random.uniform(0, 1, futures)
    slope = (centred_N * paces_N).sum() / spread
    residuals_N = paces_N - paces_N.mean() - slope * centred_N
    error = np.sqrt((residuals_N**2).sum() / max(1, len(paces_N) - 2) / spread) * np.sqrt(_inflation(residuals_N))
    slope_F = slope + error * random.standard_normal(futures)
    share_F = _share(slope_F, inverse_N, paces_N)
    # Truncated to what a share can be by drawing again between the bounds, not by piling up at them.
    beyond = (share_F < 0) | (share_F > 1)
    inside = share_F[~beyond]
    if len(inside) < 20:
        return np.full(futures, np.clip(_share(np.float64(slope), inverse_N, paces_N), 0, 1))
    share_F[beyond] = random.choice(inside, int(beyond.sum()))
    return share_F


def _share(slope: Floats | np.float64, inverse_N: Floats, paces_N: Floats) -> Floats:
    """Of the line's fixed part where `inverse` is 1, the line going through the means."""
    return np.asarray(slope / (paces_N.mean() + slope * (1 - inverse_N.mean())))


def warmed(rung: MeasuredRung) -> MeasuredRung:
    """Without its warming up, where there are steps after it: what White's rule (MSER, 1997) cuts off the seconds a token.

    It cuts where the standard error of what is left is least: here never the later half, and nothing that was no slower.
    """
    paces_N = np.log(rung.working_N() / rung.tokens_N())
    count = len(paces_N)
    cuts = [
        cut
        for cut in range(min(1, count - 1), count // 2 + 1)
        if cut <= 1 or paces_N[1:cut].min() > np.median(paces_N[cut:])
    ]
    return replace(rung, steps=rung.steps[min(cuts, key=lambda cut: paces_N[cut:].var() / (count - cut)) :])


def _inflation(values_N: Floats) -> float:
    """Of a mean's variance, by the values' autocorrelation (of a first-order autoregression): (1 + r) / (1 - r)."""
    centred_N = values_N - values_N.mean()
    squares = float((centred_N**2).sum())
    if len(values_N) < 3 or squares == 0:
        return 1.0
    r = min(0.8, max(0.0, float((centred_N[1:] * centred_N[:-1]).sum()) / squares))
    return (1 + r) / (1 - r)


def future_seconds(
    rung: MeasuredRung, scaling: Scaling, wander: Wander, tokens_FS: Floats, random: np.random.Generator
) -> dict[str, Floats]:
    """Seconds (F,) by phase, without `save`, of steps of `tokens_FS` tokens, on the device and at the pace of `rung`."""
    futures, steps = tokens_FS.shape
    warm = warmed(rung)
    tokens_N = warm.tokens_N()
    picked_FS = blocks_FS(len(warm.steps), futures, steps, random)
    level_F = wander.factor_F(len(warm.steps), steps, futures, random)
    rows_F1 = np.arange(futures)[:, None]
    seconds = {}
    for phase in WORKING:
        paces_FN = warm.seconds_N(phase) / scaling.relative(phase, tokens_N)
        seconds[phase] = level_F * (paces_FN[rows_F1, picked_FS] * scaling.relative(phase, tokens_FS)).sum(axis=1)
    return seconds


def blocks_FS(count: int, futures: int, steps: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Which of `count` measured steps each step to come repeats: blocks of consecutive ones (a circular block bootstrap)."""
    blocks = -(-steps // BLOCK_STEPS)
    starts = random.integers(0, count, (futures, blocks, 1))
    return ((starts + np.arange(BLOCK_STEPS)) % count).reshape(futures, -1)[:, :steps]
