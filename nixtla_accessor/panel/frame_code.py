"""Lines of code for messages, written for where the caller's columns are: they work as they stand.

A line calls the caller's frame ``df``. Where ids or times are in its index, a line moves them to columns first.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from keyword import iskeyword
from typing import Literal, TypeAlias

import pandas as pd

Library: TypeAlias = Literal["pd", "dd"]
"""The library that holds a frame, as code calls it: pandas or Dask."""

INTERPOLATED = "method='interpolate'"
TRIMMED = "trim=True"
STEP_COLUMN = "step"  # the name that messages give to a column of integer time


def spell(name: object) -> str:
    """Return the code of a column's name, or of a list of names or ids, where ``pd`` is pandas.

    Examples
    --------
    >>> spell("ds"), spell((1, pd.Timestamp("2024-01-01")))
    ("'ds'", "(1, pd.Timestamp('2024-01-01 00:00:00'))")
    """
    match name:
        case list():
            return f"[{', '.join(map(spell, name))}]"
        case tuple():
            return f"({', '.join(map(spell, name))}{',' if len(name) == 1 else ''})"
        case pd.Timestamp() | pd.Timedelta() | pd.Period() | pd.Interval():
            return f"pd.{name!r}"
        case datetime():
            return f"pd.Timestamp({str(name)!r}).to_pydatetime()"
        case date():
            return f"pd.Timestamp({str(name)!r}).date()"
    return repr(name)


def _select(name: Hashable) -> str:
    """Return the code that selects a column of groups, where pandas takes a tuple for several columns."""
    return f"[[{spell(name)}]]" if isinstance(name, tuple) else f"[{spell(name)}]"


@dataclass(frozen=True, slots=True)
class FrameCode:
    """How code reaches a frame whose ids, times and values are all columns.

    Parameters
    ----------
    flat : str, default "df"
        The frame itself, or an expression that moves levels of its index to columns.
    library : {"pd", "dd"}, default "pd"
        The library that holds it.
    arguments : str, default ""
        The arguments that name the columns in a call of the accessor; empty where they have their default names.
    freq : str, default ""
        The argument that names the frequency, where the caller gave it.
    name : str, default "df"
        What code calls the frame.
    """

    flat: str = "df"
    library: Library = "pd"
    arguments: str = ""
    freq: str = ""
    name: str = "df"

    def call(self, method: str, *arguments: str) -> str:
        """Return a call of the accessor on the frame as it is.

        Examples
        --------
        >>> FrameCode(arguments="id_col='store'").call("fill_gaps", "freq='D'")
        "df.timegpt.fill_gaps(freq='D', id_col='store')"
        """
        return f"df.timegpt.{method}({', '.join(filter(None, (*arguments, self.arguments)))})"

    def fill_missing(self) -> str:
        """Return the call that fills missing values, and leaves out the rows before the first and after the last."""
        return self.call("fill_gaps", self.freq, INTERPOLATED, TRIMMED)

    def keep_first(self, keys: Sequence[Hashable]) -> str:
        """Return the line that keeps the first of the rows that have the same keys."""
        return f"{self.flat}.drop_duplicates({spell(list(keys))})"

    def add_up(self, keys: Sequence[Hashable], target: Hashable, *, keys_are_categories: bool) -> str:
        """Return the line that adds up the values of the rows that have the same keys.

        Where pandas would make a row of each pair of categories, the line asks for those that there are.
        """
        observed = ", observed=True" if keys_are_categories else ""
        return f"{self.flat}.groupby({spell(list(keys))}{observed}){_select(target)}.sum().reset_index()"

    def keep_series_with_values(self, id_col: Hashable, target: Hashable, ids: Sequence[Hashable]) -> str:
        """Return the line that leaves out the series without a value; in Dask, by their ``ids``."""
        if self.library == "dd":
            return f"{self.flat}.loc[lambda rows: ~rows[{spell(id_col)}].isin({spell(list(ids))})]"
        n_values = f"rows[{spell(target)}].groupby(rows[{spell(id_col)}], observed=True).transform('count')"
        return f"{self.flat}.loc[lambda rows: {n_values} > 0]"

    def keep_series(self, id_col: Hashable, other: str) -> str:
        """Return the line that keeps the series that another frame has too, whose code is given."""
        return f"{self.flat}.loc[lambda rows: rows[{spell(id_col)}].isin({other}[{spell(id_col)}])]"

    def number_rows(self, id_col: Hashable | None, time_col: Hashable) -> str:
        """Return the line that numbers the rows of each series in `STEP_COLUMN`, and the arguments that use it.

        The stamps stay beside the numbers.
        """
        keys = [key for key in (id_col, time_col) if key is not None]
        numbers = f"rows.groupby({spell(id_col)}, observed=True).cumcount()"
        if id_col is None:
            numbers = f"rows[{spell(time_col)}].notnull().cumsum()"
        line = f"df = {self.flat}.sort_values({spell(keys)}).assign({STEP_COLUMN}=lambda rows: {numbers})"
        return f"{line}, with time_col={STEP_COLUMN!r}, with freq=1"

    def keep_recent(self, id_col: Hashable | None, time_col: Hashable, n: int) -> str:
        """Return the line that keeps the last rows of each series."""
        series = "" if id_col is None else f".groupby({spell(id_col)})"
        return f"{self.flat}.sort_values({spell(time_col)}){series}.tail({n})"

    def rename(self, old: Hashable, new: Hashable) -> str:
        """Return the line that renames a column."""
        return f"df = {self.flat}.rename(columns={{{spell(old)}: {spell(new)}}})"

    def assign(self, name: Hashable, expression: str) -> str:
        """Return the line that assigns a column.

        Parameters
        ----------
        name : hashable
            The column, new or not.
        expression : str
            Its values, where ``{df}`` stands for the frame.

        Examples
        --------
        >>> FrameCode().assign("ds", "pd.to_datetime({df}['ds'])")
        "df['ds'] = pd.to_datetime(df['ds'])"
        >>> FrameCode("df.reset_index()").assign("ds", "pd.to_datetime({df}['ds'])")
        "df = df.reset_index().assign(ds=lambda rows: pd.to_datetime(rows['ds']))"
        """
        if self.flat == self.name and self.library == "pd":
            return f"{self.name}[{spell(name)}] = {expression.replace('{df}', self.name)}"
        values = expression.replace("{df}", "rows")
        if not isinstance(name, str):  # which no keyword can be
            return f"{self.name} = {self.flat}; rows = {self.name}; {self.name}[{spell(name)}] = {values}"
        if name.isidentifier() and not iskeyword(name):
            return f"{self.name} = {self.flat}.assign({name}=lambda rows: {values})"
        return f"{self.name} = {self.flat}.assign(**{{{name!r}: lambda rows: {values}}})"


@dataclass(frozen=True, slots=True)
class NamedColumn:
    """A column under the caller's name, with the code that reaches it; its repr is that of the name.

    Parameters
    ----------
    name : hashable
        The column or index level.
    frame : FrameCode
        The frame that it is a column of.
    """

    name: Hashable
    frame: FrameCode = FrameCode()

    def __repr__(self) -> str:
        return repr(self.name)

    def convert(self, expression: str) -> str:
        """Return the line that converts the column.

        Parameters
        ----------
        expression : str
            The converted values, where ``{}`` stands for the column and ``{pd}`` for the library that holds it.

        Examples
        --------
        >>> NamedColumn("ds").convert("{pd}.to_datetime({}, utc=True)")
        "df['ds'] = pd.to_datetime(df['ds'], utc=True)"
        """
        column = f"{{df}}[{spell(self.name)}]"
        return self.frame.assign(self.name, expression.replace("{pd}", self.frame.library).replace("{}", column))

    def drop_missing(self) -> str:
        """Return the line that drops the rows without a value in the column."""
        return f"{self.frame.flat}.dropna(subset=[{spell(self.name)}])"


def flatten(frame: pd.DataFrame, names: Sequence[Hashable], needed: Sequence[Hashable], called: str = "df") -> str:
    """Return the code that moves levels of a frame's index to columns.

    Parameters
    ----------
    frame : DataFrame
        The frame.
    names : sequence of hashable
        Names for all levels of its index; empty where none is needed.
    needed : sequence of hashable
        Those of the levels that are needed as columns.
    called : str, default "df"
        What code calls the frame.
    """
    if not names:
        return called
    renamed = called
    if list(names) != list(frame.index.names):
        is_one = len(names) == 1 and not isinstance(names[0], tuple)
        renamed = f"{called}.rename_axis({spell(names[0] if is_one else list(names))})"
    others_fit = set(names).isdisjoint(frame.columns)
    return f"{renamed}.reset_index({'' if others_fit else spell([name for name in names if name in needed])})"
