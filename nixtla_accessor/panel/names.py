"""The columns of a frame, found by name among its columns and the levels of its index."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
from pandas.api.types import is_hashable

from nixtla_accessor.errors import DuplicateColumnError, InvalidArgumentError, InvalidFrameError
from nixtla_accessor.panel.arrow import plain_column
from nixtla_accessor.panel.frame_code import FrameCode, Library, flatten, spell
from nixtla_accessor.panel.misnamed import is_one_name, missing_column, several_names
from nixtla_accessor.panel.panel import DEFAULT_NAMES, ID_COLUMN, TARGET_COLUMN, TIME_COLUMN, Columns


def resolve_columns(
    frame: pd.DataFrame,
    id_col: Hashable | None = None,
    time_col: Hashable | None = None,
    target_col: Hashable | None = None,
    library: Library = "pd",
) -> Columns:
    """Find the three columns of a frame, among its columns first, then among its index levels.

    Parameters
    ----------
    frame : DataFrame
        A long frame: one row for each stamp of each series.
    id_col, time_col, target_col : hashable, optional
        The names; ``unique_id``, ``ds`` and ``y`` by default. Without an id column the frame is one series. An index
        of datetimes without a name is the time.
    library : {"pd", "dd"}, default "pd"
        The library that holds the caller's frame, for code in messages.

    Raises
    ------
    MissingColumnError
        The frame does not have a column.
    DuplicateColumnError
        Two columns have the same name.
    InvalidArgumentError
        One column was given for two roles, or several for one.
    InvalidFrameError
        The columns are a MultiIndex.
    """
    if frame.columns.nlevels > 1:
        raise InvalidFrameError(
            f"The columns must be flat; found a MultiIndex of {frame.columns.nlevels} levels. Flatten them, for "
            "instance with df.columns = ['_'.join(map(str, name)) for name in df.columns]."
        )
    columns = default_columns(frame, id_col, time_col, target_col, library)
    roles = {"id": columns.id, "time": columns.time, "target": columns.target}
    if columns.id is None:
        del roles["id"]
    for role, name in roles.items():
        if _place(frame, name, role) is None:
            raise missing_column(frame, name, role)
    if len(set(roles.values())) < len(roles):
        raise InvalidArgumentError(
            f"id_col, time_col and target_col must be different columns; found {', '.join(map(repr, roles.values()))}."
        )
    return columns


def default_columns(
    frame: pd.DataFrame,
    id_col: Hashable | None,
    time_col: Hashable | None,
    target_col: Hashable | None,
    library: Library = "pd",
) -> Columns:
    """Return the columns, by default ``unique_id`` where the frame has it, ``ds`` and ``y``, without looking for them.

    Raises
    ------
    InvalidArgumentError, MissingColumnError
        Several columns were given for one role.
    """
    id_col, time_col, target_col = (_plain_name(name) for name in (id_col, time_col, target_col))
    for role, name in (("id", id_col), ("time", time_col), ("target", target_col)):
        if not is_one_name(frame, name):
            several = list(cast("Iterable[Hashable]", name))
            roles = [(role, one) for one in several if is_hashable(one)]
            roles += [("time", time_col)] if is_one_name(frame, time_col) else []
            raise several_names(frame, several, role, _frame_code(frame, roles, library))
    if id_col is None and _place(frame, ID_COLUMN, "id") is not None:
        id_col = ID_COLUMN
    columns = Columns(
        id_col, TIME_COLUMN if time_col is None else time_col, TARGET_COLUMN if target_col is None else target_col
    )
    roles = [("id", columns.id), ("time", columns.time), ("target", columns.target)]
    return replace(columns, frame=_frame_code(frame, roles, library))


def _plain_name(name: Hashable | None) -> Hashable | None:
    """Return NumPy's numbers and text as Python's, which JSON, and so Parquet, can keep in a frame's attrs."""
    return name.item() if isinstance(name, np.number | np.str_ | np.bool_) else name


def get_column(frame: pd.DataFrame, name: Hashable, role: str) -> pd.Series[Any] | pd.Index:
    """Return a column, or the index level in its place."""
    place = _place(frame, name, role)
    if place is None:
        raise missing_column(frame, name, role)
    source, number = place
    return plain_column(frame.iloc[:, number] if source == "column" else frame.index.get_level_values(number))


def has_keys(frame: pd.DataFrame, columns: Columns) -> bool:
    """Return whether a frame has columns, or levels, of ids and times; of either there may be several."""
    try:
        places = [_place(frame, columns.time, "time"), columns.id is None or _place(frame, columns.id, "id")]
    except DuplicateColumnError:
        return True
    return all(places)


def index_names(frame: pd.DataFrame, columns: Columns) -> list[Hashable]:
    """Return names for the levels of the index; empty where neither ids nor times are among them."""
    return _level_names(frame, [("id", columns.id), ("time", columns.time)])


def _level_names(frame: pd.DataFrame, roles: Sequence[tuple[str, Hashable | None]]) -> list[Hashable]:
    """Return names for the levels of the index; empty where no column of these roles and names is among them."""
    names: list[Hashable] = list(frame.index.names)
    in_index = False
    for role, name in roles:
        source, number = (name is not None and _place(frame, name, role)) or ("column", 0)
        if source == "index":
            names[number] = name
            in_index = True
    return [f"level_{number}" if name is None else name for number, name in enumerate(names)] if in_index else []


def columns_of_future(X_df: pd.DataFrame, columns: Columns) -> Columns:
    """Return the columns of ids and stamps of a frame's future rows, for code that calls them ``X_df``."""
    roles = [("id", columns.id), ("time", columns.time)]
    return replace(columns, frame=_frame_code(X_df, roles, "pd", "X_df"))


def _frame_code(
    frame: pd.DataFrame, roles: Sequence[tuple[str, Hashable | None]], library: Library, called: str = "df"
) -> FrameCode:
    """Return how code reaches a frame that has these roles and names as columns."""
    try:
        names = _level_names(frame, roles)
    except DuplicateColumnError:  # which is reported where the column is read
        names = []
    flat = flatten(frame, names, [name for _, name in roles], called)
    return FrameCode(flat, library, _arguments(roles), name=called)


def _arguments(roles: Sequence[tuple[str, Hashable | None]]) -> str:
    """Return the arguments that name columns in a call, apart from those that have their default names."""
    return ", ".join(f"{role}_col={spell(name)}" for role, name in roles if name not in {None, DEFAULT_NAMES[role]})


def _place(frame: pd.DataFrame, name: Hashable, role: str) -> tuple[str, int] | None:
    """Find a column or index level by name; of unnamed levels, one of datetimes is the time, another the id."""
    for source, names in (("column", frame.columns), ("index", frame.index.names)):
        numbers = [number for number, known in enumerate(names) if known == name]
        if len(numbers) > 1:
            keep = "df.loc[:, ~df.columns.duplicated()]" if source == "column" else f"df.droplevel({numbers[1:]!r})"
            raise DuplicateColumnError(
                f"Column names must be unique; {name!r} is the name of {len(numbers)} columns. Keep the first of each: "
                f"{keep}."
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
