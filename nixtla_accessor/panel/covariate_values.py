"""A column of a covariate as numbers, or as categories."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Column
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.target import read_target

AS_TEXT = "{}.astype('string')"  # how values become names of categories
_AS_FLOATS = frozenset({"boolean", "decimal", "mixed-integer-float"})
_AS_CATEGORIES = frozenset({"string", "mixed", "mixed-integer"})


def read_covariate(values: Column, name: NamedColumn) -> npt.NDArray[Any]:
    """Read a covariate: numbers as the target is read, bools and decimals as numbers too, all else as categories.

    Parameters
    ----------
    values : Series or Index of length n
        Numbers, bools, decimals, text or categories in NumPy, nullable, Arrow or object storage.
    name : NamedColumn
        The column's name, for messages.

    Returns
    -------
    ndarray of float64, int64 or object, shape (n,)
        Numbers, NaN where one is missing; or the categories themselves (text or numbers), None where one is missing.

    Raises
    ------
    UnsupportedDtypeError
        The values are neither; or numbers that 64 bits do not hold.
    """
    dtype: Any = values.dtype
    kind = dtype.pyarrow_dtype if isinstance(dtype, pd.ArrowDtype) else None
    if isinstance(dtype, pd.CategoricalDtype | pd.StringDtype) or _is_text(kind):
        return _read_categories(values, name)
    if pd.api.types.is_bool_dtype(dtype) or (kind is not None and pa.types.is_decimal(kind)):
        return _read_floats(values)
    if dtype == np.dtype(object):
        found = pd.api.types.infer_dtype(values, skipna=True)
        if found in _AS_CATEGORIES:
            return _read_categories(values, name)
        if found in _AS_FLOATS:
            return _read_floats(values)
        if found not in {"integer", "floating", "empty"}:
            raise _unsupported(name, f"an object column of {found} values")
    elif not (pd.api.types.is_numeric_dtype(dtype) or str(dtype) == "null[pyarrow]"):
        raise _unsupported(name, str(dtype))
    return read_target(values, name, "covariate")


def _is_text(kind: pa.DataType | None) -> bool:
    return kind is not None and (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
    )


def _read_floats(values: Column) -> npt.NDArray[Any]:
    """Read bools or decimals."""
    if values.dtype == np.dtype(bool):
        return np.asarray(values.to_numpy(), dtype=np.float64)
    numbers = np.array(values, dtype=object)
    numbers[np.asarray(values.isna())] = np.nan
    return numbers.astype(np.float64)


def _read_categories(values: Column, name: NamedColumn) -> npt.NDArray[Any]:
    """Return the category of each row; each distinct one is one object."""
    try:
        codes, distinct = pd.factorize(values)
    except TypeError as error:  # values that cannot be hashed
        raise _unsupported(name, "an object column of lists or the like") from error
    categories = [_as_category(value) for value in distinct]
    if None in categories:
        raise _unsupported(name, f"categories of type {type(distinct[categories.index(None)]).__name__}")
    return np.array([*categories, None], dtype=object)[codes]


def _as_category(value: object) -> str | int | float | None:
    """Return a category as JSON has it; None for what JSON does not have."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool):
        return int(plain)
    is_plain = isinstance(plain, str | int) or (isinstance(plain, float) and math.isfinite(plain))
    return plain if is_plain else None  # type: ignore[return-value]


def _unsupported(name: NamedColumn, found: str) -> UnsupportedDtypeError:
    return UnsupportedDtypeError(
        f"The covariate {name!r} must be numbers, bools, text or categories; found {found}. Convert it to numbers that "
        f"say what matters of it, or to categories: {name.convert(AS_TEXT)}."
    )
