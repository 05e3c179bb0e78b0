"""Packing a Dask frame in one pass over its partitions, or in two where the pieces of series are interleaved."""

from __future__ import annotations

from dataclasses import replace

import dask.dataframe as dd
import numpy as np
import pandas as pd

from nixtla_accessor.dask.joining import (
    Layout,
    find_frequency_across_partitions,
    join_values,
    locate_pieces,
    refuse_irregular,
)
from nixtla_accessor.dask.partitions import bring_series_together, compute_each
from nixtla_accessor.dask.pieces import PartitionResult, Pieces, pack_partition
from nixtla_accessor.errors import InvalidFrameError, TimeGPTError
from nixtla_accessor.panel.faults import Fault, FaultyRows, combine_faults
from nixtla_accessor.panel.frame import read_arrays
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.packing import PackedSeries, require_values
from nixtla_accessor.panel.panel import Columns, refuse_series_without_values


def pack_dask_frame(
    frame: dd.DataFrame, columns: Columns, frequency: Frequency | None, *, allow_missing: bool = False
) -> PackedSeries:
    """Check and pack a frame; the result is that of packing the computed frame.

    Each partition is read, checked and packed where it is, and its pieces of series are joined here. Where pieces of a
    series are interleaved in time, so that they cannot be joined end to end, a shuffle brings its rows into one
    partition, and the frame is read once more.

    Raises
    ------
    InvalidFrameError
        The frame cannot be packed.
    """
    columns = columns.with_frequency(frequency)
    layout = _read(frame, columns, frequency, allow_missing=allow_missing)
    if frequency is None:
        frequency = find_frequency_across_partitions(layout).or_warn()
    if layout.is_interleaved:
        ids = layout.ids  # a shuffle may change their dtype: categories become text
        del layout
        together = bring_series_together(frame, columns)
        layout = replace(_read(together, columns, frequency, allow_missing=allow_missing), ids=ids)
    refuse_irregular(layout, frequency)
    packed = join_values(layout, frequency, get_column(frame._meta, columns.target, "target").dtype)
    if allow_missing:
        require_values(packed)
    return packed


def infer_dask_frequency(frame: dd.DataFrame, columns: Columns, *, allow_missing: bool = False) -> Frequency:
    """Infer the frequency that all series of a frame share, in one pass that sends no values.

    Raises
    ------
    FrequencyError
        The series share none.
    """
    layout = _read(frame, columns, None, allow_missing=allow_missing, with_values=False)
    return find_frequency_across_partitions(layout).or_warn()


def _read(
    frame: dd.DataFrame,
    columns: Columns,
    frequency: Frequency | None,
    *,
    allow_missing: bool,
    with_values: bool = True,
) -> Layout:
    """Read every partition once, in parallel, and locate the pieces of series that they hold."""
    names = [name for name in frame.columns if name in {columns.id, columns.time, columns.target}]
    options = {"allow_missing": allow_missing, "with_values": with_values}
    results = compute_each(frame[names], pack_partition, columns, frequency, **options)
    return locate_pieces(_pieces_of(results, frame, columns), columns)


def count_values(part: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return how many rows and how many values each series has in a partition, by id."""
    if not len(part):
        return pd.DataFrame({"rows": [], "values": []}, dtype="int64")
    panel = read_arrays(part, columns)
    n_values = np.bincount(panel.grouping.row_codes()[~np.isnan(panel.y)], minlength=len(panel.grouping.sizes))
    return pd.DataFrame({"rows": panel.grouping.sizes, "values": n_values}, index=panel.grouping.ids)


def _check_series_have_values(frame: dd.DataFrame, columns: Columns) -> None:
    """Refuse a frame with series that have nothing but missing values, by name."""
    counted = [part for part in compute_each(frame, count_values, columns) if len(part)]
    counts = pd.concat(counted).groupby(level=0, observed=True).sum()
    refuse_series_without_values(columns, counts.index, counts["rows"].to_numpy(), counts["values"].to_numpy())


def _pieces_of(results: list[PartitionResult], frame: dd.DataFrame, columns: Columns) -> list[Pieces]:
    """Return the pieces of all partitions, or raise what the whole frame is refused for."""
    if all(result is None for result in results):
        raise InvalidFrameError("The frame must have at least one row; it is empty.")
    for result in results:
        if isinstance(result, TimeGPTError):
            raise result
    faulty = combine_faults([_faulty_rows(result) for result in results])
    if faulty is not None:
        if faulty.fault == Fault.MISSING_TARGET and columns.id is not None:
            _check_series_have_values(frame, columns)
        raise faulty.to_error()
    return [result for result in results if isinstance(result, Pieces)]


def _faulty_rows(result: PartitionResult) -> tuple[int, FaultyRows | None]:
    """Return how many rows a partition has, and its faulty rows."""
    if isinstance(result, FaultyRows):
        return result.n_rows, result
    return (result.n_rows, None) if isinstance(result, Pieces) else (0, None)
