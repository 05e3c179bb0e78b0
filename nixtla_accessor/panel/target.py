"""The target, or a covariate of numbers, as exact numbers."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Column, Integers, Target, Values
from nixtla_accessor.panel.arrow import is_interval
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.number_texts import PLAIN, find_notations

EXACT_IN_FLOAT64 = 2**53
VIEW_OF_TEXT = "large_string[pyarrow]"  # or what stands for one, of which pandas converts nothing
_MOST = 0.5  # of the values: where more are no numbers, leaving them out is no remedy
AS_FLOAT = "{}.astype('float64')"  # how the target becomes float64


def read_target(values: Column, name: NamedColumn, role: str = "target") -> Target:
    """Read the target, keeping every digit.

    Integers become int64; all else float64, where a missing value is NaN. Integers with missing values become float64,
    which is exact up to 2**53; larger ones are refused.

    Parameters
    ----------
    values : Series or Index of length n
        Real numbers in NumPy, nullable, Arrow, sparse or object storage.
    name : NamedColumn
        The column's name, for messages.
    role : str, default "target"
        What messages call the column.

    Returns
    -------
    ndarray of float64 or int64, shape (n,)
        In the caller's order; shares memory with the column where that is possible, and is read-only.

    Raises
    ------
    UnsupportedDtypeError
        The values are not real numbers, or neither float64 nor int64 can hold them exactly.
    """
    if str(values.dtype) == "null[pyarrow]":
        return np.full(len(values), np.nan)
    if isinstance(values.dtype, pd.SparseDtype):
        values = pd.Series(np.asarray(values))
    if values.dtype == np.dtype(object):
        values = _from_objects(values, name, role)
    dtype = values.dtype
    numbers: Target
    if is_interval(dtype):
        raise _not_numbers(values, name, str(dtype), role)
    if pd.api.types.is_integer_dtype(dtype):
        numbers = _integers(values, name, role)
    elif pd.api.types.is_float_dtype(dtype) and not _is_wide(dtype):
        numbers = _floats(values)
    else:
        raise _not_numbers(values, name, str(dtype), role)
    numbers = numbers[:] if numbers.flags.c_contiguous else numbers.copy()
    numbers.flags.writeable = False
    return numbers


def refuse_inexact(integers: Integers, name: NamedColumn, role: str = "target") -> None:
    """Refuse integers that float64 cannot hold exactly, of a target with missing values.

    Raises
    ------
    UnsupportedDtypeError
        Some are larger than 2**53.
    """
    if max(int(integers.max()), -int(integers.min())) > EXACT_IN_FLOAT64:
        raise UnsupportedDtypeError(
            f"The {role} {name!r} has missing values, so its integers must be at most 2**53, for float64 to hold them "
            f"exactly; found larger ones. Fill the missing values, or accept rounding: {name.convert(AS_FLOAT)}."
        )


def _is_wide(dtype: object) -> bool:
    """Return whether floats have more digits than float64."""
    return isinstance(dtype, np.dtype) and dtype.itemsize > np.dtype(np.float64).itemsize


def _floats(values: Column) -> Values:
    if isinstance(values.dtype, np.dtype):
        return np.asarray(values.to_numpy(), dtype=np.float64)
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))


def _integers(values: Column, name: NamedColumn, role: str) -> Target:
    if pd.api.types.is_unsigned_integer_dtype(values.dtype):
        _refuse_beyond_int64(values, name, role)
    if isinstance(values.dtype, np.dtype):
        return np.asarray(values.to_numpy(), dtype=np.int64)
    missing = np.asarray(values.isna())
    integers = np.asarray(values.to_numpy(dtype=np.int64, na_value=0))
    if not missing.any():
        return integers
    refuse_inexact(integers, name, role)
    return np.where(missing, np.nan, integers.astype(np.float64))


def _refuse_beyond_int64(values: Column, name: NamedColumn, role: str) -> None:
    largest = values.max()
    if largest is not pd.NA and int(largest) > np.iinfo(np.int64).max:
        raise UnsupportedDtypeError(
            f"The {role} {name!r} must fit into int64; found larger integers, such as {int(largest)}. "
            f"Rescale them, or accept rounding: {name.convert(AS_FLOAT)}."
        )


def _from_objects(values: Column, name: NamedColumn, role: str) -> pd.Series[Any]:
    """Convert Python numbers to a numeric dtype."""
    found = pd.api.types.infer_dtype(values, skipna=True)
    try:
        if found == "integer":
            return pd.Series(pd.array(values.to_numpy(), dtype="Int64"))
        if found in {"floating", "mixed-integer-float", "empty"}:
            return pd.Series(pd.array(values.to_numpy(), dtype="Float64"))
    except (OverflowError, TypeError, ValueError) as error:
        raise _not_numbers(values, name, f"an object column ({error})", role) from error
    raise _not_numbers(values, name, f"an object column of {found} values", role)


def _not_numbers(values: Column, name: NamedColumn, found: str, role: str) -> UnsupportedDtypeError:
    conversions = _conversions(values)
    if not conversions and _may_hold_texts(values):
        offenders, conversions = _explain_texts(pd.Series(values), name)
        found = f"{found}{offenders}"
    ways = [f"{name.convert(conversion)}{where}" for where, conversion in conversions.items()]
    how = f": {', or '.join(ways)}" if ways else " to numbers"
    return UnsupportedDtypeError(
        f"The {role} {name!r} must be real numbers (integers, or floats of at most 64 bits); found {found}. "
        f"Convert it{how}."
    )


def _is_text(values: Column) -> bool:
    return pd.api.types.infer_dtype(values, skipna=True) == "string"


def _may_hold_texts(values: Column) -> bool:
    is_any = values.dtype == np.dtype(object) or isinstance(values.dtype, pd.CategoricalDtype)
    return str(values.dtype) != VIEW_OF_TEXT and (is_any or _is_text(values))


def _explain_texts(values: pd.Series[Any], name: NamedColumn) -> tuple[str, dict[str, str]]:
    """Return which values are no numbers, to follow what was found, and the code that reads the others.

    The code is under the words that follow it in a message: where it depends on the notation, when it is right; else no
    words. There is none where most values are no numbers.
    """
    column = "{}" if _is_text(values) else "{}.astype(str)"
    known = np.flatnonzero(values.notna())
    present = values.iloc[known]
    texts = present.astype(object).map(str)
    notations, unreadable = find_notations(texts)
    first = known[np.flatnonzero(unreadable)[:SHOWN]]
    shown = [reprlib.repr(value) for value in values.iloc[first]]
    total = int(unreadable.sum())
    offenders = ""
    if total and name.frame.library == "pd":
        rows = ", ".join(f"{value} in row {row}" for value, row in zip(shown, first, strict=True))
        offenders = f"; no numbers in {total} of {len(values)} rows, counted from 0: {rows}{and_more(total)}"
    elif total:  # in a partition, whose rows no one counts
        offenders = f"; no numbers, such as {', '.join(dict.fromkeys(shown))}"
    elif notations != [PLAIN]:
        offenders = f", such as {reprlib.repr(present[PLAIN.read(texts)[0].isna().to_numpy()].iloc[0])}"
    if total > _MOST * len(known):
        return offenders, {}
    missing = ", errors='coerce'" if total or column != "{}" else ""
    codes = {}
    for notation in notations:
        replaced = "".join(f".str.replace({mark!r}, {plain!r})" for mark, plain in notation.replacements)
        where = f" where {notation.name}" if len(notations) > 1 else ""
        codes[where] = f"{{pd}}.to_numeric({column}{replaced}{missing})"
    return offenders, codes


def _conversions(values: Column) -> dict[str, str]:
    """Return the code that makes numbers of values that are no text, as `_explain_texts` does; none where none does."""
    dtype: Any = values.dtype
    if is_interval(dtype) or _is_text(values) or getattr(dtype, "kind", "") in {"c", "M"}:
        return {}
    if getattr(dtype, "kind", "") == "m":
        return {"": "{}.dt.total_seconds()"}
    try:
        values.astype("float64")
    except (TypeError, ValueError, NotImplementedError):
        return {}
    return {"": AS_FLOAT}
