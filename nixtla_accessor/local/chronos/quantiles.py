"""Quantiles at any level, in their order, from those that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats


def quantiles_at(levels: Sequence[float], trained: Sequence[float], values: Floats) -> NDArray[np.float64]:
    """Compute the quantiles at some levels from those at a model's own.

    Quantiles that cross are sorted. Between the model's levels quantiles are linear in the level, as the library has
    them. Beyond the outermost the distribution goes on as a normal one: the distance from the median grows as the
    quantiles of the normal distribution do. (The library repeats the outermost quantile there.)

    Parameters
    ----------
    levels : sequence of float
        Strictly between 0 and 1.
    trained : sequence of float
        The model's levels, ascending, 0.5 among them.
    values : ndarray, shape (..., trained)
        The quantiles at the model's levels.

    Returns
    -------
    ndarray of float64, shape (levels, ...)
        Not decreasing in level.

    Examples
    --------
    >>> import numpy as np
    >>> quantiles_at([0.5, 0.9], [0.1, 0.5, 0.9], np.array([[0.0, 16.0, 8.0]])).tolist()
    [[8.0], [16.0]]
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=-1)
    own = np.asarray(trained)
    median = ordered[..., int(np.searchsorted(own, 0.5))]
    result = np.empty((len(levels), *ordered.shape[:-1]))
    for nth, level in enumerate(levels):
        if level < own[0]:
            result[nth] = _beyond(level, own[0], ordered[..., 0], median)
        elif level > own[-1]:
            result[nth] = _beyond(level, own[-1], ordered[..., -1], median)
        else:
            result[nth] = _between(level, own, ordered)
    return result


def _between(level: float, own: Floats, ordered: Floats) -> Floats:
    right = int(np.searchsorted(own, level))
    upper: Floats = ordered[..., right]
    if own[right] == level:
        return upper
    lower = ordered[..., right - 1]
    weight = (level - own[right - 1]) / (own[right] - own[right - 1])
    result: Floats = np.clip(lower + weight * (upper - lower), lower, upper)  # rounding could make it cross
    return result


def _beyond(level: float, outermost: float, quantile: Floats, median: Floats) -> Floats:
    if outermost == 0.5:
        return quantile  # a model of the median alone says nothing of its spread
    normal = NormalDist()
    return quantile + (normal.inv_cdf(level) / normal.inv_cdf(outermost) - 1) * (quantile - median)
