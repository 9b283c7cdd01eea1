"""Fewer points of a long series, its extremes kept: of every bucket of steps the lowest and the highest value.

As a screen draws it: a line through both has the height that a line through all would have in that column of pixels (Jugel et
al. 2014, M4, without the first and last point of every bucket).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array_N = NDArray[np.float64]


def kept(columns_CN: Sequence[Array_N], points: int) -> NDArray[np.intp]:
    """Places of at most `points` of N values, in order: the ends, and of every bucket where the first column is lowest and the
    last is highest. NaN is neither.
    """
    lows_N, highs_N = columns_CN[0], columns_CN[-1]
    count = len(lows_N)
    if count <= points:
        return np.arange(count)
    buckets = max(1, (points - 2) // 2)
    width = -(-count // buckets)
    padded = buckets * width - count
    lows_BW = np.pad(lows_N, (0, padded), constant_values=np.nan).reshape(buckets, width)
    highs_BW = np.pad(highs_N, (0, padded), constant_values=np.nan).reshape(buckets, width)
    starts_B = np.arange(buckets) * width
    lowest_B = starts_B + np.where(np.isnan(lows_BW), np.inf, lows_BW).argmin(axis=1)
    highest_B = starts_B + np.where(np.isnan(highs_BW), -np.inf, highs_BW).argmax(axis=1)
    places = np.concatenate(([0, count - 1], lowest_B, highest_B))
    return np.unique(places[places < count])
