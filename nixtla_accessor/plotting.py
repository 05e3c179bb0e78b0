"""Plots of frames, their forecasts and anomalies."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_list_like

from nixtla_accessor.errors import ConfigurationError, InvalidArgumentError
from nixtla_accessor.panel.arrays import Ticks
from nixtla_accessor.panel.arrow import plain_frame
from nixtla_accessor.panel.ids import group_rows, rows_without_id, single_series
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.target import read_target
from nixtla_accessor.panel.tidy import (
    ANOMALY_COLUMN,
    BASE_COLUMN,
    CUTOFF_COLUMN,
    MODEL_COLUMN,
    interval_columns,
    quantile_columns,
)
from nixtla_accessor.panel.times import MISSING_TICK, TimeForm, read_times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_SERIES = 6
MAX_COVARIATES = 6  # that are told apart; the others are added up
_ACTUAL, _FORECAST, _ANOMALY, _EDGE = "#1f2933", "#0f6fc6", "#d64545", "#9aa5b1"
_FORECAST_TINTS = ("#dbe9f7", "#b3d1ef", "#8ab8e6")  # of intervals, the widest first
_COVARIATES = ("#0f6fc6", "#e08e0b", "#3a9d5d", "#8e5bb5", "#d64545", "#2aa5a5", "#9aa5b1")
_MIN_HISTORY = 60  # steps drawn before a forecast; more where four times its length is more
_LETTERS_PER_INCH, _HANDLE_LENGTH = 12, 6  # of a legend: its letters, and the letters that a handle is as long as
_SUBPLOT_SIZE = (4.2, 2.6)  # inches


def plot_series(
    frame: pd.DataFrame,
    columns: Columns,
    forecast: pd.DataFrame | None = None,
    *,
    contributions: bool = False,
    ids: Hashable | Sequence[Hashable] | None = None,
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
    contributions : bool, default False
        Whether to draw the contributions of the covariates instead.
    ids : hashable or sequence, optional
        The series to draw, in this order, or one of them; by default the first ``max_series``.
    max_series : int, default 6
        The number of series to draw without ``ids``.
    ax : Axes or sequence of Axes, optional
        The axes to draw on, one for each series; by default those of a new figure.

    Returns
    -------
    ndarray of Axes, shape (n_series,)
        The axes drawn on; empty where there is no series to draw.

    Raises
    ------
    ConfigurationError
        Matplotlib is not installed.
    InvalidArgumentError
        There are no contributions to draw, the frame does not have a series of ``ids``, there are fewer axes than
        series, or ``max_series`` is no number.
    InvalidFrameError
        The ids, times or values cannot be read.
    """
    _check_max_series(max_series)
    explained = _contributing(frame if forecast is None else forecast, columns) if contributions else []
    known = {} if contributions and forecast is not None else _split(frame, columns)
    ahead = {} if forecast is None else _split(forecast, columns)
    chosen = _choose(list({**known, **ahead}), ids, max_series)
    if not chosen:
        return np.empty(0, dtype=object)
    axes = _new_axes(len(chosen)) if ax is None else np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) < len(chosen):
        raise InvalidArgumentError(
            f"ax must have one axes for each of the {len(chosen)} series; found {len(axes)}. Give more axes, or fewer "
            "ids."
        )
    for name, subplot in zip(chosen, axes, strict=False):
        title = "" if columns.id is None else str(name)
        if contributions:
            _draw_contributions(subplot, ahead.get(name, known.get(name)), columns.time, explained, title)
        else:
            _draw(subplot, known.get(name), ahead.get(name), columns, title)
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
    """Draw ``TimeGPT``, its intervals and its quantiles, indexed by time.

    Intervals are bands, the widest first, and so are pairs of quantiles such as 10% and 90%; other quantiles are lines.
    """
    quantiles = quantile_columns(forecast)
    bands = {f"{level:.12g}% interval": columns for level, columns in reversed(interval_columns(forecast).items())}
    for low, column in quantiles.items():
        if low < 50 and 100 - low in quantiles:
            bands[f"{low:.12g}% to {100 - low:.12g}% quantile"] = (column, quantiles[100 - low])
    for nth, (label, (lower, upper)) in enumerate(bands.items(), start=1):
        shade = _FORECAST_TINTS[min(nth, len(_FORECAST_TINTS)) - 1]
        axes.fill_between(forecast.index, forecast[lower], forecast[upper], color=shade, linewidth=0, label=label)
    for percent, column in quantiles.items():
        if percent != 50 and 100 - percent not in quantiles:
            label = f"{percent:.12g}% quantile"
            axes.plot(forecast.index, forecast[column], color=_FORECAST, linewidth=0.9, linestyle="--", label=label)
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
        if ANOMALY_COLUMN in frame and columns.target in frame:
            odd = frame[frame[ANOMALY_COLUMN].astype(bool)]
            axes.scatter(odd[columns.time], odd[columns.target], color=_ANOMALY, s=18, zorder=3, label="anomaly")
    style(axes, title)


def _contributing(forecast: pd.DataFrame, columns: Columns) -> list[Hashable]:
    """Return the columns with contributions: those before the base value that are no forecasts, the largest first.

    Raises
    ------
    InvalidArgumentError
        There are none.
    """
    if BASE_COLUMN not in forecast or MODEL_COLUMN not in forecast:
        raise InvalidArgumentError(
            f"contributions=True needs forecasts with the column {BASE_COLUMN!r}, as "
            "forecast(feature_contributions=True) returns them."
        )
    names = list(forecast.columns)
    between = names[names.index(MODEL_COLUMN) + 1 : names.index(BASE_COLUMN)]
    bounds = {*itertools.chain.from_iterable(interval_columns(forecast).values()), *quantile_columns(forecast).values()}
    explained = [name for name in between if name not in {*bounds, *columns.keys}]
    sizes = forecast[explained].abs().mean()
    return list(sizes.sort_values(ascending=False, kind="stable").index)


def _draw_contributions(
    axes: Axes, forecast: pd.DataFrame | None, time: Hashable, explained: Sequence[Hashable], title: str
) -> None:
    """Draw for each step how far each covariate lifts or lowers the forecast, and all of them together."""
    if forecast is None:
        return
    shown, others = explained[:MAX_COVARIATES], explained[MAX_COVARIATES:]
    parts = {str(name): forecast[name].to_numpy(dtype=float) for name in shown}
    if others:
        parts[f"{len(others)} others"] = forecast[list(others)].sum(axis=1).to_numpy(dtype=float)
    stamps = forecast[time].to_numpy()
    width: Any = 0.9 * np.diff(stamps).min() if len(stamps) > 1 else None
    if np.issubdtype(stamps.dtype, np.datetime64):
        width = (np.diff(stamps).min() if len(stamps) > 1 else np.timedelta64(1, "D")) * 9 // 10
    top, bottom = np.zeros(len(stamps)), np.zeros(len(stamps))
    for (label, values), colour in zip(parts.items(), _COVARIATES, strict=False):
        start = np.where(values > 0, top, bottom)
        axes.bar(stamps, values, 0.9 if width is None else width, start, color=colour, label=label)
        top, bottom = np.maximum(top, start + values), np.minimum(bottom, start + values)
    total = (forecast[MODEL_COLUMN] - forecast[BASE_COLUMN]).to_numpy(dtype=float)
    axes.plot(stamps, total, color=_ACTUAL, linewidth=1.1, marker=".", markersize=3, label="all covariates")
    axes.axhline(0, color=_EDGE, linewidth=0.8)
    style(axes, title)


def _windows(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the windows of a cross-validation one by one, so that no line connects them."""
    if CUTOFF_COLUMN in frame:
        yield from (window for _, window in frame.groupby(CUTOFF_COLUMN, observed=True))
    else:
        yield frame


def _split(frame: pd.DataFrame, columns: Columns) -> dict[Hashable, pd.DataFrame]:
    """Split a frame into its series, sorted by id and time, with times and values that matplotlib can plot.

    Ids, times and values are read as they are for packing; rows without an id or a time are left out.
    """
    frame = plain_frame(frame)
    if not len(frame):
        return {}
    ticks, form = read_times(get_column(frame, columns.time, "time"), columns.column(columns.time))
    ids = None if columns.id is None else get_column(frame, columns.id, "id")
    rows = np.flatnonzero(ticks != MISSING_TICK)
    if ids is not None:
        rows = np.setdiff1d(rows, rows_without_id(ids))
    if not len(rows):
        return {}
    grouping = single_series(len(rows)) if ids is None else group_rows(ids.take(rows), columns.column(columns.id))
    codes = grouping.row_codes()
    order = np.lexsort((ticks[rows], codes))
    rows = rows[order]
    drawn = frame.iloc[rows].reset_index(drop=True)
    drawn[columns.time] = _plottable(ticks[rows], form)
    if columns.target in drawn:
        values = get_column(frame, columns.target, "target")
        drawn[columns.target] = read_target(values, columns.column(columns.target))[rows]
    names: list[Hashable] = [None] if ids is None else list(grouping.ids)
    parts: Iterable[tuple[Any, pd.DataFrame]] = drawn.groupby(codes[order])
    return {names[code]: part for code, part in parts}


def _plottable(ticks: Ticks, form: TimeForm) -> npt.NDArray[Any]:
    """Return times as numbers, or as datetimes in local time."""
    return ticks if form.is_integer else form.to_local(ticks).view(f"M8[{form.unit}]")


def _check_max_series(max_series: object) -> None:
    if not isinstance(max_series, int | np.integer) or isinstance(max_series, bool) or max_series < 0:
        raise InvalidArgumentError(f"max_series must be a number of series, 0 or more; got {max_series!r}.")


def _choose(names: list[Hashable], ids: Hashable | Sequence[Hashable] | None, max_series: int) -> list[Hashable]:
    """Return the series to draw."""
    if ids is None:
        return names[:max_series]
    is_one = not is_list_like(ids) or (isinstance(ids, tuple) and ids in names)
    chosen: list[Hashable] = [ids] if is_one else list(cast("Iterable[Hashable]", ids))
    missing = [name for name in chosen if name not in names]
    if missing:
        raise InvalidArgumentError(
            f"ids must be series of the frame, which has {_listed(names) or 'none'}; not found: {_listed(missing)}."
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
    lengths = [len(label) + _HANDLE_LENGTH for label in entries] or [1]
    room = int(figure.get_figwidth() * _LETTERS_PER_INCH)
    ncols = len(lengths) if sum(lengths) <= room else max(room // max(lengths), 1)
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=ncols, frameon=False)
    if left_out:
        note = f"{len(axes)} of {len(axes) + left_out} series; ids=[…] or max_series=… shows others"
        figure.suptitle(note, x=0.99, ha="right", fontsize=8, color=_EDGE)
