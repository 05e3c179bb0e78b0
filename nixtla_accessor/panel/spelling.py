"""How code spells the times of a frame: as a column, as the index, or as a level of it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd


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
    index_names : tuple of hashable, default ()
        The names of the levels of the index.
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
    index_names: tuple[Hashable, ...] = ()
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
    is_datetime = isinstance(values.dtype, pd.PeriodDtype | pd.CategoricalDtype) or values.dtype.kind == "M"
    names = () if index is None else tuple(index.names)
    if not isinstance(values, pd.Index):
        return TimesInCode(name, index_names=names, is_datetime=is_datetime)
    is_unnamed = any(level is None for level in names)
    several = index is not None and index.nlevels > 1
    levels = tuple(name_levels(index, name)) if several and index is not None else ()
    return TimesInCode(
        name, levels=levels, in_index=True, is_unnamed=is_unnamed, index_names=names, is_datetime=is_datetime
    )


def name_levels(index: pd.MultiIndex | pd.Index[Any], time: Hashable) -> list[Hashable]:
    """Return names for the levels of an index: their own; ``time`` for one of datetimes, ``unique_id`` for another."""
    names: list[Hashable] = list(index.names)
    for number, level in enumerate(index.levels):  # type: ignore[union-attr] # a MultiIndex
        if names[number] is None:
            of_role = time if isinstance(level, pd.DatetimeIndex | pd.PeriodIndex) else "unique_id"
            names[number] = f"level_{number}" if of_role in names else of_role
    return names
