"""The partitions of a frame: a value of each, the rows of a series brought into one, and errors that name theirs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd

from nixtla_accessor.errors import InvalidFrameError, TimeGPTError
from nixtla_accessor.other_frames import check_future_is_pandas
from nixtla_accessor.panel.findings import Finding, refuse
from nixtla_accessor.panel.future import no_series_in_common, series_not_in_frame, unreadable
from nixtla_accessor.panel.ids import group_rows
from nixtla_accessor.panel.misnamed import names_of
from nixtla_accessor.panel.names import columns_of_future, get_column
from nixtla_accessor.panel.panel import Columns

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def compute_each(
    frame: dd.DataFrame,
    function: Callable[Concatenate[pd.DataFrame, Arguments], Value],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> list[Value]:
    """Call a function with every partition, in parallel and where the partitions are, and return the values.

    From a cluster each value is fetched as soon as it is computed, and then released by its worker.
    """
    tasks = plan_each(frame, function, *arguments, **options)
    cluster = getattr(dask.base.get_scheduler(), "__self__", None)
    return list(dask.compute(*tasks)) if cluster is None else _fetch(cluster, tasks)


def plan_each(
    frame: dd.DataFrame,
    function: Callable[Concatenate[pd.DataFrame, Arguments], Any],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> list[Any]:
    """Return the tasks that call a function with every partition."""
    mapped = frame.map_partitions(function, *arguments, **options, meta=pd.DataFrame(), enforce_metadata=False)
    tasks: list[Any] = mapped.to_delayed()
    return tasks


def _fetch(cluster: Any, tasks: Sequence[Any]) -> list[Any]:  # noqa: ANN401 - Dask is not typed
    """Compute tasks on a cluster, fetch their values one by one, and return them in the order of the tasks."""
    from distributed import as_completed

    futures = cluster.compute(tasks)
    numbers = {future.key: number for number, future in enumerate(futures)}
    values: list[Any] = [None] * len(futures)
    waiting = as_completed(futures)
    del futures
    for future in waiting:
        values[numbers[future.key]] = future.result()
        future.release()
    return values


def bring_series_together(frame: dd.DataFrame, columns: Columns) -> dd.DataFrame:
    """Shuffle a frame so that no series is in two partitions, unless that is known to be so already."""
    if frame.npartitions == 1:
        return frame
    if columns.id is None:
        return frame.repartition(npartitions=1)
    if columns.id in frame.columns:
        shuffled_by: set[Any] = frame.expr.unique_partition_mapping_columns_from_shuffle
        is_shuffled = columns.id in shuffled_by or (columns.id,) in shuffled_by
        return frame if is_shuffled else frame.shuffle(on=columns.id)
    return frame if frame.known_divisions else frame.shuffle(on_index=True)


def future_in_pandas(X_df: object) -> pd.DataFrame | None:
    """Return the rows of the horizon in pandas: of Dask they are computed now, few as they are beside the frame's.

    Raises
    ------
    InvalidArgumentError
        They are in a frame of another library.
    """
    computed: Any = X_df.compute() if isinstance(X_df, dd.DataFrame) else X_df
    check_future_is_pandas(computed)
    return computed  # type: ignore[no-any-return] # a frame, or None


def rows_of_part(part: pd.DataFrame, X_df: pd.DataFrame | None, columns: Columns) -> pd.DataFrame | None:
    """Return the rows of the horizon that are of the series of a partition; all where their ids cannot be read."""
    if X_df is None or not len(X_df) or not {columns.id} <= {*names_of(part)} & {*names_of(X_df)}:
        return X_df
    try:
        series = group_rows(get_column(X_df, columns.id, "id"), columns.column(columns.id))
    except InvalidFrameError:
        return X_df
    known = ids_of_part(part, columns)
    return X_df.iloc[series.rows_of(np.flatnonzero([name in known for name in series.ids]))]


def plan_ids(frame: dd.DataFrame, columns: Columns) -> list[Any]:
    """Return the tasks that read the ids of every partition, and no other column where the frame's source allows it."""
    return plan_each(frame[[columns.id] if columns.id in frame.columns else []], ids_of_part, columns)


def ids_of_part(part: pd.DataFrame, columns: Columns) -> set[Hashable]:
    """Return the ids of a partition; None stands for the only series of a frame without ids, or ids that are nested."""
    if columns.id is None or columns.id not in names_of(part):
        return {None}
    return set(_distinct(get_column(part, columns.id, "id").dropna(), [None]))


def _distinct(ids: pd.Series[Any] | pd.Index[Any], if_nested: list[Hashable]) -> list[Hashable]:
    """Return ids in the order of their rows, each once; something else where they are nested values."""
    try:
        return list(ids.unique())
    except (TypeError, NotImplementedError):  # the latter of Arrow's lists
        return if_nested


def checked_future(
    X_df: pd.DataFrame, columns: Columns, dtype: object, ids_of_parts: Sequence[set[Hashable]]
) -> pd.DataFrame:
    """Return the rows of the horizon, once all partitions are known to have their series.

    Raises
    ------
    CovariateError
        Some series are in no partition, or their ids cannot be read.
    """
    refuse(find_series_apart(X_df, columns, dtype, set().union(*ids_of_parts)))
    return X_df


def find_series_apart(X_df: pd.DataFrame, columns: Columns, dtype: object, known: set[Hashable]) -> list[Finding]:
    """Find what no partition alone can tell of the horizon's series: that their ids are none, or in no partition.

    Parameters
    ----------
    X_df : DataFrame
        The rows of the horizon.
    columns : Columns
        The columns of the frame.
    dtype : dtype
        The dtype of the frame's ids.
    known : set of hashable
        The series of all partitions.
    """
    if not known or None in known or not len(X_df) or columns.id not in names_of(X_df):
        return []
    of_future = columns_of_future(X_df, columns)
    try:
        series = group_rows(get_column(X_df, columns.id, "id"), of_future.column(columns.id))
    except InvalidFrameError as error:
        return [unreadable(X_df, of_future, "id", error)]
    unknown = np.flatnonzero([name not in known for name in series.ids])
    if len(unknown) == len(series.ids):
        ids = pd.Index(sorted(known, key=_by_type), dtype=object, tupleize_cols=False)
        return [no_series_in_common(ids, dtype, series.ids, columns)]
    if not len(unknown):
        return []
    return [series_not_in_frame(series.ids.take(unknown), series.sizes[unknown], columns, of_future)]


def _by_type(name: Hashable) -> tuple[str, Any]:
    """Return what to sort ids by, which partitions may have of several types."""
    return type(name).__name__, name


@contextmanager
def partition_named(part: pd.DataFrame, columns: Columns, name: str) -> Iterator[None]:
    """Add a note to an error that names the partition, and its series."""
    try:
        yield
    except TimeGPTError as error:
        ids = [] if columns.id is None else _distinct(get_column(part, columns.id, "id"), [])
        if ids:
            name += f", whose {len(ids)} series are {', '.join(map(repr, ids[:3]))}{', …' if len(ids) > 3 else ''}"
        error.add_note(f"This is {name}. Other partitions are unaffected; persist() keeps their answers.")
        raise
