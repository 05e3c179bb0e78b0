"""Plots of frames, their forecasts and anomalies."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import ConfigurationError, InvalidArgumentError
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import MODEL_COLUMN, interval_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_SERIES = 6
_ACTUAL, _FORECAST, _ANOMALY, _EDGE = "#1f2933", "#0f6fc6", "#d64545", "#9aa5b1"
_FORECAST_TINTS = ("#dbe9f7", "#b3d1ef", "#8ab8e6")  # of intervals, the widest first
_MIN_HISTORY = 60  # steps drawn before a forecast; more where four times its length is more
_SUBPLOT_SIZE = (4.2, 2.6)  # inches


def plot_series(
    frame: pd.DataFrame,
    columns: Columns,
    forecast: pd.DataFrame | None = None,
    *,
    ids: Sequence[Hashable] | None = None,
    max_series: int = MAX_SERIES,
    ax: Axes | Sequence[Axes] | None = None,
) -> npt.NDArray[np.object_]:
    """Draw the frame's series side by side: actual values, forecasts with their intervals, and anomalies.

    Parameters
    ----------
    frame : DataFrame
        A long frame with the target, with forecasts (``TimeGPT``, ``TimeGPT-lo-80``, …, ``anomaly``), or both.
    columns : Columns
        Its columns; the target of a frame of forecasts alone is ``TimeGPT``.
    forecast : DataFrame, optional
        Forecasts of the same series, in a separate frame.
    ids : sequence, optional
        The series to draw, in this order; by default the first ``max_series``.
    max_series : int, default 6
        The number of series to draw without ``ids``.
    ax : Axes or sequence of Axes, optional
        The axes to draw on, one for each series; by default those of a new figure.

    Returns
    -------
    ndarray of Axes, shape (n_series,)
        The axes drawn on.

    Raises
    ------
    ConfigurationError
        Matplotlib is not installed.
    InvalidArgumentError
        The frame does not have a series of ``ids``, or there are fewer axes than series.
    """
    known = _split(frame, columns)
    ahead = {} if forecast is None else _split(forecast, columns)
    chosen = _choose(list({**known, **ahead}), ids, max_series)
    axes = _new_axes(len(chosen)) if ax is None else np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) < len(chosen):
        raise InvalidArgumentError(
            f"ax must have one axes for each of the {len(chosen)} series; found {len(axes)}. Give more axes, or fewer "
            "ids."
        )
    for name, subplot in zip(chosen, axes, strict=False):
        _draw(subplot, known.get(name), ahead.get(name), columns, "" if columns.id is None else str(name))
    if ax is None:
        _finish(axes[: len(chosen)], left_out=0 if ids is not None else len({**known, **ahead}) - len(chosen))
    return axes[: len(chosen)]


def draw_history(axes: Axes, history: pd.Series[Any], label: str = "history") -> None:
    """Draw actual values, indexed by time."""
    axes.plot(history.index, history, color=_ACTUAL, linewidth=1.1, label=label)


def draw_until_forecast(axes: Axes, actual: pd.Series[Any], start: Any, steps: int) -> None:  # noqa: ANN401 - any time
    """Draw the last ``steps`` actual values before a forecast starts, and, dashed, those from then on."""
    known, later = actual[actual.index < start].iloc[-steps:], actual[actual.index >= start]
    draw_history(axes, known)
    if len(known):
        axes.axvline(known.index[-1], color=_EDGE, linewidth=0.8, linestyle=":")
    if len(later):
        dashes = (0, (2, 1.5))
        axes.plot(later.index, later, color=_ACTUAL, linewidth=1.1, linestyle=dashes, label="actual")


def draw_forecast(axes: Axes, forecast: pd.DataFrame) -> None:
    """Draw ``TimeGPT`` and its intervals, the widest first, indexed by time."""
    widest_first = reversed(interval_columns(forecast).items())
    for nth, (level, (lower, upper)) in enumerate(widest_first, start=1):
        shade = _FORECAST_TINTS[min(nth, len(_FORECAST_TINTS)) - 1]
        axes.fill_between(
            forecast.index, forecast[lower], forecast[upper], color=shade, linewidth=0, label=f"{level:.12g}% interval"
        )
    axes.plot(forecast.index, forecast[MODEL_COLUMN], color=_FORECAST, linewidth=1.7, label="forecast")


def style(axes: Axes, title: str) -> None:
    """Set the title of a subplot, and an unobtrusive frame and grid."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.7)
    axes.set_axisbelow(True)


def concise_dates(axes: Axes) -> None:
    """Format dates concisely, at few ticks; axes of other values stay as they are."""
    from matplotlib import dates

    if isinstance(axes.xaxis.get_major_locator(), dates.AutoDateLocator):
        locator = dates.AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call] # not typed there
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # nor this


def _draw(axes: Axes, known: pd.DataFrame | None, ahead: pd.DataFrame | None, columns: Columns, title: str) -> None:
    """Draw one series."""
    if known is not None and columns.target != MODEL_COLUMN:
        actual = known.drop_duplicates(columns.time).set_index(columns.time)[columns.target]
        if ahead is None:
            draw_history(axes, actual, "actual" if MODEL_COLUMN in known else "history")
        else:
            draw_until_forecast(axes, actual, ahead[columns.time].min(), max(4 * len(ahead), _MIN_HISTORY))
    for frame in (known, ahead):
        if frame is None or MODEL_COLUMN not in frame:
            continue
        for window in _windows(frame):
            draw_forecast(axes, window.set_index(columns.time))
        if "anomaly" in frame and columns.target in frame:
            odd = frame[frame["anomaly"]]
            axes.scatter(odd[columns.time], odd[columns.target], color=_ANOMALY, s=18, zorder=3, label="anomaly")
    style(axes, title)


def _windows(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the windows of a cross-validation one by one, so that no line connects them."""
    if "cutoff" in frame:
        yield from (window for _, window in frame.groupby("cutoff", observed=True))
    else:
        yield frame


def _split(frame: pd.DataFrame, columns: Columns) -> dict[Hashable, pd.DataFrame]:
    """Split a frame into its series, sorted by id and time, with times that matplotlib can plot."""
    times = _plottable(get_column(frame, columns.time, "time"))
    ids = np.zeros(len(frame)) if columns.id is None else get_column(frame, columns.id, "id")
    order = pd.DataFrame({"id": np.asarray(ids, dtype=object), "time": times}).sort_values(["id", "time"])
    tidy = frame.iloc[order.index].reset_index(drop=True)
    tidy[columns.time] = order["time"].to_numpy()
    groups = tidy.groupby(order["id"].to_numpy(), sort=True)
    return {None if columns.id is None else name: part for name, part in groups}


def _plottable(times: pd.Series[Any] | pd.Index) -> npt.NDArray[Any]:
    """Return times as numbers, or as datetimes in local time."""
    index = pd.Index(times)
    if isinstance(index, pd.PeriodIndex):
        return np.asarray(index.to_timestamp())
    if pd.api.types.is_integer_dtype(index.dtype):
        return np.asarray(index, np.int64)
    stamps = pd.DatetimeIndex(index)
    return np.asarray(stamps if stamps.tz is None else stamps.tz_localize(None))


def _choose(names: list[Hashable], ids: Sequence[Hashable] | None, max_series: int) -> list[Hashable]:
    """Return the series to draw."""
    if ids is None:
        return names[:max_series]
    chosen: list[Hashable] = [ids] if isinstance(ids, str) else list(ids)
    missing = [name for name in chosen if name not in names]
    if missing:
        raise InvalidArgumentError(
            f"ids must be series of the frame, which has {_listed(names)}; not found: {_listed(missing)}."
        )
    return chosen


def _listed(names: list[Hashable]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + and_more(len(names))


def _new_axes(count: int) -> npt.NDArray[np.object_]:
    """Create a figure with a subplot for each series, at most three beside each other."""
    try:
        from matplotlib import pyplot as plt
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        message = 'Plots need matplotlib, which is not installed: pip install "nixtla-accessor[plot]"'
        raise ConfigurationError(message) from error
    across = 2 if count == 4 else min(count, 3)
    down = -(-count // across)
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(max(across * _SUBPLOT_SIZE[0], 7.5), down * _SUBPLOT_SIZE[1] + 0.5),
        layout="constrained",
        squeeze=False,
    )
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(h_pad=0.1)  # inches, so that titles do not touch the dates above them
    for unused in axes.ravel()[count:]:
        figure.delaxes(unused)
    used: npt.NDArray[np.object_] = axes.ravel()[:count]
    return used


def _finish(axes: npt.NDArray[np.object_], left_out: int) -> None:
    """Add one legend for the figure, readable dates, and a note about series that are not drawn."""
    for subplot in axes:
        concise_dates(subplot)
    entries = {
        label: handle for subplot in axes for handle, label in zip(*subplot.get_legend_handles_labels(), strict=True)
    }
    figure = axes[0].figure
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=max(len(entries), 1), frameon=False
    )
    if left_out:
        note = f"{len(axes)} of {len(axes) + left_out} series; ids=[…] or max_series=… shows others"
        figure.suptitle(note, x=0.99, ha="right", fontsize=8, color=_EDGE)
