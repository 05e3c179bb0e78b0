"""The accuracy of forecasts, series by series."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nixtla_accessor.panel.arrays import Values
from nixtla_accessor.panel.packing import PackedSeries

MODEL_LEVEL = "model"  # the level of the index that names models


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
    units = np.full(len(packed.sizes), np.nan)
    for number, values in enumerate(np.split(np.asarray(packed.y, np.float64), np.cumsum(packed.sizes)[:-1])):
        season = season_length if len(values) > season_length else 1
        change = np.abs(values[season:] - values[:-season])
        change = change[np.isfinite(change)]
        if len(change) and change.mean() > 0:
            units[number] = change.mean()
    return units


def score(
    actual: Values, forecast: Values, units: Values, bounds: Mapping[float, tuple[Values, Values]]
) -> dict[str, Values]:
    """Compute the accuracy of forecasts, series by series.

    Parameters
    ----------
    actual, forecast : ndarray of shape (n_series, n)
        The actual values, NaN where missing, and the forecasts.
    units : ndarray of shape (n_series,)
        The scale of MASE, from `mase_scale`.
    bounds : mapping of float to pair of ndarray of shape (n_series, n)
        For each level in percent, the lower and the upper bounds.

    Returns
    -------
    dict of str to ndarray of shape (n_series,)
        ``MASE``, ``sMAPE`` (percent, 0 to 200; of little use for series with many zeros), ``RMSE``, and ``coverage-80``
        (percent) for each level.

    References
    ----------
    Hyndman, R. J. & Koehler, A. B. (2006), Another look at measures of forecast accuracy.
    Makridakis, S. (1993), Accuracy measures: theoretical and practical concerns.

    Examples
    --------
    >>> scores = score(np.array([[3.0, 0.0]]), np.array([[5.0, 0.0]]), np.array([1.0]), {})
    >>> scores["MASE"].tolist(), scores["sMAPE"].tolist()
    ([1.0], [25.0])
    """
    error = np.abs(actual - forecast)
    size = np.abs(actual) + np.abs(forecast)
    relative = np.divide(error, size, out=np.where(np.isnan(error), np.nan, 0.0), where=size > 0)
    scores = {
        "MASE": _nanmean(error) / units,
        "sMAPE": 200 * _nanmean(relative),
        "RMSE": np.sqrt(_nanmean(error**2)),
    }
    for level, (lowest, highest) in bounds.items():
        inside = np.where(np.isnan(actual), np.nan, (actual >= lowest) & (actual <= highest))
        scores[f"coverage-{level:.12g}"] = 100 * _nanmean(inside)
    return scores


def _nanmean(values: Values) -> Values:
    """Return the mean over the last axis, NaN aside; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows that are all NaN
        return np.asarray(np.nanmean(values, axis=-1), dtype=np.float64)


def score_frame(packed: PackedSeries, scores: Mapping[str, Mapping[str, Values]], *, by_series: bool) -> pd.DataFrame:
    """Return scores as a frame.

    Parameters
    ----------
    packed : PackedSeries
        The series.
    scores : mapping of str to mapping of str to ndarray of shape (n_series,)
        The metrics of each model.
    by_series : bool
        Whether to return a row for each series, or their mean.

    Returns
    -------
    DataFrame
        Indexed by ``model``, or by id and ``model``; a column for each metric.
    """
    tables = {model: pd.DataFrame(dict(metrics)) for model, metrics in scores.items()}
    if not by_series:
        means = {model: table.mean() for model, table in tables.items()}
        return pd.DataFrame.from_dict(means, orient="index").rename_axis(MODEL_LEVEL)
    name = "series" if packed.columns.id is None else packed.columns.id
    models = pd.CategoricalIndex(list(tables), categories=list(tables), ordered=True)  # so that unstack keeps the order
    rows = np.arange(len(packed.ids) * len(tables)).reshape(len(tables), -1).T.ravel()
    joined = pd.concat(tables.values()).iloc[rows]
    return joined.set_axis(pd.MultiIndex.from_product([packed.ids, models], names=[name, MODEL_LEVEL]))
