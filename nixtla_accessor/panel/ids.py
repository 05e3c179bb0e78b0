"""Which rows belong to which series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nixtla_accessor.errors import MissingValueError, UnsupportedDtypeError
from nixtla_accessor.panel.messages import SHOWN, rest
from nixtla_accessor.panel.times import Column

Integers = npt.NDArray[np.int64]

PROBE_ROWS = 10_000  # enough rows to see whether ids stand in runs
ROWS_PER_RUN = 4  # shorter runs than this, on average, are not worth reading run by run


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The series of a frame, sorted by id value, and their rows.

    Parameters
    ----------
    ids : Index of length n_series
        One id for each series, in the caller's dtype.
    sizes : ndarray of int64, shape (n_series,)
        How many rows each series has.
    blocks : ndarray of int64, shape (n_series,), or None
        The first row of each series, when the rows of every series stand together.
    codes : ndarray of int, shape (n_rows,), or None
        The series of each row, when they do not.
    """

    ids: pd.Index[Any]
    sizes: Integers
    blocks: Integers | None
    codes: npt.NDArray[Any] | None

    def row_codes(self) -> npt.NDArray[Any]:
        """Return the series of each row; shape (n_rows,)."""
        if self.blocks is None:
            return np.asarray(self.codes)
        order = np.argsort(self.blocks)
        return np.repeat(order, self.sizes[order])


def single_series(n_rows: int) -> Grouping:
    """Take all rows as one series, of a frame that has no ids."""
    return Grouping(pd.Index([0]), np.array([n_rows]), np.array([0]), None)


def group_rows(values: Column, name: object) -> Grouping:
    """Find the series of each row.

    Ids that stand in runs are read run by run; only mixed rows need a look-up each.

    Parameters
    ----------
    values : Series or Index of length n_rows, at least 1
        The ids.
    name : hashable
        The column's name, for messages.

    Raises
    ------
    MissingValueError
        Some ids are missing.
    UnsupportedDtypeError
        The ids are of more than one type, or have no order.
    """
    _refuse_missing(values, name)
    _refuse_mixed(values, name)
    labels = _labels(values)
    return _group_runs(values, labels, name) or _group_mixed(values, labels, name)


def missing_ids(values: Column) -> Integers:
    """List the rows that have no id."""
    dtype: Any = values.dtype
    if isinstance(dtype, np.dtype) and (dtype.kind in "iub" or _kind_of_objects(values) == "string"):
        return np.empty(0, dtype=np.int64)
    if isinstance(dtype, pd.StringDtype | pd.ArrowDtype) and not pa.array(values, from_pandas=True).null_count:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.asarray(values.isna()))


def ranges(starts: Integers, sizes: Integers) -> Integers:
    """Concatenate the ranges of whole numbers that begin at ``starts`` and are ``sizes`` long."""
    return np.asarray(np.arange(sizes.sum()) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes))


def _refuse_missing(values: Column, name: object) -> None:
    rows = missing_ids(values)
    if len(rows):
        raise MissingValueError(
            f"The ids in {name!r} are missing in {len(rows)} of {len(values)} rows: rows "
            f"{', '.join(map(str, rows[:SHOWN]))}{rest(len(rows))}, counted from 0. "
            f"Name the series, or drop the rows: df.dropna(subset=[{name!r}])."
        )


def _refuse_mixed(values: Column, name: object) -> None:
    if not _kind_of_objects(values).startswith("mixed"):
        return
    types = sorted({type(value).__name__ for value in values})
    if len(types) > 1:
        raise UnsupportedDtypeError(
            f"The ids in {name!r} must all be of one type; found {', '.join(types[:SHOWN])}. They have no common "
            f"order. Make them text: df[{name!r}] = df[{name!r}].astype(str)."
        )


def _kind_of_objects(values: Column) -> str:
    """Name what an object column holds; "" for any other column."""
    is_object = isinstance(values.dtype, np.dtype) and values.dtype.kind == "O"
    return pd.api.types.infer_dtype(values, skipna=False) if is_object else ""


def _labels(values: Column) -> pa.Array | npt.NDArray[Any]:
    """Bring ids to what compares fast: codes of categories, an Arrow array, or a NumPy array."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return np.asarray(pd.Categorical(values).codes)
    if not isinstance(values.dtype, pd.StringDtype | pd.ArrowDtype):
        return values.to_numpy()
    array = pa.array(values, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        if array.num_chunks != 1 and pa.types.is_string(array.type):
            array = array.cast(pa.large_string())  # together, the chunks may need 64-bit offsets
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        return np.asarray(array.indices.to_numpy())
    return pd.factorize(values)[0] if pa.types.is_nested(array.type) else array


def _group_runs(values: Column, labels: pa.Array | npt.NDArray[Any], name: object) -> Grouping | None:
    """Group rows that stand in runs of one id; None when some id has two runs, or runs are short."""
    if len(_run_starts(labels[:PROBE_ROWS])) * ROWS_PER_RUN > min(len(labels), PROBE_ROWS) + ROWS_PER_RUN:
        return None
    starts = _run_starts(labels)
    sizes = np.diff(starts, append=len(values))
    ids = pd.Index(values.take(starts), tupleize_cols=False)
    keys = _sort_keys(ids)
    if _strictly_ascending(keys):
        return Grouping(ids, sizes, starts, None)
    if not keys.is_unique:
        return None
    order = _order(keys, name)
    return Grouping(ids.take(order), sizes[order], starts[order], None)


def _run_starts(labels: pa.Array | npt.NDArray[Any]) -> Integers:
    """Find the first row of each run of equal labels."""
    if isinstance(labels, pa.Array):
        ends = pc.run_end_encode(labels, run_end_type=pa.int64()).run_ends.to_numpy()
        return np.concatenate(([0], ends[:-1]))
    return np.concatenate(([0], np.flatnonzero(labels[1:] != labels[:-1]) + 1))


def _group_mixed(values: Column, labels: pa.Array | npt.NDArray[Any], name: object) -> Grouping:
    """Group rows in any order."""
    codes = _encode(values, labels)
    sizes = np.bincount(codes)
    seen = np.flatnonzero(sizes)  # categories may lack rows
    first_rows = np.empty(len(sizes), dtype=np.int64)
    first_rows[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    ids = pd.Index(values.take(first_rows[seen]), tupleize_cols=False)
    order = _order(_sort_keys(ids), name)
    ranks = np.empty(len(sizes), dtype=np.int32)
    ranks[seen[order]] = np.arange(len(order))
    return Grouping(ids.take(order), sizes[seen[order]], None, ranks[codes])


def _encode(values: Column, labels: pa.Array | npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give each id a number, in any order, from 0."""
    if isinstance(labels, pa.Array):
        return np.asarray(pc.dictionary_encode(labels).indices.to_numpy())
    return labels if isinstance(values.dtype, pd.CategoricalDtype) else pd.factorize(labels)[0]


def _sort_keys(ids: pd.Index[Any]) -> pd.Index[Any]:
    """Give ids by value where categories would sort by theirs."""
    dtype: Any = ids.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return ids.astype(dtype.categories.dtype)
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_dictionary(dtype.pyarrow_dtype):
        return ids.astype(pd.ArrowDtype(dtype.pyarrow_dtype.value_type))
    return ids


def _strictly_ascending(keys: pd.Index[Any]) -> bool:
    """Tell whether ids are sorted and distinct, with no look-up table."""
    try:
        if isinstance(keys.dtype, pd.StringDtype | pd.ArrowDtype):
            array = pa.array(keys, from_pandas=True)
            array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
            return pc.all(pc.less(array[:-1], array[1:]), min_count=0).as_py() is True
        values = keys.to_numpy()
        return bool(np.all(values[:-1] < values[1:]))
    except (TypeError, pa.ArrowException):
        return False


def _order(keys: pd.Index[Any], name: object) -> Integers:
    """Find the order of ids by value."""
    try:
        return np.asarray(keys.argsort(), dtype=np.int64)
    except (TypeError, pa.ArrowException) as error:
        raise UnsupportedDtypeError(
            f"The ids in {name!r} have no order ({error}). Make them text: df[{name!r}] = df[{name!r}].astype(str)."
        ) from error
