"""The errors of several forecasts beside each other: by lead time, and by series."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.scores import mase_scale
from nixtla_accessor.panel.tidy import CUTOFF_COLUMN, MODEL_COLUMN
from nixtla_accessor.plotting.colors import forecast_color
from nixtla_accessor.plotting.layout import AxesArray, add_legend, add_note, fit_title, tidy_frame
from nixtla_accessor.plotting.reading import DrawnFrame, check_forecasts, read_forecast, read_frame

MAX_SHOWN = 30  # series
_SIZE = (11.0, 4.2)  # inches
_HEIGHT_OF_SERIES = 0.24  # inches
_NAME_LETTERS = 28


def plot_errors(
    packed: PackedSeries, frame: pd.DataFrame, columns: Columns, forecasts: Mapping[str, pd.DataFrame]
) -> AxesArray:
    """Draw the absolute errors of forecasts, in each series' unit of MASE, by lead time and by series.

    Parameters
    ----------
    packed : PackedSeries
        The actual values.
    frame : DataFrame
        The same, as the caller has them.
    columns : Columns
        The frame's columns.
    forecasts : mapping of str to DataFrame
        Forecasts or cross-validations by name.

    Returns
    -------
    ndarray of Axes, shape (2,)
        The mean error of each lead time, and of each series.

    Raises
    ------
    InvalidArgumentError
        There is no forecast, or one has no time that the frame has a value for.
    """
    check_forecasts("forecasts", forecasts)
    if not forecasts:
        raise InvalidArgumentError('forecasts must name at least one frame, such as {"tuned": frame}; found none.')
    units = dict(zip(packed.ids, mase_scale(packed, packed.frequency.season_length), strict=True))
    known = read_frame(frame, columns)
    actual = _values(known, columns.target, columns)
    errors = {
        name: _errors(name, actual, read_forecast(name, forecast, columns, known), columns, units)
        for name, forecast in forecasts.items()
    }
    by_series = pd.DataFrame({name: table.groupby("series")["error"].mean() for name, table in errors.items()})
    shown = _spread(by_series)
    height = max(_SIZE[1], len(shown) * _HEIGHT_OF_SERIES + 1.2)
    _, (left, right) = plt.subplots(1, 2, figsize=(_SIZE[0], height), layout="constrained")
    for position, (name, table) in enumerate(errors.items()):
        by_lead = table.groupby("lead")["error"].mean()
        left.plot(by_lead.index, by_lead, color=forecast_color(position), marker=".", label=name)
        _draw_dots(right, shown[name], position, len(errors))
    left.set(xlabel="lead time, steps", ylabel="mean absolute error, in units of MASE", ylim=(0, None))
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="mean absolute error, in units of MASE", xlim=(0, None))
    right.set_yticks(
        range(len(shown)), [fit_title(str(name), _NAME_LETTERS) for name in shown.index], fontsize=8, parse_math=False
    )
    for axes in (left, right):
        tidy_frame(axes)
    add_legend([left])
    if len(shown) < len(by_series):
        add_note(left, f"{len(shown)} of {len(by_series)} series on the right")
    return np.array([left, right], dtype=object)


def _draw_dots(axes: Axes, errors: pd.Series[float], position: int, count: int) -> None:
    """Draw a dot for each series, a little apart from those of other forecasts."""
    heights = np.arange(len(errors)) + 0.3 * (position - (count - 1) / 2) / max(count - 1, 1)
    axes.scatter(errors, heights, color=forecast_color(position), s=22)


def _spread(by_series: pd.DataFrame) -> pd.DataFrame:
    """Return the series sorted by their error, so many of them evenly spread as can be read."""
    ordered = by_series.loc[by_series.mean(axis=1).sort_values(ascending=False).index]
    positions = np.linspace(0, len(ordered) - 1, min(len(ordered), MAX_SHOWN)).round().astype(int)
    return ordered.iloc[positions]


def _values(drawn: DrawnFrame, column: object, columns: Columns) -> pd.DataFrame:
    """Return the series, time, cutoff and value of each row of a frame, and its lead time in steps."""
    rows = drawn.rows
    names = np.array([*drawn.names, None], dtype=object)[:-1]  # of one dimension, also where ids are tuples
    table = pd.DataFrame(
        {
            "series": names[drawn.codes],
            "time": rows[columns.time],
            "cutoff": rows.get(CUTOFF_COLUMN, 0),
            "value": pd.to_numeric(rows[column]).astype(np.float64),
        }
    )
    table["lead"] = table.groupby([drawn.codes, "cutoff"]).cumcount() + 1
    return table


def _errors(
    name: str, actual: pd.DataFrame, forecast: DrawnFrame, columns: Columns, units: Mapping[object, float]
) -> pd.DataFrame:
    """Return the series, lead time and scaled absolute error of each forecast that has an actual value."""
    ahead = _values(forecast, MODEL_COLUMN, columns)
    known = actual.drop_duplicates(["series", "time"])[["series", "time", "value"]]
    both = ahead.merge(known, on=["series", "time"], suffixes=("", "_actual"))
    error = (both["value"] - both["value_actual"]).abs() / both["series"].map(units).astype(np.float64)
    errors = both.assign(error=error).dropna(subset="error")
    if errors.empty:
        raise InvalidArgumentError(
            f"The forecast {name!r} has no time at which the frame has a value: give the frame that holds what "
            "happened since, or a frame of cross_validation()."
        )
    return errors
