"""Arrow types that pandas and Arrow's own functions compute little with, as those that they do."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nixtla_accessor.panel.arrays import Column


def plain_column(values: Column) -> Column:
    """Return a column with its values in an Arrow type that can be sorted, compared and taken from.

    Views of text become text, views of bytes bytes, small decimals wide ones; encoded runs and dictionaries of such
    values are decoded, and extension types stored as what they wrap. Any other column is returned as it is.
    """
    dtype: Any = values.dtype
    if not isinstance(dtype, pd.ArrowDtype):
        return values
    plain = plain_type(dtype.pyarrow_dtype)
    if plain == dtype.pyarrow_dtype:
        return values
    array = pd.arrays.ArrowExtensionArray(_convert(pa.array(values, from_pandas=True), plain))
    if isinstance(values, pd.Series):
        return pd.Series(array, index=values.index, name=values.name)
    return pd.Index(array, name=values.name)


def is_interval(dtype: object) -> bool:
    """Return whether values are Arrow's calendar intervals, of which pandas cannot tell what they are."""
    return isinstance(dtype, pd.ArrowDtype) and pa.types.is_interval(dtype.pyarrow_dtype)


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with every column as `plain_column` has it; the very frame where that changes none."""
    odd = [
        number
        for number, dtype in enumerate(frame.dtypes)
        if isinstance(dtype, pd.ArrowDtype) and plain_type(dtype.pyarrow_dtype) != dtype.pyarrow_dtype
    ]
    if not odd:
        return frame
    plain = frame.copy(deep=False)
    for number in odd:
        plain.isetitem(number, plain_column(frame.iloc[:, number]).array)
    return plain


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that stands for an Arrow type.

    Examples
    --------
    >>> str(plain_type(pa.string_view())), str(plain_type(pa.int64()))
    ('large_string', 'int64')
    """
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if pa.types.is_dictionary(kind):
        value = plain_type(kind.value_type)
        return kind if value == kind.value_type else value
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if str(kind).startswith(("decimal32", "decimal64")):  # pyarrow 17 has neither
        return pa.decimal128(kind.precision, kind.scale)
    return kind


def _convert(values: pa.Array | pa.ChunkedArray, plain: pa.DataType) -> pa.ChunkedArray:
    """Convert values to the type that stands for theirs, chunk by chunk."""
    pieces = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    return pa.chunked_array([_convert_chunk(chunk, plain) for chunk in pieces], plain)


def _convert_chunk(chunk: pa.Array, plain: pa.DataType) -> pa.Array:
    kind = chunk.type
    if kind == plain:
        return chunk
    if isinstance(kind, pa.BaseExtensionType):
        return _convert_chunk(chunk.storage, plain)
    if pa.types.is_run_end_encoded(kind):
        return _convert_chunk(pc.run_end_decode(chunk), plain)
    if pa.types.is_dictionary(kind):
        return _convert_chunk(chunk.dictionary, plain).take(chunk.indices)
    try:
        return chunk.cast(plain)
    except pa.ArrowNotImplementedError:  # pyarrow 17 has no cast from views
        return pa.array(chunk.to_pylist(), plain)
