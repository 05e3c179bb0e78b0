"""What a forecast leaves unexplained: its errors over time, their distribution and their autocorrelation."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import pyplot as plt
from pandas.api.types import is_hashable

from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.messages import SHOWN, and_more, quoted
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import CUTOFF_COLUMN, MODEL_COLUMN
from nixtla_accessor.plotting.colors import forecast_color, history_color, quiet_color
from nixtla_accessor.plotting.layout import AxesArray, set_title, tidy_frame
from nixtla_accessor.plotting.reading import read_frame
from nixtla_accessor.plotting.ticks import format_numbers, format_times

MAX_LAGS = 40
_SIZE = (13.0, 3.6)  # inches
_RASTER_FROM = 2_000  # dots
_Z = 1.96  # of a two-sided 95% interval

Residuals = npt.NDArray[np.float64]


def plot_residuals(frame: pd.DataFrame, columns: Columns, series: Hashable | None = None) -> AxesArray:
    """Draw the errors of a cross-validation, or of anomaly detection.

    Parameters
    ----------
    frame : DataFrame
        Actual values and ``TimeGPT``; where windows overlap, the forecast of the latest cutoff counts.
    columns : Columns
        Its columns.
    series : hashable, optional
        The series; None for all, each in units of its own root mean square.

    Returns
    -------
    ndarray of Axes, shape (3,)
        Over time, the distribution, and the autocorrelation, with the bounds that 95% of the values of white noise
        keep within.

    Raises
    ------
    InvalidArgumentError
        The frame has no errors of that series.
    """
    parts = _residuals(frame, columns, series)
    scaled = len(parts) > 1
    unit = "error, in units of its root mean square" if scaled else "error"
    if scaled:
        parts = [(times, values / max(_root_mean_square(values), np.finfo(float).tiny)) for times, values in parts]
    times, values = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    _, (over_time, distribution, autocorrelation) = plt.subplots(1, 3, figsize=_SIZE, layout="constrained")
    color = forecast_color(0)
    over_time.scatter(times, values, s=8, color=color, alpha=0.6, rasterized=len(times) >= _RASTER_FROM)
    over_time.axhline(0, color=history_color(), linewidth=0.8)
    set_title(over_time, "Actual less forecast, over time")
    over_time.set_ylabel(unit)
    format_times(over_time, np.unique(times))
    distribution.hist(values, bins="auto" if np.ptp(values) else 1, color=color, alpha=0.7)
    distribution.axvline(0, color=history_color(), linewidth=0.8)
    distribution.axvline(float(np.median(values)), color=history_color(), linewidth=0.8, linestyle="--")
    set_title(distribution, "Distribution, its median dashed")
    distribution.set(xlabel=unit, ylabel="values")
    correlations, bound = mean_autocorrelation([part[1] for part in parts])
    lags = np.arange(1, len(correlations) + 1)
    autocorrelation.vlines(lags, 0, correlations, color=color, linewidth=2)
    autocorrelation.axhspan(-bound, bound, color=quiet_color(), alpha=0.3, linewidth=0)
    autocorrelation.axhline(0, color=history_color(), linewidth=0.8)
    set_title(autocorrelation, "Autocorrelation, with the bounds of white noise")
    autocorrelation.set(xlabel="lag, steps", ylim=(-1, 1))
    for axes in (over_time, distribution, autocorrelation):
        tidy_frame(axes)
    format_numbers(over_time)
    return np.array([over_time, distribution, autocorrelation], dtype=object)


def mean_autocorrelation(parts: list[Residuals]) -> tuple[Residuals, float]:
    """Return the mean autocorrelation of some series by lag, from 1, and the 95% bound of white noise.

    Parameters
    ----------
    parts : list of ndarray, each of shape (points,)
        Series without missing values.

    Returns
    -------
    correlations : ndarray, shape (lags,)
        Up to half of the shortest series, and `MAX_LAGS`; empty where all are shorter than 3 or constant.
    bound : float
        Of the mean.

    Examples
    --------
    >>> mean_autocorrelation([np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])])[0].round(2).tolist()
    [-0.83, 0.67, -0.5]
    """
    long_enough = [values - values.mean() for values in parts if len(values) > 2 and np.ptp(values)]
    if not long_enough:
        return np.empty(0), 0.0
    n_lags = min(MAX_LAGS, min(map(len, long_enough)) // 2)
    each = [
        [(values[lag:] * values[:-lag]).sum() / (values**2).sum() for lag in range(1, n_lags + 1)]
        for values in long_enough
    ]
    n_points = sum(map(len, long_enough)) / len(long_enough)
    return np.mean(each, axis=0), _Z / float(np.sqrt(n_points * len(long_enough)))


def _residuals(
    frame: pd.DataFrame, columns: Columns, series: Hashable | None
) -> list[tuple[npt.NDArray[np.generic], Residuals]]:
    """Return the times and the errors of each series that has any."""
    if MODEL_COLUMN not in frame or columns.target not in frame or columns.target == MODEL_COLUMN:
        raise InvalidArgumentError(
            f"plot_residuals() needs the actual values and {MODEL_COLUMN!r} in one frame, as cross_validation() and "
            f"detect_anomalies() return them; found {', '.join(map(repr, frame.columns))}."
        )
    drawn = read_frame(frame, columns)
    names = drawn.names if series is None else [series]
    parts = []
    for name in names:
        rows = drawn.series(name) if is_hashable(name) else None
        if rows is None:
            found = ", ".join(map(quoted, drawn.names[:SHOWN])) + and_more(len(drawn.names))
            raise InvalidArgumentError(f"series must be one of the frame, which has {found}; got {quoted(name)}.")
        if CUTOFF_COLUMN in rows:
            rows = rows.sort_values(CUTOFF_COLUMN, kind="stable").drop_duplicates(columns.time, keep="last")
            rows = rows.iloc[np.argsort(rows[columns.time].to_numpy(), kind="stable")]
        errors = rows[columns.target].to_numpy(np.float64) - rows[MODEL_COLUMN].to_numpy(np.float64, na_value=np.nan)
        is_known = np.isfinite(errors)
        if is_known.any():
            parts.append((rows[columns.time].to_numpy()[is_known], errors[is_known]))
    if not parts:
        raise InvalidArgumentError("There are no errors to draw: no row has both an actual value and a forecast.")
    return parts


def _root_mean_square(values: Residuals) -> float:
    return float(np.sqrt(np.mean(values**2)))
