"""The accuracy of forecasts, series by series."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nixtla_accessor.panel.arrays import Values
from nixtla_accessor.panel.packing import PackedSeries

MODEL_LEVEL = "model"  # the level of the index that names models
BIAS = "bias"
COVERAGE = "coverage-"  # before the level


@dataclass(frozen=True, slots=True, eq=False)
class WindowForecasts:
    """Forecasts of the same steps of each series.

    Attributes
    ----------
    mean : ndarray of shape (n_series, n)
        The forecasts.
    bounds : mapping of float to pair of ndarray of shape (n_series, n)
        For each level in percent, the lower and the upper bounds.
    """

    mean: Values
    bounds: Mapping[float, tuple[Values, Values]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """What errors of each series are measured in, from its training values: `mase_scale` and `rmsse_scale`."""

    mase: Values
    rmsse: Values


def seasonal_naive(packed: PackedSeries, horizon: int, n_windows: int, season_length: int) -> Values:
    """Forecast each of the last windows by repeating the last season before it.

    Parameters
    ----------
    packed : PackedSeries
        The series, the windows included.
    horizon, n_windows : int
        The steps of a window, and how many windows follow each other at the end of each series.
    season_length : int
        Steps of a season; of a series with fewer values before the window, the last value is repeated.

    Returns
    -------
    ndarray of float64, shape (n_series, n_windows * horizon)

    References
    ----------
    Hyndman, R. J. & Athanasopoulos, G. (2021), Forecasting: principles and practice, section 5.2.
    """
    ends = np.cumsum(packed.sizes)[:, None]
    window, step = np.divmod(np.arange(n_windows * horizon), horizon)
    before_end = horizon * (n_windows - window)
    known = packed.sizes[:, None] - before_end
    season = np.where(known >= season_length, season_length, 1)
    positions = ends - before_end - season + step % season
    return np.asarray(packed.y[positions], dtype=np.float64)


def mase_scale(packed: PackedSeries, season_length: int) -> Values:
    """Return the scale of MASE: the mean absolute change of each series from season to season; shape (n_series,).

    Of a series of at most one season it is the mean absolute change from step to step; NaN where nothing changes.
    """
    return _scale(packed, season_length, np.abs)


def rmsse_scale(packed: PackedSeries, season_length: int) -> Values:
    """Return the scale of RMSSE: the root of the mean squared change where `mase_scale` has the mean absolute one."""
    return np.sqrt(_scale(packed, season_length, np.square))


def _scale(packed: PackedSeries, season_length: int, measure: Callable[[Values], Values]) -> Values:
    """Return the mean of a measure of each series' changes from season to season."""
    scales = np.full(len(packed.sizes), np.nan)
    for number, values in enumerate(np.split(np.asarray(packed.y, np.float64), np.cumsum(packed.sizes)[:-1])):
        season = season_length if len(values) > season_length else 1
        change = measure(values[season:] - values[:-season])
        change = change[np.isfinite(change)]
        if len(change) and change.mean() > 0:
            scales[number] = change.mean()
    return scales


def score(actual: Values, forecast: WindowForecasts, scales: Scales) -> dict[str, Values]:
    """Compute the accuracy of forecasts, series by series.

    Parameters
    ----------
    actual : ndarray of shape (n_series, n)
        The actual values, NaN where missing.
    forecast : WindowForecasts
        The forecasts, of the same shape.
    scales : Scales
        What the errors of each series are measured in.

    Returns
    -------
    dict of str to ndarray of shape (n_series,)
        ``MASE`` and ``RMSSE``; ``WAPE`` (percent: the sum of absolute errors in that of absolute values), ``sMAPE``
        (percent, 0 to 200; of little use for series with many zeros), ``RMSE``, ``bias`` (percent, as WAPE without
        the absolute errors: above 0 where forecasts are too high); where there are intervals ``pinball``, the scaled
        pinball loss, a mean over all their bounds, and ``coverage-80`` (percent) for each level.

    References
    ----------
    Hyndman, R. J. & Koehler, A. B. (2006), Another look at measures of forecast accuracy.
    Makridakis, S. (1993), Accuracy measures: theoretical and practical concerns.
    Makridakis, S., Spiliotis, E. & Assimakopoulos, V. (2022), The M5 competition: RMSSE and the scaled pinball loss.

    Examples
    --------
    >>> forecast = WindowForecasts(np.array([[5.0, 0.0]]))
    >>> scores = score(np.array([[3.0, 0.0]]), forecast, Scales(np.array([1.0]), np.array([1.0])))
    >>> {name: float(values[0].round(2)) for name, values in scores.items()}
    {'MASE': 1.0, 'RMSSE': 1.41, 'WAPE': 66.67, 'sMAPE': 25.0, 'RMSE': 1.41, 'bias': 66.67}
    """
    error = forecast.mean - actual
    size = np.abs(actual) + np.abs(forecast.mean)
    relative = np.divide(np.abs(error), size, out=np.where(np.isnan(error), np.nan, 0.0), where=size > 0)
    root = np.sqrt(nanmean(error**2))
    total = nanmean(np.abs(np.where(np.isnan(error), np.nan, actual)))
    total = np.where(total > 0, total, np.nan)
    scores = {
        "MASE": nanmean(np.abs(error)) / scales.mase,
        "RMSSE": root / scales.rmsse,
        "WAPE": 100 * nanmean(np.abs(error)) / total,
        "sMAPE": 200 * nanmean(relative),
        "RMSE": root,
        BIAS: 100 * nanmean(error) / total,
    }
    if forecast.bounds:
        losses = [loss for level, bounds in forecast.bounds.items() for loss in _pinball_losses(actual, level, *bounds)]
        scores["pinball"] = nanmean(np.concatenate(losses, axis=1)) / scales.mase
    for level, (lowest, highest) in forecast.bounds.items():
        inside = np.where(np.isnan(actual), np.nan, (actual >= lowest) & (actual <= highest))
        scores[f"{COVERAGE}{level:.12g}"] = 100 * nanmean(inside)
    return scores


def _pinball_losses(actual: Values, level: float, lowest: Values, highest: Values) -> Iterator[Values]:
    """Yield the pinball losses of the two bounds of an interval."""
    for quantile, bound in ((0.5 - level / 200, lowest), (0.5 + level / 200, highest)):
        error = actual - bound
        yield np.maximum(quantile * error, (quantile - 1) * error)


def score_together(actual: Values, forecast: WindowForecasts, scores: Mapping[str, Values]) -> dict[str, float]:
    """Return the accuracy over all series: the means of their scores, but WAPE and bias over all values.

    Parameters
    ----------
    actual, forecast
        As of `score`.
    scores : mapping of str to ndarray of shape (n_series,)
        What `score` returned of them.
    """
    means = {name: float(nanmean(values)) for name, values in scores.items()}
    everything = WindowForecasts(forecast.mean.reshape(1, -1))
    unscaled = score(actual.reshape(1, -1), everything, Scales(np.ones(1), np.ones(1)))
    return means | {name: float(unscaled[name][0]) for name in ("WAPE", BIAS)}


def nanmean(values: Values) -> Values:
    """Return the mean over the last axis, NaN aside; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows that are all NaN
        return np.asarray(np.nanmean(values, axis=-1), dtype=np.float64)


def score_frame(
    packed: PackedSeries,
    actual: Values,
    forecasts: Mapping[str, WindowForecasts],
    scales: Scales,
    *,
    by_series: bool = False,
) -> pd.DataFrame:
    """Return the accuracy of several forecasts as a frame.

    Parameters
    ----------
    packed : PackedSeries
        The series.
    actual : ndarray of shape (n_series, n)
        The actual values, NaN where missing.
    forecasts : mapping of str to WindowForecasts
        By the names of their models.
    scales : Scales
        What the errors of each series are measured in.
    by_series : bool, default False
        Whether to return a row for each series, or one for all as of `score_together`.

    Returns
    -------
    DataFrame
        Indexed by ``model``, or by id and ``model``; a column for each metric of `score`.
    """
    scores = {model: score(actual, forecast, scales) for model, forecast in forecasts.items()}
    if not by_series:
        means = {model: score_together(actual, forecasts[model], one) for model, one in scores.items()}
        return pd.DataFrame.from_dict(means, orient="index").rename_axis(MODEL_LEVEL)
    tables = {model: pd.DataFrame(one) for model, one in scores.items()}
    name = "series" if packed.columns.id is None else packed.columns.id
    models = pd.CategoricalIndex(list(tables), categories=list(tables), ordered=True)  # so that unstack keeps the order
    rows = np.arange(len(packed.ids) * len(tables)).reshape(len(tables), -1).T.ravel()
    joined = pd.concat(tables.values()).iloc[rows]
    return joined.set_axis(pd.MultiIndex.from_product([packed.ids, models], names=[name, MODEL_LEVEL]))
