"""Series that can be packed, and that a forecaster wants to know of: constant, ended, begun late, too short."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from nixtla_accessor.panel.arrays import Integers, Ticks, Values
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.messages import count
from nixtla_accessor.panel.panel import Stamps
from nixtla_accessor.panel.problems import Problem, ReadableRows
from nixtla_accessor.panel.times import MISSING_TICK

SPAN_PER_LAG = 10  # a series is late if more than a tenth of the span of all, and more than a season, is before it


class Span(NamedTuple):
    """The first and the last stamp of all series of a frame."""

    first: int
    last: int


def find_unvarying(rows: ReadableRows, y: Values) -> Iterator[Problem]:
    """Yield the series whose values are all zero, then those whose values are all the same.

    Parameters
    ----------
    rows : ReadableRows
        The rows.
    y : ndarray of float64, shape (n_rows,)
        Their values, NaN where missing.
    """
    values = pd.Series(y).groupby(rows.grouping.row_codes()).agg(["min", "max", "count"])
    unvarying = values[(values["min"] == values["max"]) & (values["count"] > 1)]
    for kind, some, remedy in (
        (
            "all zero",
            unvarying["max"] == 0,
            "Check the source, or leave the series out: it has nothing to learn.",
        ),
        ("constant", unvarying["max"] != 0, "Check the source; a constant series needs no model."),
    ):
        series = unvarying.index[some].to_numpy(dtype=np.int64)
        counts = unvarying["count"][some].to_numpy(dtype=np.int64)
        notable = Notable(kind, rows.columns.target, series, counts, _first_ticks(rows, series))
        yield from notable.problems(rows, remedy)


def find_uneven_ends(stamps: Stamps, frequency: Frequency, span: Span | None) -> Iterator[Problem]:
    """Yield the series that start long after the first stamp of all, then those that end long before the last.

    Parameters
    ----------
    stamps : Stamps
        The stamps, none of them missing.
    frequency : Frequency
        Their frequency.
    span : Span, optional
        The first and the last stamp of all series; by default those of ``stamps``.
    """
    ends = pd.Series(stamps.ticks).groupby(stamps.grouping.row_codes()).agg(["min", "max"]).to_numpy().T
    first, last = span or Span(int(ends[0].min()), int(ends[1].max()))
    straight, _ = frequency.straighten(np.array([first, last, *ends.ravel()], dtype=np.int64), stamps.form)
    steps = straight // frequency.stride(stamps.form)
    long = max(frequency.season_length, int(steps[1] - steps[0]) // SPAN_PER_LAG)
    starts, stops = np.split(steps[2:], 2)
    rows = ReadableRows(stamps.columns, stamps.grouping, (stamps.ticks, stamps.form))
    for kind, lags, ticks, remedy in (
        ("started late", starts - steps[0], ends[0], "Starts that many steps after the first series."),
        (
            "ended early",
            steps[1] - stops,
            ends[1],
            "Ends that many steps before the last series, and is forecast from there: leave it out if it is over.",
        ),
    ):
        series = np.flatnonzero(lags > long)
        notable = Notable(kind, stamps.columns.time, series, lags[series], ticks[series])
        yield from notable.problems(rows, remedy)


def find_short(rows: ReadableRows, horizon: int) -> Iterator[Problem]:
    """Yield the series with too few values to forecast a window of the horizon from the values before it."""
    sizes = rows.grouping.sizes
    series = np.flatnonzero(sizes <= horizon)
    remedy = (
        f"It has no values before a window of {count(horizon, 'step')}: ask for a shorter horizon, or leave the series "
        "out, as cross_validation and compare do with too_short='drop'."
    )
    notable = Notable("too short", rows.columns.target, series, sizes[series], _first_ticks(rows, series))
    yield from notable.problems(rows, remedy)


class Notable(NamedTuple):
    """Series of one kind; their counts, and for each a stamp, in arrays of shape (n_series,)."""

    kind: str
    column: Hashable
    series: Integers
    counts: Integers
    ticks: Ticks

    def problems(self, rows: ReadableRows, remedy: str) -> Iterator[Problem]:
        """Yield them as problems for which a frame is not refused."""
        shown = rows.show(self.ticks)
        for series, total, stamp in zip(self.series, self.counts, shown, strict=True):
            yield Problem(rows.id_of(int(series)), self.column, self.kind, stamp, int(total), remedy, refused=False)


def _first_ticks(rows: ReadableRows, series: Integers) -> Ticks:
    """Return the first stamp of some series; missing where times cannot be read."""
    if rows.times is None:
        return np.full(len(series), MISSING_TICK)
    firsts = pd.Series(rows.times[0]).groupby(rows.grouping.row_codes()).min()
    return np.asarray(firsts.to_numpy()[series])
