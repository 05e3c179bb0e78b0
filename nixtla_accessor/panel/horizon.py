"""The steps that are forecast, and the rows of a frame of the future that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.panel.aliases import NANOSECONDS
from nixtla_accessor.panel.arrays import Flags, Integers, Ticks
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.ids import Grouping
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.times import TICKS_PER_SECOND, TimeForm

FARTHEST_TICK = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Horizon:
    """The steps after the end of every series.

    Parameters
    ----------
    columns : Columns
        The caller's names of the columns.
    ids : Index of length n_series
        The series.
    last_ticks : ndarray of int64, shape (n_series,)
        The last stamp of each.
    frequency : Frequency
        The step from one stamp to the next.
    form : TimeForm
        How the caller writes stamps.
    steps : int
        How many steps are forecast.
    """

    columns: Columns
    ids: pd.Index[Any]
    last_ticks: Ticks
    frequency: Frequency
    form: TimeForm
    steps: int

    @property
    def ticks(self) -> Ticks:
        """The stamps that are forecast, series by series; shape (n_series * steps,)."""
        steps = np.tile(np.arange(1, self.steps + 1), len(self.ids))
        return self.frequency.advance(self.last_ticks.repeat(self.steps), steps, self.form)

    @property
    def common_end(self) -> int | None:
        """The last stamp of all series; None where they end at different ones."""
        first = int(self.last_ticks[0])
        return first if (self.last_ticks == first).all() else None

    def match(self, rows: FutureRows) -> Placement:
        """Find the step of each row of the future."""
        of_series = self._match_series(rows)
        series = of_series[rows.grouping.row_codes()]
        expected = self.ticks
        comparable = self._as_comparable(np.concatenate([expected, rows.ticks]))
        expected, given = comparable[: len(expected)], comparable[len(expected) :]
        distinct = np.unique(expected)
        keys = np.arange(len(self.ids)).repeat(self.steps) * len(distinct) + np.searchsorted(distinct, expected)
        ranks = np.minimum(np.searchsorted(distinct, given), len(distinct) - 1)
        wanted = series * len(distinct) + ranks
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        is_placed = (series >= 0) & (distinct[ranks] == given) & (keys[places] == wanted) & ~rows.off_grid
        return Placement(of_series, series, places, is_placed, np.bincount(places[is_placed], minlength=len(keys)))

    def _match_series(self, rows: FutureRows) -> Integers:
        """Return the number of each series of the future in the frame, -1 where it is not there."""
        if self.columns.id is None:
            return np.zeros(1, dtype=np.int64)
        own, others = (pd.Index(ids.astype(object), dtype=object, tupleize_cols=False) for ids in (self.ids, rows.ids))
        return np.asarray(own.get_indexer(others), dtype=np.int64)

    def _as_comparable(self, ticks: Ticks) -> Ticks:
        """Return stamps such that two of one step are equal: those of days and longer steps in local time."""
        return ticks if self.frequency.family in {"", *NANOSECONDS} else self.form.to_local(ticks)


@dataclass(frozen=True, slots=True, eq=False)
class FutureRows:
    """The rows of a frame of the future, read.

    Parameters
    ----------
    columns : Columns
        Its columns, with the code that reaches them.
    grouping : Grouping
        Its series.
    ticks : ndarray of int64, shape (n_rows,)
        Its stamps, in the unit of the frame's.
    off_grid : ndarray of bool, shape (n_rows,)
        The stamps that lie between two ticks of that unit.
    shown : Index of length n_rows
        Its stamps as they are written.
    """

    columns: Columns
    grouping: Grouping
    ticks: Ticks
    off_grid: Flags
    shown: pd.Index[Any]

    @property
    def ids(self) -> pd.Index[Any]:
        """Its series."""
        return self.grouping.ids


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """The steps that the rows of the future belong to.

    Parameters
    ----------
    of_series : ndarray of int64, shape (n_future_series,)
        The number of each series of the future in the frame, -1 where it is not there.
    series : ndarray of int64, shape (n_rows,)
        The same, for each row.
    places : ndarray of int64, shape (n_rows,)
        The step of each row, among those of all series.
    is_placed : ndarray of bool, shape (n_rows,)
        The rows that belong to a step.
    counts : ndarray of int64, shape (n_series * steps,)
        How many rows each step has.
    """

    of_series: Integers
    series: Integers
    places: Integers
    is_placed: Flags
    counts: Integers

    @property
    def rows(self) -> Integers:
        """The row of each step, where every step has one."""
        rows = np.empty(len(self.places), dtype=np.int64)
        rows[self.places] = np.arange(len(self.places))
        return rows


def convert_unit(ticks: Ticks, form: TimeForm, own: TimeForm) -> tuple[Ticks, Flags]:
    """Return stamps in the unit of another form, and which of them lie between two ticks of it."""
    per_second, own_per_second = (TICKS_PER_SECOND.get(one.unit, 1) for one in (form, own))
    if per_second <= own_per_second:
        factor = own_per_second // per_second
        return np.clip(ticks, -FARTHEST_TICK // factor, FARTHEST_TICK // factor) * factor, np.zeros(len(ticks), bool)
    factor = per_second // own_per_second
    return ticks // factor, ticks % factor != 0
