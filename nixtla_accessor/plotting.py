"""Frames drawn on matplotlib axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nixtla_accessor.panel.intervals import MODEL_COLUMN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACTUAL = "#1f2933"
_FORECAST = "#0f6fc6"


def draw_forecast(
    axes: Axes,
    history: pd.Series,
    forecast: pd.DataFrame,
    holdout: pd.Series | None = None,
    title: str = "",
) -> None:
    """Draw one series: its history, what was forecast with its intervals, and what happened where it is known.

    Parameters
    ----------
    axes : matplotlib Axes
        Where to draw.
    history : Series of float
        The past, indexed by time.
    forecast : DataFrame
        ``TimeGPT`` and, for each level, ``TimeGPT-lo-…`` and ``TimeGPT-hi-…``, indexed by time.
    holdout : Series of float, optional
        What happened, indexed by time.
    title : str
        The name of the series.
    """
    lows = [column for column in forecast.columns if column.startswith(f"{MODEL_COLUMN}-lo-")]
    for low in sorted(lows, key=lambda column: -float(column.rsplit("-", 1)[1])):
        level = low.rsplit("-", 1)[1]
        axes.fill_between(
            forecast.index,
            forecast[low],
            forecast[f"{MODEL_COLUMN}-hi-{level}"],
            color=_FORECAST,
            alpha=0.16,
            linewidth=0,
            label=f"{level}% interval",
        )
    axes.plot(history.index, history, color=_ACTUAL, linewidth=1.1, label="history")
    if holdout is not None:
        axes.plot(holdout.index, holdout, color=_ACTUAL, linewidth=1.1, linestyle=(0, (2, 1.5)), label="what happened")
    axes.plot(forecast.index, forecast[MODEL_COLUMN], color=_FORECAST, linewidth=1.7, label="forecast")
    axes.axvline(history.index[-1], color="#9aa5b1", linewidth=0.8, linestyle=":")
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.7)
    axes.set_axisbelow(True)
