"""Filling the gaps of a Dask frame, partition by partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dask.dataframe as dd
import pandas as pd
from dask.dataframe.utils import meta_nonempty

from nixtla_accessor.dask.carrying import carry_attached_record
from nixtla_accessor.dask.packing import infer_dask_frequency
from nixtla_accessor.dask.partitions import bring_series_together, partition_named
from nixtla_accessor.flags import check_flag
from nixtla_accessor.panel.arrow import plain_frame
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.gaps import fill_columns, fill_gaps, nullable
from nixtla_accessor.panel.names import get_column, index_names
from nixtla_accessor.panel.panel import Columns


def fill_dask_gaps(
    frame: dd.DataFrame, columns: Columns, frequency: Frequency | None, method: str | float | None, *, trim: bool
) -> dd.DataFrame:
    """Plan a frame without gaps; the stamps are read now where the frequency is not given.

    Raises
    ------
    InvalidArgumentError
        There is no such method.
    FrequencyError
        The series share no frequency, or it does not suit the times.
    """
    check_flag("trim", trim)
    meta = _filled_schema(frame._meta, columns, method)
    together = bring_series_together(frame, columns)
    frequency = frequency or infer_dask_frequency(frame, columns, allow_missing=True)
    filled: dd.DataFrame = together.map_partitions(
        fill_partition,
        columns,
        frequency,
        method,
        trim,
        meta,
        together.npartitions,
        meta=meta,
        enforce_metadata=False,
        clear_divisions=True,
    )
    carry_attached_record(filled)
    return filled


def fill_partition(
    part: pd.DataFrame,
    columns: Columns,
    frequency: Frequency,
    method: str | float | None,
    trim: bool,  # noqa: FBT001 - Dask passes it by place
    schema: pd.DataFrame,
    n_partitions: int,
    partition_info: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Fill the gaps of one partition, whose series are complete.

    Parameters
    ----------
    part : DataFrame
        The rows of the partition.
    columns : Columns
        The columns of the frame.
    frequency : Frequency
        The frequency of all series.
    method : str or number, optional
        How missing targets are filled.
    trim : bool
        Whether to leave out the rows before the first value of a series and after its last.
    schema : DataFrame
        A filled frame without rows, with the columns and dtypes of those that have some.
    n_partitions : int
        How many partitions there are.
    partition_info : mapping, optional
        Given by Dask: the ``number`` of the partition.
    """
    if not len(part):
        return schema.copy()
    number = 0 if partition_info is None else int(partition_info["number"])
    with partition_named(part, columns, f"partition {number} of {n_partitions}"):
        filled = fill_columns(plain_frame(part), columns, frequency, method, trim=trim)
    return filled.astype(
        {name: _castable(dtype) for name, dtype in schema.dtypes.items() if filled[name].dtype != dtype}
    )


def _castable(dtype: object) -> Any:  # noqa: ANN401 - any dtype
    """Return the dtype to cast to; of categories, Dask may not know which there are."""
    return "category" if isinstance(dtype, pd.CategoricalDtype) else dtype


def _names(columns: Columns) -> dict[str, Any]:
    return {"id_col": columns.id, "time_col": columns.time, "target_col": columns.target}


def _filled_schema(schema: pd.DataFrame, columns: Columns, method: str | float | None) -> pd.DataFrame:
    """Return what a frame with a gap is like when it is filled, without rows."""
    levels = index_names(schema, columns)
    rows = meta_nonempty(schema)
    rows = rows.reset_index(names=levels) if levels else rows.reset_index(drop=True)
    rows = rows.iloc[[0, 0]].reset_index(drop=True)
    rows[columns.time] = [0, 2]  # integer time, for any frequency has gaps alike
    filled = fill_gaps(rows, freq=1, method=method, **_names(columns)).head(0)
    for name in filled.columns.difference([columns.id, columns.time, columns.target], sort=False):
        filled[name] = nullable(filled[name])  # in some partitions it may be missing in new rows
    times = get_column(schema, columns.time, "time")
    filled[columns.time] = pd.Series(times.array, dtype=times.dtype)
    filled.attrs = schema.attrs
    return filled.set_index(levels).rename_axis(schema.index.names) if levels else filled
