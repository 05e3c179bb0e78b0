"""Filling gaps of a frame."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionDtype

from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.arrays import Flags, Integers, Ticks
from nixtla_accessor.panel.arrow import plain_frame
from nixtla_accessor.panel.diagnosis import diagnose, explain_irregularity
from nixtla_accessor.panel.frame import read_arrays, refuse_missing_times
from nixtla_accessor.panel.frequency import Frequency, FrequencyLike, parse_frequency
from nixtla_accessor.panel.inference import infer_frequency
from nixtla_accessor.panel.names import index_names, resolve_columns
from nixtla_accessor.panel.panel import Panel
from nixtla_accessor.panel.times import as_column

Dtype: TypeAlias = np.dtype[Any] | ExtensionDtype


def fill_gaps(
    frame: pd.DataFrame,
    *,
    freq: FrequencyLike | None = None,
    id_col: Hashable | None = None,
    time_col: Hashable | None = None,
    target_col: Hashable | None = None,
    method: str | float | None = None,
) -> pd.DataFrame:
    """Add one row for each stamp that is missing between the first and the last of a series.

    Parameters
    ----------
    frame : DataFrame
        A long frame; it is not changed.
    freq : str, int, offset or timedelta, optional
        The frequency of the filled series; by default the one that they share, apart from the gaps.
    id_col, time_col, target_col : hashable, optional
        The columns; ``unique_id``, ``ds`` and ``y`` by default.
    method : {"ffill", "interpolate"} or number, optional
        How to fill missing targets, those of the added rows and those that were missing before: with the last value
        before, with linear interpolation between the values on either side, or with a constant. None leaves them
        missing. Rows before the first value of a series, and for ``"interpolate"`` after its last, stay missing.

    Returns
    -------
    DataFrame
        Sorted by id and time. Other columns are missing in the added rows. Integer targets stay integers where the
        method allows; with missing values they become ``Int64``.

    Raises
    ------
    InvalidArgumentError
        There is no such method or frequency.
    InvalidFrameError
        The frame is irregular in other ways than gaps: duplicate stamps, stamps off the frequency, mixed frequencies,
        missing times or ids.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"])
    >>> fill_gaps(pd.DataFrame({"ds": days, "y": [1.0, 2.0, 4.0, 5.0]}), method="interpolate")["y"].tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    is_number = isinstance(method, int | float | np.number) and not isinstance(method, bool)
    if not (is_number or method is None or (isinstance(method, str) and method in {"ffill", "interpolate"})):
        raise InvalidArgumentError(f"method must be None, 'ffill', 'interpolate' or a number; found {method!r}.")
    frame = plain_frame(frame)
    columns = resolve_columns(frame, id_col, time_col, target_col)
    panel = read_arrays(frame, columns)
    refuse_missing_times(panel)
    frequency = infer_frequency(panel) if freq is None else parse_frequency(freq)
    found = diagnose(panel, frequency, allow_coarser=freq is not None)
    if found.mixed_frequencies or len(found.duplicates) or len(found.off_grid):
        raise explain_irregularity(panel, frequency)
    rows, codes, ticks = _rows_without_gaps(panel, frequency)

    levels = index_names(frame, columns)
    flat = frame.reset_index(names=levels) if levels else frame.reset_index(drop=True)
    filled = flat.reindex(rows).reset_index(drop=True)
    if columns.id is not None:
        filled[columns.id] = as_column(panel.grouping.ids.take(codes))
    filled[columns.time] = as_column(panel.form.restore(ticks))
    values = np.append(panel.y, 0)[rows]
    missing = (rows < 0) | np.isnan(values)
    filled[columns.target] = _fill(values, missing, codes, method, panel.target_dtype)
    filled.attrs = frame.attrs
    return filled.set_index(levels).rename_axis(frame.index.names) if levels else filled


def _rows_without_gaps(panel: Panel, frequency: Frequency) -> tuple[Integers, Integers, Ticks]:
    """Return for each row without gaps the frame's row (-1 where it is missing), the series and the tick."""
    codes = panel.grouping.row_codes()
    straight, _ = frequency.straighten(panel.ticks, panel.form)
    order = np.lexsort((straight, codes))
    steps = np.ones(len(order), dtype=np.int64)
    inner = codes[order][1:] == codes[order][:-1]
    steps[1:][inner] = np.diff(straight[order])[inner] // frequency.stride(panel.form)
    places = np.cumsum(steps) - 1
    rows = np.full(places[-1] + 1, -1)
    rows[places] = order
    before = np.maximum.accumulate(np.where(rows >= 0, np.arange(len(rows)), 0))
    ticks = frequency.advance(panel.ticks[rows[before]], np.arange(len(rows)) - before, panel.form)
    return rows, codes[rows[before]], ticks


def _fill(
    values: npt.NDArray[Any], missing: Flags, codes: Integers, method: str | float | None, dtype: Dtype
) -> pd.Series[Any]:
    """Fill missing values, and return a column in the caller's dtype where that can hold them all."""
    places = np.arange(len(values))
    before = np.maximum.accumulate(np.where(missing, -1, places))
    fillable = (before >= 0) & (codes[before] == codes)
    if method == "ffill":
        values, missing = values[before], missing & ~fillable
    elif method == "interpolate" and missing.any():
        after = np.minimum.accumulate(np.where(missing, len(values), places)[::-1])[::-1]
        fillable &= (after < len(values)) & (codes[np.minimum(after, len(values) - 1)] == codes)
        line = np.interp(places, places[~missing], values[~missing]) if not missing.all() else values
        values, missing = np.where(missing, line, values), missing & ~fillable
    elif method is not None and missing.any():
        values, missing = np.where(missing, method, values), np.zeros_like(missing)
    return _as_target(values, missing, dtype)


def _as_target(values: npt.NDArray[Any], missing: Flags, dtype: Dtype) -> pd.Series[Any]:
    """Return values as a column, in the caller's dtype where that can hold them all."""
    is_integer = pd.api.types.is_integer_dtype(dtype)
    if values.dtype.kind == "f":
        floats = pd.Series(np.where(missing, np.nan, values))
        return floats if is_integer or not pd.api.types.is_float_dtype(dtype) else floats.astype(dtype)
    integers: pd.Series[Any] = pd.Series(pd.arrays.IntegerArray(values, missing))
    if is_integer and not (missing.any() and isinstance(dtype, np.dtype)):
        return integers.astype(dtype)
    return integers
