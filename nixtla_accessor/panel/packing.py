"""A panel as one flat run of values, series by series, and back."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from nixtla_accessor.errors import InvalidFrameError
from nixtla_accessor.panel.diagnosis import irregularity
from nixtla_accessor.panel.frame import read_panel
from nixtla_accessor.panel.frequency import Frequency, FrequencyLike, parse_frequency
from nixtla_accessor.panel.ids import ranges, slices
from nixtla_accessor.panel.inference import infer_frequency
from nixtla_accessor.panel.messages import SHOWN, rest
from nixtla_accessor.panel.panel import Columns, Panel
from nixtla_accessor.panel.target import Target
from nixtla_accessor.panel.times import Ticks, TimeForm, as_column


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PackedSeries:
    """Regular series in one flat array: sorted by id value, each in the order of time.

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
        What the caller calls the columns.
    frequency : Frequency
        The step from one row to the next.
    form : TimeForm
        How the caller writes stamps.
    target_dtype : dtype
        The caller's dtype of the target.
    """

    y: Target
    sizes: npt.NDArray[np.int64]
    ids: pd.Index
    start_ticks: Ticks
    columns: Columns
    frequency: Frequency
    form: TimeForm
    target_dtype: Any

    def __repr__(self) -> str:
        size = f"{len(self.sizes):,} series, {len(self.y):,} rows, {self.nbytes:,} bytes"
        return f"PackedSeries({size}, freq={self.freq!r})"

    @property
    def freq(self) -> str | int:
        """The frequency in the spelling of pandas today; an int for integer time."""
        return self.frequency.name

    @property
    def starts(self) -> pd.Index:
        """The first stamp of each series, in the caller's dtype."""
        return self.form.restore(self.start_ticks)

    @property
    def nbytes(self) -> int:
        """The bytes that `y` and `sizes` take as JSON, before compression. Counted anew each time, by encoding them."""
        y = (orjson.dumps(self.y[rows], option=orjson.OPT_SERIALIZE_NUMPY) for rows in slices(len(self.y)))
        sizes = orjson.dumps(self.sizes, option=orjson.OPT_SERIALIZE_NUMPY)
        return sum(len(part) - 1 for part in y) + 1 + len(sizes)  # parts share a bracket or comma

    @property
    def last_ticks(self) -> Ticks:
        """The last stamp of each series."""
        return self.frequency.advance(self.start_ticks, self.sizes - 1, self.form)

    def locate(self, position: int) -> tuple[Hashable, Any, float | int]:
        """Tell where a packed value came from.

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
        """Unpack into a tidy, sorted frame with the caller's column names and dtypes."""
        steps = np.arange(len(self.y)) - np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        ticks = self.frequency.advance(self.start_ticks.repeat(self.sizes), steps, self.form)
        columns: dict[Any, Any] = {}
        if self.columns.id is not None:
            columns[self.columns.id] = as_column(self.ids.repeat(self.sizes))
        columns[self.columns.time] = as_column(self.form.restore(ticks))
        columns[self.columns.target] = pd.Series(self.y).astype(self.target_dtype)
        return pd.DataFrame(columns)


def pack_panel(panel: Panel, frequency: Frequency) -> PackedSeries:
    """Order the rows of a panel, and verify every series stamp by stamp.

    Raises
    ------
    FrequencyError
        Series contradict the frequency, or have one of their own.
    DuplicateTimestampError, OffGridTimestampError, MissingTimestampError
        Some stamps are doubled, off the frequency, or missing.
    """
    packed = pack_if_regular(panel, frequency)
    if packed is None:
        raise irregularity(panel, frequency)
    return packed


def pack_if_regular(panel: Panel, frequency: Frequency) -> PackedSeries | None:
    """Order the rows of a panel, and verify every series stamp by stamp; None where some series is not regular.

    Raises
    ------
    FrequencyError
        The frequency does not suit the kind of the times, or is finer than their unit.
    """
    straight, strays = frequency.straighten(panel.ticks, panel.form)
    stride = frequency.stride(panel.form)
    placed = None
    if strays is None:
        placed = _place_blocks(panel, straight, stride) or _place_rows(panel, straight, stride)
    if placed is None:
        return None
    y, start_ticks = placed
    y.flags.writeable = False
    grouping = panel.grouping
    return PackedSeries(
        y, grouping.sizes, grouping.ids, start_ticks, panel.columns, frequency, panel.form, panel.target_dtype
    )


def keep_last(packed: PackedSeries, n: int) -> PackedSeries:
    """Keep the last `n` rows of each series; without a copy where nothing, or one series only, is cut."""
    dropped = np.maximum(packed.sizes - n, 0)
    if not dropped.any():
        return packed
    starts = packed.frequency.advance(packed.start_ticks, dropped, packed.form)
    sizes = packed.sizes - dropped
    if len(sizes) == 1:
        y = packed.y[dropped[0] :]
    else:
        rows = ranges(np.cumsum(packed.sizes) - sizes, sizes)
        y = packed.y[rows]
        y.flags.writeable = False
    return replace(packed, y=y, sizes=sizes, start_ticks=starts)


def drop_last(packed: PackedSeries, steps: int) -> PackedSeries:
    """Leave out the last steps of each series.

    Parameters
    ----------
    packed : PackedSeries
        The series, each longer than ``steps``.
    steps : int
        How many.
    """
    place_from_end = np.repeat(np.cumsum(packed.sizes), packed.sizes) - np.arange(len(packed.y))
    return replace(packed, y=packed.y[place_from_end > steps], sizes=packed.sizes - steps)


def refuse_shorter(packed: PackedSeries, least: int, purpose: str) -> None:
    """Refuse series of fewer values than something takes.

    Raises
    ------
    InvalidFrameError
        Naming the first three, and the total.
    """
    short = np.flatnonzero(packed.sizes < least)
    if not len(short):
        return
    if packed.columns.id is None:
        shown = f"the series has {packed.sizes[0]}"
    else:
        names = packed.ids[short[:SHOWN]].tolist()
        shown = "; ".join(f"series {name!r} has {size}" for name, size in zip(names, packed.sizes[short], strict=False))
    raise InvalidFrameError(
        f"{purpose} takes at least {least} values of each series; {shown}{rest(len(short))} (of {len(packed.sizes)} "
        "series). Ask for a shorter horizon or fewer windows, or leave these series out."
    )


def _place_blocks(panel: Panel, straight: Ticks, stride: int) -> tuple[Target, Ticks] | None:
    """Order series whose rows stand together and in the order of time; None when they do not, or are not regular.

    The second value is the first stamp of each series.
    """
    blocks, sizes = panel.grouping.blocks, panel.grouping.sizes
    if blocks is None:
        return None
    in_frame_order = bool((blocks[1:] > blocks[:-1]).all())
    borders = blocks if in_frame_order else np.sort(blocks)
    for rows in slices(len(straight) - 1):
        chunk = straight[rows.start : rows.stop + 1]
        regular = chunk[1:] - chunk[:-1] == stride
        low, high = np.searchsorted(borders, (rows.start + 1, rows.start + len(chunk)))
        regular[borders[low:high] - rows.start - 1] = True
        if not regular.all():
            return None
    y = panel.y.view() if in_frame_order else panel.y[ranges(blocks, sizes)]
    return y, panel.ticks[blocks]


def _place_rows(panel: Panel, straight: Ticks, stride: int) -> tuple[Target, Ticks] | None:
    """Order rows without sorting; None when they are not regular.

    In a regular series a row's place follows from its stamp alone. As many rows as places, and no two in one: that
    is regular. The second value is the first stamp of each series.
    """
    codes, sizes = panel.grouping.row_codes(), panel.grouping.sizes
    starts = np.full(len(sizes), np.iinfo(np.int64).max)
    np.minimum.at(starts, codes, straight)
    start_ticks = np.empty_like(starts)
    offsets = np.cumsum(sizes) - sizes
    y = np.empty_like(panel.y)
    filled = np.zeros(len(y), dtype=bool)
    for chunk in slices(len(y)):
        series = codes[chunk]
        elapsed = straight[chunk] - starts[series]
        places = elapsed // stride
        if (places * stride != elapsed).any() or (places >= sizes[series]).any():
            return None
        first = elapsed == 0
        start_ticks[series[first]] = panel.ticks[chunk][first]
        places += offsets[series]
        y[places] = panel.y[chunk]
        filled[places] = True
    return (y, start_ticks) if filled.all() else None


def pack_frame(
    frame: pd.DataFrame, columns: Columns, freq: FrequencyLike | None = None, *, allow_missing: bool = False
) -> PackedSeries:
    """Check a frame and pack its series."""
    panel = read_panel(frame, columns, allow_missing=allow_missing)
    return pack_panel(panel, infer_frequency(panel) if freq is None else parse_frequency(freq))
