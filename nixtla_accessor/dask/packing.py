"""A Dask frame as packed series, in one pass over its partitions, or in two where series are strewn over them."""

from __future__ import annotations

import warnings
from dataclasses import replace

import dask.dataframe as dd

from nixtla_accessor.dask.joining import Layout, find_joint_frequency, join_values, lay_out, refuse_irregular
from nixtla_accessor.dask.partitions import bring_series_together, compute_each
from nixtla_accessor.dask.pieces import Pieces, Reading, cut_pieces
from nixtla_accessor.errors import AmbiguousFrequencyWarning, InvalidFrameError, TimeGPTError
from nixtla_accessor.panel.faults import FaultyRows, add_up
from nixtla_accessor.panel.frame import take_column
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.inference import Finding
from nixtla_accessor.panel.messages import callers_level
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.panel import Columns


def pack_dask_frame(
    frame: dd.DataFrame, columns: Columns, frequency: Frequency | None, *, allow_missing: bool = False
) -> PackedSeries:
    """Check a frame and pack it: the result is that of packing the computed frame.

    Each partition is read, checked and packed where it is, and its pieces of series are put end to end here. Where the
    rows of a series are strewn over partitions, so that this cannot be done, its rows are brought together by a shuffle
    and read once more.

    Raises
    ------
    InvalidFrameError
        The frame cannot be packed.
    """
    layout = _read(frame, columns, frequency, allow_missing=allow_missing)
    if frequency is None:
        frequency = _settle(find_joint_frequency(layout))
    if layout.is_strewn:
        ids = layout.ids  # a shuffle may lose their dtype: categories become text
        del layout
        together = bring_series_together(frame, columns)
        layout = replace(_read(together, columns, frequency, allow_missing=allow_missing), ids=ids)
    refuse_irregular(layout, frequency)
    return join_values(layout, frequency, take_column(frame._meta, columns.target, "target").dtype)


def infer_dask_frequency(frame: dd.DataFrame, columns: Columns, *, allow_missing: bool = False) -> Frequency:
    """Find the frequency that all series of a frame share, in one pass that sends no values.

    Raises
    ------
    FrequencyError
        There is none.
    """
    layout = _read(frame, columns, None, allow_missing=allow_missing, with_values=False)
    return _settle(find_joint_frequency(layout))


def _read(
    frame: dd.DataFrame,
    columns: Columns,
    frequency: Frequency | None,
    *,
    allow_missing: bool,
    with_values: bool = True,
) -> Layout:
    """Read every partition once, in parallel, and lay out what they hold."""
    names = [name for name in frame.columns if name in {columns.id, columns.time, columns.target}]
    options = {"allow_missing": allow_missing, "with_values": with_values}
    return lay_out(_pieces_of(compute_each(frame[names], cut_pieces, columns, frequency, **options)), columns)


def _pieces_of(readings: list[Reading]) -> list[Pieces]:
    """Keep the pieces, or raise what the whole frame is refused for."""
    if all(reading is None for reading in readings):
        raise InvalidFrameError("The frame is empty; it takes at least one row.")
    for reading in readings:
        if isinstance(reading, TimeGPTError):
            raise reading
    faulty = add_up([_count(reading) for reading in readings])
    if faulty is not None:
        raise faulty.refusal()
    return [reading for reading in readings if isinstance(reading, Pieces)]


def _count(reading: Reading) -> tuple[int, FaultyRows | None]:
    """Return how many rows a partition has, and those that cannot be used."""
    if isinstance(reading, FaultyRows):
        return reading.n_rows, reading
    return (reading.n_rows, None) if isinstance(reading, Pieces) else (0, None)


def _settle(finding: Finding) -> Frequency:
    """Take the frequency that was found, and warn where it is in doubt."""
    if finding.doubt:
        warnings.warn(finding.doubt, AmbiguousFrequencyWarning, stacklevel=callers_level())
    return finding.frequency
