"""The validated arrays of a frame, and how messages name their rows."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nixtla_accessor.panel.ids import Grouping
from nixtla_accessor.panel.messages import SHOWN, rest
from nixtla_accessor.panel.target import Target
from nixtla_accessor.panel.times import Ticks, TimeForm


@dataclass(frozen=True, slots=True)
class Columns:
    """What the caller calls the three columns.

    Parameters
    ----------
    id : hashable or None
        The column or index level of series ids; None when the frame is one series.
    time : hashable
        The column or index level of stamps.
    target : hashable
        The column of values.
    """

    id: Hashable | None
    time: Hashable
    target: Hashable


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Validated arrays, in the frame's row order.

    Parameters
    ----------
    columns : Columns
        What the caller calls them.
    grouping : Grouping
        The series, and the rows of each.
    ticks : ndarray of int64, shape (n_rows,)
        The stamps.
    form : TimeForm
        How the caller writes stamps.
    y : ndarray of float64 or int64, shape (n_rows,)
        The target, finite, or NaN where missing values are allowed.
    target_dtype : dtype
        The caller's dtype of the target.
    """

    columns: Columns
    grouping: Grouping
    ticks: Ticks
    form: TimeForm
    y: Target
    target_dtype: Any


def name_series(panel: Panel, series: int) -> str:
    """Name a series by its id, quoted."""
    if panel.columns.id is None:
        return "the series"
    value = panel.grouping.ids[series]
    return f"series {value.item() if isinstance(value, np.generic) else value!r}"


def name_rows(panel: Panel, rows: npt.NDArray[np.int64]) -> list[str]:
    """Name the first rows by series and stamp."""
    first = rows[:SHOWN]
    stamps = panel.form.show(panel.ticks[first])
    codes = panel.grouping.row_codes()[first]
    return [f"{name_series(panel, code)} at {stamp}" for code, stamp in zip(codes, stamps, strict=True)]


def list_rows(panel: Panel, rows: npt.NDArray[np.int64]) -> str:
    """Name the first rows by series and stamp, and say how many more there are."""
    return "; ".join(name_rows(panel, rows)) + rest(len(rows))


def count_series(panel: Panel, rows: npt.NDArray[np.int64]) -> str:
    """Say in how many series some rows lie."""
    affected = len(np.unique(panel.grouping.row_codes()[rows]))
    return f"in {affected} of {len(panel.grouping.sizes)} series"
