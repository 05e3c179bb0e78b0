"""The validated arrays of a frame, and how messages name their rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import MissingValueError
from nixtla_accessor.panel.arrays import Integers, Target, Ticks
from nixtla_accessor.panel.frame_code import FrameCode, NamedColumn
from nixtla_accessor.panel.frequency import Frequency, spell_frequency
from nixtla_accessor.panel.ids import Grouping
from nixtla_accessor.panel.messages import SHOWN, and_more, quoted
from nixtla_accessor.panel.times import TimeForm

ID_COLUMN, TIME_COLUMN, TARGET_COLUMN = "unique_id", "ds", "y"  # the names that are meant where none is given
DEFAULT_NAMES: Mapping[str, str] = MappingProxyType({"id": ID_COLUMN, "time": TIME_COLUMN, "target": TARGET_COLUMN})
"""These names, by the role of their column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The caller's names of the three columns.

    Parameters
    ----------
    id : hashable or None
        The column or index level of series ids; None when the frame is one series.
    time : hashable
        The column or index level of stamps.
    target : hashable
        The column of values.
    frame : FrameCode
        How code in messages reaches them.
    """

    id: Hashable | None
    time: Hashable
    target: Hashable
    frame: FrameCode = field(default=FrameCode(), compare=False)

    @property
    def keys(self) -> list[Hashable]:
        """The columns that identify a row: those of ids, where there is one, and of times."""
        return [self.time] if self.id is None else [self.id, self.time]

    def with_frequency(self, frequency: Frequency | None) -> Columns:
        """Return the columns with the frequency that the caller gave, for calls in messages."""
        if frequency is None:
            return self
        return replace(self, frame=replace(self.frame, freq=f"freq={spell_frequency(frequency)}"))

    def column(self, name: Hashable) -> NamedColumn:
        """Return one of the columns with the code that reaches it."""
        return NamedColumn(name, self.frame)


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """The stamps of every series, in the frame's row order.

    Parameters
    ----------
    columns : Columns
        The caller's names of the columns.
    grouping : Grouping
        The series, and the rows of each.
    ticks : ndarray of int64, shape (n_rows,)
        The stamps.
    form : TimeForm
        How the caller writes stamps.
    """

    columns: Columns
    grouping: Grouping
    ticks: Ticks
    form: TimeForm


@dataclass(frozen=True, slots=True, eq=False)
class Covariate:
    """What explains the series: a column that is known ahead, or of the past only.

    Parameters
    ----------
    name : hashable
        The column.
    is_known : bool
        Whether its future values are known.
    past : ndarray of float64, int64 or object, shape (n_rows,)
        One value for each row of the series, NaN where it is missing. Of a categorical column the categories
        themselves, None where one is missing.
    future : ndarray of float64, int64 or object, shape (n_series * horizon,), or None
        Series by series, the values of the horizon; None where nothing is forecast, or they are not known.
    """

    name: Hashable
    is_known: bool
    past: npt.NDArray[Any]
    future: npt.NDArray[Any] | None = None

    @property
    def is_categorical(self) -> bool:
        """Whether the values are categories."""
        return self.past.dtype == np.dtype(object)


@dataclass(frozen=True, slots=True, eq=False)
class Panel(Stamps):
    """Stamps and validated values, in the frame's row order.

    Parameters
    ----------
    columns, grouping, ticks, form
        The stamps of every series, as in `Stamps`.
    y : ndarray of float64 or int64, shape (n_rows,)
        The target, finite, or NaN where missing values are allowed.
    target_dtype : dtype
        The caller's dtype of the target.
    covariates : tuple of Covariate
        What explains the target; not checked yet.
    """

    y: Target
    target_dtype: Any
    covariates: tuple[Covariate, ...] = ()


def use_integer_time(columns: Columns) -> str:
    """Return the sentence that tells how to use integer time, for stamps without a frequency."""
    numbered = columns.frame.number_rows(columns.id, columns.time)
    return (
        f"Number the rows of each series, and use the numbers as integer time: {numbered}. The stamps stay beside them."
    )


def name_id(columns: Columns, ids: pd.Index[Any], series: int) -> str:
    """Return how messages name one of some series: by its id, quoted."""
    if columns.id is None:
        return "the series"
    value = ids[series]
    return f"series {quoted(value.item() if isinstance(value, np.generic) else value)}"


def name_series(stamps: Stamps, series: int) -> str:
    """Return how messages name a series of a panel."""
    return name_id(stamps.columns, stamps.grouping.ids, series)


def refuse_series_without_values(
    columns: Columns, ids: pd.Index[Any], sizes: Integers, n_values: Integers, *, is_part: bool = False
) -> None:
    """Refuse series that have nothing but missing values, by name.

    Parameters
    ----------
    columns : Columns
        The caller's names of the columns.
    ids : Index of length n_series
        The ids.
    sizes, n_values : ndarray of int64, shape (n_series,)
        How many rows each series has, and how many of them have a value.
    is_part : bool, default False
        Whether other series of the frame, which are not here, may have values.

    Raises
    ------
    MissingValueError
        There are some.
    """
    without_values = np.flatnonzero(n_values == 0)
    if not len(without_values):
        return
    names = ", ".join(name_id(columns, ids, series) for series in without_values[:SHOWN]) + and_more(
        len(without_values)
    )
    found = f"The target {columns.target!r} is missing in {(sizes - n_values).sum()} of {sizes.sum()} rows"
    if columns.id is None or (len(without_values) == len(sizes) and not is_part):
        raise MissingValueError(f"{found}, which are all. Name the column that holds the values.")
    kept = columns.frame.keep_series_with_values(columns.id, columns.target, ids.take(without_values).tolist())
    raise MissingValueError(f"{found}; without a single value: {names}. Leave these series out: {kept}.")


def name_rows(stamps: Stamps, rows: Integers) -> list[str]:
    """Return how messages name the first rows: by series and stamp."""
    first = rows[:SHOWN]
    shown = stamps.form.show(stamps.ticks[first])
    codes = stamps.grouping.row_codes()[first]
    return [f"{name_series(stamps, code)} at {stamp}" for code, stamp in zip(codes, shown, strict=True)]


def list_rows(stamps: Stamps, rows: Integers) -> str:
    """Return the names of the first rows, and how many more there are."""
    return "; ".join(name_rows(stamps, rows)) + and_more(len(rows))


def count_series(stamps: Stamps, rows: Integers) -> str:
    """Return in how many series some rows are."""
    affected = len(np.unique(stamps.grouping.row_codes()[rows]))
    return f"in {affected} of {len(stamps.grouping.sizes)} series"
