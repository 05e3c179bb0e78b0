"""Stamps that a series has twice because another column tells its rows apart: several series under one id."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_float_dtype, is_numeric_dtype, is_timedelta64_dtype

from nixtla_accessor.panel.arrow import plain_frame
from nixtla_accessor.panel.frame_code import spell
from nixtla_accessor.panel.misnamed import join_ids, names_of
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.panel import Columns

MIN_ROWS_PER_SERIES = 2  # on average; a column of which each value has fewer rows names no series


def columns_that_tell_apart(frame: pd.DataFrame, columns: Columns) -> list[Hashable]:
    """Return the columns each of which tells all rows apart that have one id and one stamp, texts first.

    Parameters
    ----------
    frame : DataFrame
        A long frame.
    columns : Columns
        Its columns.
    """
    frame = plain_frame(frame)
    keys = pd.DataFrame({"time": pd.factorize(get_column(frame, columns.time, "time"))[0]})
    keys["id"] = 0 if columns.id is None else pd.factorize(get_column(frame, columns.id, "id"))[0]
    doubled = np.asarray(keys.duplicated(keep=False))
    telling: list[tuple[bool, Hashable]] = []
    is_there_once = ~frame.columns.duplicated(keep=False)
    for number, name in enumerate(frame.columns):
        values = frame.iloc[:, number]
        is_other = name not in {columns.id, columns.time, columns.target} and is_there_once[number]
        if not is_other or not _may_name_series(values):
            continue
        try:
            keys["other"] = pd.factorize(values)[0]
        except TypeError:  # values that cannot be hashed
            continue
        n_series = len(keys[["id", "other"]].drop_duplicates())
        if not keys[doubled].duplicated().any() and n_series * MIN_ROWS_PER_SERIES <= len(keys):
            telling.append((is_numeric_dtype(values.dtype), name))
    return [name for _, name in sorted(telling, key=lambda found: found[0])]


def explain_doubles(telling: Sequence[Hashable], columns: Columns, there: Sequence[Hashable]) -> str:
    """Return the sentences that say which column tells doubles apart, and how to name its series.

    Parameters
    ----------
    telling : sequence of hashable
        The columns that do, from `columns_that_tell_apart`; empty if there is none.
    columns : Columns
        The columns of the frame.
    there : sequence of hashable
        The names of all its columns and levels.
    """
    if not telling:
        return ""
    found = f"The column {telling[0]!r} tells these rows apart."
    if columns.id is None:
        return f"{found} If it identifies the series, name it: id_col={spell(telling[0])}."
    line = join_ids([columns.id, telling[0]], there, columns.frame)
    return f"{found} If these are several series, make one id of both: {line}."


def hint_at_series(frame: pd.DataFrame, columns: Columns) -> str:
    """Return the sentences about the column of a frame that tells its doubles apart; empty if there is none."""
    return explain_doubles(columns_that_tell_apart(frame, columns), columns, names_of(frame))


def _may_name_series(values: pd.Series[Any]) -> bool:
    dtype = values.dtype
    return not (is_float_dtype(dtype) or is_datetime64_any_dtype(dtype) or is_timedelta64_dtype(dtype))
