"""The problems of an audit: their kinds, and their table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nixtla_accessor.errors import (
    DuplicateColumnError,
    InvalidFrameError,
    MissingColumnError,
    UnsupportedDtypeError,
)
from nixtla_accessor.panel.arrays import Integers, Ticks
from nixtla_accessor.panel.ids import Grouping
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.shown_frames import AuditReport
from nixtla_accessor.panel.times import MISSING_TICK, TimeForm

# the kinds of problems, in the order of an audit; those of whole columns by the error that reading them raises
COLUMN_KINDS: dict[type[InvalidFrameError], str] = {
    MissingColumnError: "missing column",
    DuplicateColumnError: "duplicate column",
    UnsupportedDtypeError: "unsupported dtype",
}
KINDS_OF_COLUMNS = (*COLUMN_KINDS.values(), "misused column", "covariate without values")
COVARIATE_KINDS = (
    "missing covariate",
    "infinite covariate",
    "unknown future series",
    "missing future series",
    "stamp before the horizon",
    "stamp beyond the horizon",
    "off-grid future stamp",
    "duplicate future stamp",
    "missing future stamp",
)
NOTABLE_KINDS = ("all zero", "constant", "started late", "ended early", "too short")  # of series that can be packed
KINDS = (
    "empty frame",
    *KINDS_OF_COLUMNS,
    "missing id",
    "missing time",
    "missing target",
    "infinite target",
    "no frequency",
    "ambiguous frequency",
    "duplicate stamp",
    "off-grid stamp",
    "gap",
    "other frequency",
    *COVARIATE_KINDS,
    *NOTABLE_KINDS,
    "unused column",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of an audit; `nixtla_accessor.panel.audit.audit_frame` describes the fields."""

    series: Hashable | None
    column: Hashable | None
    kind: str
    first: Any
    count: int
    remedy: str
    refused: bool = True


def tabulate(problems: Iterable[Problem]) -> AuditReport:
    """Return problems as the table that an audit returns, with a summary by kind in its attrs."""
    rows = list(problems)
    kinds = [row.kind for row in rows]
    names = ["series", "column", "kind", "first", "count", "refused", "remedy"]
    dtypes = {"count": "int64", "refused": "bool", "kind": "str", "remedy": "str"}
    table = AuditReport(
        {name: pd.Series([getattr(row, name) for row in rows], dtype=dtypes.get(name, "object")) for name in names}
    )
    table.attrs["summary"] = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return table


class ReadableRows(NamedTuple):
    """The rows of a frame that have an id, as far as they can be read.

    Attributes
    ----------
    columns : Columns
        The caller's names of the columns; no id where ids cannot be read.
    grouping : Grouping
        The series.
    times : tuple of (ndarray of int64, TimeForm), or None
        The stamps; None where times cannot be read.
    """

    columns: Columns
    grouping: Grouping
    times: tuple[Ticks, TimeForm] | None

    def id_of(self, series: int) -> Hashable | None:
        """Return the id of a series; None where the frame has no ids, or they cannot be read."""
        return None if self.columns.id is None else self.grouping.ids.take([series]).tolist()[0]

    def show(self, ticks: Ticks) -> list[Any]:
        """Return stamps as the caller writes times, None where they are missing."""
        if self.times is None:
            return [None] * len(ticks)
        known = ticks != MISSING_TICK
        stamps = self.times[1].restore(np.where(known, ticks, 0))
        return [stamp if is_known else None for stamp, is_known in zip(stamps, known, strict=True)]


def problems_by_series(
    readable: ReadableRows,
    column: Hashable,
    kind: str,
    rows: Integers,
    remedy: str,
    counts: Integers | None = None,
) -> Iterator[Problem]:
    """Report the rows that have a problem, series by series."""
    if not len(rows):
        return
    table = pd.DataFrame({"series": readable.grouping.row_codes()[rows]})
    table["count"] = 1 if counts is None else counts
    totals = table.groupby("series")["count"].sum()
    table["tick"] = MISSING_TICK if readable.times is None else readable.times[0][rows]
    firsts = readable.show(table.groupby("series")["tick"].min().to_numpy())
    for number, total, first in zip(totals.index, totals, firsts, strict=True):
        yield Problem(readable.id_of(int(number)), column, kind, first, int(total), remedy)
