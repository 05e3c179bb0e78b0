"""Forecasts with the network: from series to quantiles in their own units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import align_right, extract_features
from nixtla_accessor.local.network.history import NEAR_LEADS
from nixtla_accessor.local.network.model import predict
from nixtla_accessor.local.network.preparation import PreparedSeries, prepare_series, restore_units
from nixtla_accessor.local.network.quantiles import interpolate_quantile, uncross
from nixtla_accessor.local.network.scaling import SHORTEST_OWN_SPREAD, USUAL_CHANGE, usual_change_of
from nixtla_accessor.local.network.weights import Weights
from nixtla_accessor.seasons import Season

_LEADS_OF_A_PART = 2 * NETWORK.max_lead
_LAST_DOUBLING = np.array([NETWORK.max_lead // 2, NETWORK.max_lead])
_LOWER, _UPPER = (NETWORK.quantile_levels.index(level) for level in (0.1, 0.9))


@dataclass(frozen=True, slots=True, eq=False)
class ForecastPart:
    """A stretch of the forecasts of some of the series.

    Attributes
    ----------
    series, steps : slice
        Which series, and which of their steps ahead.
    quantiles : ndarray of float64, shape (series, steps, levels)
        At `NETWORK.quantile_levels`, in the units of the series; they never cross.
    support : ndarray of float64, shape (series, 1, 2)
        Below and above what each series can be; see `features`.
    """

    series: slice
    steps: slice
    quantiles: Floats
    support: Floats

    def at_level(self, level: float) -> Floats:
        """Return the quantiles at any level, within the support; (series, steps)."""
        inside: Floats = np.clip(
            interpolate_quantile(self.quantiles, level), self.support[:, :, 0], self.support[:, :, 1]
        )
        return inside


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
    (1, 6, 11)
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
    usual_change: float | None = None,
) -> Iterator[ForecastPart]:
    """Forecast many series that share a season, and yield one part after the other.

    Each lead is forecast on its own, from the history alone. Up to `NETWORK.max_lead` steps were trained; beyond, the
    spread grows with each doubling of the lead as it did with the last one, by a factor of 1 to the square root of 2,
    that of a random walk.

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
    usual_change : float, optional
        Of the panel that the series are of; see `panel_change`. Computed from the series if None.

    Yields
    ------
    ForecastPart
        Few series and few steps at a time, so that a long forecast needs little memory beside the answer.
    """
    if usual_change is None:
        usual_change = panel_change(series)
    with one_blas_thread:
        for start in range(0, len(series), NETWORK.batch):
            some = slice(start, start + NETWORK.batch)
            batch = [_prepare(values, season) for values in series[some]]
            history, length = align_right([each.values for each in batch])
            for first in range(0, horizon, _LEADS_OF_A_PART):
                leads = np.arange(first, min(first + _LEADS_OF_A_PART, horizon)) + 1
                part, support = _forecast_leads(weights, history, length, season, leads, usual_change)
                steps = slice(first, first + len(leads))
                yield ForecastPart(some, steps, restore_units(part, batch), support)
                if progress:
                    progress(start)


def panel_change(series: Sequence[Floats]) -> float:
    """Return the usual change of a panel where some of its series are too short to have their own; see `features`."""
    return usual_change_of(series) if min(map(len, series), default=0) <= SHORTEST_OWN_SPREAD else USUAL_CHANGE


def _prepare(series: Floats, season: Season) -> PreparedSeries:
    """Prepare the points that the network reads; all where some are missing: they are filled from earlier ones."""
    size = NETWORK.max_input
    end = series[-size:]
    if len(end) == len(series) or np.isfinite(end).all():
        return prepare_series(end, season)
    whole = prepare_series(series, season)
    return PreparedSeries(whole.values[-size:].copy(), whole.observed[-size:].copy(), whole.exponent)


def _forecast_leads(
    weights: Weights, history: Floats, length: Integers, season: Season, leads: Integers, usual_change: float
) -> tuple[Floats, Floats]:
    """Forecast a few series at these leads, in the units of their history; return also their support."""
    before = NEAR_LEADS if leads[-1] <= NETWORK.max_lead else np.concatenate([NEAR_LEADS, _LAST_DOUBLING])
    needed = np.concatenate([before, leads[leads > NETWORK.horizon]])
    features = extract_features(history, length, season, needed, usual_change)
    z = uncross(predict(weights, features, needed).astype(np.float64))
    kept = z[:, len(needed) - len(leads) :] if leads[0] > NETWORK.horizon else _without(z, before, leads)
    if leads[-1] > NETWORK.max_lead:
        kept = _widen(kept, z[:, len(NEAR_LEADS) : len(before)], leads)
    edge = features.support[:, None].astype(np.float64)
    values = features.location[:, :, None] + features.scale[:, :, None] * kept
    values[(kept <= edge[:, :, :1]) | (kept >= edge[:, :, 1:])] = 0.0
    return values, np.where(np.isfinite(edge), 0.0, edge)


def _without(z: Floats, before: Integers, leads: Integers) -> Floats:
    """Return the forecasts at the leads asked for, the first of which is 1, without those of the last doubling."""
    rest = z[:, len(before) :]
    near = z[:, : min(len(leads), NETWORK.horizon)]
    return np.concatenate([near, rest], 1) if rest.shape[1] else near


def _widen(z: Floats, last_doubling: Floats, leads: Integers) -> Floats:
    """Let spreads grow beyond the farthest trained lead, as from half of it to all of it."""
    half, whole = np.ptp(last_doubling[:, :, [_LOWER, _UPPER]], axis=2).T
    growth = np.clip(whole / np.maximum(half, 1e-9), 1, np.sqrt(2))[:, None]
    factor = growth ** np.log2(np.maximum(leads / NETWORK.max_lead, 1))
    median = z[:, :, NETWORK.median, None]
    result: Floats = median + (z - median) * factor[:, :, None]
    return result
