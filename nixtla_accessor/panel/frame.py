"""Reading a frame of any accepted shape into validated arrays."""

from __future__ import annotations

import difflib
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.errors import (
    DuplicateColumnError,
    InvalidArgumentError,
    InvalidFrameError,
    MissingColumnError,
)
from nixtla_accessor.panel.arrays import Integers
from nixtla_accessor.panel.faults import Fault, FaultyRows
from nixtla_accessor.panel.frequency import Frequency, spell_frequency
from nixtla_accessor.panel.ids import group_rows, single_series
from nixtla_accessor.panel.messages import SHOWN
from nixtla_accessor.panel.panel import Columns, Panel, name_rows, name_series, refuse_series_without_values
from nixtla_accessor.panel.remedies import call_fill_gaps
from nixtla_accessor.panel.target import read_target
from nixtla_accessor.panel.times import MISSING_TICK, read_times

ID_COLUMN, TIME_COLUMN, TARGET_COLUMN = "unique_id", "ds", "y"


def resolve_columns(
    frame: pd.DataFrame,
    id_col: Hashable | None = None,
    time_col: Hashable | None = None,
    target_col: Hashable | None = None,
) -> Columns:
    """Find the three columns of a frame, among its columns first, then among its index levels.

    Parameters
    ----------
    frame : DataFrame
        A long frame: one row for each stamp of each series.
    id_col, time_col, target_col : hashable, optional
        The names; ``unique_id``, ``ds`` and ``y`` by default. Without an id column the frame is one series. An index
        of datetimes without a name is the time.

    Raises
    ------
    MissingColumnError
        The frame does not have a column.
    DuplicateColumnError
        Two columns have the same name.
    InvalidArgumentError
        One column was given for two roles.
    InvalidFrameError
        The columns are a MultiIndex.
    """
    if frame.columns.nlevels > 1:
        raise InvalidFrameError(
            f"The columns must be flat; found a MultiIndex of {frame.columns.nlevels} levels. Flatten them, for "
            "instance with df.columns = ['_'.join(map(str, name)) for name in df.columns]."
        )
    columns = default_columns(frame, id_col, time_col, target_col)
    roles = {"id": columns.id, "time": columns.time, "target": columns.target}
    if columns.id is None:
        del roles["id"]
    for role, name in roles.items():
        if _place(frame, name, role) is None:
            raise _missing_column(frame, name, role)
    if len(set(roles.values())) < len(roles):
        raise InvalidArgumentError(
            f"id_col, time_col and target_col must be different columns; found {', '.join(map(repr, roles.values()))}."
        )
    return columns


def default_columns(
    frame: pd.DataFrame, id_col: Hashable | None, time_col: Hashable | None, target_col: Hashable | None
) -> Columns:
    """Return the columns, by default ``unique_id`` where the frame has it, ``ds`` and ``y``, without checking them."""
    if id_col is None and _place(frame, ID_COLUMN, "id") is not None:
        id_col = ID_COLUMN
    return Columns(
        id_col, TIME_COLUMN if time_col is None else time_col, TARGET_COLUMN if target_col is None else target_col
    )


def read_panel(
    frame: pd.DataFrame, columns: Columns, frequency: Frequency | None = None, *, allow_missing: bool = False
) -> Panel:
    """Read the three columns of a frame into validated arrays; the frame stays as it is.

    Parameters
    ----------
    frame : DataFrame
        A long frame.
    columns : Columns
        Its columns, from `resolve_columns`.
    frequency : Frequency, optional
        The frequency that the caller gave, for messages.
    allow_missing : bool, default False
        Whether the target may have missing values, which become NaN. Integers then become float64; those that
        float64 cannot hold exactly are refused.

    Raises
    ------
    InvalidFrameError
        The frame is empty.
    MissingValueError
        A time or id is missing, or a target and that is not allowed.
    NonFiniteValueError
        The target is infinite somewhere.
    UnsupportedDtypeError
        A column holds values that are not ids, times or numbers.
    """
    panel = read_arrays(frame, columns)
    faulty = find_faults(panel, frequency, allow_missing=allow_missing)
    if faulty is not None and faulty.fault == Fault.MISSING_TARGET:
        refuse_void_series(panel)
    if faulty is not None:
        raise faulty.to_error()
    return panel


def read_arrays(frame: pd.DataFrame, columns: Columns) -> Panel:
    """Read the three columns of a frame without checking for missing times, and missing or infinite values.

    Raises
    ------
    InvalidFrameError
        The frame is empty.
    MissingValueError
        An id is missing.
    UnsupportedDtypeError
        A column holds values that are not ids, times or numbers.
    """
    if not len(frame):
        raise InvalidFrameError("The frame must have at least one row; it is empty.")
    ticks, form = read_times(get_column(frame, columns.time, "time"), columns.time, frame.index)
    target = get_column(frame, columns.target, "target")
    y = read_target(target, columns.target)
    if columns.id is None:
        grouping = single_series(len(frame))
    else:
        grouping = group_rows(get_column(frame, columns.id, "id"), columns.id)
    return Panel(columns, grouping, ticks, form, y, target.dtype)


def get_column(frame: pd.DataFrame, name: Hashable, role: str) -> pd.Series[Any] | pd.Index:
    """Return a column, or the index level in its place."""
    place = _place(frame, name, role)
    if place is None:
        raise _missing_column(frame, name, role)
    source, number = place
    return frame.iloc[:, number] if source == "column" else frame.index.get_level_values(number)


def index_names(frame: pd.DataFrame, columns: Columns) -> list[Hashable]:
    """Return names for the levels of the index; empty where neither ids nor times are among them."""
    names: list[Hashable] = list(frame.index.names)
    roles: list[tuple[str, Hashable | None]] = [("id", columns.id), ("time", columns.time)]
    in_index = False
    for role, name in roles:
        source, number = (name is not None and _place(frame, name, role)) or ("column", 0)
        if source == "index":
            names[number] = name
            in_index = True
    return [f"level_{number}" if name is None else name for number, name in enumerate(names)] if in_index else []


def _place(frame: pd.DataFrame, name: Hashable, role: str) -> tuple[str, int] | None:
    """Find a column or index level by name; of unnamed levels, one of datetimes is the time, another the id."""
    for source, names in (("column", frame.columns), ("index", frame.index.names)):
        numbers = [number for number, known in enumerate(names) if known == name]
        if len(numbers) > 1:
            raise DuplicateColumnError(
                f"Column names must be unique; {name!r} is the name of {len(numbers)} columns. Keep the first of each: "
                "df.loc[:, ~df.columns.duplicated()]."
            )
        if numbers:
            return source, numbers[0]
    if role == "target":
        return None
    levels = [frame.index] if frame.index.nlevels == 1 else list(frame.index.levels)  # type: ignore[attr-defined] # a MultiIndex
    unnamed = [
        number
        for number, level in enumerate(levels)
        if frame.index.names[number] is None
        and isinstance(level, pd.DatetimeIndex | pd.PeriodIndex) == (role == "time")
    ]
    if len(unnamed) == 1 and (role == "time" or len(levels) > 1):
        return "index", unnamed[0]
    return None


def _missing_column(frame: pd.DataFrame, name: Hashable, role: str) -> MissingColumnError:
    there = [*frame.columns, *(level for level in frame.index.names if level is not None)]
    spellings = {str(known).casefold(): known for known in there}
    near = difflib.get_close_matches(str(name).casefold(), spellings, n=1, cutoff=0.4)
    hint = f" The nearest name is {spellings[near[0]]!r}." if near else ""
    shown = ", ".join(map(repr, there[:20])) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
    return MissingColumnError(
        f"The frame has no {role} column {name!r}; it has {shown or 'no columns'}.{hint} "
        f"Pass the right name as {role}_col=…"
    )


def refuse_missing_times(panel: Panel) -> None:
    """Refuse a panel with missing times."""
    faulty = _find_missing_times(panel)
    if faulty is not None:
        raise faulty.to_error()


def find_faults(panel: Panel, frequency: Frequency | None = None, *, allow_missing: bool = False) -> FaultyRows | None:
    """Find the rows without a time; if there are none, those with a target that cannot be used."""
    return _find_missing_times(panel) or _find_unusable_targets(panel, frequency, allow_missing=allow_missing)


def refuse_void_series(panel: Panel) -> None:
    """Refuse a panel with series that have nothing but missing values, by name.

    Raises
    ------
    MissingValueError
        There are some.
    """
    grouping = panel.grouping
    n_values = np.bincount(grouping.row_codes()[~np.isnan(panel.y)], minlength=len(grouping.sizes))
    refuse_series_without_values(panel.columns, grouping.ids, grouping.sizes, n_values)


def _find_missing_times(panel: Panel) -> FaultyRows | None:
    if int(panel.ticks.min()) != MISSING_TICK:
        return None
    rows = np.flatnonzero(panel.ticks == MISSING_TICK)
    names = [name_series(panel, code) for code in panel.grouping.row_codes()[rows[:SHOWN]]]
    return _faulty(panel, Fault.MISSING_TIME, panel.columns.time, rows, names)


def _find_unusable_targets(panel: Panel, frequency: Frequency | None, *, allow_missing: bool) -> FaultyRows | None:
    if panel.y.dtype.kind == "i" or np.isfinite(panel.y).all():
        return None
    rows, fault = np.flatnonzero(np.isinf(panel.y)), Fault.INFINITE_TARGET
    if not len(rows) and not allow_missing:
        rows, fault = np.flatnonzero(np.isnan(panel.y)), Fault.MISSING_TARGET
    if not len(rows):
        return None
    freq = "" if frequency is None else spell_frequency(frequency)
    faulty = _faulty(panel, fault, panel.columns.target, rows, name_rows(panel, rows))
    return replace(faulty, fill=call_fill_gaps(panel.columns, freq, trim=True))


def _faulty(panel: Panel, fault: Fault, column: Hashable, rows: Integers, names: list[str]) -> FaultyRows:
    """Return the count of faulty rows, and the names of the first."""
    first = tuple(zip(rows[:SHOWN].tolist(), names, strict=True))
    return FaultyRows(fault, column, len(rows), len(panel.ticks), first)
