"""Joining the pieces of all partitions to whole series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from dask.dataframe.dispatch import concat

from nixtla_accessor.dask.pieces import Pieces
from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Flags, Integers, Target, Ticks, concatenate_ranges, offsets
from nixtla_accessor.panel.candidates import Sample
from nixtla_accessor.panel.diagnosis import explain_irregularity
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.ids import Grouping, group_rows, single_series
from nixtla_accessor.panel.inference import ENOUGH_ROWS, InferredFrequency, SampledSeries, find_shared_frequency
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.panel import Columns, Stamps
from nixtla_accessor.panel.target import refuse_inexact
from nixtla_accessor.panel.times import TICKS_PER_SECOND, TimeForm

ROWS_TO_COMPARE = 1_000_000  # of regular series, beside the irregular ones that a message is about


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The series that each piece belongs to, and its place in it.

    Parameters
    ----------
    parts : list of Pieces
        The partitions that have rows; emptied by `join_values`.
    columns : Columns
        The caller's names of the columns.
    ids : Index of length n_series
        The ids, sorted.
    form : TimeForm
        How the caller writes stamps.
    series, sizes, first, last : ndarray of int64, shape (n_pieces,)
        The series of each piece, its number of rows, and its first and last stamp; part by part.
    order : ndarray of int64, shape (n_pieces,)
        The pieces sorted by series and time.
    """

    parts: list[Pieces]
    columns: Columns
    ids: pd.Index[Any]
    form: TimeForm
    series: Integers
    sizes: Integers
    first: Ticks
    last: Ticks
    order: Integers

    @property
    def series_sizes(self) -> Integers:
        """The number of rows of each series."""
        sizes = np.zeros(len(self.ids), dtype=np.int64)
        np.add.at(sizes, self.series, self.sizes)
        return sizes

    @property
    def continues(self) -> Flags:
        """Which of the sorted pieces, from the second, continue the series of the piece before."""
        series = self.series[self.order]
        return np.asarray(series[1:] == series[:-1])

    @property
    def start_ticks(self) -> Ticks:
        """The first stamp of each series."""
        return np.asarray(self.first[self.order[np.append(True, ~self.continues)]])

    @property
    def is_interleaved(self) -> bool:
        """Whether pieces of one series overlap in time, so that they cannot be joined end to end."""
        return bool((self.continues & (self.first[self.order][1:] <= self.last[self.order][:-1])).any())

    def sample(self, series: Integers, max_rows: int | None = None) -> Sample:
        """Return the sorted stamps of some series, or the first ``max_rows`` of each."""
        codes_of_series = np.full(len(self.ids), -1)
        codes_of_series[series] = np.arange(len(series))
        pieces = self.order[codes_of_series[self.series[self.order]] >= 0]
        sizes, codes = self.sizes[pieces], codes_of_series[self.series[pieces]]
        kept = sizes if max_rows is None else _first_rows(sizes, codes, max_rows)
        ticks, places = np.empty(kept.sum(), dtype=np.int64), offsets(kept)
        for part, own, numbers in self._by_part(pieces):
            ticks[concatenate_ranges(places[own], kept[own])] = _ticks_of_pieces(part, numbers, kept[own])
        row_codes = np.repeat(codes, kept)
        order = np.lexsort((ticks, row_codes))
        return Sample(ticks[order], np.bincount(row_codes, minlength=len(series)))

    def _by_part(self, pieces: Integers) -> Iterator[tuple[Pieces, Integers, Integers]]:
        """Yield each part with some of the pieces: their positions in ``pieces``, and their numbers within the part."""
        by_number = np.argsort(pieces)
        starts = np.cumsum([0, *(len(part.sizes) for part in self.parts)])
        bounds = np.searchsorted(pieces[by_number], starts)
        for part, start, low, high in zip(self.parts, starts, bounds, bounds[1:], strict=False):
            own = by_number[low:high]
            if len(own):
                yield part, own, pieces[own] - start


def locate_pieces(parts: list[Pieces], columns: Columns) -> Layout:
    """Find the series that the pieces of all partitions belong to.

    Raises
    ------
    UnsupportedDtypeError
        The partitions have ids or times of different kinds.
    """
    form = _common_form([part.form for part in parts], columns)
    parts = [part.in_form(form) for part in parts]
    grouping = _group_pieces(parts, columns)
    series = grouping.row_codes().astype(np.int64)
    sizes, first, last = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("sizes", "first", "last")
    )
    return Layout(parts, columns, grouping.ids, form, series, sizes, first, last, np.lexsort((last, first, series)))


def find_frequency_across_partitions(layout: Layout) -> InferredFrequency:
    """Infer the frequency that all series share, as `find_shared_frequency` does.

    Raises
    ------
    FrequencyError
        No series is long enough, or none is nearly regular.
    """
    sample = partial(layout.sample, max_rows=None if layout.is_interleaved else ENOUGH_ROWS)
    return find_shared_frequency(SampledSeries(layout.columns, layout.ids, layout.series_sizes, layout.form, sample))


def refuse_irregular(layout: Layout, frequency: Frequency) -> None:
    """Verify every series; pieces that a worker has verified against the frequency are not verified again.

    Raises
    ------
    InvalidFrameError
        As `nixtla_accessor.panel.packing.pack_panel` raises it for the whole frame.
    """
    stride = frequency.stride(layout.form)
    straight, off_calendar = frequency.straighten(
        np.concatenate((layout.first[layout.order], layout.last[layout.order])), layout.form
    )
    first, last = np.split(straight, 2)
    regular = np.ones(len(layout.order), dtype=bool)
    regular[layout.order[1:]] = ~layout.continues | (first[1:] - last[:-1] == stride)
    if off_calendar is not None:
        regular[layout.order] &= ~np.logical_or(*np.split(off_calendar, 2))
    start = 0
    for part in layout.parts:
        stop = start + len(part.sizes)
        if part.frequency != frequency:
            regular[start:stop] &= _are_regular(part, frequency, stride)
        start = stop
    if not regular.all():
        raise explain_irregularity(_stamps_to_explain(layout, np.unique(layout.series[~regular])), frequency)


def join_values(layout: Layout, frequency: Frequency, target_dtype: Any) -> PackedSeries:  # noqa: ANN401 - any dtype
    """Join the values of regular series; those of each partition are released as soon as they are in place."""
    values = [part.y for part in layout.parts]
    target_dtype = _common_dtype([part.target_dtype for part in layout.parts], target_dtype)
    is_float = any(y.dtype.kind == "f" for y in values)
    if is_float and not isinstance(target_dtype, np.dtype):
        for y in values:
            if y.dtype.kind == "i":
                refuse_inexact(y.astype(np.int64, copy=False), layout.columns.column(layout.columns.target))
    joined: Target = np.empty(layout.sizes.sum(), dtype=np.float64 if is_float else np.int64)
    places = np.empty(len(layout.order), dtype=np.int64)
    places[layout.order] = offsets(layout.sizes[layout.order])
    stops = np.cumsum([len(part.sizes) for part in layout.parts])
    layout.parts.clear()
    for start, stop in zip((0, *stops), stops, strict=False):
        _put(joined, places[start:stop], layout.sizes[start:stop], values.pop(0))
    joined.flags.writeable = False
    return PackedSeries(
        joined,
        layout.series_sizes,
        layout.ids,
        layout.start_ticks,
        layout.columns,
        frequency,
        layout.form,
        target_dtype,
    )


def _group_pieces(parts: Sequence[Pieces], columns: Columns) -> Grouping:
    """Find the series of each piece; categories are combined as Dask combines those of its partitions."""
    if columns.id is None:
        return single_series(len(parts))
    names = [pd.Series(part.ids.array, dtype=part.ids.dtype, name=part.ids.name) for part in parts]
    ids: pd.Series[Any] = concat(names) if len(names) > 1 else names[0]
    return group_rows(ids, columns.column(columns.id))


def _first_rows(sizes: Integers, codes: Integers, max_rows: int) -> Integers:
    """Return how many rows of each piece are among the first of its series; pieces are sorted by series and time."""
    before = offsets(sizes)
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    before -= np.repeat(before[starts], np.diff(starts, append=len(codes)))
    return np.asarray(np.clip(max_rows - before, 0, sizes))


def _ticks_of_pieces(part: Pieces, pieces: Integers, sizes: Integers) -> Ticks:
    """Return the first ``sizes`` stamps of some pieces of a partition."""
    if part.ticks is not None:
        return part.ticks[concatenate_ranges(offsets(part.sizes)[pieces], sizes)]
    return replace(part, first=part.first[pieces], sizes=sizes).all_ticks()


def _are_regular(part: Pieces, frequency: Frequency, stride: int) -> Flags:
    """Return which pieces of a partition are regular at a frequency that it was not verified against."""
    straight, off_calendar = frequency.straighten(part.all_ticks(), part.form)
    starts = offsets(part.sizes)
    regular = np.append(True, np.diff(straight) == stride)
    regular[starts] = True
    if off_calendar is not None:
        regular &= ~off_calendar
    return np.asarray(np.logical_and.reduceat(regular, starts))


def _stamps_to_explain(layout: Layout, irregular: Integers) -> Stamps:
    """Return the stamps of irregular series, and of some regular ones, `ROWS_TO_COMPARE` in all.

    Of each other regular one it is the first, which is enough to name it.
    """
    regular = np.setdiff1d(np.arange(len(layout.ids)), irregular)
    is_compared = np.cumsum(layout.series_sizes[regular]) <= ROWS_TO_COMPARE
    compared, regular = np.concatenate((irregular, regular[is_compared])), regular[~is_compared]
    sample = layout.sample(compared)
    codes = np.concatenate((np.repeat(compared, sample.sizes), regular))
    ticks = np.concatenate((sample.ticks, layout.start_ticks[regular]))
    return Stamps(layout.columns, Grouping(layout.ids, np.bincount(codes), None, codes), ticks, layout.form)


def _put(joined: Target, places: Integers, sizes: Integers, y: Target) -> None:
    """Copy a partition's values to the places of its pieces."""
    if (places[1:] == places[:-1] + sizes[:-1]).all():
        joined[places[0] : places[0] + len(y)] = y
    else:
        joined[concatenate_ranges(places, sizes)] = y


def _common_form(forms: Sequence[TimeForm], columns: Columns) -> TimeForm:
    """Return the form that can hold the stamps of all partitions: of several units or layouts the finest."""
    different = list(dict.fromkeys(forms))
    finest = max(different, key=lambda form: (TICKS_PER_SECOND.get(form.unit, 0), _text_resolution(form)))
    alike = {(form.kind, form.zone, form.text.suffix if form.text else "") for form in different}
    if len(alike) == 1 and (len(different) == 1 or finest.kind in {"stamp", "text", "date"}):
        longest = max(different, key=_text_resolution)
        return replace(finest, text=longest.text)
    dtypes = sorted({str(form.dtype) for form in different})
    raise UnsupportedDtypeError(
        f"The times in {columns.time!r} must be of one kind and zone in all partitions; found "
        f"{', '.join(dtypes[:SHOWN])}{and_more(len(dtypes))}. Convert them: "
        f"{columns.column(columns.time).convert('{pd}.to_datetime({}, utc=True)')}."
    )


def _text_resolution(form: TimeForm) -> int:
    """Return how fine the layout of strings is, from 0 for years to 8 for nanoseconds."""
    return 0 if form.text is None else ("Y", "M", "D", "h", "m", "s", "ms", "us", "ns").index(form.text.resolution)


def _common_dtype(dtypes: Sequence[Any], declared: Any) -> Any:  # noqa: ANN401 - any dtypes
    """Return the dtype of the whole: the one that the partitions share, else one that can hold them all."""
    if all(dtype == dtypes[0] for dtype in dtypes):
        return dtypes[0]
    return np.result_type(*dtypes) if all(isinstance(dtype, np.dtype) for dtype in dtypes) else declared
