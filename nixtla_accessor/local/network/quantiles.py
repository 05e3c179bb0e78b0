"""Quantiles at any level, and in their order, from those that the network returns."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.config import NETWORK

NORMAL_QUANTILES = np.array([NormalDist().inv_cdf(level) for level in NETWORK.quantile_levels])


def interpolate_quantile(quantiles: Floats, level: float) -> Floats:
    """Compute the quantile at one level from those at the network's levels.

    Between these, and beyond the outermost, quantiles are linear in those of the normal distribution.

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
    >>> float(interpolate_quantile(np.arange(9.0), 0.5))
    4.0
    """
    if level in NETWORK.quantile_levels:
        return quantiles[..., NETWORK.quantile_levels.index(level)]
    at = NormalDist().inv_cdf(level)
    left = int(np.clip(np.searchsorted(NORMAL_QUANTILES, at) - 1, 0, NETWORK.n_levels - 2))
    lower, upper = quantiles[..., left], quantiles[..., left + 1]
    weight = (at - NORMAL_QUANTILES[left]) / (NORMAL_QUANTILES[left + 1] - NORMAL_QUANTILES[left])
    if weight > 1:  # from the outermost on, so that rounding cannot make it cross
        beyond: Floats = upper + (weight - 1) * (upper - lower)
        return beyond
    result: Floats = lower + weight * (upper - lower)
    return np.minimum(result, upper) if weight > 0 else result


def uncross(quantiles: Floats) -> Floats:
    """Move each quantile at least as far out as those nearer to the median, which stays; (windows, horizon, levels)."""
    median = NETWORK.median
    upper = np.maximum.accumulate(quantiles[:, :, median:], 2)
    lower = np.minimum.accumulate(quantiles[:, :, median::-1], 2)[:, :, ::-1]
    return np.concatenate([lower[:, :, :-1], upper], 2)
