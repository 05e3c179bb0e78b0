"""An audit: every problem of a frame, as a tidy frame."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pandas as pd

from nixtla_accessor.errors import (
    FrequencyError,
    InvalidArgumentError,
    InvalidFrameError,
)
from nixtla_accessor.panel.arrays import Integers, Values
from nixtla_accessor.panel.covariate_columns import NO_COVARIATES, CovariateChoice, find_covariates
from nixtla_accessor.panel.covariates import find_bad_values, gather, read_past
from nixtla_accessor.panel.diagnosis import (
    Diagnosis,
    diagnose,
    how_to_mend_duplicates,
    how_to_mend_gaps,
    how_to_mend_off_grid,
)
from nixtla_accessor.panel.doubles import hint_at_series
from nixtla_accessor.panel.frequency import Frequency, FrequencyLike, parse_frequency
from nixtla_accessor.panel.ids import Grouping, group_rows, rows_without_id, single_series
from nixtla_accessor.panel.inference import InferredFrequency, find_frequency
from nixtla_accessor.panel.names import default_columns, get_column
from nixtla_accessor.panel.notable_series import Span, find_short, find_uneven_ends, find_unvarying
from nixtla_accessor.panel.panel import Columns, Stamps
from nixtla_accessor.panel.problems import COLUMN_KINDS, Problem, ReadableRows, problems_by_series, tabulate
from nixtla_accessor.panel.target import read_target
from nixtla_accessor.panel.times import MISSING_TICK, TimeForm, read_times


def audit_frame(
    frame: pd.DataFrame,
    freq: FrequencyLike | None = None,
    id_col: Hashable | None = None,
    time_col: Hashable | None = None,
    target_col: Hashable | None = None,
    *,
    h: int | None = None,
    covariates: CovariateChoice = NO_COVARIATES,
) -> pd.DataFrame:
    """List everything that keeps a frame from being packed, and the series that a forecaster wants to know of.

    Parameters
    ----------
    frame : DataFrame
        A long frame.
    freq : str, int, offset or timedelta, optional
        The frequency to compare the stamps with; by default the one that fits best.
    id_col, time_col, target_col : hashable, optional
        The columns; ``unique_id``, ``ds`` and ``y`` by default.
    h : int, optional
        A horizon, to list the series that are too short for a window of it.
    covariates : CovariateChoice, optional
        What is to explain the target; ``X_df`` needs a horizon.

    Returns
    -------
    DataFrame
        One row for each problem; empty where there is none. The columns:

        - ``series``: the id; None for a problem of the whole frame;
        - ``column``: the column that has the problem;
        - ``kind``: "gap", "duplicate stamp", "off-grid stamp", "other frequency", "missing target", …; and, not
          refused, "all zero", "constant", "started late" and "ended early" (more than a season, and more than a tenth
          of the span of all series), "too short";
        - ``first``: the first stamp with the problem, for a gap the first missing one, for "ended early" the last one;
        - ``count``: the rows with the problem, for a gap the missing stamps, for "started late" and "ended early" the
          steps;
        - ``refused``: whether the frame cannot be packed with this problem;
        - ``remedy``: what to do; for gaps, duplicates and off-grid stamps by the series that has most of them.

        Its ``attrs["summary"]`` has the number of rows of each kind.

    Raises
    ------
    InvalidArgumentError
        ``freq`` is not a frequency, or ``h`` no horizon.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"])
    >>> found = audit_frame(pd.DataFrame({"ds": days, "y": [1.0, 2.0, None, 5.0]}))
    >>> found[["kind", "first", "count"]].values.tolist()
    [['missing target', Timestamp('2024-01-04 00:00:00'), 1], ['gap', Timestamp('2024-01-03 00:00:00'), 1]]
    """
    columns = default_columns(frame, id_col, time_col, target_col)
    check_horizon(h, covariates)
    if freq is None:
        return tabulate(find_problems(frame, columns, find_frequency, h, covariates=covariates))
    given = InferredFrequency(parse_frequency(freq))
    columns = columns.with_frequency(given.frequency)
    return tabulate(find_problems(frame, columns, lambda _: given, h, covariates=covariates))


def check_horizon(h: object, covariates: CovariateChoice) -> None:
    """Refuse a horizon that is neither None nor a number of steps, and none where ``X_df`` has the rows of one."""
    if covariates.X_df is not None and h is None:
        raise InvalidArgumentError("audit(X_df=…) needs the horizon that X_df is for: add h=….")
    if covariates.X_df is not None and covariates.futr_exog_list is not None:
        raise InvalidArgumentError("The columns known ahead are those of X_df; give X_df or futr_exog_list.")
    if h is not None and (not isinstance(h, int | np.integer) or isinstance(h, bool) or h < 1):
        raise InvalidArgumentError(f"h must be a number of steps, at least 1; got {h!r}.")


def find_problems(
    frame: pd.DataFrame,
    columns: Columns,
    find: Callable[[Stamps], InferredFrequency],
    h: int | None = None,
    span: Callable[[TimeForm], Span | None] = lambda _: None,
    covariates: CovariateChoice = NO_COVARIATES,
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
    h : int, optional
        A horizon, to report the series that are too short for a window of it.
    span : callable, optional
        Returns the first and last stamp of the whole frame, of which this is a part, in the ticks of a form.
    covariates : CovariateChoice, optional
        What is to explain the target.
    """
    if not len(frame):
        yield Problem(None, None, "empty frame", None, 0, "Add rows: the frame must have at least one.")
        return
    time, target = columns.column(columns.time), columns.column(columns.target)
    times = yield from _try(
        columns.time, lambda: read_times(get_column(frame, columns.time, "time"), time, frame.index)
    )
    y = yield from _try(columns.target, lambda: read_target(get_column(frame, columns.target, "target"), target))
    named, grouping = yield from _read_ids(frame, columns)
    timed = frequency = None
    if times:
        times = times[0][named], times[1]
    rows = ReadableRows(
        columns if grouping else replace(columns, id=None), grouping or single_series(len(named)), times
    )
    yield from _missing_times(rows)
    if y is not None:
        yield from _bad_values(rows, np.asarray(y[named], dtype=np.float64))
    if times and grouping:
        timed = _timed(Stamps(columns, grouping, *times))
        frequency = None if timed is None else (yield from _irregularities(frame, timed, find))
    if covariates:
        yield from _bad_covariates(frame, columns, frequency, covariates, h or 0)
    if grouping and y is not None:
        yield from find_unvarying(rows, np.asarray(y[named], dtype=np.float64))
    if timed is not None and frequency is not None:
        yield from find_uneven_ends(timed, frequency, span(timed.form))
    if grouping and h is not None:
        yield from find_short(rows, h)
    yield from _unused_columns(frame, columns, covariates)


def _unused_columns(frame: pd.DataFrame, columns: Columns, covariates: CovariateChoice) -> Iterator[Problem]:
    chosen, _ = find_covariates(frame, columns, covariates)
    used = {columns.id, columns.time, columns.target, *chosen.known, *chosen.historic}
    for name in frame.columns:
        if name not in used:
            remedy = "Nothing to do: a column is sent only where X_df, futr_exog_list or hist_exog_list has it."
            yield Problem(None, name, "unused column", None, len(frame), remedy, refused=False)


def _bad_covariates(
    frame: pd.DataFrame, columns: Columns, frequency: Frequency | None, covariates: CovariateChoice, h: int
) -> Iterator[Problem]:
    """Report what is wrong with covariates; with their rows and values once the frame itself can be packed."""
    try:
        packed, findings = gather(frame, columns, frequency, covariates, h, allow_missing=True)
    except InvalidFrameError:  # which is reported already
        named, findings = find_covariates(frame, columns, covariates)
        findings += read_past(frame, columns, named)[1]
    else:
        findings += find_bad_values(packed, allow_missing=False)
    for finding in findings:
        yield from finding.to_problems()


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
        remedy = f"Fill the ids in, or drop the rows: {columns.column(columns.id).drop_missing()}."
        yield Problem(None, columns.id, "missing id", None, len(missing), remedy)
        rows = np.delete(rows, missing)
    if not len(rows):
        return rows, None
    return rows, (yield from _try(columns.id, lambda: group_rows(ids.take(rows), columns.column(columns.id))))


def _missing_times(rows: ReadableRows) -> Iterator[Problem]:
    if rows.times is None:
        return
    missing = np.flatnonzero(rows.times[0] == MISSING_TICK)
    remedy = f"Fill the times in, or drop the rows: {rows.columns.column(rows.columns.time).drop_missing()}."
    yield from problems_by_series(rows, rows.columns.time, "missing time", missing, remedy)


def _bad_values(rows: ReadableRows, y: Values) -> Iterator[Problem]:
    columns, grouping, missing = rows.columns, rows.grouping, np.isnan(y)
    codes = grouping.row_codes()
    has_values = np.bincount(codes[~missing], minlength=len(grouping.sizes)) > 0
    if not has_values.any():
        remedy = "There is no value at all. Name the column that holds the values."
        yield from problems_by_series(rows, columns.target, "missing target", np.flatnonzero(missing), remedy)
        missing &= False
    elif columns.id is not None and not has_values.all():
        without_values = grouping.ids.take(np.flatnonzero(~has_values)).tolist()
        kept = columns.frame.keep_series_with_values(columns.id, columns.target, without_values)
        nowhere = np.flatnonzero(~has_values[codes])
        remedy = f"This series has nothing but missing values; leave it out: {kept}."
        yield from problems_by_series(rows, columns.target, "missing target", nowhere, remedy)
        missing &= has_values[codes]
    remedy = f"Fill the values in, {columns.frame.fill_missing()}, or send them with allow_missing=True."
    yield from problems_by_series(rows, columns.target, "missing target", np.flatnonzero(missing), remedy)
    remedy = "Replace the values; models cannot learn from them."
    yield from problems_by_series(rows, rows.columns.target, "infinite target", np.flatnonzero(np.isinf(y)), remedy)


def _timed(stamps: Stamps) -> Stamps | None:
    """Return the rows that have a time; None where there is none."""
    timed = np.flatnonzero(stamps.ticks != MISSING_TICK)
    if not len(timed):
        return None
    seen, codes = np.unique(stamps.grouping.row_codes()[timed], return_inverse=True)
    grouping = Grouping(stamps.grouping.ids.take(seen), np.bincount(codes), None, codes)
    return replace(stamps, grouping=grouping, ticks=stamps.ticks[timed])


def _irregularities(
    frame: pd.DataFrame, stamps: Stamps, find: Callable[[Stamps], InferredFrequency]
) -> Generator[Problem, None, Frequency | None]:
    """Compare stamps with the frequency, and return it; None where they have none."""
    time, grouping = stamps.columns.time, stamps.grouping
    try:
        inferred = find(stamps)
        found = diagnose(stamps, inferred.frequency)
    except FrequencyError as error:
        yield Problem(None, time, "no frequency", None, len(stamps.ticks), str(error))
        return None
    if inferred.ambiguity:
        yield Problem(None, time, "ambiguous frequency", None, len(stamps.ticks), inferred.ambiguity, refused=False)
    frequency = inferred.frequency
    rows = ReadableRows(stamps.columns, grouping, (stamps.ticks, stamps.form))
    codes = grouping.row_codes()
    # A remedy follows the series with most of a problem, so that a part of a frame with that series finds the same.
    remedy = ""
    if len(found.duplicates):
        unified = how_to_mend_duplicates(stamps, frequency, found.only(found.duplicates, codes))
        remedy = " ".join(filter(None, (unified, hint_at_series(frame, stamps.columns))))
    yield from problems_by_series(rows, time, "duplicate stamp", found.duplicates, remedy)
    if len(found.off_grid):
        remedy = how_to_mend_off_grid(stamps, frequency, found.only(found.off_grid, codes).off_grid)
    yield from problems_by_series(rows, time, "off-grid stamp", found.off_grid, remedy)
    yield from _gaps(stamps, frequency, found)
    for series, own in found.mixed_frequencies.items():
        remedy = f"This series is {own.name!r}, not {frequency.name!r}; give that freq, or leave the series out."
        yield from problems_by_series(rows, time, "other frequency", np.flatnonzero(codes == series), remedy)
    return frequency


def _gaps(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> Iterator[Problem]:
    """Report gaps by their first missing stamp."""
    if not len(found.gaps):
        return
    ticks = stamps.ticks.copy()
    ticks[found.gaps] = frequency.advance(ticks[found.gaps], np.ones_like(found.gaps), stamps.form)
    rows = ReadableRows(stamps.columns, stamps.grouping, (ticks, stamps.form))
    worst = found.only(found.gaps, stamps.grouping.row_codes(), found.missing)
    remedy = how_to_mend_gaps(stamps, frequency, worst)
    yield from problems_by_series(rows, stamps.columns.time, "gap", found.gaps, remedy, found.missing)
