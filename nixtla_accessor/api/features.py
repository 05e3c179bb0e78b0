"""Checks the rows of features that explain series, before anything is sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.checks import check_whole_number
from nixtla_accessor.api.schema import Series, SeriesWithFutureExogenous
from nixtla_accessor.errors import InvalidArgumentError

Row = npt.NDArray[Any] | list[str | float | None]


def check_features(
    series: Series,
    *,
    X: Sequence[npt.ArrayLike] | None = None,
    X_future: Sequence[npt.ArrayLike] | None = None,
    categorical_exog: Sequence[int] | None = None,
    h: int = 0,
) -> SeriesWithFutureExogenous:
    """Check rows of features, and return the series with them.

    Parameters
    ----------
    series : Series
        The series.
    X : sequence of rows, each of length n_obs, optional
        Past values; a row is one feature, numbers with NaN where one is missing, or categories.
    X_future : sequence of rows, each of length n_series * h, optional
        Future values of the first rows of ``X``, series by series.
    categorical_exog : sequence of int, optional
        The positions of the rows of ``X`` that are categories: text or numbers, None where one is missing.
    h : int, optional
        The horizon.

    Raises
    ------
    InvalidArgumentError
        There are more rows of the future than of the past, a row has another length, or values cannot be sent.
    """
    past, future = list(() if X is None else X), list(() if X_future is None else X_future)
    categorical = check_positions("categorical_exog", categorical_exog, len(past))
    if len(future) > len(past):
        raise InvalidArgumentError(
            f"Row i of X_future continues row i of X, so that it has at most as many; X has {len(past)}, X_future "
            f"{len(future)}."
        )
    return SeriesWithFutureExogenous.model_construct(
        y=series.y,
        sizes=series.sizes,
        X=_check_rows("X", past, len(series.y), categorical) or None,
        X_future=_check_rows("X_future", future, len(series.sizes) * h, categorical) or None,
        categorical_exog=list(categorical) or None,
    )


def check_positions(name: str, value: Sequence[int] | None, n_rows: int) -> tuple[int, ...]:
    """Check for positions of rows of ``X``, each once."""
    positions = [check_whole_number(name, one, lowest=0) for one in (() if value is None else value)]
    if len(set(positions)) < len(positions) or any(position >= n_rows for position in positions):
        raise InvalidArgumentError(
            f"{name} must be positions of rows of X, which has {n_rows}, counted from 0, each once; got {positions}."
        )
    return tuple(positions)


def _check_rows(name: str, rows: Sequence[npt.ArrayLike], length: int, categorical: Collection[int]) -> list[Row]:
    return [_check_row(f"{name}[{number}]", row, length, number in categorical) for number, row in enumerate(rows)]


def _check_row(name: str, row: npt.ArrayLike, length: int, is_categorical: bool) -> Row:  # noqa: FBT001
    values = np.asarray(row, dtype=object if is_categorical else None)
    if values.shape != (length,):
        raise InvalidArgumentError(f"{name} must have {length:,} values; got an array of shape {values.shape}.")
    if is_categorical:
        strange = [value for value in values if not isinstance(value, str | int | float | np.number | None)]
        if strange:
            raise InvalidArgumentError(f"{name} must have text or numbers, or None; got a {type(strange[0]).__name__}.")
        return list(values.tolist())
    if values.dtype.kind not in "iufb":
        raise InvalidArgumentError(
            f"{name} must be numbers, or be named in categorical_exog; got values of {values.dtype}."
        )
    numbers = np.ascontiguousarray(values, dtype=np.int64 if values.dtype.kind == "i" else np.float64)
    if numbers.dtype == np.float64 and np.isinf(numbers).any():
        raise InvalidArgumentError(f"{name} must be finite, or NaN where a value is missing; some are infinite.")
    return numbers
