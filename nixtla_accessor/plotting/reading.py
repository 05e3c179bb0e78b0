"""Frames read as they are for packing, and split into series with times and values that matplotlib can plot."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.arrays import Ticks
from nixtla_accessor.panel.arrow import plain_frame
from nixtla_accessor.panel.ids import group_rows, rows_without_id, single_series
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.misnamed import names_of
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.panel import ID_COLUMN, TARGET_COLUMN, TIME_COLUMN, Columns
from nixtla_accessor.panel.target import read_target
from nixtla_accessor.panel.tidy import CUTOFF_COLUMN, MODEL_COLUMN
from nixtla_accessor.panel.times import MISSING_TICK, TimeForm, read_times

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class DrawnFrame:
    """A frame's rows sorted by series and time; rows without an id or a time are left out.

    Parameters
    ----------
    names : list of hashable
        The ids; None for a frame without an id column.
    codes : ndarray of intp, shape (n_rows,)
        The series of each row.
    rows : DataFrame
        With times as integers or local datetimes, and the target as numbers.
    """

    names: list[Hashable]
    codes: Codes
    rows: pd.DataFrame

    @cached_property
    def _position(self) -> dict[Hashable, int]:
        return {name: position for position, name in enumerate(self.names)}

    def series(self, name: Hashable) -> pd.DataFrame | None:
        """Return the rows of a series, or None if there are none."""
        position = self._position.get(name)
        if position is None:
            return None
        first, last = np.searchsorted(self.codes, [position, position + 1])
        return self.rows.iloc[first:last]

    def sizes(self, value_column: Hashable) -> npt.NDArray[np.float64]:
        """Return the mean absolute value of each series, shape (n_series,); 0 where there is no value."""
        values = np.abs(self.rows[value_column].to_numpy(np.float64, na_value=np.nan))
        known = np.isfinite(values)
        totals = np.bincount(self.codes[known], values[known], minlength=len(self.names))
        counts = np.bincount(self.codes[known], minlength=len(self.names))
        return totals / np.maximum(counts, 1)


def read_frame(frame: pd.DataFrame, columns: Columns, start: object = None) -> DrawnFrame:
    """Read a frame for drawing.

    Parameters
    ----------
    frame : DataFrame
        A long frame with the target, with forecasts, or both.
    columns : Columns
        Its columns.
    start : stamp or int, optional
        Leave out the rows before it.

    Raises
    ------
    InvalidArgumentError
        ``start`` is no time of the frame's kind.
    InvalidFrameError
        The ids, times or values cannot be read.
    """
    frame = plain_frame(frame)
    nothing = DrawnFrame([], np.empty(0, np.intp), frame.head(0))
    if not len(frame):
        return nothing
    ticks, form = read_times(get_column(frame, columns.time, "time"), columns.column(columns.time))
    ids = None if columns.id is None else get_column(frame, columns.id, "id")
    times = plottable(ticks, form)
    is_drawn = ticks != MISSING_TICK
    if start is not None:
        is_drawn &= times >= _read_start(start, form)
    rows = np.flatnonzero(is_drawn)
    if ids is not None:
        rows = np.setdiff1d(rows, rows_without_id(ids))
    if not len(rows):
        return nothing
    grouping = single_series(len(rows)) if ids is None else group_rows(ids.take(rows), columns.column(columns.id))
    codes = grouping.row_codes()
    order = np.lexsort((ticks[rows], codes))
    rows = rows[order]
    drawn = frame.iloc[rows].reset_index(drop=True)
    drawn[columns.time] = times[rows]
    if columns.target in drawn:
        values = get_column(frame, columns.target, "target")
        drawn[columns.target] = read_target(values, columns.column(columns.target))[rows]
    if CUTOFF_COLUMN in drawn and MODEL_COLUMN in drawn:
        cutoffs, cutoff_form = read_times(frame[CUTOFF_COLUMN], columns.column(CUTOFF_COLUMN))
        drawn[CUTOFF_COLUMN] = plottable(cutoffs, cutoff_form)[rows]
    names: list[Hashable] = [None] if ids is None else list(grouping.ids)
    return DrawnFrame(names, codes[order], drawn)


def check_forecasts(argument: str, forecasts: object) -> dict[str, pd.DataFrame]:
    """Check for forecasts by name; none where the argument was not given.

    Raises
    ------
    InvalidArgumentError
        They are no mapping, or one of them is no frame with forecasts.
    """
    if forecasts is None:
        return {}
    if not isinstance(forecasts, Mapping):
        raise InvalidArgumentError(
            f"{argument} must be frames of forecasts by name, such as {argument}={{'tuned': frame}}; got a "
            f"{type(forecasts).__name__}."
        )
    for name, forecast in forecasts.items():
        if not isinstance(forecast, pd.DataFrame):
            raise InvalidArgumentError(
                f"{argument} must hold frames, as forecast() returns them; {name!r} is a {type(forecast).__name__}."
            )
        if MODEL_COLUMN not in forecast:
            others = [column for column in names_of(forecast) if column not in (ID_COLUMN, TIME_COLUMN, TARGET_COLUMN)]
            listed = ", ".join(map(repr, others[:SHOWN])) + and_more(len(others))
            raise InvalidArgumentError(
                f"{argument} must hold frames with the column {MODEL_COLUMN!r}, as forecast() returns them; {name!r} "
                f"has {listed or 'none beside the keys'}. Rename the column of the forecasts to {MODEL_COLUMN!r}."
            )
    return dict(forecasts)


def read_forecast(
    name: str, forecast: pd.DataFrame, columns: Columns, known: DrawnFrame, start: object = None
) -> DrawnFrame:
    """Read a frame of forecasts of another frame's series, for drawing.

    Raises
    ------
    InvalidArgumentError
        Its times are integers and those of the other frame are not, or the other way round.
    """
    drawn = read_frame(forecast, columns, start)
    kinds = [each.rows[columns.time].dtype.kind for each in (drawn, known) if len(each.rows)]
    if len(set(kinds)) > 1:
        found = "dates" if kinds[0] == "M" else "integers"
        raise InvalidArgumentError(
            f"The times in {columns.time!r} of the forecast {name!r} must be like those of the frame; found {found}."
        )
    return drawn


def plottable(ticks: Ticks, form: TimeForm) -> npt.NDArray[Any]:
    """Return times as numbers, or as datetimes in local time."""
    return ticks if form.is_integer else form.to_local(ticks).view(f"M8[{form.unit}]")


def _read_start(start: Any, form: TimeForm) -> Any:  # noqa: ANN401 - whatever the caller gave
    """Return the first time to draw, as a number or a datetime in local time."""
    if form.is_integer:
        if isinstance(start, int | np.integer) and not isinstance(start, bool):
            return start
        raise InvalidArgumentError(f"start must be an integer, as the times are; got {start!r}.")
    try:
        stamp = pd.Timestamp(start.start_time if isinstance(start, pd.Period) else start)
    except (TypeError, ValueError):
        stamp = pd.Timestamp("NaT")
    if isinstance(start, int | float) or pd.isna(stamp):
        raise InvalidArgumentError(f"start must be a date or a time, such as '2024-01-31'; got {start!r}.")
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert(form.zone).tz_localize(None) if form.zone else stamp.tz_localize(None)
    return stamp.to_datetime64()
