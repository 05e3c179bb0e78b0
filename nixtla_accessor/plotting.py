"""Frames drawn on matplotlib axes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import ConfigurationError, InvalidArgumentError
from nixtla_accessor.panel.frame import take_column
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import MODEL_COLUMN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_SERIES = 6
_ACTUAL, _FORECAST, _ANOMALY, _EDGE = "#1f2933", "#0f6fc6", "#d64545", "#9aa5b1"
_FORECAST_TINTS = ("#dbe9f7", "#b3d1ef", "#8ab8e6")  # of intervals, the widest first
_LEAST_HISTORY = 60  # steps shown before a forecast, or four times its length
_PANEL = (4.2, 2.6)  # inches


def plot_series(
    frame: pd.DataFrame,
    columns: Columns,
    forecast: pd.DataFrame | None = None,
    *,
    ids: Sequence[Hashable] | None = None,
    max_series: int = MAX_SERIES,
    ax: Axes | Sequence[Axes] | None = None,
) -> npt.NDArray[np.object_]:
    """Draw series side by side: what happened, what was forecast with its intervals, and anomalies.

    Parameters
    ----------
    frame : DataFrame
        A long frame with the target, with forecasts (``TimeGPT``, ``TimeGPT-lo-80``, …, ``anomaly``), or both.
    columns : Columns
        What its columns are called; the target of a frame that has nothing but forecasts is ``TimeGPT``.
    forecast : DataFrame, optional
        Forecasts of the same series, in a frame of their own.
    ids : sequence, optional
        The series to draw, in this order. None takes the first ones.
    max_series : int
        How many series to draw where ids does not say.
    ax : Axes or sequence of Axes, optional
        Where to draw, one for each series. None makes a figure.

    Returns
    -------
    ndarray of Axes, shape (n_series,)

    Raises
    ------
    ConfigurationError
        If matplotlib is not installed.
    InvalidArgumentError
        If a series is not there, or the axes are fewer than the series.
    """
    known = _split(frame, columns)
    ahead = {} if forecast is None else _split(forecast, columns)
    chosen = _choose(list({**known, **ahead}), ids, max_series)
    axes = _new_axes(len(chosen)) if ax is None else np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) < len(chosen):
        raise InvalidArgumentError(f"There are {len(chosen)} series to draw, and {len(axes)} axes to draw on.")
    for name, panel in zip(chosen, axes, strict=False):
        _draw(panel, known.get(name), ahead.get(name), columns, "" if columns.id is None else str(name))
    if ax is None:
        _finish(axes[: len(chosen)], left_out=0 if ids is not None else len({**known, **ahead}) - len(chosen))
    return axes[: len(chosen)]


def draw_history(axes: Axes, history: pd.Series[Any], label: str = "history") -> None:
    """Draw what happened, indexed by time."""
    axes.plot(history.index, history, color=_ACTUAL, linewidth=1.1, label=label)


def draw_until_forecast(axes: Axes, actual: pd.Series[Any], start: Any, steps: int) -> None:  # noqa: ANN401 - any time
    """Draw the last steps known before a forecast starts, and, dashed, what happened from then on."""
    known, happened = actual[actual.index < start].iloc[-steps:], actual[actual.index >= start]
    draw_history(axes, known)
    if len(known):
        axes.axvline(known.index[-1], color=_EDGE, linewidth=0.8, linestyle=":")
    if len(happened):
        dashes = (0, (2, 1.5))
        axes.plot(happened.index, happened, color=_ACTUAL, linewidth=1.1, linestyle=dashes, label="what happened")


def draw_forecast(axes: Axes, forecast: pd.DataFrame) -> None:
    """Draw ``TimeGPT`` and its intervals, the widest first, indexed by time."""
    prefix = f"{MODEL_COLUMN}-lo-"
    levels = [column.removeprefix(prefix) for column in map(str, forecast.columns) if column.startswith(prefix)]
    for nth, level in enumerate(sorted(levels, key=float, reverse=True), start=1):
        lower, upper = forecast[f"{prefix}{level}"], forecast[f"{MODEL_COLUMN}-hi-{level}"]
        shade = _FORECAST_TINTS[min(nth, len(_FORECAST_TINTS)) - 1]
        axes.fill_between(forecast.index, lower, upper, color=shade, linewidth=0, label=f"{level}% interval")
    axes.plot(forecast.index, forecast[MODEL_COLUMN], color=_FORECAST, linewidth=1.7, label="forecast")


def style(axes: Axes, title: str) -> None:
    """Give a panel its name and a quiet frame."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.7)
    axes.set_axisbelow(True)


def concise_dates(axes: Axes) -> None:
    """Write dates short, and few of them; axes of other values stay as they are."""
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
            draw_history(axes, actual, "what happened" if MODEL_COLUMN in known else "history")
        else:
            draw_until_forecast(axes, actual, ahead[columns.time].min(), max(4 * len(ahead), _LEAST_HISTORY))
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
    """Yield the windows of a cross-validation one by one, so that no line joins them."""
    if "cutoff" in frame:
        yield from (window for _, window in frame.groupby("cutoff", observed=True))
    else:
        yield frame


def _split(frame: pd.DataFrame, columns: Columns) -> dict[Hashable, pd.DataFrame]:
    """Cut a frame into its series, sorted by id and time, with times that matplotlib can place."""
    times = _placeable(take_column(frame, columns.time, "time"))
    ids = np.zeros(len(frame)) if columns.id is None else take_column(frame, columns.id, "id")
    order = pd.DataFrame({"id": np.asarray(ids, dtype=object), "time": times}).sort_values(["id", "time"])
    tidy = frame.iloc[order.index].reset_index(drop=True)
    tidy[columns.time] = order["time"].to_numpy()
    groups = tidy.groupby(order["id"].to_numpy(), sort=True)
    return {None if columns.id is None else name: part for name, part in groups}


def _placeable(times: pd.Series[Any] | pd.Index) -> npt.NDArray[Any]:
    """Turn times into numbers or datetimes on the wall clock."""
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
    wanted: list[Hashable] = [ids] if isinstance(ids, str) else list(ids)
    missing = [name for name in wanted if name not in names]
    if missing:
        shown = ", ".join(map(repr, missing[:3]))
        raise InvalidArgumentError(
            f"The frame has no series {shown} ({len(missing)} of the {len(wanted)} asked for); it has "
            f"{', '.join(map(repr, names[:3]))} and {max(len(names) - 3, 0)} more."
        )
    return wanted


def _new_axes(count: int) -> npt.NDArray[np.object_]:
    """Make a figure with a panel for each series, at most three beside each other."""
    try:
        from matplotlib import pyplot as plt
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        message = 'Pictures need matplotlib, which is not installed: pip install "nixtla-accessor[plot]"'
        raise ConfigurationError(message) from error
    across = 2 if count == 4 else min(count, 3)
    down = -(-count // across)
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(max(across * _PANEL[0], 7.5), down * _PANEL[1] + 0.5),
        layout="constrained",
        squeeze=False,
    )
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(h_pad=0.1)  # inches, so that titles keep off the dates above them
    for unused in axes.ravel()[count:]:
        figure.delaxes(unused)
    panels: npt.NDArray[np.object_] = axes.ravel()[:count]
    return panels


def _finish(axes: npt.NDArray[np.object_], left_out: int) -> None:
    """Give the figure one legend, readable dates, and say what is not shown."""
    for panel in axes:
        concise_dates(panel)
    entries = {
        label: handle for panel in axes for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure = axes[0].figure
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=max(len(entries), 1), frameon=False
    )
    if left_out:
        note = f"{len(axes)} of {len(axes) + left_out} series; ids=[…] or max_series=… shows others"
        figure.suptitle(note, x=0.99, ha="right", fontsize=8, color=_EDGE)
