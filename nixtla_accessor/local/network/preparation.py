"""Series made ready for the network: gaps filled, magnitude 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.seasons import Season


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSeries:
    """A series without gaps, of magnitude 1.

    Attributes
    ----------
    values : ndarray of float64
        The series from its first value on, missing ones filled, over 2 ** exponent; a single 0 where it has none.
    observed : ndarray of bool
        False where a value was missing.
    exponent : int
    """

    values: NDArray[np.float64]
    observed: NDArray[np.bool_]
    exponent: int


def prepare_series(series: Floats, season: Season) -> PreparedSeries:
    """Fill gaps linearly, and after the last value from the season before; scale by a power of two, which is exact.

    Parameters
    ----------
    series : ndarray, shape (points,)
        NaN and infinite values are missing ones.
    season : Season
    """
    values = np.asarray(series, np.float64)
    observed = np.isfinite(values)
    complete = bool(observed.all())
    if not complete:
        seen = np.flatnonzero(observed)
        if not len(seen):
            return PreparedSeries(np.zeros(1), np.zeros(1, bool), 0)
        values, observed = values[seen[0] :], observed[seen[0] :]
    _, exponent = math.frexp(np.abs(values if complete else values[observed]).max())
    values = np.ldexp(values, -exponent)
    if not complete:
        seen = np.flatnonzero(observed)
        missing = np.flatnonzero(~observed)
        values[missing] = np.interp(missing, seen, values[seen])
        end = max(seen[-1] + 1, season.length)
        if end < len(values):
            values[end:] = np.resize(values[end - season.length : end], len(values) - end)
    return PreparedSeries(values, observed, exponent)


def restore_units(quantiles: Floats, series: list[PreparedSeries]) -> Floats:
    """Scale forecasts back to the units of the series; finite, and so are the differences of quantiles.

    Parameters
    ----------
    quantiles : ndarray, shape (series, horizon, levels)
    series : list of PreparedSeries
    """
    exponent = np.array([each.exponent for each in series])[:, None, None]
    largest = np.ldexp(1.0, np.minimum(1020 - exponent, 1000))
    result: Floats = np.ldexp(np.clip(quantiles, -largest, largest), exponent)
    return result
