"""The target, or a covariate of numbers, as exact numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Column, Integers, Target, Values
from nixtla_accessor.panel.arrow import is_interval
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.messages import SHOWN, and_more

EXACT_IN_FLOAT64 = 2**53
VIEW_OF_TEXT = "large_string[pyarrow]"  # or what stands for one, of which pandas converts nothing
_WITH_THOUSANDS = r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?"
_LEADING_ZERO = r"[+-]?0.*"  # which no group of thousands has
_WITH_DECIMAL_COMMA = r"[+-]?\d*,\d*"
_MOST = 0.5  # of the texts: where more are no numbers, leaving them out is no remedy
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
    is_text = pd.api.types.infer_dtype(values, skipna=True) == "string" and str(values.dtype) != VIEW_OF_TEXT
    texts, conversions = _read_texts(values) if is_text else ("", _conversions(values))
    ways = [f"{name.convert(conversion)}{where}" for where, conversion in conversions.items()]
    how = f": {', or '.join(ways)}" if ways else " to numbers"
    return UnsupportedDtypeError(
        f"The {role} {name!r} must be real numbers (integers, or floats of at most 64 bits); found {found}{texts}. "
        f"Convert it{how}."
    )


def _read_texts(values: Column) -> tuple[str, dict[str, str]]:
    """Return which texts are no numbers, to follow what was found, and the code that reads the others.

    The code is under the words that follow it in a message: where commas can be either kind, each reading and when it
    is right; else no words. There is none where most texts are no numbers.
    """
    texts = pd.Series(values).dropna().astype(object)

    def matching(pattern: str) -> pd.Series[bool]:
        return texts.str.fullmatch(pattern).astype(bool)

    with_comma = texts.str.contains(",", regex=False).astype(bool)
    has_thousands, has_decimals = matching(_WITH_THOUSANDS), matching(_WITH_DECIMAL_COMMA)
    may_be_decimal = with_comma.any() and bool(has_decimals[with_comma].all())
    is_decimal = may_be_decimal and not (has_thousands & ~matching(_LEADING_ZERO))[with_comma].all()
    commas, separator = (has_decimals, ".") if is_decimal else (has_thousands, "")
    numbers = pd.to_numeric(texts.where(~commas, texts.str.replace(",", separator)), errors="coerce")
    unreadable = texts[numbers.isna()].drop_duplicates().tolist()
    shown = unreadable or texts[commas].drop_duplicates().tolist()
    found = f" with {', '.join(map(repr, shown[:SHOWN]))}{and_more(len(shown))}" if shown else ""
    if numbers.isna().mean() > _MOST:
        return found, {}
    missing = ", errors='coerce'" if unreadable else ""

    def code(column: str) -> str:
        return f"{{pd}}.to_numeric({column}{missing})"

    if not commas.any():
        return found, {"": code("{}")}
    if may_be_decimal and not is_decimal:
        return found, {
            " where commas separate thousands": code("{}.str.replace(',', '')"),
            " where they are decimal commas": code("{}.str.replace(',', '.')"),
        }
    return found, {"": code(f"{{}}.str.replace(',', {separator!r})")}


def _conversions(values: Column) -> dict[str, str]:
    """Return the code that makes numbers of values that are no text, as `_read_texts` does; none where none does."""
    dtype: Any = values.dtype
    if is_interval(dtype) or str(dtype) == VIEW_OF_TEXT or getattr(dtype, "kind", "") in {"c", "M"}:
        return {}
    if getattr(dtype, "kind", "") == "m":
        return {"": "{}.dt.total_seconds()"}
    try:
        values.astype("float64")
    except (TypeError, ValueError, NotImplementedError):
        return {}
    return {"": AS_FLOAT}
