"""Every problem of a frame, as a tidy frame."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import (
    DuplicateColumnError,
    FrequencyError,
    InvalidFrameError,
    MissingColumnError,
    UnsupportedDtypeError,
)
from nixtla_accessor.panel.diagnosis import diagnose
from nixtla_accessor.panel.frame import default_columns, take_column
from nixtla_accessor.panel.frequency import Frequency, FrequencyLike, parse_frequency
from nixtla_accessor.panel.ids import Grouping, group_rows, missing_ids, single_series
from nixtla_accessor.panel.inference import Finding, find_frequency
from nixtla_accessor.panel.panel import Columns, Panel
from nixtla_accessor.panel.target import read_target
from nixtla_accessor.panel.times import MISSING_TICK, TimeForm, read_times

Integers = npt.NDArray[np.int64]

OF_COLUMNS: dict[type[InvalidFrameError], str] = {
    MissingColumnError: "missing column",
    DuplicateColumnError: "duplicate column",
    UnsupportedDtypeError: "unsupported dtype",
}
KINDS = (
    "empty frame",
    *OF_COLUMNS.values(),
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
    """One row of an audit."""

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
        The frequency to hold the stamps against; by default the one that fits best.
    id_col, time_col, target_col : hashable, optional
        The columns; ``unique_id``, ``ds`` and ``y`` by default.

    Returns
    -------
    DataFrame
        One row for each problem; empty when all is well. The columns:

        - ``series``: the id, None where the problem is not one series';
        - ``column``: the column that has it;
        - ``kind``: "gap", "duplicate stamp", "off-grid stamp", "other frequency", "missing target", …;
        - ``first``: the first stamp concerned, for a gap the first that is missing;
        - ``count``: how many rows, or for a gap missing stamps, are concerned;
        - ``refused``: whether the frame cannot be packed before this is mended;
        - ``remedy``: what to do.

    Raises
    ------
    InvalidArgumentError
        ``freq`` names no frequency.

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
    given = Finding(parse_frequency(freq))
    return tabulate(find_problems(frame, columns, lambda _: given))


def tabulate(problems: Iterable[Problem]) -> pd.DataFrame:
    """Make the table that `audit_frame` returns."""
    rows = list(problems)
    names = ["series", "column", "kind", "first", "count", "refused", "remedy"]
    dtypes = {"count": "int64", "refused": "bool", "kind": "str", "remedy": "str"}
    return pd.DataFrame(
        {name: pd.Series([getattr(row, name) for row in rows], dtype=dtypes.get(name, "object")) for name in names}
    )


def find_problems(frame: pd.DataFrame, columns: Columns, find: Callable[[Panel], Finding]) -> Iterator[Problem]:
    """Yield every problem of a frame, in the order of `KINDS`, and of the ids.

    Parameters
    ----------
    frame : DataFrame
        A long frame.
    columns : Columns
        Its columns.
    find : callable
        Gives the frequency to hold the stamps against, or raises a `FrequencyError`, which is a problem of its own.
    """
    if not len(frame):
        yield Problem(None, None, "empty frame", None, 0, "The frame has no rows; it takes at least one.")
        return
    times = yield from _try(columns.time, lambda: read_times(take_column(frame, columns.time, "time"), columns.time))
    y = yield from _try(
        columns.target, lambda: read_target(take_column(frame, columns.target, "target"), columns.target)
    )
    named, grouping = yield from _read_ids(frame, columns)
    ticks, form = times or (np.full(len(frame), MISSING_TICK), TimeForm("integer", np.dtype("int64")))
    known = grouping or single_series(len(named))
    names = columns if grouping else replace(columns, id=None)
    panel = Panel(names, known, ticks[named], form, np.zeros(len(named)) if y is None else y[named], None)
    if times:
        yield from _missing_times(panel)
    yield from _bad_values(panel)
    if times and grouping:
        yield from _irregularities(panel, find)
    for name in frame.columns:
        if name not in {columns.id, columns.time, columns.target}:
            remedy = "Nothing to do: models learn from the target alone, and this column is not sent."
            yield Problem(None, name, "unused column", None, len(frame), remedy, refused=False)


Read = TypeVar("Read")


def _try(column: Hashable | None, read: Callable[[], Read]) -> Generator[Problem, None, Read | None]:
    """Read a column, or report why it cannot be read."""
    try:
        return read()
    except InvalidFrameError as error:
        yield Problem(None, column, OF_COLUMNS[type(error)], None, 1, str(error))
        return None


def _read_ids(frame: pd.DataFrame, columns: Columns) -> Generator[Problem, None, tuple[Integers, Grouping | None]]:
    """Find the rows that have an id, and their series; no series when the ids cannot be read."""
    rows = np.arange(len(frame))
    if columns.id is None:
        return rows, single_series(len(rows))
    ids = yield from _try(columns.id, lambda: take_column(frame, columns.id, "id"))
    if ids is None:
        return rows, None
    nameless = missing_ids(ids)
    if len(nameless):
        remedy = f"Name the series, or drop the rows: df.dropna(subset=[{columns.id!r}])."
        yield Problem(None, columns.id, "missing id", None, len(nameless), remedy)
        rows = np.delete(rows, nameless)
    if not len(rows):
        return rows, None
    return rows, (yield from _try(columns.id, lambda: group_rows(ids.take(rows), columns.id)))


def _missing_times(panel: Panel) -> Iterator[Problem]:
    rows = np.flatnonzero(panel.ticks == MISSING_TICK)
    remedy = f"Fill the times in, or drop the rows: df.dropna(subset=[{panel.columns.time!r}])."
    return _by_series(panel, panel.columns.time, "missing time", rows, remedy)


def _bad_values(panel: Panel) -> Iterator[Problem]:
    missing = "Fill the values in, df.timegpt.fill_gaps(method='interpolate'), or send them with allow_missing=True."
    yield from _by_series(panel, panel.columns.target, "missing target", np.flatnonzero(np.isnan(panel.y)), missing)
    infinite = "Replace the values; no model can learn from them."
    yield from _by_series(panel, panel.columns.target, "infinite target", np.flatnonzero(np.isinf(panel.y)), infinite)


def _irregularities(panel: Panel, find: Callable[[Panel], Finding]) -> Iterator[Problem]:
    """Hold the rows that have a time against the frequency."""
    rows = np.flatnonzero(panel.ticks != MISSING_TICK)
    if not len(rows):
        return
    codes = panel.grouping.row_codes()[rows]
    seen, codes = np.unique(codes, return_inverse=True)
    grouping = Grouping(panel.grouping.ids.take(seen), np.bincount(codes), None, codes)
    panel = replace(panel, grouping=grouping, ticks=panel.ticks[rows], y=panel.y[rows])
    time = panel.columns.time
    try:
        frequency, doubt = find(panel)
        found = diagnose(panel, frequency)
    except FrequencyError as error:
        yield Problem(None, time, "no frequency", None, len(panel.ticks), str(error))
        return
    if doubt:
        yield Problem(None, time, "ambiguous frequency", None, len(panel.ticks), doubt, refused=False)
    keys = [name for name in (panel.columns.id, time) if name is not None]
    twice = f"Keep one row of each, df.drop_duplicates({keys!r}), or add them up with groupby."
    yield from _by_series(panel, time, "duplicate stamp", found.duplicates, twice)
    stray = f"Move the stamps onto the frequency {frequency.name!r}, drop them, or give another freq."
    yield from _by_series(panel, time, "off-grid stamp", found.strays, stray)
    absent = replace(panel, ticks=panel.ticks.copy())
    if len(found.gaps):
        absent.ticks[found.gaps] = frequency.advance(panel.ticks[found.gaps], np.ones_like(found.gaps), panel.form)
    fill = f"Put them in: df.timegpt.fill_gaps(freq={frequency.name!r}, method='interpolate')."
    yield from _by_series(absent, time, "gap", found.gaps, fill, found.missing)
    for series, reading in found.strangers.items():
        own = np.flatnonzero(panel.grouping.row_codes() == series)
        remedy = (
            f"This series is {Frequency(*reading).name!r}, not {frequency.name!r}; give that freq, or leave it out."
        )
        yield from _by_series(panel, time, "other frequency", own, remedy)


def _by_series(
    panel: Panel, column: Hashable, kind: str, rows: Integers, remedy: str, counts: Integers | None = None
) -> Iterator[Problem]:
    """Report the rows that have a problem, series by series."""
    if not len(rows):
        return
    table = pd.DataFrame({"code": panel.grouping.row_codes()[rows], "tick": panel.ticks[rows]})
    table["count"] = 1 if counts is None else counts
    grouped = table.groupby("code")
    ticks, totals = grouped["tick"].min().to_numpy(), grouped["count"].sum()
    stamps = panel.form.restore(np.where(ticks == MISSING_TICK, 0, ticks))
    for code, total, tick, stamp in zip(totals.index, totals, ticks, stamps, strict=True):
        series = None if panel.columns.id is None else panel.grouping.ids[int(code)]
        yield Problem(series, column, kind, None if tick == MISSING_TICK else stamp, int(total), remedy)
