"""How good several forecasts of the same hold-out were, series by series."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.panel.packing import PackedSeries

Values = npt.NDArray[np.float64]


def seasonal_naive(packed: PackedSeries, horizon: int, n_windows: int, season_length: int) -> Values:
    """Repeat the last season known before each of the last windows.

    Parameters
    ----------
    packed : PackedSeries
        The series, the windows included.
    horizon, n_windows : int
        The steps of a window, and how many windows follow each other at the end of each series.
    season_length : int
        Steps of a season; in a series that knows less, its last value is repeated.

    Returns
    -------
    ndarray of shape (n_series, n_windows * horizon), float64
    """
    ends = np.cumsum(packed.sizes)[:, None]
    window, step = np.divmod(np.arange(n_windows * horizon), horizon)
    before_end = horizon * (n_windows - window)
    known = packed.sizes[:, None] - before_end
    season = np.where(known >= season_length, season_length, 1)
    positions = ends - before_end - season + step % season
    return np.asarray(packed.y[positions], dtype=np.float64)


def error_units(packed: PackedSeries, season_length: int) -> Values:
    """Return the mean change of each series from season to season, the unit of MASE; shape (n_series,).

    In a series of no more than a season it is the mean change from step to step; NaN where nothing changes.
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
    """Measure forecasts, series by series.

    Parameters
    ----------
    actual, forecast : ndarray of shape (n_series, n)
        What happened (NaN where missing), and what was forecast.
    units : ndarray of shape (n_series,)
        The unit of MASE.
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
        "MASE": mean_of_known(error) / units,
        "sMAPE": 200 * mean_of_known(relative),
        "RMSE": np.sqrt(mean_of_known(error**2)),
    }
    for level, (lowest, highest) in bounds.items():
        inside = np.where(np.isnan(actual), np.nan, (actual >= lowest) & (actual <= highest))
        scores[f"coverage-{level:.12g}"] = 100 * mean_of_known(inside)
    return scores


def mean_of_known(values: npt.NDArray[Any]) -> Values:
    """Return the mean over the last axis of what is not NaN; NaN where nothing is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows without any
        return np.asarray(np.nanmean(values, axis=-1), dtype=np.float64)


def score_frame(packed: PackedSeries, scores: Mapping[str, Mapping[str, Values]], *, by_series: bool) -> pd.DataFrame:
    """Lay scores out as a frame.

    Parameters
    ----------
    packed : PackedSeries
        The series.
    scores : mapping of str to mapping of str to ndarray of shape (n_series,)
        The metrics of each model.
    by_series : bool
        Whether to show each series, rather than their mean.

    Returns
    -------
    DataFrame
        Indexed by ``model``, or by id and ``model``; a column for each metric.
    """
    tables = {model: pd.DataFrame(dict(metrics)) for model, metrics in scores.items()}
    if not by_series:
        means = {model: table.mean() for model, table in tables.items()}
        return pd.DataFrame.from_dict(means, orient="index").rename_axis("model")
    name = "series" if packed.columns.id is None else packed.columns.id
    models = pd.CategoricalIndex(list(tables), categories=list(tables), ordered=True)  # so that unstack keeps the order
    rows = np.arange(len(packed.ids) * len(tables)).reshape(len(tables), -1).T.ravel()
    joined = pd.concat(tables.values()).iloc[rows]
    return joined.set_axis(pd.MultiIndex.from_product([packed.ids, models], names=[name, "model"]))
