"""Forecasts with the network: from series to quantiles in their own units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, eq=False)
class ForecastPart:
    """A stretch of the forecasts of some of the series.

    Attributes
    ----------
    series, steps : slice
        Which series, and which of their steps ahead.
    quantiles : ndarray of float64, shape (series, steps, levels)
        At `NETWORK.quantile_levels`, in the units of the series; they never cross.
    """

    series: slice
    steps: slice
    quantiles: Floats


def forecast(
    weights: Weights,
    series: Sequence[Floats],
    season: Season,
    horizon: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> Floats:
    """Forecast many series that share a season; see `forecast_parts`.

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
    for part in forecast_parts(weights, series, season, horizon, progress=progress):
        quantiles[part.series, part.steps] = part.quantiles
    return quantiles


def forecast_parts(
    weights: Weights,
    series: Sequence[Floats],
    season: Season,
    horizon: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> Iterator[ForecastPart]:
    """Forecast many series that share a season, and yield one part after the other.

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

    Yields
    ------
    ForecastPart
        Few series and few steps at a time, so that a long forecast needs little memory beside the answer.
    """
    with one_blas_thread:
        for start in range(0, len(series), NETWORK.batch):
            some = slice(start, start + NETWORK.batch)
            batch = [_prepare(values, season) for values in series[some]]
            stretches = _forecast_stretches(weights, batch, season, -(-horizon // NETWORK.horizon))
            for nth, stretch in enumerate(stretches):
                first = nth * NETWORK.horizon
                steps = slice(first, min(first + NETWORK.horizon, horizon))
                yield ForecastPart(some, steps, restore_units(stretch[:, : steps.stop - first], batch))
                if progress:
                    progress(start)


def _prepare(series: Floats, season: Season) -> PreparedSeries:
    """Prepare the points that the network reads; all where some are missing: they are filled from earlier ones."""
    size = input_size(season)
    end = series[-size:]
    if np.isfinite(end).all():
        return prepare_series(end, season)
    whole = prepare_series(series, season)
    return PreparedSeries(whole.values[-size:].copy(), whole.observed[-size:].copy(), whole.exponent)


def _forecast_stretches(weights: Weights, series: list[PreparedSeries], season: Season, count: int) -> Iterator[Floats]:
    """Forecast a few series, one stretch of the network's horizon after the other."""
    history, length = align_right([each.values for each in series], season)
    carried: Floats = np.zeros((len(series), 1, NETWORK.n_levels))  # spread at the end of the stretch before
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
