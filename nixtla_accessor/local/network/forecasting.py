"""Forecasts with the network: from series to quantiles in their own units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import align_right, extract_features, input_size
from nixtla_accessor.local.network.model import predict
from nixtla_accessor.local.network.preparation import PreparedSeries, prepare_series, restore_units
from nixtla_accessor.local.network.quantiles import uncross
from nixtla_accessor.local.network.weights import Weights
from nixtla_accessor.seasons import Season

_SIDE = np.sign(np.arange(NETWORK.n_levels) - NETWORK.median + 0.0)  # of each quantile, seen from the median


@one_blas_thread
def forecast(
    weights: Weights,
    series: Sequence[Floats],
    season: Season,
    horizon: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> Floats:
    """Forecast many series that share a season.

    Beyond the network's own horizon it reads its median as if it were history, and spreads add up as those of
    independent errors do.

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
        Called with the number of series done, after each pass through the network.

    Returns
    -------
    ndarray of float64, shape (series, horizon, levels)
        Quantiles at `NETWORK.quantile_levels`, in the units of the series; they never cross.

    Examples
    --------
    >>> import numpy as np
    >>> from nixtla_accessor.local.network.weights import pretrained_weights
    >>> sales = np.tile([10.0, 12.0, 15.0, 11.0], 8)
    >>> forecast(pretrained_weights(), [sales], Season(4, 0), horizon=6).shape
    (1, 6, 9)
    """
    quantiles = np.empty((len(series), horizon, NETWORK.n_levels))
    for start in range(0, len(series), NETWORK.batch):
        batch = [prepare_series(_usable(values, season), season) for values in series[start : start + NETWORK.batch]]
        parts = []
        for part in _forecast_parts(weights, batch, season, -(-horizon // NETWORK.horizon)):
            parts.append(part)
            if progress:
                progress(start)
        quantiles[start : start + NETWORK.batch] = restore_units(np.concatenate(parts, 1)[:, :horizon], batch)
    return quantiles


def _usable(series: Floats, season: Season) -> Floats:
    """Return the points that the network reads; all where some are missing, since they are filled from earlier ones."""
    end = series[-input_size(season) :]
    return end if np.isfinite(end).all() else series


def _forecast_parts(weights: Weights, series: list[PreparedSeries], season: Season, count: int) -> Iterator[Floats]:
    """Forecast a few series, one stretch of the network's horizon after the other."""
    history, length = align_right([each.values for each in series], season)
    carried: Floats = np.zeros((len(series), 1, NETWORK.n_levels))  # spread at the end of the part before
    for _ in range(count):
        features = extract_features(history, length, season)
        z = uncross(predict(weights, features).astype(np.float64))
        part = features.location[:, :, None] + features.scale[:, :, None] * z
        median = part[:, :, NETWORK.median, None]
        spread = part - median
        spread = np.copysign(np.hypot(spread, carried), _SIDE)
        yield median + spread
        carried = spread[:, -1:]
        history = np.concatenate([history, median[:, :, 0]], 1)[:, -input_size(season) :]
        length = length + NETWORK.horizon
