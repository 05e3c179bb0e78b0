"""The target column as exact numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Column, Integers, Target, Values

EXACT_IN_FLOAT64 = 2**53


def read_target(values: Column, name: object) -> Target:
    """Read the target, keeping every digit.

    Integers become int64; all else float64, where a missing value is NaN. Integers with missing values become float64,
    which is exact up to 2**53; larger ones are refused.

    Parameters
    ----------
    values : Series or Index of length n
        Real numbers in NumPy, nullable, Arrow, sparse or object storage.
    name : hashable
        The column's name, for messages.

    Returns
    -------
    ndarray of float64 or int64, shape (n,)
        In the caller's order; shares memory with the column where that is possible, and is read-only.

    Raises
    ------
    UnsupportedDtypeError
        The values are not real numbers, or neither float64 nor int64 can hold them exactly.
    """
    if isinstance(values.dtype, pd.SparseDtype):
        values = pd.Series(np.asarray(values))
    if values.dtype == np.dtype(object):
        values = _from_objects(values, name)
    dtype = values.dtype
    numbers: Target
    if pd.api.types.is_integer_dtype(dtype):
        numbers = _integers(values, name)
    elif pd.api.types.is_float_dtype(dtype) and not _is_wide(dtype):
        numbers = _floats(values)
    else:
        raise _not_numbers(values, name, str(dtype))
    numbers = numbers[:] if numbers.flags.c_contiguous else numbers.copy()
    numbers.flags.writeable = False
    return numbers


def refuse_inexact(integers: Integers, name: object) -> None:
    """Refuse integers that float64 cannot hold exactly, of a target with missing values.

    Raises
    ------
    UnsupportedDtypeError
        Some are larger than 2**53.
    """
    if max(int(integers.max()), -int(integers.min())) > EXACT_IN_FLOAT64:
        raise UnsupportedDtypeError(
            f"The target {name!r} has missing values, so its integers must be at most 2**53, for float64 to hold them "
            f"exactly; found larger ones. Fill the missing values, or accept rounding: df[{name!r}].astype('float64')."
        )


def _is_wide(dtype: object) -> bool:
    """Return whether floats have more digits than float64."""
    return isinstance(dtype, np.dtype) and dtype.itemsize > np.dtype(np.float64).itemsize


def _floats(values: Column) -> Values:
    if isinstance(values.dtype, np.dtype):
        return np.asarray(values.to_numpy(), dtype=np.float64)
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))


def _integers(values: Column, name: object) -> Target:
    if pd.api.types.is_unsigned_integer_dtype(values.dtype):
        _refuse_beyond_int64(values, name)
    if isinstance(values.dtype, np.dtype):
        return np.asarray(values.to_numpy(), dtype=np.int64)
    missing = np.asarray(values.isna())
    integers = np.asarray(values.to_numpy(dtype=np.int64, na_value=0))
    if not missing.any():
        return integers
    refuse_inexact(integers, name)
    return np.where(missing, np.nan, integers.astype(np.float64))


def _refuse_beyond_int64(values: Column, name: object) -> None:
    largest = values.max()
    if largest is not pd.NA and int(largest) > np.iinfo(np.int64).max:
        raise UnsupportedDtypeError(
            f"The target {name!r} must fit into int64; found larger integers, such as {int(largest)}. "
            f"Rescale them, or accept rounding: df[{name!r}].astype('float64')."
        )


def _from_objects(values: Column, name: object) -> pd.Series[Any]:
    """Convert Python numbers to a numeric dtype."""
    found = pd.api.types.infer_dtype(values, skipna=True)
    try:
        if found == "integer":
            return pd.Series(pd.array(values.to_numpy(), dtype="Int64"))
        if found in {"floating", "empty"}:
            return pd.Series(pd.array(values.to_numpy(), dtype="Float64"))
    except (OverflowError, TypeError, ValueError) as error:
        raise _not_numbers(values, name, f"an object column ({error})") from error
    raise _not_numbers(values, name, f"an object column of {found} values")


def _not_numbers(values: Column, name: object, found: str) -> UnsupportedDtypeError:
    return UnsupportedDtypeError(
        f"The target {name!r} must be real numbers (integers, or floats of at most 64 bits); found {found}. "
        f"{_how_to_convert(pd.Series(values), name)}"
    )


def _how_to_convert(values: pd.Series[Any], name: object) -> str:
    """Return the sentence that tells how values become numbers, with a call that works for them."""
    column = f"df[{name!r}]"
    kind = getattr(values.dtype, "kind", "O")
    if kind == "c":
        return f"Take their size, {column} = {column}.abs(), or their real part."
    if kind == "m":
        return f"Convert them to seconds: {column} = {column}.dt.total_seconds()."
    if kind == "M":
        return "Name the column that holds the values: target_col=."
    try:
        is_hopeless = bool(pd.to_numeric(values, errors="coerce").isna().all())
    except TypeError:  # lists and the like
        is_hopeless = True
    if is_hopeless:
        return "Name the column that holds numbers: target_col=."
    is_text = pd.api.types.infer_dtype(values, skipna=True) == "string"
    converted = f"pd.to_numeric({column})" if is_text else f"{column}.astype('float64')"
    try:
        values.astype("float64")
    except (TypeError, ValueError):
        missing = f"{column} = pd.to_numeric({column}, errors='coerce')"
        return f"Some of them are no numbers; this makes these missing: {missing}."
    return f"Convert them: {column} = {converted}."
