"""Checks the arguments of a call before anything is sent."""

from __future__ import annotations

import difflib
import math
import operator
import re
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.schema import Series
from nixtla_accessor.contract import (
    DEFAULT_MODEL,
    FINETUNE_LOSSES,
    MAX_FINETUNE_DEPTH,
    MIN_FINETUNE_DEPTH,
    MODEL_ID_PATTERN,
    FinetuneLoss,
    level_of_quantile,
)
from nixtla_accessor.errors import InvalidArgumentError

_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(rf"(?P<number>\d{{1,15}}(\.\d{{1,15}})?)\s*(?P<unit>{'|'.join(_BYTES)})", re.ASCII | re.IGNORECASE)

Timeout = float | tuple[float, float]


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """The checked arguments of a finetune call, in plain Python types."""

    model: str
    finetune_steps: int
    finetune_loss: FinetuneLoss
    finetune_depth: int
    output_model_id: str | None
    finetuned_model_id: str | None
    overwrite: bool
    max_request: int | None


@dataclass(frozen=True, slots=True)
class ForecastOptions:
    """The checked arguments of a forecast call, in plain Python types.

    Attributes
    ----------
    level : tuple of float or None
        The levels of prediction intervals that are asked for, in percent.
    quantiles : tuple of float or None
        The quantiles that are asked for; the levels then are those that have them as bounds.
    """

    h: int
    level: tuple[int | float, ...] | None
    quantiles: tuple[float, ...] | None
    model: str
    finetuned_model_id: str | None


@dataclass(frozen=True, slots=True)
class CrossValidationOptions:
    """The checked arguments of a cross-validation call, in plain Python types."""

    h: int
    n_windows: int
    step_size: int
    level: tuple[int | float, ...] | None
    model: str
    finetuned_model_id: str | None


@dataclass(frozen=True, slots=True)
class AnomalyOptions:
    """The checked arguments of an anomaly detection call, in plain Python types."""

    level: int | float
    model: str
    finetuned_model_id: str | None


def check_finetune_options(
    *,
    model: object = DEFAULT_MODEL,
    finetune_steps: object = 10,
    finetune_loss: object = "default",
    finetune_depth: object = 1,
    output_model_id: object = None,
    finetuned_model_id: object = None,
    overwrite: object = False,
    max_request: object = None,
) -> FinetuneOptions:
    """Check everything of a finetune call but the series.

    Returns
    -------
    FinetuneOptions
        The same values; NumPy integers have become ``int``, and so has the text of a size.

    Raises
    ------
    InvalidArgumentError
        In one sentence that names the argument, what it may be and what it was.

    Examples
    --------
    >>> check_finetune_options(finetune_steps=50).finetune_steps
    50
    >>> check_finetune_options(finetune_depth=9)
    Traceback (most recent call last):
    nixtla_accessor.errors.InvalidArgumentError: finetune_depth must be a whole number from 1 to 5; got 9.
    """
    checked = FinetuneOptions(
        model=check_text("model", model),
        finetune_steps=check_whole_number("finetune_steps", finetune_steps, lowest=1),
        finetune_loss=_check_loss(finetune_loss),
        finetune_depth=check_whole_number(
            "finetune_depth", finetune_depth, lowest=MIN_FINETUNE_DEPTH, highest=MAX_FINETUNE_DEPTH
        ),
        output_model_id=check_model_id("output_model_id", output_model_id, optional=True),
        finetuned_model_id=check_model_id("finetuned_model_id", finetuned_model_id, optional=True),
        overwrite=_check_flag("overwrite", overwrite),
        max_request=None if max_request is None else check_bytes("max_request", max_request),
    )
    if checked.output_model_id is not None and checked.output_model_id == checked.finetuned_model_id:
        raise InvalidArgumentError(
            "output_model_id and finetuned_model_id must differ, since no model can replace the one it goes on from; "
            f"both are {checked.output_model_id!r}."
        )
    return checked


def check_forecast_options(
    *,
    h: object,
    level: object = None,
    quantiles: object = None,
    model: object = DEFAULT_MODEL,
    finetuned_model_id: object = None,
) -> ForecastOptions:
    """Check everything of a forecast call but the series.

    Returns
    -------
    ForecastOptions
        The same values; NumPy numbers have become Python's, and ``80.0`` has become ``80``.

    Raises
    ------
    InvalidArgumentError
        In one sentence that names the argument, what it may be and what it was.
    """
    if level is not None and quantiles is not None:
        raise InvalidArgumentError("Give level or quantiles, not both: level=[80] asks for the quantiles 0.1 and 0.9.")
    asked_quantiles = None if quantiles is None else _check_quantiles(quantiles)
    levels = level if asked_quantiles is None else levels_for_quantiles(asked_quantiles)
    return ForecastOptions(
        h=check_whole_number("h", h, lowest=1),
        level=None if levels is None else _check_levels(levels),
        quantiles=asked_quantiles,
        model=check_text("model", model),
        finetuned_model_id=check_model_id("finetuned_model_id", finetuned_model_id, optional=True),
    )


def check_cross_validation_options(
    *,
    h: object,
    n_windows: object = 1,
    step_size: object = None,
    level: object = None,
    model: object = DEFAULT_MODEL,
    finetuned_model_id: object = None,
) -> CrossValidationOptions:
    """Check everything of a cross-validation call but the series.

    Returns
    -------
    CrossValidationOptions
        The same values in plain Python types; a step size of None has become the horizon.

    Raises
    ------
    InvalidArgumentError
        In one sentence that names the argument, what it may be and what it was.
    """
    forecast = check_forecast_options(h=h, level=level, model=model, finetuned_model_id=finetuned_model_id)
    return CrossValidationOptions(
        h=forecast.h,
        n_windows=check_whole_number("n_windows", n_windows, lowest=1),
        step_size=forecast.h if step_size is None else check_whole_number("step_size", step_size, lowest=1),
        level=forecast.level,
        model=forecast.model,
        finetuned_model_id=forecast.finetuned_model_id,
    )


def check_anomaly_options(
    *, level: object = 99, model: object = DEFAULT_MODEL, finetuned_model_id: object = None
) -> AnomalyOptions:
    """Check everything of an anomaly detection call but the series.

    Returns
    -------
    AnomalyOptions
        The same values in plain Python types.

    Raises
    ------
    InvalidArgumentError
        In one sentence that names the argument, what it may be and what it was.
    """
    return AnomalyOptions(
        level=_check_levels([level])[0],
        model=check_text("model", model),
        finetuned_model_id=check_model_id("finetuned_model_id", finetuned_model_id, optional=True),
    )


def levels_for_quantiles(quantiles: Sequence[float]) -> list[float] | None:
    """Return the levels of the intervals that have these quantiles as bounds, ascending.

    Parameters
    ----------
    quantiles : sequence of float
        Each in (0, 1).

    Returns
    -------
    list of float or None
        In percent; None where no interval is needed, since the quantile 0.5 is the forecast itself.

    Examples
    --------
    >>> levels_for_quantiles([0.1, 0.5, 0.9])
    [80.0]
    """
    return sorted({level_of_quantile(quantile) for quantile in quantiles} - {0.0}) or None


def check_series(y: npt.ArrayLike, sizes: npt.ArrayLike) -> Series:
    """Turn values and sizes into the contract's series, copying only what has another dtype.

    Parameters
    ----------
    y : array of shape (n_obs,)
        The values of all series, one after the other; NaN is a missing value.
    sizes : array of shape (n_series,)
        The number of values of each series, all above 0; they add up to ``n_obs``.

    Returns
    -------
    Series
        With ``y`` as float64 or int64 and ``sizes`` as int64, both contiguous.

    Raises
    ------
    InvalidArgumentError
        For other dtypes or shapes, infinite values, or sizes that do not add up.
    """
    values, counts = np.asarray(y), np.asarray(sizes)
    for name, array, kinds, allowed in (
        ("y", values, "iuf", "numbers"),
        ("sizes", counts, "iu", "whole numbers"),
    ):
        if array.ndim != 1 or array.size == 0 or array.dtype.kind not in kinds:
            raise InvalidArgumentError(
                f"{name} must be a one-dimensional array of {allowed}, with at least one; "
                f"got {array.dtype} of shape {array.shape}."
            )
    values = np.ascontiguousarray(values, dtype=np.float64 if values.dtype.kind == "f" else np.int64)
    counts = np.ascontiguousarray(counts, dtype=np.int64)
    if values.dtype == np.float64 and np.isinf(values).any():
        raise InvalidArgumentError(
            f"y must be finite, or NaN where a value is missing; {int(np.isinf(values).sum()):,} values are infinite, "
            f"the first at position {int(np.isinf(values).argmax()):,}."
        )
    if counts.min() < 1 or counts.sum() != len(values):
        raise InvalidArgumentError(
            f"sizes must be above 0 and add up to the number of values in y, {len(values):,}; "
            f"the least is {counts.min():,} and they add up to {counts.sum():,}."
        )
    return Series(y=values, sizes=counts)


def check_timeout(timeout: object, default: tuple[float, float] = (10.0, 600.0)) -> tuple[float, float]:
    """Turn a timeout into seconds to connect and seconds to wait for the answer once the request is out.

    One number is the second of them; it also bounds the first. ``None`` is the default.
    """
    if timeout is None:
        return default
    parts = timeout if isinstance(timeout, tuple | list) else (timeout,)
    if len(parts) not in (1, 2) or not all(_is_real(part) and 0 < part < math.inf for part in parts):
        raise InvalidArgumentError(
            "timeout must be seconds above 0, or a pair of them (to connect, to wait for the answer); "
            f"got {reprlib.repr(timeout)}."
        )
    if len(parts) == 1:
        return (min(default[0], float(parts[0])), float(parts[0]))
    return (float(parts[0]), float(parts[1]))


def check_model_id(name: str, value: object, *, optional: bool = False) -> str | None:
    """Check a model's id against the contract's pattern."""
    if optional and value is None:
        return None
    if isinstance(value, str) and re.fullmatch(MODEL_ID_PATTERN, value):
        return str(value)
    raise InvalidArgumentError(
        f"{name} must be 1 to 36 letters (a to z), digits, '-' or '_'; got {reprlib.repr(value)}."
    )


def check_text(name: str, value: object) -> str:
    """Check for text that can stand in a request and in a header."""
    if isinstance(value, str) and value and value.isprintable():
        return str(value)
    raise InvalidArgumentError(f"{name} must be text, not empty, on one line; got {reprlib.repr(value)}.")


def check_whole_number(name: str, value: object, *, lowest: int, highest: int | None = None) -> int:
    """Check for an integer, Python's or NumPy's, within bounds; a bool is none."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        number = operator.index(value)
        if lowest <= number and (highest is None or number <= highest):
            return number
    bounds = f"above {lowest - 1}" if highest is None else f"from {lowest} to {highest}"
    raise InvalidArgumentError(f"{name} must be a whole number {bounds}; got {reprlib.repr(value)}.")


def check_bytes(name: str, value: object) -> int:
    """Turn a size, a whole number or text such as ``"1.5 GiB"``, into bytes.

    Examples
    --------
    >>> check_bytes("max_request", "1.5 GiB"), check_bytes("max_request", "50MB")
    (1610612736, 50000000)
    """
    if isinstance(value, str):
        text = _SIZE.fullmatch(value.strip())
        count = int(float(text["number"]) * _BYTES[text["unit"].lower()]) if text else 0
    else:
        count = operator.index(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) else 0
    if count < 1:
        raise InvalidArgumentError(
            f"{name} must be a whole number of bytes above 0, or text with a unit (B, kB, MB, GB, KiB, MiB, GiB), "
            f"such as '200MiB'; got {reprlib.repr(value)}."
        )
    return count


def _check_loss(value: object) -> FinetuneLoss:
    """Check for one of the contract's losses."""
    for loss in FINETUNE_LOSSES:
        if isinstance(value, str) and value == loss:
            return loss
    nearest = difflib.get_close_matches(value, FINETUNE_LOSSES, n=1) if isinstance(value, str) else []
    hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
    raise InvalidArgumentError(
        f"finetune_loss must be one of {', '.join(map(repr, FINETUNE_LOSSES))}; got {reprlib.repr(value)}{hint}"
    )


def _check_levels(value: object) -> tuple[int | float, ...]:
    """Check for at least one level in percent; whole ones become ``int``, as interval names are made of them."""
    levels: list[Any] = list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else []
    if not levels or not all(_is_real(level) and 0 <= level < 100 for level in levels):
        raise InvalidArgumentError(
            f"level must be a list of percentages from 0 to below 100, such as [80, 90]; got {reprlib.repr(value)}."
        )
    return tuple(int(level) if float(level).is_integer() else float(level) for level in levels)


def _check_quantiles(value: object) -> tuple[float, ...]:
    """Check for at least one number between 0 and 1."""
    expected = "quantiles must be a list of numbers above 0 and below 1"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InvalidArgumentError(f"{expected}, such as quantiles=[0.1, 0.9]; got {value!r}.")
    asked: list[Any] = list(value)
    wrong = [item for item in asked if not (_is_real(item) and 0 < item < 1)]
    if wrong or not asked:
        found = ", ".join(map(repr, wrong[:3])) if wrong else "none"
        raise InvalidArgumentError(f"{expected}, at least one; got {found} ({len(wrong)} wrong of {len(asked)}).")
    return tuple(float(item) for item in asked)


def _check_flag(name: str, value: object) -> bool:
    """Check for a bool, Python's or NumPy's."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise InvalidArgumentError(f"{name} must be True or False; got {reprlib.repr(value)}.")


def _is_real(value: object) -> bool:
    """Whether a value is a number, and not a bool."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
