"""How the calls in messages are written: for times in a column, in the index or in a level of it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:  # which reads frames, and knows how they are written through this module
    from nixtla_accessor.panel.panel import Columns

STEP_COLUMN = "step"  # the name that messages give to a column of integer time


@dataclass(frozen=True, slots=True)
class TimesInCode:
    """How code reads and replaces the times of a frame called ``df``.

    Parameters
    ----------
    name : hashable
        The caller's name of the times.
    in_index : bool, default False
        Whether they are the index, rather than a column.
    levels : tuple of hashable, default ()
        Where they are one of several levels of the index, the names of all levels.
    is_unnamed : bool, default False
        Whether levels of the index have no names of their own.
    is_datetime : bool, default True
        Whether pandas takes them for datetimes as they are, unlike strings and Python objects.

    Examples
    --------
    >>> TimesInCode("ds").replaced_by("df['ds'].dt.round('h')")
    "df['ds'] = df['ds'].dt.round('h')"
    """

    name: Hashable
    in_index: bool = False
    levels: tuple[Hashable, ...] = ()
    is_unnamed: bool = False
    is_datetime: bool = True

    @property
    def is_level(self) -> bool:
        """Whether the times are one of several levels of the index."""
        return bool(self.levels)

    @property
    def frame(self) -> str:
        """The frame, its index made columns where the times are one of several levels."""
        if not self.is_level:
            return "df"
        return f"df.reset_index(names={list(self.levels)!r})" if self.is_unnamed else "df.reset_index()"

    @property
    def values(self) -> str:
        """The times."""
        return "df.index" if self.in_index and not self.is_level else f"df[{self.name!r}]"

    @property
    def dt(self) -> str:
        """What has the methods of datetimes, such as ``round``."""
        return self.with_methods(self.values) if self.is_datetime else self.parsed()

    def parsed(self, arguments: str = "") -> str:
        """Return the times read by pandas, with further arguments; the result has the methods of datetimes."""
        return self.with_methods(f"pd.to_datetime({self.values}{arguments})")

    def with_methods(self, expression: str) -> str:
        """Return what has the methods of datetimes, for an expression that makes other times of these."""
        return expression if self.in_index and not self.is_level else f"{expression}.dt"

    def replaced_by(self, expression: str) -> str:
        """Return the statement that replaces the times by an expression of `values` or `dt`."""
        statement = f"{self.values} = {expression}"
        return f"df = {self.frame}; {statement}" if self.is_level else statement


def times_in_code(values: Any, name: Hashable, index: pd.Index[Any] | None) -> TimesInCode:  # noqa: ANN401 - a Column
    """Return how code spells the times of a frame.

    Parameters
    ----------
    values : Series or Index
        The times.
    name : hashable
        The caller's name of them.
    index : Index, optional
        The index of the frame.
    """
    is_datetime = isinstance(values.dtype, pd.PeriodDtype) or getattr(values.dtype, "kind", "O") == "M"
    if not isinstance(values, pd.Index):
        return TimesInCode(name, is_datetime=is_datetime or isinstance(values.dtype, pd.CategoricalDtype))
    if index is None or index.nlevels == 1:
        return TimesInCode(name, in_index=True, is_unnamed=values.name is None, is_datetime=is_datetime)
    is_unnamed = any(level is None for level in index.names)
    levels = tuple(name_levels(index, name)) if is_unnamed else tuple(index.names)
    return TimesInCode(name, in_index=True, levels=levels, is_unnamed=is_unnamed, is_datetime=is_datetime)


def name_levels(index: pd.MultiIndex | pd.Index[Any], time: Hashable) -> list[Hashable]:
    """Return names for the levels of an index: their own; ``time`` for one of datetimes, ``unique_id`` for another."""
    names: list[Hashable] = list(index.names)
    for number, level in enumerate(index.levels):  # type: ignore[union-attr] # a MultiIndex
        if names[number] is None:
            of_role = time if isinstance(level, pd.DatetimeIndex | pd.PeriodIndex) else "unique_id"
            names[number] = f"level_{number}" if of_role in names else of_role
    return names


def number_rows(columns: Columns, times: TimesInCode) -> str:
    """Return the statement that numbers the rows of each series in a column of its own, the stamps kept beside."""
    keys = [key for key in (columns.id, columns.time) if key is not None]
    is_in_index = times.in_index and not times.is_level
    ordered = "df.sort_index()" if is_in_index else f"{times.frame}.sort_values({keys if len(keys) > 1 else keys[0]!r})"
    if columns.id is None:
        return f"df = {ordered}.assign({STEP_COLUMN}=range(len(df)))"
    numbers = f"rows.groupby({columns.id!r}, observed=True).cumcount()"
    return f"df = {ordered}.assign({STEP_COLUMN}=lambda rows: {numbers})"


def use_integer_time(columns: Columns, times: TimesInCode) -> str:
    """Return the sentence that tells how to use integer time, for stamps without a frequency."""
    return (
        f"Number the rows of each series, {number_rows(columns, times)}, and use the numbers as integer time: "
        f"time_col={STEP_COLUMN!r}, freq=1. The stamps stay beside the numbers."
    )


def name_arguments(columns: Columns) -> str:
    """Return the arguments that name columns which are not the default ones, each followed by a comma.

    Examples
    --------
    >>> from nixtla_accessor.panel.panel import Columns
    >>> name_arguments(Columns("shop", "ds", "sales"))
    "id_col='shop', target_col='sales', "
    """
    arguments = {"id_col": columns.id, "time_col": columns.time, "target_col": columns.target}
    defaults = {"id_col": "unique_id", "time_col": "ds", "target_col": "y"}
    return "".join(
        f"{argument}={name!r}, "
        for argument, name in arguments.items()
        if name is not None and name != defaults[argument]
    )


def call_fill_gaps(columns: Columns, freq: str = "", *, trim: bool = False) -> str:
    """Return the call that fills the gaps of a frame.

    Parameters
    ----------
    columns : Columns
        The columns of the frame.
    freq : str, default ""
        The frequency as it is typed, such as ``"'D'"``; left out where it is inferred.
    trim : bool, default False
        Whether rows before the first value of a series and after its last are dropped.
    """
    given = f"freq={freq}, " if freq else ""
    return f"df.timegpt.fill_gaps({given}{name_arguments(columns)}method='interpolate'{', trim=True' if trim else ''})"
