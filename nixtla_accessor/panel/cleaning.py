"""Mending a frame: whatever has one sensible remedy; the rest is named and stays as it is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from nixtla_accessor.errors import (
    FrequencyError,
    InvalidArgumentError,
    MissingValueError,
    ProblemsLeftWarning,
    UnsupportedDtypeError,
    warn_caller,
)
from nixtla_accessor.panel.arrays import Flags, Integers
from nixtla_accessor.panel.arrow import plain_frame
from nixtla_accessor.panel.diagnosis import (
    diagnose,
    explain_clocks,
    find_explained_gaps,
    how_to_fill,
    how_to_mend_gaps,
    how_to_mend_off_grid,
    series_with_vast_gaps,
)
from nixtla_accessor.panel.doubles import hint_at_series
from nixtla_accessor.panel.frame import read_arrays
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.gaps import between_values, check_method, fill_columns
from nixtla_accessor.panel.ids import rows_without_id
from nixtla_accessor.panel.inference import find_frequency
from nixtla_accessor.panel.messages import SHOWN, and_more, count
from nixtla_accessor.panel.names import get_column, index_names
from nixtla_accessor.panel.panel import Columns, Panel
from nixtla_accessor.panel.target import read_target
from nixtla_accessor.panel.times import MISSING_TICK, read_times

KEY = "timegpt_cleaning"  # of a frame's attrs
DuplicateRule: TypeAlias = Literal["first", "last", "sum", "mean"]
RULES = ("first", "last", "sum", "mean")


@dataclass(frozen=True, slots=True)
class Step:
    """A kind of problem, and what was done about it: a row of `report`, where the fields are described."""

    kind: str
    column: Hashable
    n_series: int
    series: str
    count: int
    mended: bool
    action: str


def report(attrs: Mapping[Any, Any]) -> pd.DataFrame:
    """Return what cleaning did to a frame, from its attrs.

    Returns
    -------
    DataFrame
        A row for each kind of problem: ``kind``, as an audit calls it, ``column``, ``n_series`` and ``series`` (how
        many series had it, and the first ones), ``count`` (rows, or missing stamps), ``mended`` (bool), and ``action``:
        what was done, or what to do.
    """
    stored = attrs.get(KEY)
    names = list(Step.__dataclass_fields__)
    return pd.DataFrame(stored if isinstance(stored, list) else [], columns=names).astype(
        {"n_series": "int64", "count": "int64", "mended": "bool"}
    )


def clean_frame(
    frame: pd.DataFrame,
    columns: Columns,
    frequency: Frequency | None,
    duplicates: DuplicateRule | None,
    method: str | float,
) -> pd.DataFrame:
    """Mend what has one sensible remedy; see `TimeGPTAccessor.clean`.

    Parameters
    ----------
    frame : DataFrame
        A long frame; it is not changed.
    columns : Columns
        Its columns.
    frequency : Frequency, optional
        The frequency of the cleaned series; by default the one that fits best.
    duplicates : {"first", "last", "sum", "mean"}, optional
        The rule for rows with one stamp and different values.
    method : {"interpolate", "ffill"} or number
        How missing values are filled.

    Raises
    ------
    InvalidArgumentError
        There is no such rule or method.
    InvalidFrameError
        The frame cannot be read, has no frequency, or has no value at all.

    Warns
    -----
    ProblemsLeftWarning
        Something has no sensible remedy.
    """
    if duplicates is not None and duplicates not in RULES:
        raise InvalidArgumentError(
            f"duplicates must be None or one of {', '.join(map(repr, RULES))}; got {duplicates!r}."
        )
    if method is None:
        raise InvalidArgumentError("method must be 'interpolate', 'ffill' or a number; got None.")
    check_method(method)
    steps: list[Step] = []
    levels = index_names(frame, columns)
    flat = plain_frame(frame)
    flat = flat.reset_index(names=levels) if levels else flat.reset_index(drop=True)
    flat = _read_numbers(flat, columns, steps)
    flat, without_keys = _set_aside_rows_without_keys(flat, columns, steps)
    _note_order(flat, columns, steps)
    flat = _leave_out_unusable_values(flat, columns, steps)
    flat, doubled = _merge_duplicates(flat, columns, frequency, duplicates, steps)
    aside = [doubled]
    if len(flat):
        used = frequency or _infer_frequency(flat, doubled, columns)
        fill = None if frequency else how_to_fill(columns, used, method)
        flat, irregular, explained = _set_aside(flat, doubled, columns, used, fill, steps)
        flat = _fill(flat, columns, used, method, steps)
        aside += [irregular, explained]
    cleaned = _join([flat, *aside, without_keys])
    if levels:
        cleaned = cleaned.set_index(levels).rename_axis(frame.index.names)
    cleaned.attrs = {**frame.attrs, KEY: [asdict(step) for step in steps]}
    _warn_about_problems(steps)
    return cleaned


def _read_numbers(frame: pd.DataFrame, columns: Columns, steps: list[Step]) -> pd.DataFrame:
    """Return the frame with a target of numbers where it is text that reads as numbers."""
    target = frame[columns.target]
    try:
        read_target(target, columns.column(columns.target))
    except UnsupportedDtypeError as error:
        try:
            numbers = pd.to_numeric(target.astype(object))
        except (ValueError, TypeError):
            raise error from None
        if pd.api.types.infer_dtype(target, skipna=True) != "string":
            raise
        _note(steps, "unsupported dtype", columns.target, target.notna().to_numpy(), None, "text was read as numbers")
        return _with_target(frame, columns, numbers)
    return frame


def _set_aside_rows_without_keys(
    frame: pd.DataFrame, columns: Columns, steps: list[Step]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that have an id and a time, and those that have not; blank ones are dropped."""
    ticks, _ = read_times(get_column(frame, columns.time, "time"), columns.column(columns.time))
    lacking = {"missing time": ticks == MISSING_TICK}
    if columns.id is not None:
        no_id = np.zeros(len(frame), dtype=bool)
        no_id[rows_without_id(get_column(frame, columns.id, "id"))] = True
        lacking = {"missing id": no_id, "missing time": lacking["missing time"] & ~no_id}
    blank = np.asarray(frame[columns.target].isna())
    names = {"missing id": columns.id, "missing time": columns.time}
    for kind, rows in lacking.items():
        _note(steps, kind, names[kind], rows & blank, None, "rows without a value either were dropped")
        advice = "fill it in, or drop these rows; they stand at the end"
        _note(steps, kind, names[kind], rows & ~blank, None, advice, mended=False)
    without = np.logical_or.reduce(list(lacking.values()))
    return _take(frame, ~without), _take(frame, without & ~blank)


def _note_order(frame: pd.DataFrame, columns: Columns, steps: list[Step]) -> None:
    panel = read_arrays(frame, columns)
    codes = panel.grouping.row_codes()
    is_before = (codes[1:] < codes[:-1]) | ((codes[1:] == codes[:-1]) & (panel.ticks[1:] < panel.ticks[:-1]))
    rows = np.append(False, is_before)
    _note(steps, "unsorted", columns.time, rows, panel, "rows were sorted by id and time")


def _leave_out_unusable_values(frame: pd.DataFrame, columns: Columns, steps: list[Step]) -> pd.DataFrame:
    """Return the frame with infinite values as missing ones, and without series that have no value."""
    panel = read_arrays(frame, columns)
    infinite = np.isinf(panel.y)
    if infinite.any():
        _note(steps, "infinite target", columns.target, infinite, panel, "taken as missing")
        frame = _with_target(frame, columns, pd.Series(np.where(infinite, np.nan, panel.y)))
    codes = panel.grouping.row_codes()
    n_values = np.bincount(codes[np.isfinite(panel.y)], minlength=len(panel.grouping.sizes))
    empty = n_values[codes] == 0
    _note(steps, "missing target", columns.target, empty, panel, "series without any value were left out")
    if empty.all():
        raise MissingValueError(
            f"The target {columns.target!r} must have values; it is missing or infinite in all "
            f"{count(len(frame), 'row')}. Name the column that holds the values."
        )
    return _take(frame, ~empty)


def _merge_duplicates(
    frame: pd.DataFrame,
    columns: Columns,
    frequency: Frequency | None,
    rule: DuplicateRule | None,
    steps: list[Step],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the frame with one row for each stamp, and the series that no rule tells how to mend."""
    keys = _keys(frame, columns)
    if not keys.duplicated().any():
        return frame, frame.head(0)
    panel = read_arrays(frame, columns)
    doubled = np.flatnonzero(keys.duplicated(keep=False))
    texts = frame.iloc[doubled].astype(object).map(repr)  # which can be compared whatever they hold
    copies = np.zeros(len(frame), dtype=bool)
    copies[doubled] = texts.duplicated()
    _note(steps, "duplicate stamp", columns.time, copies, panel, "copies of a row were dropped")
    frame, keys = _take(frame, ~copies), _take(keys, ~copies)
    repeated = np.asarray(keys.duplicated())
    if not repeated.any():
        return frame, frame.head(0)
    panel = read_arrays(frame, columns)
    if rule is None:
        rules = ", ".join(f"duplicates={one!r}" for one in RULES)
        change = _explain_clocks(panel, frequency)
        otherwise = f"{change} Otherwise " if change else ""
        advice = f"{otherwise}give a rule: {rules}. {hint_at_series(frame, columns)}".strip()
        _note(steps, "duplicate stamp", columns.time, repeated, panel, advice, mended=False)
        of_series = keys["series"].isin(keys["series"][repeated])
        return _take(frame, ~of_series), _take(frame, of_series)
    done = {"first": "the first was kept", "last": "the last was kept"}.get(rule, f"their {rule} was taken")
    _note(steps, "duplicate stamp", columns.time, repeated, panel, f"of rows with one stamp {done}")
    if rule in {"sum", "mean"}:
        values = pd.Series(panel.y).groupby([keys["series"], keys["tick"]])
        totals = values.transform(rule)
        frame = _with_target(frame, columns, totals.where(values.transform("count") > 0))
    return _take(frame, ~keys.duplicated(keep="last" if rule == "last" else "first")), frame.head(0)


def _explain_clocks(panel: Panel, frequency: Frequency | None) -> str | None:
    try:
        frequency = frequency or find_frequency(panel).frequency
    except FrequencyError:  # which is raised later, where series are left that must have one
        return None
    return explain_clocks(panel, frequency, diagnose(panel, frequency))


def _infer_frequency(frame: pd.DataFrame, doubled: pd.DataFrame, columns: Columns) -> Frequency:
    """Return the frequency of the series that can be mended; where these tell none, that of all series."""
    try:
        return find_frequency(read_arrays(frame, columns)).frequency
    except FrequencyError:
        if not len(doubled):
            raise
        return find_frequency(read_arrays(_join([frame, doubled]), columns)).frequency


def _set_aside(
    frame: pd.DataFrame,
    doubled: pd.DataFrame,
    columns: Columns,
    frequency: Frequency,
    fill: str | None,
    steps: list[Step],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the series whose gaps can be filled, those that more than gaps keep from being regular, and the others.

    The gaps of the others are no missing rows, as of closed hours.

    Parameters
    ----------
    frame, doubled : DataFrame
        The rows, and those of the same frame that are set aside already.
    columns : Columns
        Their columns.
    frequency : Frequency
        Their frequency.
    fill : str, optional
        The call that fills all gaps. None where the caller gave the frequency, and so the grid that is to be filled:
        then there are no others.
    steps : list of Step
        Gets a step for each kind of problem.
    """
    panel = read_arrays(_join([frame, doubled]), columns)
    codes = panel.grouping.row_codes()
    found = diagnose(panel, frequency, allow_coarser=fill is None)
    found = found.without(np.unique(codes[len(frame) :]), codes)
    off_grid = np.zeros(len(codes), dtype=bool)
    off_grid[found.off_grid] = True
    other = np.isin(codes, list(found.mixed_frequencies))
    if off_grid.any():
        advice = how_to_mend_off_grid(panel, frequency, found.off_grid)
        _note(steps, "off-grid stamp", columns.time, off_grid, panel, advice, mended=False)
    advice = f"their frequency is not {frequency.name!r}; clean them apart, or leave them out"
    _note(steps, "other frequency", columns.time, other, panel, advice, mended=False)
    vast = np.isin(codes, series_with_vast_gaps(panel, found))
    if vast.any():
        advice = how_to_mend_gaps(panel, frequency, found)
        missing = np.where(vast, found.missing_after(len(codes)), 0)
        _note(steps, "gap", columns.time, missing, panel, advice, mended=False)
    irregular = np.isin(codes, codes[off_grid | other | vast])
    explained = np.zeros(len(codes), dtype=bool)
    if fill is not None:
        found = found.without(np.unique(codes[irregular]), codes)
        series, explanation = find_explained_gaps(panel, frequency, found)
        explained = np.isin(codes, series)
        advice = f"{explanation} Or fill the gaps: {fill}."
        missing = np.where(explained, found.missing_after(len(codes)), 0)
        _note(steps, "gap", columns.time, missing, panel, advice, mended=False)
    irregular, explained = irregular[: len(frame)], explained[: len(frame)]
    return _take(frame, ~(irregular | explained)), _take(frame, irregular), _take(frame, explained)


def _fill(
    frame: pd.DataFrame, columns: Columns, frequency: Frequency, method: str | float, steps: list[Step]
) -> pd.DataFrame:
    """Return the frame with its gaps filled, and without the rows before and after the values of a series."""
    if not len(frame):
        return frame
    panel = read_arrays(frame, columns)
    found = diagnose(panel, frequency, allow_coarser=True)
    filled = "with 'ffill'" if method == "ffill" else "along a line" if method == "interpolate" else f"with {method!r}"
    missing = found.missing_after(len(frame))
    _note(steps, "gap", columns.time, missing, panel, f"rows were added, and filled {filled}")
    without, order = np.isnan(panel.y), np.lexsort((panel.ticks, panel.grouping.row_codes()))
    inner = np.empty(len(frame), dtype=bool)
    inner[order] = between_values(without[order], panel.grouping.row_codes()[order])
    _note(steps, "missing target", columns.target, without & inner, panel, f"filled {filled}")
    _note(
        steps, "missing target", columns.target, ~inner, panel, "rows before the first or after the last value dropped"
    )
    return fill_columns(frame, columns, frequency, method, trim=True)


def _keys(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    panel = read_arrays(frame, columns)
    return pd.DataFrame({"series": panel.grouping.row_codes(), "tick": panel.ticks})


def _with_target(frame: pd.DataFrame, columns: Columns, values: pd.Series[Any]) -> pd.DataFrame:
    changed = frame.copy(deep=False)
    changed[columns.target] = values.array
    return changed


def _join(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    first, *others = parts
    others = [part for part in others if len(part)]
    return pd.concat([first, *others] if len(first) else others, ignore_index=True) if others else first


def _take(frame: pd.DataFrame, rows: Flags | pd.Series[bool]) -> pd.DataFrame:
    return frame[np.asarray(rows)].reset_index(drop=True)


def _note(
    steps: list[Step],
    kind: str,
    column: Hashable,
    rows: Flags | Integers,
    panel: Panel | None,
    action: str,
    *,
    mended: bool = True,
) -> None:
    """Add a step about some rows, if there are any; ``rows`` says for each row of the panel how many it counts."""
    if not rows.any():
        return
    n_series, names = 0, ""
    if panel is not None and panel.columns.id is not None:
        series = np.unique(panel.grouping.row_codes()[rows > 0])
        n_series = len(series)
        names = ", ".join(repr(one) for one in panel.grouping.ids.take(series[:SHOWN]).tolist()) + and_more(n_series)
    kept = column if isinstance(column, str | int | float | None) else str(column)  # as JSON, and so Parquet, can
    steps.append(Step(kind, kept, n_series, names, int(rows.sum()), mended, action))


def _warn_about_problems(steps: Iterable[Step]) -> None:
    """Warn of what was not mended."""
    left = [step for step in steps if not step.mended]
    if not left:
        return
    named = " ".join(
        f"{step.kind} in {step.column!r}, {count(step.count, 'missing stamp' if step.kind == 'gap' else 'row')}"
        f"{f' (series {step.series})' if step.series else ''}: {step.action.rstrip('.')}."
        for step in left
    )
    warn_caller(f"Some problems have no one remedy, and these rows stay as they were. {named}", ProblemsLeftWarning)
