"""Fewer points of a long series, its extremes kept: of every bucket of steps the lowest and the highest values.

As a screen draws it: a line through both has the height that a line through all would have in that column of pixels (Jugel et
al. 2014, M4, without the first and last point of every bucket).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array_N = NDArray[np.float64]


def kept(columns_CN: Sequence[Array_N], points: int) -> NDArray[np.intp]:
    """Places of at most `points` of N values, in order: the ends, and of every bucket where each column is lowest and highest.
    NaN is neither.
    """
    count = len(columns_CN[0])
    if count <= points:
        return np.arange(count)
    buckets = max(1, (points - 2) // (2 * len(columns_CN)))
    width = -(-count // buckets)
    starts_B = np.arange(buckets) * width
    found = [np.array([0, count - 1])]
    for values_N in columns_CN:
        values_BW = np.pad(values_N, (0, buckets * width - count), constant_values=np.nan).reshape(buckets, width)
        found.append(starts_B + np.where(np.isnan(values_BW), np.inf, values_BW).argmin(axis=1))
        found.append(starts_B + np.where(np.isnan(values_BW), -np.inf, values_BW).argmax(axis=1))
    places = np.concatenate(found)
    return np.unique(places[places < count])
