"""Drawing one series: actual values, forecasts with intervals and quantiles, cutoffs, anomalies and their scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nixtla_accessor.panel.tidy import (
    ANOMALY_COLUMN,
    CUTOFF_COLUMN,
    MODEL_COLUMN,
    SAMPLE_COLUMN,
    interval_columns,
    quantile_columns,
)
from nixtla_accessor.plotting.colors import anomaly_color, forecast_color, history_color, quiet_color

_OPACITIES = (0.15, 0.3, 0.45)  # of intervals, the widest first
_MAX_PATHS, _PATH_OPACITY = 50, 0.25  # that are drawn of a simulation: more make a cloud
_RASTER_FROM = 2_000  # points; larger bands are stored as an image, or vector files would be megabytes
_HISTORY_WIDTH, _FORECAST_WIDTH, _THIN = 1.1, 1.7, 0.8  # points
_DASHES = (0, (2, 1.5))


def draw_history(axes: Axes, history: pd.Series[Any], label: str = "history", *, thin: bool = False) -> None:
    """Draw actual values, indexed by time."""
    width = _THIN if thin else _HISTORY_WIDTH
    axes.plot(history.index, history, color=history_color(), linewidth=width, label=label)


def draw_until_forecast(axes: Axes, actual: pd.Series[Any], start: Any, steps: int) -> None:  # noqa: ANN401 - any time
    """Draw the last ``steps`` actual values before a forecast starts, and, dashed, those from then on."""
    known, later = actual[actual.index < start].iloc[-steps:], actual[actual.index >= start]
    draw_history(axes, known)
    if len(known):
        axes.axvline(known.index[-1], color=quiet_color(), linewidth=_THIN, linestyle=":")
    if len(later):
        color = history_color()
        axes.plot(later.index, later, color=color, linewidth=_HISTORY_WIDTH, linestyle=_DASHES, label="actual")


def draw_connection(axes: Axes, actual: pd.Series[Any], forecast: pd.DataFrame, position: int = 0) -> None:
    """Draw a line from the last actual value before a forecast to its first step, so that the two meet."""
    known = actual[actual.index < forecast.index[0]].dropna()
    if len(known) and SAMPLE_COLUMN not in forecast:
        times, values = [known.index[-1], forecast.index[0]], [known.iloc[-1], forecast[MODEL_COLUMN].iloc[0]]
        axes.plot(times, values, color=forecast_color(position), linewidth=_FORECAST_WIDTH, label="_connection")


def draw_forecast(
    axes: Axes, forecast: pd.DataFrame, *, name: str = "forecast", position: int = 0, thin: bool = False
) -> None:
    """Draw ``TimeGPT``, its intervals and its quantiles, indexed by time.

    Intervals are bands, the widest first, and so are pairs of quantiles such as 10% and 90%; other quantiles are lines,
    and so are the first paths of a simulation.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    forecast : DataFrame
        The forecast of one series.
    name : str, default "forecast"
        What the legend calls it.
    position : int, default 0
        Which of several forecasts it is, for its colour.
    thin : bool, default False
        Whether to draw a thin line, that leaves the actual values visible.
    """
    color, prefix = forecast_color(position), "" if name == "forecast" else f"{name}: "
    if SAMPLE_COLUMN in forecast:
        _draw_paths(axes, forecast, f"{prefix}paths", color)
        return
    quantiles = quantile_columns(forecast)
    bands = {f"{level:.12g}% interval": columns for level, columns in reversed(interval_columns(forecast).items())}
    for low, column in quantiles.items():
        if low < 50 and 100 - low in quantiles:
            bands[f"{low:.12g}% to {100 - low:.12g}% quantile"] = (column, quantiles[100 - low])
    for nth, (label, (lower, upper)) in enumerate(bands.items()):
        axes.fill_between(
            forecast.index,
            forecast[lower],
            forecast[upper],
            color=color,
            alpha=_OPACITIES[min(nth, len(_OPACITIES) - 1)],
            linewidth=0,
            label=prefix + label,
            rasterized=len(forecast) >= _RASTER_FROM,
        )
    for percent, column in quantiles.items():
        if percent != 50 and 100 - percent not in quantiles:
            label = f"{prefix}{percent:.12g}% quantile"
            axes.plot(forecast.index, forecast[column], color=color, linewidth=_THIN, linestyle="--", label=label)
    axes.plot(
        forecast.index, forecast[MODEL_COLUMN], color=color, linewidth=_THIN if thin else _FORECAST_WIDTH, label=name
    )


def _draw_paths(axes: Axes, paths: pd.DataFrame, label: str, color: str) -> None:
    """Draw some paths of a simulation of one series, indexed by time."""
    for number, path in paths[paths[SAMPLE_COLUMN] < _MAX_PATHS].groupby(SAMPLE_COLUMN):
        shown = "_path" if number else label
        axes.plot(path.index, path[MODEL_COLUMN], color=color, linewidth=_THIN, alpha=_PATH_OPACITY, label=shown)


def draw_windows(
    axes: Axes,
    windows: pd.DataFrame,
    time: Any,  # noqa: ANN401 - any column
    *,
    name: str = "forecast",
    position: int = 0,
    thin: bool = False,
) -> None:
    """Draw the windows of a cross-validation one by one, so that no line connects them, with their cutoffs."""
    for window in _split_windows(windows):
        draw_forecast(axes, window.set_index(time), name=name, position=position, thin=thin)
    if CUTOFF_COLUMN in windows and not position:
        for nth, cutoff in enumerate(windows[CUTOFF_COLUMN].unique()):
            label = "_cutoff" if nth else "cutoff"
            axes.axvline(cutoff, color=quiet_color(), linewidth=_THIN, linestyle=":", label=label)


def draw_anomalies(axes: Axes, frame: pd.DataFrame, time: Any, target: Any) -> None:  # noqa: ANN401 - any column
    """Mark anomalies by dots above everything else."""
    odd = frame[frame[ANOMALY_COLUMN].astype(bool)]
    axes.scatter(odd[time], odd[target], color=anomaly_color(), s=18, zorder=3, label="anomaly")


def draw_scores(axes: Axes, frame: pd.DataFrame, time: Any, target: Any) -> None:  # noqa: ANN401 - any column
    """Draw how far actual values are from the forecast, in half widths of the interval: beyond 1 lie anomalies."""
    (lower, upper), *_ = interval_columns(frame).values()
    half_width = (frame[upper] - frame[lower]) / 2
    distance = (frame[target] - frame[MODEL_COLUMN]).abs()
    score = distance.where(distance > 0, 0.0) / half_width.where(half_width > 0)
    axes.vlines(frame[time], 0, score.fillna(0.0), color=history_color(), linewidth=_THIN)
    axes.axhline(1, color=anomaly_color(), linewidth=_THIN)
    axes.set_ylim(0, max(2.0, float(np.nanmax([*score, 0.0])) * 1.05))


def _split_windows(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    if CUTOFF_COLUMN in frame:
        yield from (window for _, window in frame.groupby(CUTOFF_COLUMN, observed=True))
    else:
        yield frame
