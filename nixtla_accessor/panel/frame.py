"""Reading a frame of any accepted shape into validated arrays."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from nixtla_accessor.errors import InvalidFrameError
from nixtla_accessor.panel.arrays import Integers
from nixtla_accessor.panel.faults import Fault, FaultyRows
from nixtla_accessor.panel.ids import group_rows, single_series
from nixtla_accessor.panel.messages import SHOWN
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.panel import Columns, Panel, name_rows, name_series, refuse_series_without_values
from nixtla_accessor.panel.target import read_target
from nixtla_accessor.panel.times import MISSING_TICK, read_times


def read_panel(frame: pd.DataFrame, columns: Columns, *, allow_missing: bool = False) -> Panel:
    """Read the three columns of a frame into validated arrays; the frame stays as it is.

    Parameters
    ----------
    frame : DataFrame
        A long frame.
    columns : Columns
        Its columns, from `nixtla_accessor.panel.names.resolve_columns`.
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
    faulty = find_faults(panel, allow_missing=allow_missing)
    if faulty is not None and faulty.fault == Fault.MISSING_TARGET:
        check_series_have_values(panel)
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
    ticks, form = read_times(get_column(frame, columns.time, "time"), columns.column(columns.time), frame.index)
    target = get_column(frame, columns.target, "target")
    y = read_target(target, columns.column(columns.target))
    if columns.id is None:
        grouping = single_series(len(frame))
    else:
        grouping = group_rows(get_column(frame, columns.id, "id"), columns.column(columns.id))
    return Panel(columns, grouping, ticks, form, y, target.dtype)


def refuse_missing_times(panel: Panel) -> None:
    """Refuse a panel with missing times."""
    faulty = _find_missing_times(panel)
    if faulty is not None:
        raise faulty.to_error()


def find_faults(panel: Panel, *, allow_missing: bool = False) -> FaultyRows | None:
    """Find the rows without a time; if there are none, those with a target that cannot be used."""
    return _find_missing_times(panel) or _find_unusable_targets(panel, allow_missing=allow_missing)


def check_series_have_values(panel: Panel) -> None:
    """Refuse a panel with series that have nothing but missing values, by name.

    Raises
    ------
    MissingValueError
        There are some.
    """
    grouping = panel.grouping
    n_values = np.bincount(grouping.row_codes()[~np.isnan(panel.y)], minlength=len(grouping.sizes))
    is_part = panel.columns.frame.library != "pd"  # a partition of a Dask frame
    refuse_series_without_values(panel.columns, grouping.ids, grouping.sizes, n_values, is_part=is_part)


def _find_missing_times(panel: Panel) -> FaultyRows | None:
    if int(panel.ticks.min()) != MISSING_TICK:
        return None
    rows = np.flatnonzero(panel.ticks == MISSING_TICK)
    names = [name_series(panel, code) for code in panel.grouping.row_codes()[rows[:SHOWN]]]
    return _faulty(panel, Fault.MISSING_TIME, panel.columns.time, rows, names)


def _find_unusable_targets(panel: Panel, *, allow_missing: bool) -> FaultyRows | None:
    if panel.y.dtype.kind == "i" or np.isfinite(panel.y).all():
        return None
    rows, fault = np.flatnonzero(np.isinf(panel.y)), Fault.INFINITE_TARGET
    if not len(rows) and not allow_missing:
        rows, fault = np.flatnonzero(np.isnan(panel.y)), Fault.MISSING_TARGET
    return _faulty(panel, fault, panel.columns.target, rows, name_rows(panel, rows)) if len(rows) else None


def _faulty(panel: Panel, fault: Fault, column: Hashable, rows: Integers, names: list[str]) -> FaultyRows:
    """Return the count of faulty rows, and the names of the first."""
    first = tuple(zip(rows[:SHOWN].tolist(), names, strict=True))
    return FaultyRows(fault, panel.columns.column(column), len(rows), len(panel.ticks), first)
