"""The series of a frame, and the rows of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import is_hashable

from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Column, Integers, chunks
from nixtla_accessor.panel.arrow import is_interval
from nixtla_accessor.panel.faults import Fault, FaultyRows
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.target import AS_FLOAT

PROBE_ROWS = 10_000  # enough rows to see whether ids stand in runs
AS_TEXT = "{}.astype(str)"  # how ids become text
AS_CODE = "{}.map(repr)"  # how ids become text that tells their types
NESTED_AS_TEXT = "{}.astype(object).astype(str)"  # where pandas 2.2 cannot do it in one step
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

    def rows_of(self, series: Integers) -> Integers:
        """Return the rows of some series, in the order of the frame."""
        wanted = np.zeros(len(self.sizes), dtype=bool)
        wanted[series] = True
        codes = self.row_codes()
        return np.concatenate([np.flatnonzero(wanted[codes[rows]]) + rows.start for rows in chunks(len(codes))])


def single_series(n_rows: int) -> Grouping:
    """Return the grouping of a frame without ids, which is one series."""
    return Grouping(pd.Index([0]), np.array([n_rows]), np.array([0]), None)


def group_rows(values: Column, name: NamedColumn) -> Grouping:
    """Find the series of each row.

    Ids that stand in runs are read run by run; only rows in other orders need a look-up each.

    Parameters
    ----------
    values : Series or Index of length n_rows, at least 1
        The ids.
    name : NamedColumn
        The column's name, for messages.

    Raises
    ------
    MissingValueError
        Some ids are missing.
    UnsupportedDtypeError
        The ids are of more than one type, or cannot be sorted.
    """
    kind = _object_kind(values)
    if kind != "string":
        _refuse_missing(values, name)
        _refuse_mixed(values, kind, name)
    if values.dtype in {np.dtype(np.float16), pd.ArrowDtype(pa.float16())}:  # which no Index holds
        values = values.astype(np.float32)
    return _group_runs(values, name) or _group_mixed(values, name)


def rows_without_id(values: Column) -> Integers:
    """Return the rows without an id."""
    dtype: Any = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return np.empty(0, dtype=np.int64)
    if isinstance(dtype, pd.StringDtype | pd.ArrowDtype) and not pa.array(values, from_pandas=True).null_count:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.asarray(values.isna()))


def find_missing_ids(values: Column, name: NamedColumn) -> FaultyRows | None:
    """Find the rows without an id; None where every row has one."""
    rows = rows_without_id(values)
    first = tuple((row, "") for row in rows[:SHOWN].tolist())
    return FaultyRows(Fault.MISSING_ID, name, len(rows), len(values), first) if len(rows) else None


def _refuse_missing(values: Column, name: NamedColumn) -> None:
    faulty = find_missing_ids(values, name)
    if faulty is not None:
        raise faulty.to_error()


def _refuse_mixed(values: Column, kind: str, name: NamedColumn) -> None:
    if is_interval(values.dtype) or (
        isinstance(values.dtype, pd.ArrowDtype) and pa.types.is_nested(values.dtype.pyarrow_dtype)
    ):
        kind = "calendar intervals" if is_interval(values.dtype) else "nested values"
        line = "." if is_interval(values.dtype) else f": {name.convert(NESTED_AS_TEXT)}."
        raise UnsupportedDtypeError(
            f"The ids in {name!r} are {kind} ({values.dtype}), which cannot be sorted. Convert them to text{line}"
        )
    if not kind.startswith("mixed"):
        return
    if not all(map(is_hashable, values)):
        raise UnsupportedDtypeError(
            f"The ids in {name!r} are nested values, such as lists, which cannot be compared. Convert them to text: "
            f"{name.convert(AS_TEXT)}."
        )
    types = sorted({type(value).__name__ for value in values})
    if len(types) > 1:
        raise UnsupportedDtypeError(
            f"The ids in {name!r} must all be of one type, so that they can be sorted; found "
            f"{', '.join(types[:SHOWN])}{and_more(len(types))}. {_how_to_make_one_type(values, kind, name)}"
        )


def _how_to_make_one_type(values: Column, kind: str, name: NamedColumn) -> str:
    """Return the sentences that tell how ids of several types become ids of one, each of them a series as before."""
    if kind == "mixed-integer-float" and values.nunique() == values.astype(np.float64).nunique():
        return f"Convert them to floats: {name.convert(AS_FLOAT)}."
    try:
        same = _same_texts(values, values.astype(str))
    except UnicodeDecodeError:  # bytes that are no text
        return f"Convert them to text: {name.convert(AS_CODE)}."
    as_text = name.convert(AS_TEXT)
    if not same:
        return f"Convert them to text: {as_text}."
    shown = "; ".join(" and ".join(map(repr, ids)) for ids in same[:SHOWN])
    return (
        f"As text, these ids are the same: {shown}{and_more(len(same))}. If they are different series, keep them "
        f"apart: {name.convert(AS_CODE)}. If they are one series, convert them to text: {as_text}."
    )


def _same_texts(values: Column, texts: Column) -> list[tuple[Any, Any]]:
    """Return the ids that differ, but whose texts are the same: the first two of each text."""
    first: dict[str, Any] = {}
    same: dict[str, tuple[Any, Any]] = {}
    for value, text in zip(values, texts, strict=True):
        known = first.setdefault(text, value)
        if type(known) is not type(value) and known != value:
            same.setdefault(text, (known, value))
    return list(same.values())


def _object_kind(values: Column) -> str:
    """Return the kind of values that an object column holds; "" for any other column."""
    is_object = isinstance(values.dtype, np.dtype) and values.dtype.kind == "O"
    return pd.api.types.infer_dtype(values, skipna=False) if is_object else ""


def _group_runs(values: Column, name: NamedColumn) -> Grouping | None:
    """Group rows that stand in runs of one id; None when an id has two runs, or runs are short."""
    probe = values.iloc[:PROBE_ROWS] if isinstance(values, pd.Series) else values[:PROBE_ROWS]
    if len(_run_starts(probe)) * ROWS_PER_RUN > len(probe) + ROWS_PER_RUN:
        return None
    starts = _run_starts(values)
    sizes = np.diff(starts, append=len(values))
    ids = _take(values, starts)
    keys = _sort_keys(ids)
    if _strictly_ascending(keys):
        return Grouping(ids, sizes, starts, None)
    if not keys.is_unique:
        return None
    order = _order(keys, name)
    return Grouping(ids.take(order), sizes[order], starts[order], None)


def _run_starts(values: Column) -> Integers:
    """Return the first row of each run of equal ids."""
    labels = _labels(values)
    if isinstance(labels, np.ndarray):
        return np.concatenate(([0], np.flatnonzero(labels[1:] != labels[:-1]) + 1))
    starts = [
        np.append(0, pc.run_end_encode(chunk, run_end_type=pa.int64()).run_ends.to_numpy()[:-1]) + first
        for chunk, first in zip(labels.chunks, np.cumsum([0, *map(len, labels.chunks)]), strict=False)
        if len(chunk)
    ]
    # A run may continue in the next chunk.
    borders = [chunk[0] for chunk in starts[1:]]
    continued = [row for row in borders if labels[int(row)] == labels[int(row) - 1]]
    joined = np.concatenate(starts)
    return joined[~np.isin(joined, continued)] if continued else joined


def _labels(values: Column) -> pa.ChunkedArray | npt.NDArray[Any]:
    """Return ids in a form that compares fast: codes of categories, Arrow chunks, or a NumPy array."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return np.asarray(pd.Categorical(values).codes)
    if not isinstance(values.dtype, pd.StringDtype | pd.ArrowDtype):
        return values.to_numpy()
    chunks = _chunks(values)
    if pa.types.is_dictionary(chunks.type):
        return np.asarray(chunks.combine_chunks().indices.to_numpy())
    return chunks


def _take(values: Column, rows: Integers) -> pd.Index[Any]:
    """Return the ids of some rows, which ascend.

    Arrow's own ``take`` joins the chunks first, which copies the whole column; chunk by chunk it does not.
    """
    if isinstance(values.dtype, pd.StringDtype | pd.ArrowDtype):
        chunks = _chunks(values)
        ends = np.cumsum([len(chunk) for chunk in chunks.chunks])
        parts = np.split(rows, np.searchsorted(rows, ends[:-1]))
        pieces = [
            chunk.take(pa.array(part - end + len(chunk)))
            for chunk, part, end in zip(chunks.chunks, parts, ends, strict=True)
        ]
        return pd.Index(pd.array(pa.chunked_array(pieces, chunks.type), dtype=values.dtype), name=values.name)
    return pd.Index(values.take(rows), dtype=values.dtype, name=values.name, tupleize_cols=False)


def _chunks(values: Column) -> pa.ChunkedArray:
    array = pa.array(values, from_pandas=True)
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _group_mixed(values: Column, name: NamedColumn) -> Grouping:
    """Group rows in any order."""
    codes, ids = _encode(values)
    sizes = np.bincount(codes, minlength=len(ids))
    seen = np.flatnonzero(sizes)  # categories may have no rows
    ids = ids.take(seen)
    order = _order(_sort_keys(ids), name)
    ranks = np.empty(len(sizes), dtype=np.int32)
    ranks[seen[order]] = np.arange(len(order))
    ranked = np.empty(len(codes), dtype=np.int32)
    for rows in chunks(len(codes)):
        ranked[rows] = ranks[codes[rows]]
    return Grouping(ids.take(order), sizes[seen[order]], None, ranked)


def _encode(values: Column) -> tuple[npt.NDArray[Any], pd.Index[Any]]:
    """Return a code for each row, from 0 in any order, and the ids that the codes stand for."""
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        every = pd.Categorical.from_codes(np.arange(len(dtype.categories)), dtype=dtype)
        return pd.Categorical(values).codes, pd.Index(every, name=values.name)
    if isinstance(dtype, pd.StringDtype):
        encoded = _chunks(values).dictionary_encode()  # one dictionary for all chunks
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
        ids = pd.array(pa.chunked_array([encoded.chunk(0).dictionary]), dtype=dtype)
        return codes, pd.Index(ids, name=values.name)
    codes, ids = pd.factorize(values)
    return codes, pd.Index(ids, dtype=dtype, name=values.name, tupleize_cols=False)


def _sort_keys(ids: pd.Index[Any]) -> pd.Index[Any]:
    """Return ids as values, where categories would be sorted in the order of the categories."""
    dtype: Any = ids.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return ids.astype(dtype.categories.dtype)
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_dictionary(dtype.pyarrow_dtype):
        return ids.astype(pd.ArrowDtype(dtype.pyarrow_dtype.value_type))
    return ids


def _strictly_ascending(keys: pd.Index[Any]) -> bool:
    """Return whether ids are sorted and distinct, without a look-up table."""
    try:
        if isinstance(keys.dtype, pd.StringDtype | pd.ArrowDtype):
            array = pa.array(keys, from_pandas=True)
            array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
            return pc.all(pc.less(array[:-1], array[1:]), min_count=0).as_py() is True
        values = keys.to_numpy()
        return bool(np.all(values[:-1] < values[1:]))
    except (TypeError, pa.ArrowException):
        return False


def _order(keys: pd.Index[Any], name: NamedColumn) -> Integers:
    """Return the order of ids by value."""
    try:
        return np.asarray(keys.argsort(), dtype=np.int64)
    except (TypeError, pa.ArrowException) as error:
        _refuse_mixed(keys, _object_kind(keys), name)  # categories of several types
        raise UnsupportedDtypeError(
            f"The ids in {name!r} cannot be sorted; their dtype is {keys.dtype}. Convert them to text: "
            f"{name.convert(AS_TEXT)}."
        ) from error
