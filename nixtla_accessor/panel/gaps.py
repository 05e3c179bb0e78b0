"""Filling gaps of a frame."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionDtype

from nixtla_accessor.errors import InvalidArgumentError, ValuesLeftMissingWarning, warn_caller
from nixtla_accessor.flags import check_flag
from nixtla_accessor.panel.arrays import Flags, Integers, Ticks
from nixtla_accessor.panel.arrow import plain_frame
from nixtla_accessor.panel.diagnosis import diagnose, explain_irregularity, series_with_vast_gaps
from nixtla_accessor.panel.frame import check_series_have_values, read_arrays, refuse_missing_times
from nixtla_accessor.panel.frame_code import INTERPOLATED, TRIMMED
from nixtla_accessor.panel.frequency import Frequency, FrequencyLike, parse_frequency, spell_frequency
from nixtla_accessor.panel.inference import infer_frequency
from nixtla_accessor.panel.messages import SHOWN, and_more, count
from nixtla_accessor.panel.names import index_names, resolve_columns
from nixtla_accessor.panel.panel import Columns, Panel, name_series
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
    trim: bool = False,
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
    trim : bool, default False
        Whether to leave out the rows before the first value of a series and after its last: of a product that starts
        later than others, or of days that are not known yet.

    Returns
    -------
    DataFrame
        Sorted by id and time. Other columns that are constant within a series keep their value in its added rows, and
        are missing there otherwise. Dtypes stay where they can hold that; with missing values, integers become
        nullable integers such as ``Int64``, and bools ``boolean``.

    Raises
    ------
    InvalidArgumentError
        There is no such method or frequency.
    InvalidFrameError
        The frame is irregular in other ways than gaps: duplicate stamps, stamps off the frequency, mixed frequencies,
        missing times or ids. Or a gap is far too wide, as after a stamp that is wrong by decades.
    MissingValueError
        A series has nothing but missing values, from which none can be filled.

    Warns
    -----
    ValuesLeftMissingWarning
        With a method, at the caller's line: it could not fill all missing targets.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"])
    >>> fill_gaps(pd.DataFrame({"ds": days, "y": [1.0, 2.0, 4.0, 5.0]}), method="interpolate")["y"].tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    check_flag("trim", trim)
    if method is not None:
        check_method(method)
    frame = plain_frame(frame)
    columns = resolve_columns(frame, id_col, time_col, target_col)
    return fill_columns(frame, columns, None if freq is None else parse_frequency(freq), method, trim=trim)


def check_method(method: object) -> None:
    """Refuse what is no way to fill missing values."""
    is_number = isinstance(method, int | float | np.number) and not isinstance(method, bool)
    if not (is_number or (isinstance(method, str) and method in {"ffill", "interpolate"})):
        raise InvalidArgumentError(f"method must be None, 'ffill', 'interpolate' or a number; found {method!r}.")


def fill_columns(
    frame: pd.DataFrame, columns: Columns, frequency: Frequency | None, method: str | float | None, *, trim: bool
) -> pd.DataFrame:
    """Fill the gaps of a frame whose columns are found, as `fill_gaps` does.

    Parameters
    ----------
    frame : DataFrame
        A long frame; it is not changed.
    columns : Columns
        Its columns.
    frequency : Frequency, optional
        The frequency of the filled series; inferred by default.
    method, trim
        As in `fill_gaps`.
    """
    panel = read_arrays(frame, columns)
    refuse_missing_times(panel)
    if trim or isinstance(method, str):
        check_series_have_values(panel)
    is_given = frequency is not None
    frequency = frequency or infer_frequency(panel)
    found = diagnose(panel, frequency, allow_coarser=is_given)
    vast = series_with_vast_gaps(panel, found)
    if found.mixed_frequencies or len(found.duplicates) or len(found.off_grid) or len(vast):
        raise explain_irregularity(panel, frequency)

    rows, codes, ticks = _rows_without_gaps(panel, frequency)
    values = np.append(panel.y, 0)[rows]
    missing = (rows < 0) | np.isnan(values)
    if trim:
        kept = between_values(missing, codes)
        rows, codes, ticks, values, missing = rows[kept], codes[kept], ticks[kept], values[kept], missing[kept]
    target, left = _fill(values, missing, codes, method, panel.target_dtype)
    if method is not None and left.any():
        _warn_about_missing(panel, codes[left], frequency)

    levels = index_names(frame, columns)
    flat = frame.reset_index(names=levels) if levels else frame.reset_index(drop=True)
    of_roles: dict[Hashable, pd.Series[Any]] = {columns.time: as_column(panel.form.restore(ticks))}
    if columns.id is not None:
        of_roles[columns.id] = as_column(panel.grouping.ids.take(codes))
    of_roles[columns.target] = target
    parts = [
        of_roles[name] if name in of_roles else _carry(flat.iloc[:, place], panel, rows, codes)
        for place, name in enumerate(flat.columns)
    ]
    filled = pd.DataFrame(dict(enumerate(parts))).set_axis(flat.columns, axis=1)
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


def between_values(missing: Flags, codes: Integers) -> Flags:
    """Return which rows are between the first and the last value of their series, both included."""
    places = np.arange(len(codes))
    first, last = np.full(int(codes.max()) + 1, len(codes)), np.full(int(codes.max()) + 1, -1)
    np.minimum.at(first, codes[~missing], places[~missing])
    np.maximum.at(last, codes[~missing], places[~missing])
    return np.asarray((places >= first[codes]) & (places <= last[codes]))


def _fill(
    values: npt.NDArray[Any], missing: Flags, codes: Integers, method: str | float | None, dtype: Dtype
) -> tuple[pd.Series[Any], Flags]:
    """Fill missing values, and return a column in the caller's dtype where that can hold them all, and what is left."""
    places = np.arange(len(values))
    before = np.maximum.accumulate(np.where(missing, -1, places))
    fillable = (before >= 0) & (codes[before] == codes)
    if method == "ffill":
        values, missing = values[before], missing & ~fillable
    elif method == "interpolate" and missing.any():
        after = np.minimum.accumulate(np.where(missing, len(values), places)[::-1])[::-1]
        fillable &= (after < len(values)) & (codes[np.minimum(after, len(values) - 1)] == codes)
        line = np.interp(places, places[~missing], values[~missing])
        values, missing = np.where(missing, line, values), missing & ~fillable
    elif method is not None and missing.any():
        values, missing = np.where(missing, method, values), np.zeros_like(missing)
    return _as_target(values, missing, dtype), missing


def _warn_about_missing(panel: Panel, codes: Integers, frequency: Frequency) -> None:
    """Warn where targets are still missing: at the start or the end of series."""
    series = np.unique(codes)
    names = ", ".join(name_series(panel, one) for one in series[:SHOWN]) + and_more(len(series))
    freq = f"freq={spell_frequency(frequency)}"
    call = panel.columns.frame.call("fill_gaps", freq, INTERPOLATED, TRIMMED)
    warn_caller(
        f"The target {panel.columns.target!r} stays missing in {count(len(codes), 'row')} at the start or the end of "
        f"{names}, where there is no value on one side. Leave these rows out: {call}.",
        ValuesLeftMissingWarning,
    )


def _carry(column: pd.Series[Any], panel: Panel, rows: Integers, codes: Integers) -> pd.Series[Any]:
    """Return another column of the frame with the added rows, in its dtype or the nullable one of it.

    Parameters
    ----------
    column : Series of length n_rows
        The column.
    panel : Panel
        The frame's series.
    rows, codes : ndarray of int64
        For each row of the result, the row of the frame, -1 where it is added, and its series.
    """
    source = np.where(rows < 0, _rows_of_constants(column, panel)[codes], rows)
    if (source < 0).any():
        column = nullable(column)
    return column.reindex(source).reset_index(drop=True)


def _rows_of_constants(column: pd.Series[Any], panel: Panel) -> Integers:
    """Return for each series a row with the only value that a column has in it; -1 where it has several, or none."""
    n_series = len(panel.grouping.sizes)
    try:
        labels = pd.factorize(column)[0]
    except TypeError:  # lists and the like, which cannot be compared
        return np.full(n_series, -1)
    known = np.flatnonzero(labels >= 0)
    series = panel.grouping.row_codes()[known]
    low, high = np.full(n_series, len(column)), np.full(n_series, -1)
    np.minimum.at(low, series, labels[known])
    np.maximum.at(high, series, labels[known])
    row = np.full(n_series, -1)
    row[series] = known
    return np.where(low == high, row, -1)


def nullable(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return integers and bools in a dtype that can hold missing values; other columns as they are."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
        return column.convert_dtypes()
    return column


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
