"""How messages name series, rows and stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nixtla_accessor.panel.frame import Panel

SHOWN = 3  # offenders that a message names


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


def rest(total: int) -> str:
    """Say how many offenders were not shown."""
    return f" and {total - SHOWN} more" if total > SHOWN else ""


def count(number: int, noun: str) -> str:
    """Put a number before a noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def count_series(panel: Panel, rows: npt.NDArray[np.int64]) -> str:
    """Say in how many series some rows lie."""
    affected = len(np.unique(panel.grouping.row_codes()[rows]))
    return f"in {affected} of {len(panel.grouping.sizes)} series"
