"""Quantiles at any level, and in their order, from those that the network returns."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.config import NETWORK

NORMAL_QUANTILES = np.array([NormalDist().inv_cdf(level) for level in NETWORK.quantile_levels])


def interpolate_quantile(quantiles: Floats, level: float) -> Floats:
    """Compute the quantile at one level from those at the network's levels.

    Between these, quantiles are linear in those of the normal distribution. Beyond the outermost they are linear in the
    logarithm of the probability that is left, as those of an exponential distribution: tails are heavier than normal.

    Parameters
    ----------
    quantiles : ndarray, shape (..., levels)
        Ascending, at `NETWORK.quantile_levels`.
    level : float
        Strictly between 0 and 1; 0.5 is exactly the median.

    Returns
    -------
    ndarray, shape (...)
        Not decreasing in level.

    Examples
    --------
    >>> import numpy as np
    >>> float(interpolate_quantile(np.arange(11.0), 0.5))
    5.0
    """
    if level in NETWORK.quantile_levels:
        return quantiles[..., NETWORK.quantile_levels.index(level)]
    if level < NETWORK.quantile_levels[0]:
        return quantiles[..., 0] - _beyond(level) * (quantiles[..., 1] - quantiles[..., 0])
    if level > NETWORK.quantile_levels[-1]:
        return quantiles[..., -1] + _beyond(1 - level) * (quantiles[..., -1] - quantiles[..., -2])
    at = NormalDist().inv_cdf(level)
    left = int(np.clip(np.searchsorted(NORMAL_QUANTILES, at) - 1, 0, NETWORK.n_levels - 2))
    lower, upper = quantiles[..., left], quantiles[..., left + 1]
    weight = (at - NORMAL_QUANTILES[left]) / (NORMAL_QUANTILES[left + 1] - NORMAL_QUANTILES[left])
    result: Floats = lower + weight * (upper - lower)
    return np.minimum(result, upper)


def _beyond(left: float) -> float:
    """Return how far beyond the outermost quantile one is that leaves this probability, in outermost intervals."""
    outermost, next_to_it = NETWORK.quantile_levels[:2]
    return math.log(outermost / left) / math.log(next_to_it / outermost)


def uncross(quantiles: Floats) -> Floats:
    """Move each quantile at least as far out as those nearer to the median, which stays; (windows, horizon, levels)."""
    median = NETWORK.median
    upper = np.maximum.accumulate(quantiles[:, :, median:], 2)
    lower = np.minimum.accumulate(quantiles[:, :, median::-1], 2)[:, :, ::-1]
    return np.concatenate([lower[:, :, :-1], upper], 2)
