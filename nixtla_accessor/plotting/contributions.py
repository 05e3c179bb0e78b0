"""What each covariate contributes to forecasts: how far it lifts or lowers each step."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import BASE_COLUMN, MODEL_COLUMN, interval_columns, quantile_columns
from nixtla_accessor.plotting.colors import forecast_color, history_color, quiet_color
from nixtla_accessor.plotting.layout import AxesArray, add_legend, new_axes, set_title, tidy_frame
from nixtla_accessor.plotting.reading import read_frame
from nixtla_accessor.plotting.series import View, choose_series
from nixtla_accessor.plotting.ticks import format_numbers, format_times

MAX_COVARIATES = 6  # that are told apart; the others are added up
_LABEL_LETTERS = 24  # of a name in the legend
_HEIGHT_OF_LEGEND = 0.12  # inches for each covariate, of which at least two stand beside each other


def plot_contributions(forecast: pd.DataFrame, columns: Columns, view: View) -> AxesArray:
    """Draw the contributions of a forecast, series by series.

    Parameters
    ----------
    forecast : DataFrame
        Forecasts with their contributions and ``base_value``.
    columns : Columns
        Its columns.
    view : View
        Which series to draw, and from when.

    Returns
    -------
    ndarray of Axes, shape (n_series,)
        The axes drawn on; empty where there is no series to draw.

    Raises
    ------
    InvalidArgumentError
        There are no contributions, or the frame does not have a series of the view.
    InvalidFrameError
        The ids or times cannot be read.
    """
    explained = _explained(forecast, columns)
    drawn = read_frame(forecast, columns, view.start)
    chosen = choose_series(drawn.names, drawn, columns, view)
    if not chosen:
        return np.empty(0, dtype=object)
    axes, _ = new_axes(len(chosen))
    for name, subplot in zip(chosen, axes, strict=True):
        part = drawn.series(name)
        if part is not None:
            _draw(subplot, part, columns.time, explained)
            format_times(subplot, part[columns.time].to_numpy())
        tidy_frame(subplot)
        set_title(subplot, "" if columns.id is None else str(name))
        format_numbers(subplot)
    add_legend(axes)
    figure = axes[0].get_figure(root=True)
    figure.set_figheight(figure.get_figheight() + _HEIGHT_OF_LEGEND * min(len(explained), MAX_COVARIATES))
    return axes


def _explained(forecast: pd.DataFrame, columns: Columns) -> list[Hashable]:
    """Return the columns with contributions: those before the base value that are no forecasts, the largest first.

    Raises
    ------
    InvalidArgumentError
        There are none.
    """
    if BASE_COLUMN not in forecast or MODEL_COLUMN not in forecast:
        raise InvalidArgumentError(
            f"plot_contributions needs forecasts with the column {BASE_COLUMN!r}, as "
            "forecast(feature_contributions=True) returns them."
        )
    names = list(forecast.columns)
    between = names[names.index(MODEL_COLUMN) + 1 : names.index(BASE_COLUMN)]
    bounds = {*itertools.chain.from_iterable(interval_columns(forecast).values()), *quantile_columns(forecast).values()}
    explained = [name for name in between if name not in {*bounds, *columns.keys}]
    sizes = forecast[explained].abs().mean()
    return list(sizes.sort_values(ascending=False, kind="stable").index)


def _draw(axes: Axes, forecast: pd.DataFrame, time: Hashable, explained: Sequence[Hashable]) -> None:
    """Draw stacks of contributions away from zero, and the line of all of them together."""
    shown, others = explained[:MAX_COVARIATES], list(explained[MAX_COVARIATES:])
    parts = [(_shorten(str(name)), forecast[name].to_numpy(dtype=float)) for name in shown]
    if others:
        parts.append((f"{len(others)} others", forecast[others].sum(axis=1).to_numpy(dtype=float)))
    stamps = forecast[time].to_numpy()
    width = _width_of_bars(stamps)
    top, bottom = np.zeros(len(stamps)), np.zeros(len(stamps))
    for position, (label, values) in enumerate(parts):
        color = quiet_color() if position == MAX_COVARIATES else forecast_color(position)
        start = np.where(values > 0, top, bottom)
        axes.bar(stamps, values, width, start, color=color, label=label)
        top, bottom = np.maximum(top, start + values), np.minimum(bottom, start + values)
    total = (forecast[MODEL_COLUMN] - forecast[BASE_COLUMN]).to_numpy(dtype=float)
    axes.plot(stamps, total, color=history_color(), linewidth=1.1, marker=".", markersize=3, label="all covariates")
    axes.axhline(0, color=quiet_color(), linewidth=0.8)


def _shorten(label: str) -> str:
    half = _LABEL_LETTERS // 2
    return label if len(label) <= _LABEL_LETTERS else f"{label[:half]}…{label[-half:]}"


def _width_of_bars(stamps: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - a number, or a duration
    """Return nine tenths of a step; of a single stamp, of one unit or a day."""
    step = np.diff(stamps).min() if len(stamps) > 1 else 1
    if np.issubdtype(stamps.dtype, np.datetime64):
        return (step if len(stamps) > 1 else np.timedelta64(1, "D")) * 9 // 10
    return 0.9 * step
