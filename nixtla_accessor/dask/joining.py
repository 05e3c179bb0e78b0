"""The pieces of all partitions as whole series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from dask.dataframe.dispatch import concat

from nixtla_accessor.dask.pieces import Pieces
from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.candidates import Sample
from nixtla_accessor.panel.diagnosis import irregularity
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.ids import Grouping, group_rows, ranges, single_series
from nixtla_accessor.panel.inference import ENOUGH_ROWS, Finding, find_frequency
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.panel import Columns, Panel
from nixtla_accessor.panel.target import Target, refuse_inexact
from nixtla_accessor.panel.times import TICKS_PER_SECOND, Ticks, TimeForm

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which series each piece belongs to, and where.

    Parameters
    ----------
    parts : list of Pieces
        The partitions that have rows; emptied by `join_values`.
    columns : Columns
        What the caller calls the columns.
    ids : Index of length n_series
        The ids, sorted.
    form : TimeForm
        How the caller writes stamps.
    series, sizes, first, last : ndarray of int64, shape (n_pieces,)
        Of each piece the series, the rows, and the first and last stamp; part by part.
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
        """How many rows each series has."""
        sizes = np.zeros(len(self.ids), dtype=np.int64)
        np.add.at(sizes, self.series, self.sizes)
        return sizes

    @property
    def is_strewn(self) -> bool:
        """Whether pieces of one series lie across each other in time, so that they cannot be put end to end."""
        follows = self._follows()
        return bool((follows & (self.first[self.order][1:] <= self.last[self.order][:-1])).any())

    def _follows(self) -> npt.NDArray[np.bool_]:
        """Tell which of the sorted pieces, from the second, go on with the series of the piece before."""
        series = self.series[self.order]
        return np.asarray(series[1:] == series[:-1])

    def ticks_of(self, series: Integers, most: int | None = None) -> Sample:
        """Return the sorted stamps of some series, or the first ones of each."""
        wanted = np.full(len(self.ids), -1)
        wanted[series] = np.arange(len(series))
        pieces = self.order[wanted[self.series[self.order]] >= 0]
        sizes, codes = self.sizes[pieces], wanted[self.series[pieces]]
        kept = sizes if most is None else _cut(sizes, codes, most)
        ticks, places = np.empty(kept.sum(), dtype=np.int64), np.cumsum(kept) - kept
        for part, own, numbers in self._by_part(pieces):
            ticks[ranges(places[own], kept[own])] = _ticks_of_pieces(part, numbers, kept[own])
        row_codes = np.repeat(codes, kept)
        order = np.lexsort((ticks, row_codes))
        return Sample(ticks[order], np.bincount(row_codes, minlength=len(series)))

    def _by_part(self, pieces: Integers) -> Iterator[tuple[Pieces, Integers, Integers]]:
        """Yield each part that has some of the pieces: which of them, and their numbers within the part."""
        by_number = np.argsort(pieces)
        starts = np.cumsum([0, *(len(part.sizes) for part in self.parts)])
        bounds = np.searchsorted(pieces[by_number], starts)
        for part, start, low, high in zip(self.parts, starts, bounds, bounds[1:], strict=False):
            own = by_number[low:high]
            if len(own):
                yield part, own, pieces[own] - start


def lay_out(parts: list[Pieces], columns: Columns) -> Layout:
    """Find out which series the pieces of all partitions belong to.

    Raises
    ------
    UnsupportedDtypeError
        The partitions have ids or times of different kinds.
    """
    form = _common_form([part.form for part in parts], columns)
    parts = [part.written_as(form) for part in parts]
    grouping = _group_pieces(parts, columns)
    series = grouping.row_codes().astype(np.int64)
    sizes, first, last = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("sizes", "first", "last")
    )
    return Layout(parts, columns, grouping.ids, form, series, sizes, first, last, np.lexsort((last, first, series)))


def find_joint_frequency(layout: Layout) -> Finding:
    """Find the frequency that all series share, as `find_frequency` finds that of one frame.

    Raises
    ------
    FrequencyError
        No series is long enough, or none is near to regular.
    """
    grouping = Grouping(layout.ids, layout.series_sizes, None, None)
    no_rows = np.empty(0, dtype=np.int64)
    panel = Panel(layout.columns, grouping, no_rows, layout.form, no_rows, None)
    most = None if layout.is_strewn else ENOUGH_ROWS
    return find_frequency(panel, lambda _, series: layout.ticks_of(series, most))


def refuse_irregular(layout: Layout, frequency: Frequency) -> None:
    """Verify every series; what a worker has verified against the frequency is not looked at again.

    Raises
    ------
    InvalidFrameError
        As `nixtla_accessor.panel.packing.pack_panel` raises it for the whole frame.
    """
    follows = layout._follows()
    stride = frequency.stride(layout.form)
    straight, strays = frequency.straighten(
        np.concatenate((layout.first[layout.order], layout.last[layout.order])), layout.form
    )
    first, last = np.split(straight, 2)
    regular = np.ones(len(layout.order), dtype=bool)
    regular[layout.order[1:]] = ~follows | (first[1:] - last[:-1] == stride)
    if strays is not None:
        regular[layout.order] &= ~np.logical_or(*np.split(strays, 2))
    start = 0
    for part in layout.parts:
        stop = start + len(part.sizes)
        if part.frequency != frequency:
            regular[start:stop] &= _are_regular(part, frequency, stride)
        start = stop
    if not regular.all():
        raise irregularity(_panel_to_explain(layout, np.unique(layout.series[~regular])), frequency)


def join_values(layout: Layout, frequency: Frequency, target_dtype: Any) -> PackedSeries:  # noqa: ANN401 - any dtype
    """Put the values of regular series end to end; each partition's are let go of as soon as they are in place."""
    values = [part.y for part in layout.parts]
    target_dtype = _common_dtype([part.target_dtype for part in layout.parts], target_dtype)
    is_float = any(y.dtype.kind == "f" for y in values)
    if is_float and not isinstance(target_dtype, np.dtype):
        for y in values:
            if y.dtype.kind == "i":
                refuse_inexact(y.astype(np.int64, copy=False), layout.columns.target)
    joined: Target = np.empty(layout.sizes.sum(), dtype=np.float64 if is_float else np.int64)
    places = np.empty(len(layout.order), dtype=np.int64)
    ordered = layout.sizes[layout.order]
    places[layout.order] = np.cumsum(ordered) - ordered
    stops = np.cumsum([len(part.sizes) for part in layout.parts])
    layout.parts.clear()
    for start, stop in zip((0, *stops), stops, strict=False):
        _put(joined, places[start:stop], layout.sizes[start:stop], values.pop(0))
    joined.flags.writeable = False
    earliest = layout.order[np.append(True, ~layout._follows())]
    return PackedSeries(
        joined,
        layout.series_sizes,
        layout.ids,
        layout.first[earliest],
        layout.columns,
        frequency,
        layout.form,
        target_dtype,
    )


def _group_pieces(parts: Sequence[Pieces], columns: Columns) -> Grouping:
    """Find the series of each piece; categories are united as Dask unites those of its partitions."""
    if columns.id is None:
        return single_series(len(parts))
    names = [pd.Series(part.ids.array, dtype=part.ids.dtype, name=part.ids.name) for part in parts]
    ids: pd.Series[Any] = concat(names) if len(names) > 1 else names[0]
    return group_rows(ids, columns.id)


def _cut(sizes: Integers, codes: Integers, most: int) -> Integers:
    """Cut the pieces of each series, which follow each other, to so many rows in all."""
    before = np.cumsum(sizes) - sizes
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    before -= np.repeat(before[starts], np.diff(starts, append=len(codes)))
    return np.asarray(np.clip(most - before, 0, sizes))


def _ticks_of_pieces(part: Pieces, pieces: Integers, sizes: Integers) -> Ticks:
    """Return the first stamps of some pieces of a partition, so many of each."""
    if part.ticks is not None:
        return part.ticks[ranges((np.cumsum(part.sizes) - part.sizes)[pieces], sizes)]
    return replace(part, first=part.first[pieces], sizes=sizes).all_ticks()


def _are_regular(part: Pieces, frequency: Frequency, stride: int) -> npt.NDArray[np.bool_]:
    """Tell which pieces of a partition follow a frequency that it was not verified against."""
    straight, strays = frequency.straighten(part.all_ticks(), part.form)
    starts = np.cumsum(part.sizes) - part.sizes
    regular = np.append(True, np.diff(straight) == stride)
    regular[starts] = True
    if strays is not None:
        regular &= ~strays
    return np.asarray(np.logical_and.reduceat(regular, starts))


def _panel_to_explain(layout: Layout, irregular: Integers) -> Panel:
    """Make a panel of the stamps of irregular series; of each regular one its first stamp stands for it."""
    stamps = layout.ticks_of(irregular)
    earliest = layout.order[np.append(True, ~layout._follows())]
    regular = np.setdiff1d(np.arange(len(layout.ids)), irregular)
    codes = np.concatenate((np.repeat(irregular, stamps.sizes), regular))
    ticks = np.concatenate((stamps.ticks, layout.first[earliest][regular]))
    grouping = Grouping(layout.ids, np.bincount(codes), None, codes)
    return Panel(layout.columns, grouping, ticks, layout.form, np.empty(0), None)


def _put(joined: Target, places: Integers, sizes: Integers, y: Target) -> None:
    """Copy a partition's values to the places of its pieces."""
    if (places[1:] == places[:-1] + sizes[:-1]).all():
        joined[places[0] : places[0] + len(y)] = y
    else:
        joined[ranges(places, sizes)] = y


def _common_form(forms: Sequence[TimeForm], columns: Columns) -> TimeForm:
    """Find the form that all partitions' stamps can be written in: of several units or layouts the finest."""
    different = list(dict.fromkeys(forms))
    finest = max(different, key=lambda form: (TICKS_PER_SECOND.get(form.unit, 0), _text_length(form)))
    alike = {(form.kind, form.zone, form.text.suffix if form.text else "") for form in different}
    if len(alike) == 1 and (len(different) == 1 or finest.kind in {"stamp", "text", "date"}):
        longest = max(different, key=_text_length)
        return replace(finest, text=longest.text)
    shown = ", ".join(sorted({str(form.dtype) for form in different})[:3])
    raise UnsupportedDtypeError(
        f"The times in {columns.time!r} are of more than one kind, or in more than one zone, in different partitions "
        f"({shown}). Bring them to one: ddf[{columns.time!r}] = dd.to_datetime(ddf[{columns.time!r}], utc=True)."
    )


def _text_length(form: TimeForm) -> int:
    """Measure how much a text form tells: from the year to the nanosecond."""
    return 0 if form.text is None else ("Y", "M", "D", "h", "m", "s", "ms", "us", "ns").index(form.text.resolution)


def _common_dtype(dtypes: Sequence[Any], declared: Any) -> Any:  # noqa: ANN401 - any dtypes
    """Choose the dtype of the whole: the one that the partitions share, else one that holds them all."""
    if all(dtype == dtypes[0] for dtype in dtypes):
        return dtypes[0]
    return np.result_type(*dtypes) if all(isinstance(dtype, np.dtype) for dtype in dtypes) else declared
