"""The picture of a frame: its series side by side, with their forecasts and anomalies."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from pandas.api.types import is_list_like

from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.messages import SHOWN, and_more, quoted
from nixtla_accessor.panel.misnamed import nearest
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import ANOMALY_COLUMN, CUTOFF_COLUMN, MODEL_COLUMN, interval_columns
from nixtla_accessor.plotting.drawing import (
    draw_anomalies,
    draw_connection,
    draw_history,
    draw_scores,
    draw_until_forecast,
    draw_windows,
)
from nixtla_accessor.plotting.layout import (
    AxesArray,
    add_legend,
    add_note,
    columns_of_subplots,
    new_axes,
    set_title,
    tidy_frame,
)
from nixtla_accessor.plotting.reading import DrawnFrame, check_forecasts, read_forecast, read_frame
from nixtla_accessor.plotting.ticks import format_numbers, format_times

MAX_SERIES = 6
_MIN_HISTORY = 60  # steps drawn before a forecast; more where four times its length is more
Forecasts = pd.DataFrame | Mapping[str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class View:
    """What of a frame is drawn.

    Attributes
    ----------
    ids : hashable or sequence, optional
        The series, in this order, or one of them; None for a spread of them, from the smallest to the largest.
    max_series : int
        How many series are drawn where ``ids`` is None.
    start : stamp or int, optional
        The first time; None for all, and before a forecast for some four times its length.
    """

    ids: Hashable | Sequence[Hashable] | None = None
    max_series: int = MAX_SERIES
    start: object = None

    def __post_init__(self) -> None:
        number = self.max_series
        if not isinstance(number, int | np.integer) or isinstance(number, bool) or number < 0:
            raise InvalidArgumentError(f"max_series must be a number of series, 0 or more; got {number!r}.")


def plot_series(
    frame: pd.DataFrame,
    columns: Columns,
    forecasts: Forecasts | None = None,
    view: View = View(),
    ax: Axes | Sequence[Axes] | None = None,
) -> AxesArray:
    """Draw the frame's series side by side: actual values, forecasts with their intervals, and anomalies.

    Parameters
    ----------
    frame : DataFrame
        A long frame with the target, with forecasts (``TimeGPT``, ``TimeGPT-lo-80``, …, ``anomaly``), or both.
    columns : Columns
        Its columns; the target of a frame of forecasts alone is ``TimeGPT``.
    forecasts : DataFrame or mapping of str to DataFrame, optional
        Forecasts of the same series, in a separate frame, or several by name.
    view : View
        What to draw.
    ax : Axes or sequence of Axes, optional
        The axes to draw on, one for each series; by default those of a new figure.

    Returns
    -------
    ndarray of Axes, shape (n_series,)
        The axes drawn on; empty where there is no series to draw.

    Raises
    ------
    InvalidArgumentError
        The frame does not have a series of the view, there are fewer axes than series, the start is no time, or the
        forecasts are none.
    InvalidFrameError
        The ids, times or values cannot be read.
    """
    named = check_forecasts("forecast", {"forecast": forecasts} if isinstance(forecasts, pd.DataFrame) else forecasts)
    known = read_frame(frame, columns, view.start)
    ahead = {name: read_forecast(name, forecast, columns, known, view.start) for name, forecast in named.items()}
    names = list(dict.fromkeys(name for part in (known, *ahead.values()) for name in part.names))
    chosen = choose_series(names, known, columns, view)
    if not chosen:
        return np.empty(0, dtype=object)
    with_scores = ax is None and _has_scores(frame, columns)
    if ax is None:
        axes, score_axes = new_axes(len(chosen), with_scores=with_scores)
    else:
        axes, score_axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel(), np.empty(0, dtype=object)
    if len(axes) < len(chosen):
        raise InvalidArgumentError(
            f"ax must have one axes for each of the {len(chosen)} series; found {len(axes)}. Give more axes, or fewer "
            "ids."
        )
    axes = axes[: len(chosen)]
    for name, subplot in zip(chosen, axes, strict=True):
        parts = {label: part for label, drawn in ahead.items() if (part := drawn.series(name)) is not None}
        _draw(subplot, known.series(name), parts, columns, view)
        tidy_frame(subplot)
        set_title(subplot, "" if columns.id is None else str(name))
        format_numbers(subplot)
    for name, subplot in zip(chosen, score_axes, strict=False):
        part = known.series(name)
        if part is not None:
            draw_scores(subplot, part, columns.time, columns.target)
        tidy_frame(subplot)
    if ax is None:
        _finish(axes, score_axes, columns, left_out=0 if view.ids is not None else len(names) - len(chosen))
    for name, subplot in zip(chosen, axes, strict=True):
        part = known.series(name)
        format_times(subplot, None if part is None else part[columns.time].to_numpy())
    return axes


def _draw(
    axes: Axes, known: pd.DataFrame | None, ahead: Mapping[str, pd.DataFrame], columns: Columns, view: View
) -> None:
    """Draw one series."""
    if known is not None and columns.target != MODEL_COLUMN:
        actual = known.drop_duplicates(columns.time).set_index(columns.time)[columns.target]
        if not ahead:
            label = "actual" if MODEL_COLUMN in known else "history"
            draw_history(axes, actual, label, thin=ANOMALY_COLUMN in known)
        else:
            start = min(part[columns.time].min() for part in ahead.values())
            longest = max(part[columns.time].nunique() for part in ahead.values())
            steps = len(actual) if view.start is not None else max(4 * longest, _MIN_HISTORY)
            draw_until_forecast(axes, actual, start, steps)
            for position, part in enumerate(ahead.values()):
                if CUTOFF_COLUMN not in part:
                    draw_connection(axes, actual, part.set_index(columns.time), position)
    if known is not None and MODEL_COLUMN in known:
        draw_windows(axes, known, columns.time, thin=ANOMALY_COLUMN in known)
        if ANOMALY_COLUMN in known and columns.target in known:
            draw_anomalies(axes, known, columns.time, columns.target)
    for position, (name, part) in enumerate(ahead.items()):
        draw_windows(axes, part, columns.time, name=name, position=position)


def _has_scores(frame: pd.DataFrame, columns: Columns) -> bool:
    """Return whether a frame has anomalies, with the interval that they were found by."""
    has_columns = ANOMALY_COLUMN in frame and MODEL_COLUMN in frame and columns.target != MODEL_COLUMN
    return has_columns and len(interval_columns(frame)) == 1


def choose_series(names: list[Hashable], known: DrawnFrame, columns: Columns, view: View) -> list[Hashable]:
    """Return the series to draw."""
    if view.ids is None:
        return _spread(names, known, columns, view.max_series)
    is_one = not is_list_like(view.ids) or (isinstance(view.ids, tuple) and view.ids in names)
    chosen: list[Hashable] = [view.ids] if is_one else list(cast("Iterable[Hashable]", view.ids))
    missing = [name for name in chosen if name not in names]
    if missing:
        near = nearest(missing[0], names)
        raise InvalidArgumentError(
            f"ids must be series of the frame, which has {_listed(names) or 'none'}; not found: {_listed(missing)}."
            f"{'' if near is None else f' The nearest to {quoted(missing[0])} is {quoted(near)}.'}"
        )
    return chosen


def _spread(names: list[Hashable], known: DrawnFrame, columns: Columns, count: int) -> list[Hashable]:
    """Return so many series, evenly spread from the smallest mean to the largest, in their own order."""
    if len(names) <= count:
        return names
    if names != known.names:  # some are only in the forecasts
        return names[:count]
    order = np.argsort(known.sizes(columns.target), kind="stable")
    positions = order[np.linspace(len(names) - 1, 0, count).round().astype(np.intp)]  # one alone is the largest
    return [names[position] for position in sorted(positions)]


def _listed(names: list[Hashable]) -> str:
    return ", ".join(map(quoted, names[:SHOWN])) + and_more(len(names))


def _finish(axes: AxesArray, score_axes: AxesArray, columns: Columns, left_out: int) -> None:
    """Add what all subplots of a figure share: labels, the legend, and a note about series that are not drawn."""
    across = columns_of_subplots(len(axes))
    if columns.target != MODEL_COLUMN:
        for subplot in axes[::across]:
            subplot.set_ylabel(str(columns.target), parse_math=False)
    for subplot in score_axes[::across]:
        subplot.set_ylabel("score")
    add_legend(axes)
    if left_out:
        add_note(axes[0], f"{len(axes)} of {len(axes) + left_out} series; ids=[…] or max_series=… shows others")
