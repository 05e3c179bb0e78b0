"""The frame of the future, ``X_df``: its rows for the steps that are forecast, and all that is wrong with it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import InvalidFrameError, MissingColumnError
from nixtla_accessor.panel.arrays import Integers, Ticks
from nixtla_accessor.panel.findings import Finding
from nixtla_accessor.panel.frame_code import spell
from nixtla_accessor.panel.horizon import FutureRows, Horizon, Placement, convert_unit
from nixtla_accessor.panel.ids import group_rows, single_series
from nixtla_accessor.panel.messages import SHOWN, and_more, count, quoted
from nixtla_accessor.panel.misnamed import names_of, nearest
from nixtla_accessor.panel.names import columns_of_future, get_column
from nixtla_accessor.panel.panel import Columns, name_id
from nixtla_accessor.panel.problems import COLUMN_KINDS
from nixtla_accessor.panel.times import MISSING_TICK, TimeForm, read_times

_KINDS = {"integer": "integers", "stamp": "datetimes", "date": "dates", "text": "text", "period": "periods"}


def place_future(X_df: pd.DataFrame, horizon: Horizon) -> tuple[Integers | None, list[Finding]]:
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
    placed = horizon.match(rows)
    if (placed.of_series < 0).all():
        return None, [no_series_in_common(horizon.ids, horizon.ids.dtype, rows.ids, horizon.columns)]
    findings = [
        *_series_apart(rows, placed, horizon),
        *_misplaced(rows, placed, horizon),
        *_doubled(rows, placed, horizon),
        *_lacking(placed, horizon),
    ]
    return (None, findings) if findings else (placed.rows, [])


def _read(X_df: pd.DataFrame, horizon: Horizon) -> tuple[FutureRows | None, list[Finding]]:
    """Read the ids and stamps of ``X_df``."""
    if not len(X_df):
        return None, [_without_rows(np.arange(len(horizon.ids)), horizon, "Add them; it has none at all.")]
    columns = columns_of_future(X_df, horizon.columns)
    findings: list[Finding] = []
    ticks, form, grouping = None, horizon.form, single_series(len(X_df))
    try:
        ticks, form = read_times(get_column(X_df, columns.time, "time"), columns.column(columns.time), X_df.index)
    except InvalidFrameError as error:
        findings.append(unreadable(X_df, columns, "time", error))
    try:
        if columns.id is not None:
            grouping = group_rows(get_column(X_df, columns.id, "id"), columns.column(columns.id))
    except InvalidFrameError as error:
        findings.append(unreadable(X_df, columns, "id", error))
    if ticks is not None:
        n_missing = int((ticks == MISSING_TICK).sum())
        if n_missing:
            found = f"The times in {columns.time!r} of X_df are missing in {count(n_missing, 'row')}."
            how = f"Fill them in, or drop the rows: X_df = {columns.column(columns.time).drop_missing()}."
            findings.append(Finding("missing time", columns.time, found, how))
        if not _are_alike(form, horizon.form):
            findings.append(_other_times(form, horizon))
    if findings or ticks is None:
        return None, findings
    in_unit, off_grid = convert_unit(ticks, form, horizon.form)
    return FutureRows(columns, grouping, in_unit, off_grid, form.restore(ticks)), []


def unreadable(X_df: pd.DataFrame, columns: Columns, role: str, error: InvalidFrameError) -> Finding:
    """Report ids or times that ``X_df`` does not have, or that are none.

    Parameters
    ----------
    X_df : DataFrame
        The rows of the horizon.
    columns : Columns
        Its columns.
    role : {"id", "time"}
        Whether these are ids or times.
    error : InvalidFrameError
        What reading them raised.
    """
    name = columns.time if role == "time" else columns.id
    if not isinstance(error, MissingColumnError):
        return Finding(COLUMN_KINDS.get(type(error), "missing id"), name, f"In X_df: {error}", "")
    there = names_of(X_df)
    near = nearest(name, there)
    how = "Add it, under the name that it has in the frame."
    if near is not None:
        how = f"Rename the nearest: X_df = X_df.rename(columns={{{spell(near)}: {spell(name)}}})."
    listed = ", ".join(map(repr, there[:SHOWN])) + and_more(len(there))
    found = f"X_df must have the {role} column {name!r} of the frame; it has {listed or 'no columns'}."
    return Finding("missing column", name, found, how)


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


def _how_to_convert(form: TimeForm, horizon: Horizon) -> str:
    """Return the line that writes the times of ``X_df`` as the frame does."""
    column, own = f"X_df[{spell(horizon.columns.time)}]", horizon.form
    if own.kind != "stamp" or form.kind not in {"text", "date", "stamp"}:
        return "Write them alike."
    stamps = form.datetimes.replace("{pd}", "pd").replace("{}", column)
    if own.zone is None:
        moved = "" if form.zone is None else f".dt.tz_convert({str(form.zone)!r}).dt.tz_localize(None)"
    else:
        moved = f".dt.tz_{'localize' if form.zone is None else 'convert'}({str(own.zone)!r})"
    return f"Convert them: {column} = {stamps}{moved}."


def no_series_in_common(ids: pd.Index[Any], dtype: object, of_future: pd.Index[Any], columns: Columns) -> Finding:
    """Report that ``X_df`` has none of the frame's series.

    Parameters
    ----------
    ids : Index
        The frame's series.
    dtype : dtype
        The dtype of their column.
    of_future : Index
        Those of ``X_df``.
    columns : Columns
        The columns of the frame.
    """
    found = (
        f"The ids in {columns.id!r} of X_df must be those of the frame, {_listed_ids(ids, np.arange(len(ids)))} "
        f"({dtype}); it has none of them, but {_listed_ids(of_future, np.arange(len(of_future)))} ({of_future.dtype})."
    )
    return Finding("unknown future series", columns.id, found, "Write them alike.")


def _series_apart(rows: FutureRows, placed: Placement, horizon: Horizon) -> Iterator[Finding]:
    """Report series of ``X_df`` that the frame does not have, and the other way round."""
    id_col, own, future = horizon.columns.id, horizon.columns.frame, rows.columns.frame
    unknown = np.flatnonzero(placed.of_series < 0)
    if len(unknown):
        yield series_not_in_frame(rows.ids.take(unknown), rows.grouping.sizes[unknown], horizon.columns, rows.columns)
    absent = np.setdiff1d(np.arange(len(horizon.ids)), placed.of_series)
    if len(absent):
        how = f"Add them, or leave the series out: df = {own.keep_series(id_col, future.flat)}."
        yield _without_rows(absent, horizon, how)


def _without_rows(absent: Integers, horizon: Horizon, remedy: str) -> Finding:
    """Report series of the frame of which ``X_df`` has no rows."""
    id_col = horizon.columns.id
    named = "the series" if id_col is None else f"series {_listed_ids(horizon.ids, absent)}"
    of_series = tuple((None if id_col is None else horizon.ids[one], None, horizon.steps) for one in absent.tolist())
    return Finding("missing future series", id_col, f"X_df has no rows for {named} of the frame.", remedy, of_series)


def series_not_in_frame(ids: pd.Index[Any], sizes: Integers, columns: Columns, of_future: Columns) -> Finding:
    """Report series of ``X_df`` that the frame does not have.

    Parameters
    ----------
    ids : Index of length n
        The series.
    sizes : ndarray of int64, shape (n,)
        How many rows of ``X_df`` each has.
    columns, of_future : Columns
        The columns of the frame, and those of ``X_df``.
    """
    found = f"X_df has series that are not in the frame: {_listed_ids(ids, np.arange(len(ids)))}."
    how = f"Leave their rows out: X_df = {of_future.frame.keep_series(columns.id, columns.frame.flat)}."
    of_series = tuple(zip(ids, [None] * len(ids), sizes.tolist(), strict=True))
    return Finding("unknown future series", columns.id, found, how, of_series)


def _misplaced(rows: FutureRows, placed: Placement, horizon: Horizon) -> Iterator[Finding]:
    """Report stamps of ``X_df`` before the horizon, beyond it, and between its steps."""
    of_frame = placed.series >= 0
    wrong = np.flatnonzero(~placed.is_placed & of_frame)
    if not len(wrong):
        return
    ticks, series = rows.ticks[wrong], placed.series[wrong]
    early = ticks <= horizon.last_ticks[series]
    late = ticks > horizon.ticks.reshape(-1, horizon.steps)[:, -1][series]
    between = ~(early | late)
    rule = f"X_df must have the {count(horizon.steps, 'step')} after the end of each series only"
    if early.any():
        found = f"{rule}; it has stamps before: {_listed(rows, placed, wrong[early], horizon)}."
        if int(early.sum()) == int(of_frame.sum()):
            found += " Is it the frame itself?"
        how = _how_to_cut(rows, horizon)
        yield _of_rows("stamp before the horizon", found, how, rows, placed, wrong[early], horizon)
    if late.any():
        found = f"{rule}; it has stamps beyond: {_listed(rows, placed, wrong[late], horizon)}."
        how = "Leave these rows out, or forecast further, with a larger h."
        yield _of_rows("stamp beyond the horizon", found, how, rows, placed, wrong[late], horizon)
    if between.any():
        found = (
            f"The stamps of X_df must be on the frequency {horizon.frequency.name!r} of the frame; off it are "
            f"{_listed(rows, placed, wrong[between], horizon)}."
        )
        how = "Move them onto it."
        yield _of_rows("off-grid future stamp", found, how, rows, placed, wrong[between], horizon)


def _how_to_cut(rows: FutureRows, horizon: Horizon) -> str:
    """Return the line that leaves out the rows before the horizon."""
    end, form = horizon.common_end, horizon.form
    if end is None or form.kind not in {"integer", "stamp", "text"}:
        return "Leave these rows out."
    shown = str(end) if form.is_integer else repr(form.show(np.array([end]))[0])
    flat, time = rows.columns.frame.flat, horizon.columns.time
    return f"Leave these rows out: X_df = {flat}.loc[lambda rows: rows[{time!r}] > {shown}]."


def _doubled(rows: FutureRows, placed: Placement, horizon: Horizon) -> Iterator[Finding]:
    """Report steps that ``X_df`` has more than once."""
    doubled = np.flatnonzero(placed.is_placed & (placed.counts[placed.places] > 1))
    if not len(doubled):
        return
    firsts = doubled[np.unique(placed.places[doubled], return_index=True)[1]]
    found = f"X_df has stamps more than once: {_listed(rows, placed, firsts, horizon)}."
    how = f"Keep one row of each: X_df = {rows.columns.frame.keep_first(horizon.columns.keys)}."
    yield _of_rows("duplicate future stamp", found, how, rows, placed, firsts, horizon)


def _lacking(placed: Placement, horizon: Horizon) -> Iterator[Finding]:
    """Report steps that ``X_df`` does not have, of series that it has."""
    is_lacking = placed.counts.reshape(-1, horizon.steps) == 0
    is_lacking[np.setdiff1d(np.arange(len(horizon.ids)), placed.of_series)] = False
    lacking = np.flatnonzero(is_lacking)
    if not len(lacking):
        return
    codes, ticks = lacking // horizon.steps, horizon.ticks[lacking]
    complete = int(np.argmax(is_lacking.any(axis=0)))
    shorter = f", or forecast only what it reaches for all: h={complete}" if complete else ""
    if complete and not is_lacking[:, complete:].all():
        shorter += ", without the rows of later steps"
    found = (
        f"X_df must have the {count(horizon.steps, 'step')} after the end of each series; missing are "
        f"{_named(horizon, codes[:SHOWN], horizon.form.show(ticks[:SHOWN]))}{and_more(len(lacking))}."
    )
    of_series = tuple(_by_series(horizon, codes, ticks))
    yield Finding("missing future stamp", horizon.columns.time, found, f"Add these rows{shorter}.", of_series)


def _of_rows(
    kind: str, found: str, remedy: str, rows: FutureRows, placed: Placement, wrong: Integers, horizon: Horizon
) -> Finding:
    """Return a finding about rows of ``X_df``."""
    of_series = tuple(_by_series(horizon, placed.series[wrong], rows.ticks[wrong]))
    return Finding(kind, horizon.columns.time, found, remedy, of_series)


def _by_series(horizon: Horizon, codes: Integers, ticks: Ticks) -> Iterator[tuple[Hashable | None, Any, int]]:
    """Yield the id, the first stamp and the number of some stamps, series by series."""
    order = np.lexsort((ticks, codes))
    found, firsts, numbers = np.unique(codes[order], return_index=True, return_counts=True)
    stamps = horizon.form.restore(ticks[order][firsts])
    for code, stamp, number in zip(found.tolist(), stamps, numbers.tolist(), strict=True):
        yield None if horizon.columns.id is None else horizon.ids[code], stamp, number


def _listed(rows: FutureRows, placed: Placement, wrong: Integers, horizon: Horizon) -> str:
    """Return the names of the first of some rows of ``X_df``, and how many more there are."""
    first = wrong[:SHOWN]
    shown = [str(stamp) for stamp in rows.shown.take(first).astype(str)]
    return _named(horizon, placed.series[first], shown) + and_more(len(wrong))


def _named(horizon: Horizon, codes: Integers, stamps: list[str]) -> str:
    return "; ".join(
        f"{name_id(horizon.columns, horizon.ids, code)} at {stamp}"
        for code, stamp in zip(codes.tolist(), stamps, strict=True)
    )


def _listed_ids(ids: pd.Index[Any], chosen: npt.NDArray[Any]) -> str:
    first = [ids[int(one)] for one in chosen[:SHOWN]]
    plain = [one.item() if isinstance(one, np.generic) else one for one in first]
    return ", ".join(map(quoted, plain)) + and_more(len(chosen))
