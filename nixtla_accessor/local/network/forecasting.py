"""Forecasts with the network: from series to quantiles in their own units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.features import extract, input_size, right_aligned
from nixtla_accessor.local.network.history import HORIZON, Floats
from nixtla_accessor.local.network.model import LEVELS, MEDIAN, Weights, predict
from nixtla_accessor.seasons import Season

__all__ = ["Prepared", "forecast", "input_size", "prepared", "quantile_at"]

BATCH = 256  # windows at a time: enough for the matrix products, few enough for the caches
_NORMAL_QUANTILES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
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


def prepared(series: NDArray[np.floating], season: Season) -> Prepared:
    """Fill gaps linearly, and after the last value from the season before; scale by a power of two, which is exact."""
    values = np.asarray(series, np.float64)
    observed = np.isfinite(values)
    if not observed.all():
        seen = np.flatnonzero(observed)
        if not len(seen):
            return Prepared(np.zeros(1), np.zeros(1, bool), 0)
        values, observed = values[seen[0] :], observed[seen[0] :]
    exponent = int(np.frexp(np.abs(values[observed]).max())[1])
    values = np.ldexp(values, -exponent)
    if not observed.all():
        seen = np.flatnonzero(observed)
        missing = np.flatnonzero(~observed)
        values[missing] = np.interp(missing, seen, values[seen])
        for step in range(max(seen[-1] + 1, season.length), len(values)):
            values[step] = values[step - season.length]
    return Prepared(values, observed, exponent)


@one_blas_thread
def forecast(
    weights: Weights,
    series: Sequence[NDArray[np.floating]],
    season: Season,
    horizon: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> Floats:
    """Forecast many series that share a season.

    Beyond the network's own horizon the median is taken for history and the spreads add up as independent errors do.

    Parameters
    ----------
    weights : dict of ndarray
        Of the network: `pretrained_weights()`, or tuned ones.
    series : sequence of ndarray, each of shape (points,)
        At least one point each. NaN is a missing value.
    season : Season
    horizon : int
        Steps ahead.
    progress : callable, optional
        Called with the number of series done, at each turn of the work.

    Returns
    -------
    ndarray of float64, shape (series, horizon, levels)
        Quantiles at LEVELS, in the units of the series; they never cross.

    Examples
    --------
    >>> import numpy as np
    >>> from nixtla_accessor.local.network.model import pretrained_weights
    >>> sales = np.tile([10.0, 12.0, 15.0, 11.0], 8)
    >>> forecast(pretrained_weights(), [sales], Season(4, 0), horizon=6).shape
    (1, 6, 9)
    """
    quantiles = np.empty((len(series), horizon, len(LEVELS)))
    for start in range(0, len(series), BATCH):
        batch = [prepared(_used(values, season), season) for values in series[start : start + BATCH]]
        parts = []
        for part in _parts(weights, batch, season, -(-horizon // HORIZON)):
            parts.append(part)
            if progress:
                progress(start)
        quantiles[start : start + BATCH] = _in_units(np.concatenate(parts, 1)[:, :horizon], batch)
    return quantiles


def quantile_at(quantiles: Floats, level: float) -> Floats:
    """Read one quantile off those that the network answers.

    Between its levels, and beyond the outermost, quantiles are linear in those of the normal distribution.

    Parameters
    ----------
    quantiles : ndarray, shape (..., levels)
        Sorted, at LEVELS.
    level : float
        Strictly between 0 and 1; at 0.5 the median itself is answered.

    Returns
    -------
    ndarray, shape (...)
        Not decreasing in level.

    Examples
    --------
    >>> import numpy as np
    >>> float(quantile_at(np.arange(9.0), 0.5))
    4.0
    """
    if level in LEVELS:
        return quantiles[..., LEVELS.index(level)]
    at = NormalDist().inv_cdf(level)
    left = int(np.clip(np.searchsorted(_NORMAL_QUANTILES, at) - 1, 0, len(LEVELS) - 2))
    lower, upper = quantiles[..., left], quantiles[..., left + 1]
    share = (at - _NORMAL_QUANTILES[left]) / (_NORMAL_QUANTILES[left + 1] - _NORMAL_QUANTILES[left])
    if share > 1:  # from the outermost on, so that rounding cannot make it cross
        beyond: Floats = upper + (share - 1) * (upper - lower)
        return beyond
    result: Floats = lower + share * (upper - lower)
    return np.minimum(result, upper) if share > 0 else result


def _used(series: NDArray[np.floating], season: Season) -> NDArray[np.floating]:
    """Cut off what the network does not read; where values are missing, what they are filled from may lie before."""
    end = series[-input_size(season) :]
    return end if np.isfinite(end).all() else series


def _parts(weights: Weights, series: list[Prepared], season: Season, count: int) -> Iterator[Floats]:
    """Forecast a few series, one step of the network's horizon after the other."""
    history, length = right_aligned([each.values for each in series], season)
    carried: Floats = np.zeros((len(series), 1, len(LEVELS)))  # spread at the end of the part before
    for _ in range(count):
        windows = extract(history, length, season)
        z = _uncrossed(predict(weights, windows).astype(np.float64))
        part = windows.location[:, :, None] + windows.scale[:, :, None] * z
        median = part[:, :, MEDIAN, None]
        spread = part - median
        spread = np.copysign(np.hypot(spread, carried), _SIDE)
        yield median + spread
        carried = spread[:, -1:]
        history = np.concatenate([history, median[:, :, 0]], 1)[:, -input_size(season) :]
        length = length + HORIZON


def _in_units(quantiles: Floats, series: list[Prepared]) -> Floats:
    """Scale back to the units of the series; finite, and so are the differences of quantiles."""
    exponent = np.array([each.exponent for each in series])[:, None, None]
    largest = np.ldexp(1.0, np.minimum(1020 - exponent, 1000))
    result: Floats = np.ldexp(np.clip(quantiles, -largest, largest), exponent)
    return result


_SIDE = np.sign(np.arange(len(LEVELS)) - MEDIAN + 0.0)


def _uncrossed(quantiles: Floats) -> Floats:
    """Each quantile at least as far out as those nearer to the median, which stays as it is."""
    upper = np.maximum.accumulate(quantiles[:, :, MEDIAN:], 2)
    lower = np.minimum.accumulate(quantiles[:, :, MEDIAN::-1], 2)[:, :, ::-1]
    return np.concatenate([lower[:, :, :-1], upper], 2)
