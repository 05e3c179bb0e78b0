"""An audit: every problem of a frame, as a tidy frame."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from nixtla_accessor.errors import (
    DuplicateColumnError,
    FrequencyError,
    InvalidFrameError,
    MissingColumnError,
    UnsupportedDtypeError,
)
from nixtla_accessor.panel.arrays import Integers, Ticks, Values
from nixtla_accessor.panel.diagnosis import (
    Diagnosis,
    diagnose,
    how_to_mend_duplicates,
    how_to_mend_gaps,
    how_to_mend_off_grid,
)
from nixtla_accessor.panel.frame import default_columns, get_column
from nixtla_accessor.panel.frequency import Frequency, FrequencyLike, parse_frequency
from nixtla_accessor.panel.ids import Grouping, group_rows, rows_without_id, single_series
from nixtla_accessor.panel.inference import InferredFrequency, find_frequency
from nixtla_accessor.panel.panel import Columns, Stamps
from nixtla_accessor.panel.remedies import call_fill_gaps
from nixtla_accessor.panel.target import read_target
from nixtla_accessor.panel.times import MISSING_TICK, TimeForm, read_times

# the kinds of problems, in the order of an audit; those of whole columns by the error that reading them raises
COLUMN_KINDS: dict[type[InvalidFrameError], str] = {
    MissingColumnError: "missing column",
    DuplicateColumnError: "duplicate column",
    UnsupportedDtypeError: "unsupported dtype",
}
KINDS = (
    "empty frame",
    *COLUMN_KINDS.values(),
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
    "unused column",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of an audit; `audit_frame` describes the fields."""

    series: Hashable | None
    column: Hashable | None
    kind: str
    first: Any
    count: int
    remedy: str
    refused: bool = True


def audit_frame(
    frame: pd.DataFrame,
    *,
    freq: FrequencyLike | None = None,
    id_col: Hashable | None = None,
    time_col: Hashable | None = None,
    target_col: Hashable | None = None,
) -> pd.DataFrame:
    """List everything that keeps a frame from being packed, in one pass.

    Parameters
    ----------
    frame : DataFrame
        A long frame.
    freq : str, int, offset or timedelta, optional
        The frequency to compare the stamps with; by default the one that fits best.
    id_col, time_col, target_col : hashable, optional
        The columns; ``unique_id``, ``ds`` and ``y`` by default.

    Returns
    -------
    DataFrame
        One row for each problem; empty where there is none. The columns:

        - ``series``: the id; None for a problem of the whole frame;
        - ``column``: the column that has the problem;
        - ``kind``: "gap", "duplicate stamp", "off-grid stamp", "other frequency", "missing target", …;
        - ``first``: the first stamp with the problem, for a gap the first missing one;
        - ``count``: the rows with the problem, for a gap the missing stamps;
        - ``refused``: whether the frame cannot be packed with this problem;
        - ``remedy``: what to do.

    Raises
    ------
    InvalidArgumentError
        ``freq`` is not a frequency.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"])
    >>> found = audit_frame(pd.DataFrame({"ds": days, "y": [1.0, 2.0, None, 5.0]}))
    >>> found[["kind", "first", "count"]].values.tolist()
    [['missing target', Timestamp('2024-01-04 00:00:00'), 1], ['gap', Timestamp('2024-01-03 00:00:00'), 1]]
    """
    columns = default_columns(frame, id_col, time_col, target_col)
    if freq is None:
        return tabulate(find_problems(frame, columns, find_frequency))
    given = InferredFrequency(parse_frequency(freq))
    return tabulate(find_problems(frame, columns, lambda _: given))


def tabulate(problems: Iterable[Problem]) -> pd.DataFrame:
    """Return problems as the table that `audit_frame` returns."""
    rows = list(problems)
    names = ["series", "column", "kind", "first", "count", "refused", "remedy"]
    dtypes = {"count": "int64", "refused": "bool", "kind": "str", "remedy": "str"}
    return pd.DataFrame(
        {name: pd.Series([getattr(row, name) for row in rows], dtype=dtypes.get(name, "object")) for name in names}
    )


def find_problems(
    frame: pd.DataFrame, columns: Columns, find: Callable[[Stamps], InferredFrequency]
) -> Iterator[Problem]:
    """Yield every problem of a frame, in the order of `KINDS`, then of the ids.

    Parameters
    ----------
    frame : DataFrame
        A long frame.
    columns : Columns
        Its columns.
    find : callable
        Returns the frequency to compare the stamps with, or raises a `FrequencyError`, which is reported as well.
    """
    if not len(frame):
        yield Problem(None, None, "empty frame", None, 0, "Add rows: the frame must have at least one.")
        return
    times = yield from _try(
        columns.time, lambda: read_times(get_column(frame, columns.time, "time"), columns.time, frame.index)
    )
    y = yield from _try(
        columns.target, lambda: read_target(get_column(frame, columns.target, "target"), columns.target)
    )
    named, grouping = yield from _read_ids(frame, columns)
    if times:
        times = times[0][named], times[1]
    rows = ReadableRows(
        columns if grouping else replace(columns, id=None), grouping or single_series(len(named)), times
    )
    yield from _missing_times(rows)
    if y is not None:
        yield from _bad_values(rows, np.asarray(y[named], dtype=np.float64))
    if times and grouping:
        yield from _irregularities(Stamps(columns, grouping, *times), find)
    for name in frame.columns:
        if name not in {columns.id, columns.time, columns.target}:
            remedy = "Nothing to do: models learn from the target alone, and this column is not sent."
            yield Problem(None, name, "unused column", None, len(frame), remedy, refused=False)


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


ReadT = TypeVar("ReadT")


def _try(column: Hashable | None, read: Callable[[], ReadT]) -> Generator[Problem, None, ReadT | None]:
    """Read a column, or report why it cannot be read."""
    try:
        return read()
    except InvalidFrameError as error:
        yield Problem(None, column, COLUMN_KINDS[type(error)], None, 1, str(error))
        return None


def _read_ids(frame: pd.DataFrame, columns: Columns) -> Generator[Problem, None, tuple[Integers, Grouping | None]]:
    """Return the rows that have an id, and their series; None for the series when the ids cannot be read."""
    rows = np.arange(len(frame))
    if columns.id is None:
        return rows, single_series(len(rows))
    ids = yield from _try(columns.id, lambda: get_column(frame, columns.id, "id"))
    if ids is None:
        return rows, None
    missing = rows_without_id(ids)
    if len(missing):
        remedy = f"Fill the ids in, or drop the rows: df.dropna(subset=[{columns.id!r}])."
        yield Problem(None, columns.id, "missing id", None, len(missing), remedy)
        rows = np.delete(rows, missing)
    if not len(rows):
        return rows, None
    return rows, (yield from _try(columns.id, lambda: group_rows(ids.take(rows), columns.id)))


def _missing_times(rows: ReadableRows) -> Iterator[Problem]:
    if rows.times is None:
        return
    missing = np.flatnonzero(rows.times[0] == MISSING_TICK)
    remedy = f"Fill the times in, or drop the rows: df.dropna(subset=[{rows.columns.time!r}])."
    yield from _by_series(rows, rows.columns.time, "missing time", missing, remedy)


def _bad_values(rows: ReadableRows, y: Values) -> Iterator[Problem]:
    fill = call_fill_gaps(rows.columns, trim=True)
    remedy = f"Fill the values in, {fill}, or send them with allow_missing=True."
    yield from _by_series(rows, rows.columns.target, "missing target", np.flatnonzero(np.isnan(y)), remedy)
    remedy = "Replace the values; models cannot learn from them."
    yield from _by_series(rows, rows.columns.target, "infinite target", np.flatnonzero(np.isinf(y)), remedy)


def _irregularities(stamps: Stamps, find: Callable[[Stamps], InferredFrequency]) -> Iterator[Problem]:
    """Compare the rows that have a time with the frequency."""
    timed = np.flatnonzero(stamps.ticks != MISSING_TICK)
    if not len(timed):
        return
    seen, codes = np.unique(stamps.grouping.row_codes()[timed], return_inverse=True)
    grouping = Grouping(stamps.grouping.ids.take(seen), np.bincount(codes), None, codes)
    stamps = replace(stamps, grouping=grouping, ticks=stamps.ticks[timed])
    time = stamps.columns.time
    try:
        inferred = find(stamps)
        found = diagnose(stamps, inferred.frequency)
    except FrequencyError as error:
        yield Problem(None, time, "no frequency", None, len(stamps.ticks), str(error))
        return
    if inferred.ambiguity:
        yield Problem(None, time, "ambiguous frequency", None, len(stamps.ticks), inferred.ambiguity, refused=False)
    frequency = inferred.frequency
    rows = ReadableRows(stamps.columns, grouping, (stamps.ticks, stamps.form))
    remedy = how_to_mend_duplicates(stamps, frequency, found) if len(found.duplicates) else ""
    yield from _by_series(rows, time, "duplicate stamp", found.duplicates, remedy)
    remedy = how_to_mend_off_grid(stamps, frequency, found.off_grid) if len(found.off_grid) else ""
    yield from _by_series(rows, time, "off-grid stamp", found.off_grid, remedy)
    yield from _gaps(stamps, frequency, found)
    for series, own in found.mixed_frequencies.items():
        remedy = f"This series is {own.name!r}, not {frequency.name!r}; give that freq, or leave the series out."
        yield from _by_series(rows, time, "other frequency", np.flatnonzero(codes == series), remedy)


def _gaps(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> Iterator[Problem]:
    """Report gaps by their first missing stamp."""
    if not len(found.gaps):
        return
    ticks = stamps.ticks.copy()
    ticks[found.gaps] = frequency.advance(ticks[found.gaps], np.ones_like(found.gaps), stamps.form)
    rows = ReadableRows(stamps.columns, stamps.grouping, (ticks, stamps.form))
    remedy = how_to_mend_gaps(stamps, frequency, found)
    yield from _by_series(rows, stamps.columns.time, "gap", found.gaps, remedy, found.missing)


def _by_series(
    readable: ReadableRows, column: Hashable, kind: str, rows: Integers, remedy: str, counts: Integers | None = None
) -> Iterator[Problem]:
    """Report the rows that have a problem, series by series."""
    if not len(rows):
        return
    table = pd.DataFrame({"series": readable.grouping.row_codes()[rows]})
    table["count"] = 1 if counts is None else counts
    totals = table.groupby("series")["count"].sum()
    firsts: list[Any] = [None] * len(totals)
    if readable.times is not None:
        all_ticks, form = readable.times
        ticks = table.assign(tick=all_ticks[rows]).groupby("series")["tick"].min().to_numpy()
        known = ticks != MISSING_TICK
        stamps = form.restore(np.where(known, ticks, 0))
        firsts = [stamp if is_known else None for stamp, is_known in zip(stamps, known, strict=True)]
    for number, total, first in zip(totals.index, totals, firsts, strict=True):
        series = None if readable.columns.id is None else readable.grouping.ids[int(number)]
        yield Problem(series, column, kind, first, int(total), remedy)
