"""Packing: the values of a panel in one flat array, series by series."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from nixtla_accessor.errors import (
    DuplicateTimestampError,
    InvalidFrameError,
    MissingEndsWarning,
    ShortSeriesWarning,
    warn_caller,
)
from nixtla_accessor.markup import describe
from nixtla_accessor.panel.arrays import (
    Flags,
    Integers,
    Target,
    Ticks,
    chunks,
    concatenate_ranges,
    offsets,
    steps_within,
)
from nixtla_accessor.panel.diagnosis import explain_irregularity
from nixtla_accessor.panel.doubles import hint_at_series
from nixtla_accessor.panel.frame import read_panel
from nixtla_accessor.panel.frame_code import TRIMMED
from nixtla_accessor.panel.frequency import Frequency, FrequencyLike, parse_frequency, spell_frequency
from nixtla_accessor.panel.inference import infer_frequency
from nixtla_accessor.panel.messages import SHOWN, and_more, count
from nixtla_accessor.panel.panel import Columns, Covariate, Panel, name_id, refuse_series_without_values
from nixtla_accessor.panel.times import TimeForm, as_column

TooShort: TypeAlias = Literal["raise", "drop"]
SHOWN_LEFT_OUT = 20  # series that a warning names


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PackedSeries:
    """Regular series in one flat array, sorted by id value and time.

    Parameters
    ----------
    y : ndarray of float64 or int64, shape (n_rows,)
        The values, NaN where missing; read-only. May share memory with the frame.
    sizes : ndarray of int64, shape (n_series,)
        The length of each series.
    ids : Index of length n_series
        The ids in the caller's dtype.
    start_ticks : ndarray of int64, shape (n_series,)
        The first stamp of each series.
    columns : Columns
        The caller's names of the columns.
    frequency : Frequency
        The step from one row to the next.
    form : TimeForm
        How the caller writes stamps.
    target_dtype : dtype
        The caller's dtype of the target.
    covariates : tuple of Covariate
        What explains the values, row by row.
    """

    y: Target
    sizes: Integers
    ids: pd.Index
    start_ticks: Ticks
    columns: Columns
    frequency: Frequency
    form: TimeForm
    target_dtype: Any
    covariates: tuple[Covariate, ...] = ()

    def __repr__(self) -> str:
        size = f"{len(self.sizes):,} series, {len(self.y):,} rows, {self.nbytes:,} bytes"
        return f"PackedSeries({size}, freq={self.freq!r})"

    def _repr_html_(self) -> str:
        facts = {
            "series": f"{len(self.sizes):,}: {', '.join(map(repr, self.ids[:SHOWN]))}{and_more(len(self.ids))}",
            "rows": f"{len(self.y):,}, {self.sizes.min():,} to {self.sizes.max():,} a series",
            "frequency": self.freq,
            "values": f"{self.y.dtype}, {self.nbytes:,} bytes as they are sent",
        }
        return describe("PackedSeries", facts, "to_frame() shows the values; nothing was sent.")

    @property
    def freq(self) -> str | int:
        """The frequency as today's pandas alias; an int for integer time."""
        return self.frequency.name

    @property
    def starts(self) -> pd.Index:
        """The first stamp of each series, in the caller's dtype."""
        return self.form.restore(self.start_ticks)

    @property
    def nbytes(self) -> int:
        """The bytes of `y` and `sizes` as JSON, before compression; counted by encoding them, at each access."""
        y = (orjson.dumps(self.y[rows], option=orjson.OPT_SERIALIZE_NUMPY) for rows in chunks(len(self.y)))
        sizes = orjson.dumps(self.sizes, option=orjson.OPT_SERIALIZE_NUMPY)
        return sum(len(part) - 1 for part in y) + 1 + len(sizes)  # parts share a bracket or comma

    @property
    def last_ticks(self) -> Ticks:
        """The last stamp of each series."""
        return self.frequency.advance(self.start_ticks, self.sizes - 1, self.form)

    def locate(self, position: int) -> tuple[Hashable, Any, float | int]:
        """Return the id, stamp and value at a position of `y`.

        Parameters
        ----------
        position : int
            An index into `y`, from 0.

        Returns
        -------
        tuple of (id, stamp, value)
            As the caller writes them; the id is None for a frame without ids.

        Raises
        ------
        IndexError
            There is no such position.
        """
        if not 0 <= position < len(self.y):
            message = f"position {position} is outside the {len(self.y)} packed values"
            raise IndexError(message)
        ends = np.cumsum(self.sizes)
        series = int(np.searchsorted(ends, position, side="right"))
        step = np.array([position - (ends[series] - self.sizes[series])])
        stamp = self.form.restore(self.frequency.advance(self.start_ticks[[series]], step, self.form))[0]
        return None if self.columns.id is None else self.ids[series], stamp, self.y[position].item()

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy, sorted frame with the caller's column names and dtypes."""
        ticks = self.frequency.advance(self.start_ticks.repeat(self.sizes), steps_within(self.sizes), self.form)
        columns: dict[Any, Any] = {}
        if self.columns.id is not None:
            columns[self.columns.id] = as_column(self.ids.repeat(self.sizes))
        columns[self.columns.time] = as_column(self.form.restore(ticks))
        columns[self.columns.target] = pd.Series(self.y).astype(self.target_dtype)
        return pd.DataFrame(columns)


def pack_frame(
    frame: pd.DataFrame,
    columns: Columns,
    freq: FrequencyLike | None = None,
    *,
    allow_missing: bool = False,
    covariates: Sequence[Covariate] = (),
) -> PackedSeries:
    """Read a frame, and verify and pack its series.

    Parameters
    ----------
    frame : DataFrame
        A long frame; it stays as it is.
    columns : Columns
        Its columns, from `nixtla_accessor.panel.names.resolve_columns`.
    freq : str, int, offset or timedelta, optional
        The frequency; inferred by default.
    allow_missing : bool, default False
        Whether the target may have missing values.
    covariates : sequence of Covariate, optional
        Columns that are put in the order of the target; their values are not checked.

    Raises
    ------
    InvalidArgumentError
        ``freq`` is not a frequency.
    InvalidFrameError
        The frame cannot be packed.

    Examples
    --------
    >>> frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=3), "y": [3.0, 1.0, 2.0]})
    >>> pack_frame(frame, Columns(None, "ds", "y"), "D").y.tolist()
    [3.0, 1.0, 2.0]
    """
    given = None if freq is None else parse_frequency(freq)
    panel = read_panel(frame, columns.with_frequency(given), allow_missing=allow_missing)
    panel = replace(panel, covariates=tuple(covariates))
    try:
        packed = pack_panel(panel, given or infer_frequency(panel))
    except DuplicateTimestampError as error:
        if hint := hint_at_series(frame, columns):
            error.add_context(hint)
        raise
    if allow_missing:
        require_values(packed)
    return packed


def pack_panel(panel: Panel, frequency: Frequency) -> PackedSeries:
    """Verify every series of a panel stamp by stamp, and put its rows in order.

    Raises
    ------
    FrequencyError
        Series contradict the frequency, or have mixed frequencies.
    DuplicateTimestampError, OffGridTimestampError, MissingTimestampError
        Some stamps are duplicates, off the frequency, or missing.
    """
    packed = pack_if_regular(panel, frequency)
    if packed is None:
        raise explain_irregularity(panel, frequency)
    return packed


def pack_if_regular(panel: Panel, frequency: Frequency) -> PackedSeries | None:
    """Verify every series of a panel, and put its rows in order; return None where a series is not regular.

    Raises
    ------
    FrequencyError
        The frequency does not suit the kind of the times, or is finer than their unit.
    """
    straight, off_calendar = frequency.straighten(panel.ticks, panel.form)
    stride = frequency.stride(panel.form)
    placed = None
    if off_calendar is None:
        placed = _place_blocks(panel, straight, stride) or _place_rows(panel, straight, stride)
    if placed is None:
        return None
    (y, *pasts), start_ticks = placed
    grouping = panel.grouping
    return PackedSeries(
        y,
        grouping.sizes,
        grouping.ids,
        start_ticks,
        panel.columns,
        frequency,
        panel.form,
        panel.target_dtype,
        tuple(replace(covariate, past=past) for covariate, past in zip(panel.covariates, pasts, strict=True)),
    )


def require_values(packed: PackedSeries) -> None:
    """Refuse series that have nothing but missing values, by name.

    Raises
    ------
    MissingValueError
        There are some.
    """
    if packed.y.dtype.kind == "f":
        n_values = np.add.reduceat(~np.isnan(packed.y), offsets(packed.sizes), dtype=np.int64)
        refuse_series_without_values(packed.columns, packed.ids, packed.sizes, n_values)


def warn_about_missing_ends(packed: PackedSeries) -> None:
    """Warn where series, each of which has values, end with missing ones, and are to be forecast from there.

    Warns
    -----
    MissingEndsWarning
        There are some.
    """
    places = np.where(np.isnan(packed.y), -1, np.arange(len(packed.y)))
    n_missing = np.cumsum(packed.sizes) - 1 - np.maximum.reduceat(places, offsets(packed.sizes))
    ending = np.flatnonzero(n_missing)
    if not len(ending):
        return
    first = ending[:SHOWN]
    stamps = packed.frequency.advance(packed.start_ticks[first], (packed.sizes - n_missing)[first], packed.form)
    named = "; ".join(
        f"{name_id(packed.columns, packed.ids, series)} from {stamp}, {count(int(n_missing[series]), 'row')}"
        for series, stamp in zip(first, packed.form.show(stamps), strict=True)
    )
    trimmed = packed.columns.frame.call("fill_gaps", f"freq={spell_frequency(packed.frequency)}", TRIMMED)
    warn_caller(
        f"The target {packed.columns.target!r} is missing at the end of {len(ending)} of {len(packed.sizes)} series, "
        f"and the forecast begins after that: {named}{and_more(len(ending))}. If these are rows of the future, leave "
        f"them out, so that it begins with them: {trimmed}. What is known of them is for X_df.",
        MissingEndsWarning,
    )


def keep_last(packed: PackedSeries, n: int) -> PackedSeries:
    """Keep the last ``n`` rows of each series; no values are copied if none are dropped, or if it is one series."""
    dropped = np.maximum(packed.sizes - n, 0)
    if not dropped.any():
        return packed
    starts = packed.frequency.advance(packed.start_ticks, dropped, packed.form)
    sizes = packed.sizes - dropped
    rows: Integers | slice = slice(dropped[0], None)
    if len(sizes) > 1:
        rows = concatenate_ranges(np.cumsum(packed.sizes) - sizes, sizes)
    return replace(_take_rows(packed, rows), sizes=sizes, start_ticks=starts)


def drop_last(packed: PackedSeries, steps: int) -> PackedSeries:
    """Drop the last ``steps`` rows of each series, all of which are longer."""
    place_from_end = np.repeat(np.cumsum(packed.sizes), packed.sizes) - np.arange(len(packed.y))
    return replace(_take_rows(packed, place_from_end > steps), sizes=packed.sizes - steps)


def long_enough(
    packed: PackedSeries,
    least: int,
    purpose: str,
    too_short: TooShort,
    advice: str = "Ask for a shorter horizon or fewer windows",
) -> PackedSeries:
    """Return the series that have as many values as a purpose requires; refuse others, or leave them out.

    Parameters
    ----------
    packed : PackedSeries
        The series.
    least : int
        The values that are required of each.
    purpose : str
        What requires them; the message begins with it.
    too_short : {"raise", "drop"}
        Whether to refuse shorter series, or to leave them out.
    advice : str
        What to do to require less.

    Raises
    ------
    InvalidFrameError
        A series is shorter, and is not to be left out.

    Warns
    -----
    ShortSeriesWarning
        Series are left out.
    """
    is_short = packed.sizes < least
    short = np.flatnonzero(is_short)
    if not len(short):
        return packed
    shown = SHOWN if too_short == "raise" else SHOWN_LEFT_OUT
    named = "; ".join(
        f"{name_id(packed.columns, packed.ids, series)} has {packed.sizes[series]}" for series in short[:shown]
    )
    named += f" and {len(short) - shown} more" if len(short) > shown else ""
    if too_short == "raise":
        raise InvalidFrameError(
            f"{purpose}: every series must have at least {least} values; {named} (of {len(packed.sizes)} series). "
            f"{advice}, or leave these series out with too_short='drop'."
        )
    affected = f"{len(short)} of {len(packed.sizes)} series"
    warn_caller(f"{purpose}: {affected} have fewer than {least} values and are left out: {named}.", ShortSeriesWarning)
    kept = np.flatnonzero(~is_short)
    return replace(
        _take_rows(packed, np.repeat(~is_short, packed.sizes)),
        sizes=packed.sizes[kept],
        ids=packed.ids.take(kept),
        start_ticks=packed.start_ticks[kept],
    )


def _take_rows(packed: PackedSeries, rows: Integers | Flags | slice) -> PackedSeries:
    """Return series with some of their rows, of which the future is not known; the sizes stay as they were."""
    covariates = tuple(replace(one, past=_read_only(one.past[rows]), future=None) for one in packed.covariates)
    return replace(packed, y=_read_only(packed.y[rows]), covariates=covariates)


def _read_only(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    values.flags.writeable = False
    return values


def _place_blocks(panel: Panel, straight: Ticks, stride: int) -> tuple[list[npt.NDArray[Any]], Ticks] | None:
    """Put series in order whose rows stand together, sorted by time; None when they do not, or are not regular.

    Returns
    -------
    values, start_ticks
        The target and the covariates, and the first stamp of each series.
    """
    blocks, sizes = panel.grouping.blocks, panel.grouping.sizes
    if blocks is None:
        return None
    in_frame_order = bool((blocks[1:] > blocks[:-1]).all())
    borders = blocks if in_frame_order else np.sort(blocks)
    for rows in chunks(len(straight) - 1):
        chunk = straight[rows.start : rows.stop + 1]
        regular = chunk[1:] - chunk[:-1] == stride
        low, high = np.searchsorted(borders, (rows.start + 1, rows.start + len(chunk)))
        regular[borders[low:high] - rows.start - 1] = True
        if not regular.all():
            return None
    sources = _values_of(panel)
    if in_frame_order:
        return [_read_only(values.view()) for values in sources], panel.ticks[blocks]
    rows_in_order = concatenate_ranges(blocks, sizes)
    return [_read_only(values[rows_in_order]) for values in sources], panel.ticks[blocks]


def _place_rows(panel: Panel, straight: Ticks, stride: int) -> tuple[list[npt.NDArray[Any]], Ticks] | None:
    """Put rows in order without sorting; None when they are not regular.

    In a regular series the place of a row follows from its stamp alone. A series is regular if it has as many rows as
    places, and no two in one.

    Returns
    -------
    values, start_ticks
        The target and the covariates, and the first stamp of each series.
    """
    codes, sizes = panel.grouping.row_codes(), panel.grouping.sizes
    starts = np.full(len(sizes), np.iinfo(np.int64).max)
    np.minimum.at(starts, codes, straight)
    start_ticks = np.empty_like(starts)
    first_places = offsets(sizes)
    sources = _values_of(panel)
    placed = [np.empty_like(values) for values in sources]
    filled = np.zeros(len(panel.y), dtype=bool)
    for chunk in chunks(len(panel.y)):
        series = codes[chunk]
        elapsed = straight[chunk] - starts[series]
        places = elapsed // stride
        if (places * stride != elapsed).any() or (places >= sizes[series]).any():
            return None
        first = elapsed == 0
        start_ticks[series[first]] = panel.ticks[chunk][first]
        places += first_places[series]
        for values, source in zip(placed, sources, strict=True):
            values[places] = source[chunk]
        filled[places] = True
    return ([_read_only(values) for values in placed], start_ticks) if filled.all() else None


def _values_of(panel: Panel) -> list[npt.NDArray[Any]]:
    """Return the target and the covariates of a panel."""
    return [panel.y, *(covariate.past for covariate in panel.covariates)]
