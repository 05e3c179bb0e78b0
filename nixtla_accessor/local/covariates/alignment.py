"""Series of different lengths as arrays, and the filter that takes level, season and persistence out of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers, Mask

MOST_POINTS = 10_000
"""How much of a series is looked at: its latest points."""

_BATCH_POINTS = 2**16
_SEASONS_REMEMBERED = 0.7
_DOUBLINGS = 4  # 0.7 ** 16 is as good as nothing


def batches(lengths: Integers) -> Iterator[Integers]:
    """Yield the numbers of series of similar length, few enough to compute with at once.

    Examples
    --------
    >>> [batch.tolist() for batch in batches(np.array([5, 100, 6]))]
    [[0, 2], [1]]
    """
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        longest_allowed = 2 * lengths[order[first]]
        end = int(np.searchsorted(lengths[order], longest_allowed, side="right"))
        while first < end:
            count = max(1, int(_BATCH_POINTS // lengths[order[min(end, first + 1) - 1]]))
            stop = min(end, first + count)
            yield order[first:stop]
            first = stop


def align_right(arrays: Sequence[Floats], ends: Integers, length: int) -> NDArray[np.float64]:
    """Put the last of the first `ends` values of each array into a row, so that all end together; NaN where none is.

    Examples
    --------
    >>> align_right([np.array([1.0, 2, 3]), np.array([4.0])], np.array([2, 1]), 2)
    array([[ 1.,  2.],
           [nan,  4.]])
    """
    aligned = np.full((len(arrays), length), np.nan)
    for row, (values, end) in enumerate(zip(arrays, ends, strict=True)):
        some = values[max(end - length, 0) : end]
        first = max(length - end, 0)
        aligned[row, first : first + len(some)] = some
    return aligned


def filter_seasons(values: Floats, observed: Mask, lag: int) -> Floats:
    """Subtract an average of the same phase of former seasons, which takes level and season out.

    With `filter_persistence` this is the filter of a seasonal exponential smoothing with autoregressive errors;
    regression on filtered values is then generalised least squares. A filter commutes with sums, so that a covariate's
    coefficient is the same before and after.

    Parameters
    ----------
    values : ndarray of float, shape (..., series, points)
    observed : ndarray of bool, of a shape that fits
        Where a difference from the season before has a meaning.
    lag : int
        Steps in a season.

    Returns
    -------
    ndarray, shape (..., series, points)
        0 in the first season.
    """
    result = np.zeros_like(values)
    np.subtract(values[..., lag:], values[..., :-lag], out=result[..., lag:])
    result *= observed
    for doubling in range(_DOUBLINGS):
        steps = lag * 2**doubling
        if steps >= values.shape[-1]:
            break
        result[..., steps:] += np.float32(_SEASONS_REMEMBERED**2**doubling) * result[..., :-steps]
    return result


def filter_persistence(values: Floats, valid: Mask, persistence: float) -> Floats:
    """Subtract what persists from the step before; 0 where a value is not valid.

    Parameters
    ----------
    values : ndarray, shape (..., points)
    valid : ndarray of bool, of a shape that fits
    persistence : float
        Autocorrelation of the errors.
    """
    result = values * valid
    if persistence:
        result[..., 1:] -= np.float32(persistence) * values[..., :-1]
        result *= valid
    return result


def exponential_mean(values: Floats, half_life: float) -> Floats:
    """Smooth each row exponentially, as if its first value had been there forever.

    Parameters
    ----------
    values : ndarray of float32, shape (series, points)
    half_life : float
        In steps.
    """
    keep = 0.5 ** (1 / half_life)
    result = (values - values[:, :1]) * np.float32(1 - keep)
    steps, weight = 1, keep
    while steps < values.shape[1] and weight > 1e-3:
        result[:, steps:] += np.float32(weight) * result[:, :-steps]
        steps, weight = 2 * steps, weight * weight
    result += values[:, :1]
    return result
