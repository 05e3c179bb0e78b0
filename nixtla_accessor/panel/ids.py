"""Which rows belong to which series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nixtla_accessor.errors import UnsupportedDtypeError

PROBE_ROWS = 10_000  # enough rows to see whether ids stand in runs
ROWS_PER_RUN = 4  # shorter runs than this, on average, are not worth the run path


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

    ids: pd.Index
    sizes: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64] | None
    codes: npt.NDArray[Any] | None

    def row_codes(self) -> npt.NDArray[Any]:
        """Return the series of each row; shape (n_rows,)."""
        if self.codes is not None:
            return self.codes
        assert self.blocks is not None  # noqa: S101 - one of the two is always there
        order = np.argsort(self.blocks)
        return np.repeat(order, self.sizes[order])


def single_series(n_rows: int) -> Grouping:
    """Take all rows as one series, of a frame that has no ids."""
    return Grouping(pd.Index([0]), np.array([n_rows]), np.array([0]), None)


def ranges(starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Concatenate the ranges of whole numbers that begin at ``starts`` and are ``sizes`` long."""
    return np.arange(sizes.sum()) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)


def missing_ids(values: pd.Series[Any] | pd.Index) -> npt.NDArray[np.bool_] | None:
    """Tell which rows have no id; None when all have one."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iub":
        return None
    if isinstance(values.dtype, pd.ArrowDtype | pd.StringDtype) and not pa.array(values, from_pandas=True).null_count:
        return None
    missing = np.asarray(values.isna())
    return missing if missing.any() else None


def group_rows(values: pd.Series[Any] | pd.Index, name: object) -> Grouping:
    """Find the series of each row.

    Ids that stand in runs are read run by run; only rows that are mixed need a look-up each.

    Parameters
    ----------
    values : Series or Index of length n_rows, at least 1
        The ids, none missing.
    name : hashable
        The column's name, for messages.

    Raises
    ------
    UnsupportedDtypeError
        The ids are of more than one type, so that they have no order.
    """
    labels = _labels(values, name)
    starts = _run_starts(labels)
    if starts is not None:
        ids = pd.Index(values.take(starts))
        keys = _sort_keys(ids)
        ascending = _strictly_ascending(keys)
        if ascending or keys.is_unique:
            sizes = np.diff(starts, append=len(values))
            if ascending:
                return Grouping(ids, sizes, starts, None)
            order = _order(keys, name)
            return Grouping(ids.take(order), sizes[order], starts[order], None)
    codes = _encode(labels)
    first_rows = np.empty(int(codes.max()) + 1, dtype=np.int64)
    first_rows[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    ids = pd.Index(values.take(first_rows))
    order = _order(_sort_keys(ids), name)
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[order] = np.arange(len(order))
    codes = ranks[codes]
    return Grouping(ids.take(order), np.bincount(codes), None, codes)


def _labels(values: pd.Series[Any] | pd.Index, name: object) -> Any:
    """Bring ids to what compares fast: codes of categories, an Arrow array, or a NumPy array."""
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = values.cat.codes if isinstance(values, pd.Series) else values.codes
        seen = np.flatnonzero(np.bincount(codes))
        renumbered = np.empty(len(dtype.categories), dtype=np.int32)
        renumbered[seen] = np.arange(len(seen))
        return np.asarray(codes) if len(seen) == len(renumbered) else renumbered[codes]
    if isinstance(dtype, pd.StringDtype | pd.ArrowDtype):
        array = pa.array(values, from_pandas=True)
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks == 1 else _join(array)
        if pa.types.is_dictionary(array.type):
            return array.indices.to_numpy()
        return pd.factorize(values)[0] if pa.types.is_nested(array.type) else array
    if dtype == object:
        _refuse_mixed(values, name)
    return values.to_numpy()


def _join(chunks: pa.ChunkedArray) -> pa.Array:
    """Put the chunks of a column together; 64-bit offsets, since together they may be long."""
    return (chunks.cast(pa.large_string()) if pa.types.is_string(chunks.type) else chunks).combine_chunks()


def _refuse_mixed(values: pd.Series[Any] | pd.Index, name: object) -> None:
    found = pd.api.types.infer_dtype(values, skipna=False)
    if not found.startswith("mixed"):
        return
    types = {type(value) for value in values}
    if len(types) == 1:
        return
    shown = ", ".join(sorted(kind.__name__ for kind in types)[:3])
    raise UnsupportedDtypeError(
        f"The ids in {name!r} must all be of one type; found {shown}. Such ids have no common order. "
        f"Make them text: df[{name!r}] = df[{name!r}].astype(str)."
    )


def _run_starts(labels: Any) -> npt.NDArray[np.int64] | None:
    """Find the first row of each run of equal labels; None when the labels clearly do not stand in runs."""
    if isinstance(labels, pa.Array):
        if (
            _arrow_run_ends(labels.slice(0, PROBE_ROWS)).size * ROWS_PER_RUN
            > min(len(labels), PROBE_ROWS) + ROWS_PER_RUN
        ):
            return None
        return np.concatenate(([0], _arrow_run_ends(labels)[:-1]))
    probe = labels[:PROBE_ROWS]
    if np.count_nonzero(probe[1:] != probe[:-1]) * ROWS_PER_RUN > len(probe):
        return None
    return np.concatenate(([0], np.flatnonzero(labels[1:] != labels[:-1]) + 1))


def _arrow_run_ends(labels: pa.Array) -> npt.NDArray[np.int64]:
    encoded = pc.run_end_encode(labels, run_end_type=pa.int64())
    return np.asarray(encoded.run_ends.to_numpy())


def _encode(labels: Any) -> npt.NDArray[Any]:
    """Number the labels, in any order, from 0."""
    if isinstance(labels, pa.Array):
        return np.asarray(pc.dictionary_encode(labels).indices.to_numpy())
    return pd.factorize(labels)[0]


def _sort_keys(ids: pd.Index) -> pd.Index:
    """Give ids by value where categories would sort by theirs."""
    dtype = ids.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return ids.astype(dtype.categories.dtype)
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_dictionary(dtype.pyarrow_dtype):
        return ids.astype(pd.ArrowDtype(dtype.pyarrow_dtype.value_type))
    return ids


def _strictly_ascending(keys: pd.Index) -> bool:
    """Tell whether ids are sorted and distinct, with no look-up table."""
    if isinstance(keys.dtype, pd.StringDtype):
        array = pa.array(keys, from_pandas=True)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        return bool(pc.all(pc.less(array[:-1], array[1:])).as_py())
    try:
        values = keys.to_numpy()
        return bool(np.all(values[:-1] < values[1:]))
    except TypeError:
        return False


def _order(keys: pd.Index, name: object) -> npt.NDArray[np.int64]:
    """Find the order of ids by value."""
    try:
        return np.asarray(keys.argsort(), dtype=np.int64)
    except (TypeError, pa.ArrowException) as error:
        raise UnsupportedDtypeError(
            f"The ids in {name!r} cannot be sorted ({error}). Make them text: df[{name!r}] = df[{name!r}].astype(str)."
        ) from error
