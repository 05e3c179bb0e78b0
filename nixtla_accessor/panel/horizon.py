"""The steps that are forecast, and the rows of ``X_df`` that belong to them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import InvalidFrameError
from nixtla_accessor.panel.aliases import NANOSECONDS
from nixtla_accessor.panel.arrays import Flags, Integers, Ticks
from nixtla_accessor.panel.findings import Finding
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.ids import Grouping, group_rows, single_series
from nixtla_accessor.panel.messages import SHOWN, and_more, count
from nixtla_accessor.panel.names import columns_of_future, get_column
from nixtla_accessor.panel.panel import Columns, name_id
from nixtla_accessor.panel.problems import COLUMN_KINDS
from nixtla_accessor.panel.times import MISSING_TICK, TICKS_PER_SECOND, TimeForm, read_times

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

    def as_comparable(self, ticks: Ticks) -> Ticks:
        """Return stamps such that two of one step are equal: those of days and longer steps in local time."""
        return ticks if self.frequency.family in {"", *NANOSECONDS} else self.form.to_local(ticks)


@dataclass(frozen=True, slots=True, eq=False)
class _FutureRows:
    """The rows of ``X_df``, read.

    Parameters
    ----------
    grouping : Grouping
        Its series.
    ticks : ndarray of int64, shape (n_rows,)
        Its stamps, in the unit of the frame's.
    off_grid : ndarray of bool, shape (n_rows,)
        The stamps that lie between two ticks of the frame.
    shown : callable
        Its stamps as text.
    columns : Columns
        Its columns, with the code that reaches them.
    """

    grouping: Grouping
    ticks: Ticks
    off_grid: Flags
    form: TimeForm
    written: Ticks
    columns: Columns


def place_future(X_df: pd.DataFrame, horizon: Horizon) -> tuple[Integers | None, list[Finding]]:  # noqa: N803
    """Find the row of ``X_df`` for every step that is forecast.

    Parameters
    ----------
    X_df : DataFrame
        The rows of the horizon, in any order.
    horizon : Horizon
        The steps.

    Returns
    -------
    ndarray of int64, shape (n_series * steps,), or None
        The number of each row; None where something is wrong.
    list of Finding
        All that is wrong.
    """
    rows, findings = _read(X_df, horizon)
    if rows is None:
        return None, findings
    series = _match_series(rows, horizon)
    if (series < 0).all():
        return None, [_no_series_in_common(rows, horizon)]
    places, is_placed = _match_steps(rows, series[rows.grouping.row_codes()], horizon)
    counts = np.bincount(places[is_placed], minlength=len(horizon.ids) * horizon.steps)
    findings = [
        *_series_apart(rows, series, horizon),
        *_misplaced(rows, series, is_placed, horizon),
        *_doubled(rows, places, is_placed, counts, horizon),
        *_lacking(counts.reshape(-1, horizon.steps), series, horizon),
    ]
    if findings:
        return None, findings
    found = np.empty(len(places), dtype=np.int64)
    found[places] = np.arange(len(places))
    return found, []


def _read(X_df: pd.DataFrame, horizon: Horizon) -> tuple[_FutureRows | None, list[Finding]]:  # noqa: N803
    """Read the ids and stamps of ``X_df``."""
    if not len(X_df):
        return None, [Finding("empty frame", None, "X_df must have the rows of the horizon; it is empty.", "Add them.")]
    columns = columns_of_future(X_df, horizon.columns)
    findings: list[Finding] = []
    ticks, form, grouping = None, horizon.form, single_series(len(X_df))
    try:
        ticks, form = read_times(get_column(X_df, columns.time, "time"), columns.column(columns.time), X_df.index)
    except InvalidFrameError as error:
        findings.append(_unreadable(columns.time, error))
    try:
        if columns.id is not None:
            grouping = group_rows(get_column(X_df, columns.id, "id"), columns.column(columns.id))
    except InvalidFrameError as error:
        findings.append(_unreadable(columns.id, error))
    if ticks is not None and (ticks == MISSING_TICK).any():
        found = f"The times in {columns.time!r} of X_df are missing in {count(int((ticks == MISSING_TICK).sum()), 'row')}."
        how = f"Fill them in, or drop the rows: {columns.column(columns.time).drop_missing()}."
        findings.append(Finding("missing time", columns.time, found, how))
    if ticks is not None and not _are_alike(form, horizon.form):
        findings.append(_other_times(form, horizon))
    if findings or ticks is None:
        return None, findings
    in_unit, off_grid = _in_unit(ticks, form, horizon.form)
    return _FutureRows(grouping, in_unit, off_grid, form, ticks, columns), []


def _unreadable(column: Hashable, error: InvalidFrameError) -> Finding:
    return Finding(COLUMN_KINDS.get(type(error), "missing id"), column, f"X_df cannot be read: {error}", "")


def _are_alike(form: TimeForm, own: TimeForm) -> bool:
    """Return whether stamps are written so that those of the two frames can be compared."""
    zones = [(str(one.zone), one.text.suffix if one.text else "") for one in (form, own)]
    return form.kind == own.kind and zones[0] == zones[1]


def _other_times(form: TimeForm, horizon: Horizon) -> Finding:
    def described(one: TimeForm) -> str:
        zone = f" in the zone {one.zone}" if one.zone is not None else " without a zone" if one.kind == "stamp" else ""
        return f"{_KINDS[one.kind]}{zone} ({one.dtype})"

    name = horizon.columns.time
    found = (
        f"The times in {name!r} of X_df must be written as those of the frame, {described(horizon.form)}; found "
        f"{described(form)}."
    )
    return Finding("unsupported dtype", name, found, _how_to_convert(form, horizon))


_KINDS = {"integer": "integers", "stamp": "datetimes", "date": "dates", "text": "text", "period": "periods"}


def _how_to_convert(form: TimeForm, horizon: Horizon) -> str:
    """Return the line that writes the times of ``X_df`` as the frame does."""
    column = f"X_df[{horizon.columns.time!r}]"
    own = horizon.form
    if own.kind == "stamp" and form.kind in {"text", "date", "stamp"}:
        stamps = column if form.kind == "stamp" and form.dtype != np.dtype(object) else f"pd.to_datetime({column})"
        if own.zone is None:
            dropped = "" if form.zone is None else f".dt.tz_convert({str(form.zone)!r}).dt.tz_localize(None)"
            return f"Convert them: {column} = {stamps}{dropped}."
        moved = f".dt.tz_localize({str(own.zone)!r})" if form.zone is None else f".dt.tz_convert({str(own.zone)!r})"
        return f"Convert them: {column} = {stamps}{moved}."
    return "Write them alike."


def _in_unit(ticks: Ticks, form: TimeForm, own: TimeForm) -> tuple[Ticks, Flags]:
    """Return stamps in the unit of the frame's, and which of them lie between two ticks of it."""
    per_second, own_per_second = (TICKS_PER_SECOND.get(one.unit, 1) for one in (form, own))
    if per_second <= own_per_second:
        factor = own_per_second // per_second
        return np.clip(ticks, -FARTHEST_TICK // factor, FARTHEST_TICK // factor) * factor, np.zeros(len(ticks), bool)
    factor = per_second // own_per_second
    return ticks // factor, ticks % factor != 0


def _match_series(rows: _FutureRows, horizon: Horizon) -> Integers:
    """Return the number of each series of ``X_df`` in the frame, -1 where it is not there."""
    if horizon.columns.id is None:
        return np.zeros(1, dtype=np.int64)
    own = pd.Index(horizon.ids.astype(object), dtype=object, tupleize_cols=False)
    found = own.get_indexer(pd.Index(rows.grouping.ids.astype(object), dtype=object, tupleize_cols=False))
    return np.asarray(found, dtype=np.int64)


def _match_steps(rows: _FutureRows, series: Integers, horizon: Horizon) -> tuple[Integers, Flags]:
    """Return the place of each row among the steps that are forecast, and whether it has one."""
    expected = horizon.ticks
    comparable = horizon.as_comparable(np.concatenate([expected, rows.ticks]))
    expected, given = comparable[: len(expected)], comparable[len(expected) :]
    distinct = np.unique(expected)
    keys = np.arange(len(horizon.ids)).repeat(horizon.steps) * len(distinct) + np.searchsorted(distinct, expected)
    ranks = np.minimum(np.searchsorted(distinct, given), len(distinct) - 1)
    wanted = series * len(distinct) + ranks
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_placed = (series >= 0) & (distinct[ranks] == given) & (keys[places] == wanted) & ~rows.off_grid
    return places, is_placed


def _no_series_in_common(rows: _FutureRows, horizon: Horizon) -> Finding:
    def described(ids: pd.Index[Any]) -> str:
        return f"{_listed_ids(ids, np.arange(len(ids)))} ({ids.dtype})"

    return Finding(
        "unknown future series",
        horizon.columns.id,
        f"The ids in {horizon.columns.id!r} of X_df must be those of the frame, {described(horizon.ids)}; X_df has none "
        f"of them, but {described(rows.grouping.ids)}.",
        "Write them alike.",
    )


def _series_apart(rows: _FutureRows, series: Integers, horizon: Horizon) -> Iterator[Finding]:
    """Report series of ``X_df`` that the frame does not have, and the other way round."""
    id_col, own = horizon.columns.id, horizon.columns.frame
    unknown = np.flatnonzero(series < 0)
    if len(unknown):
        found = f"X_df has series that are not in the frame: {_listed_ids(rows.grouping.ids, unknown)}."
        how = f"Leave their rows out: X_df = {rows.columns.frame.keep_series(id_col, own.flat)}."
        sizes = rows.grouping.sizes
        of_series = tuple((rows.grouping.ids[one], None, int(sizes[one])) for one in unknown)
        yield Finding("unknown future series", id_col, found, how, of_series)
    absent = np.setdiff1d(np.arange(len(horizon.ids)), series)
    if len(absent):
        found = f"X_df has no rows for series of the frame: {_listed_ids(horizon.ids, absent)}."
        how = f"Add them, or leave the series out: df = {own.keep_series(id_col, rows.columns.frame.flat)}."
        of_series = tuple((horizon.ids[one], None, horizon.steps) for one in absent)
        yield Finding("missing future series", id_col, found, how, of_series)


def _misplaced(rows: _FutureRows, series: Integers, is_placed: Flags, horizon: Horizon) -> Iterator[Finding]:
    """Report stamps of ``X_df`` before the horizon, beyond it, and between its steps."""
    codes = series[rows.grouping.row_codes()]
    wrong = np.flatnonzero(~is_placed & (codes >= 0))
    ticks, last = rows.ticks[wrong], horizon.last_ticks[codes[wrong]]
    ends = horizon.ticks.reshape(-1, horizon.steps)[:, -1][codes[wrong]]
    early, late = ticks <= last, ticks > ends
    steps = f"the {count(horizon.steps, 'step')} after the end of each series"
    if early.any():
        found = f"X_df must have {steps} only; it has stamps before: {_listed(rows, wrong[early], codes, horizon)}."
        if int(early.sum()) == int((codes >= 0).sum()):
            found += " Is it the frame itself?"
        yield _of_rows("stamp before the horizon", found, _cut(rows, horizon), rows, wrong[early], codes, horizon)
    if late.any():
        found = f"X_df must have {steps} only; it has stamps beyond: {_listed(rows, wrong[late], codes, horizon)}."
        how = "Leave these rows out, or forecast further, with a larger h."
        yield _of_rows("stamp beyond the horizon", found, how, rows, wrong[late], codes, horizon)
    between = ~(early | late)
    if between.any():
        named = _listed(rows, wrong[between], codes, horizon)
        found = f"The stamps of X_df must be on the frequency {horizon.frequency.name!r} of the frame; off it are {named}."
        how = "Move them onto it."
        yield _of_rows("off-grid future stamp", found, how, rows, wrong[between], codes, horizon)


def _cut(rows: _FutureRows, horizon: Horizon) -> str:
    """Return the line that leaves out the rows before the horizon."""
    end, form = horizon.common_end, horizon.form
    if end is None or form.kind not in {"integer", "stamp", "text"}:
        return "Leave these rows out."
    [shown] = [end] if form.is_integer else [repr(text) for text in form.show(np.array([end]))]
    flat, time = rows.columns.frame.flat, horizon.columns.time
    return f"Leave these rows out: X_df = {flat}.loc[lambda rows: rows[{time!r}] > {shown}]."


def _doubled(
    rows: _FutureRows, places: Integers, is_placed: Flags, counts: Integers, horizon: Horizon
) -> Iterator[Finding]:
    """Report steps that ``X_df`` has more than once."""
    if (counts <= 1).all():
        return
    doubled = np.flatnonzero(is_placed & (counts[places] > 1))
    firsts = doubled[np.unique(places[doubled], return_index=True)[1]]
    codes = places // horizon.steps
    found = f"X_df has stamps more than once: {_listed(rows, firsts, codes, horizon)}."
    how = f"Keep one row of each: X_df = {rows.columns.frame.keep_first(horizon.columns.keys)}."
    yield _of_rows("duplicate future stamp", found, how, rows, firsts, codes, horizon)


def _lacking(counts: Integers, series: Integers, horizon: Horizon) -> Iterator[Finding]:
    """Report steps that ``X_df`` does not have, of series that it has."""
    is_lacking = counts == 0
    is_lacking[np.setdiff1d(np.arange(len(horizon.ids)), series)] = False
    lacking = np.flatnonzero(is_lacking.ravel())
    if not len(lacking):
        return
    codes, ticks = lacking // horizon.steps, horizon.ticks[lacking]
    stamps = horizon.form.show(ticks[:SHOWN])
    named = "; ".join(
        f"{name_id(horizon.columns, horizon.ids, code)} at {stamp}" for code, stamp in zip(codes, stamps, strict=False)
    )
    complete = int(np.argmax(is_lacking.any(axis=0)))
    shorter = f", or forecast only what it reaches: h={complete}" if complete else ""
    found = (
        f"X_df must have the {count(horizon.steps, 'step')} after the end of each series; missing are "
        f"{named}{and_more(len(lacking))}."
    )
    of_series = tuple(_by_series(horizon, codes, ticks))
    yield Finding("missing future stamp", horizon.columns.time, found, f"Add these rows{shorter}.", of_series)


def _of_rows(
    kind: str, found: str, remedy: str, rows: _FutureRows, wrong: Integers, codes: Integers, horizon: Horizon
) -> Finding:
    """Return a finding about rows of ``X_df``."""
    of_series = tuple(_by_series(horizon, codes[wrong], rows.ticks[wrong]))
    return Finding(kind, horizon.columns.time, found, remedy, of_series)


def _by_series(horizon: Horizon, codes: Integers, ticks: Ticks) -> Iterator[tuple[Hashable | None, Any, int]]:
    """Yield the id, the first stamp and the number of some stamps, series by series."""
    order = np.lexsort((ticks, codes))
    found, firsts, numbers = np.unique(codes[order], return_index=True, return_counts=True)
    stamps = horizon.form.restore(ticks[order][firsts])
    for code, stamp, number in zip(found, stamps, numbers, strict=True):
        yield None if horizon.columns.id is None else horizon.ids[code], stamp, int(number)


def _listed(rows: _FutureRows, wrong: Integers, codes: Integers, horizon: Horizon) -> str:
    """Return the names of the first of some rows of ``X_df``, and how many more there are."""
    stamps = rows.form.show(rows.written[wrong[:SHOWN]])
    named = [
        f"{name_id(horizon.columns, horizon.ids, codes[row])} at {stamp}"
        for row, stamp in zip(wrong[:SHOWN], stamps, strict=True)
    ]
    return "; ".join(named) + and_more(len(wrong))


def _listed_ids(ids: pd.Index[Any], chosen: npt.NDArray[Any]) -> str:
    first = [ids[one] for one in chosen[:SHOWN]]
    plain = [one.item() if isinstance(one, np.generic) else one for one in first]
    return ", ".join(map(repr, plain)) + and_more(len(chosen))
