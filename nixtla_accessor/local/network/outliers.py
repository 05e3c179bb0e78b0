"""Lone outliers of a history, which would come back in every forecast that repeats it."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.local.arrays import Floats, Mask
from nixtla_accessor.local.network.config import NETWORK

# The shipped weights were trained with these.
SPIKE_QUANTILE, SPIKE_SIZE = 0.95, 4.0  # a lone outlier moves by so many times this quantile of the changes
MOST_SPIKES = 2  # of a history that count as outliers


def without_spikes(values: Floats, seen: Mask, season_length: int) -> Floats:
    """Replace one or two lone outliers of a history by the mean of their neighbours, so that they do not come back.

    An outlier leaves the values before and after it, on the same side, by far more than these usually change, and has
    none like it a season before or after. Where there are more, they belong to the series. The last value
    stays, and so do histories shorter than `NETWORK.recent_values`.
    """
    change = np.diff(values) * seen[:, :-1]
    points = min(NETWORK.recent_values, change.shape[1])
    rank = int(SPIKE_QUANTILE * (points - 1))
    limit = SPIKE_SIZE * np.partition(np.abs(change[:, -points:]), rank, axis=1)[:, rank, None] + 1e-12
    spike = np.zeros(values.shape, bool)
    opposite = change[:, :-1] * change[:, 1:] < 0
    spike[:, 1:-1] = opposite & (np.minimum(np.abs(change[:, :-1]), np.abs(change[:, 1:])) > limit)
    spike &= (spike.sum(1, keepdims=True) <= MOST_SPIKES) & (seen.sum(1, keepdims=True) >= NETWORK.recent_values)
    rows, columns = np.nonzero(spike)
    if not len(rows):
        return values
    result = np.array(values, np.float64)
    for back in (season_length, -season_length) if season_length > 1 else ():
        other = np.clip(columns - back, 0, values.shape[1] - 1)
        alike = np.abs(values[rows, columns] - values[rows, other]) <= limit[rows, 0]
        alike &= (other == columns - back) & seen[rows, other]
        rows, columns = rows[~alike], columns[~alike]
    result[rows, columns] = (values[rows, columns - 1] + values[rows, columns + 1]) / 2
    return result
