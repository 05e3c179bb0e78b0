"""Checks single arguments; each function returns the value in a plain Python type, or raises a sentence about it."""

from __future__ import annotations

import difflib
import math
import operator
import re
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal, overload

import numpy as np

from nixtla_accessor.contract import (
    FINETUNE_LOSSES,
    MAX_LEVEL,
    MAX_MODEL_ID_LENGTH,
    MIN_LEVEL,
    MODEL_ID_PATTERN,
    FinetuneLoss,
    exact_decimal,
)
from nixtla_accessor.errors import InvalidArgumentError

_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(rf"(?P<number>\d{{1,15}}(\.\d{{1,15}})?)\s*(?P<unit>{'|'.join(_BYTES)})", re.ASCII | re.IGNORECASE)
_MODEL_ID = re.compile(MODEL_ID_PATTERN)
_SHOWN = 3
_LONGEST_WAIT = 1e9  # seconds, 30 years: ten times as many are too many for a socket, once the request is sent

Timeout = float | tuple[float, float]


def check_timeout(timeout: object, default: tuple[float, float] = (10.0, 600.0)) -> tuple[float, float]:
    """Return the seconds to connect, and the seconds to wait for the answer once the request is sent.

    One number is the second of them; it also bounds the first. ``None`` is the default. Longer waits than 30 years
    become 30 years.
    """
    if timeout is None:
        return default
    parts: Sequence[Any] = timeout if isinstance(timeout, tuple | list) and len(timeout) == 2 else (timeout,)
    if not all(_is_real(part) and 0 < part < math.inf for part in parts):
        raise InvalidArgumentError(
            "timeout must be seconds above 0, or a pair of them (to connect, to wait for the answer); "
            f"got {reprlib.repr(timeout)}."
        )
    seconds = [float(min(part, _LONGEST_WAIT)) for part in parts]
    if len(seconds) == 1:
        return (min(default[0], seconds[0]), seconds[0])
    return (seconds[0], seconds[1])


def check_seconds(name: str, value: object) -> float:
    """Check a time to wait: finite seconds, 0 or more."""
    if isinstance(value, int | float | np.number) and _is_real(value) and 0 <= value < math.inf:
        return float(value)
    raise InvalidArgumentError(f"{name} must be seconds, 0 or more, or None for no limit; got {reprlib.repr(value)}.")


@overload
def check_model_id(name: str, value: object, *, optional: Literal[False] = False) -> str: ...
@overload
def check_model_id(name: str, value: object, *, optional: Literal[True]) -> str | None: ...
def check_model_id(name: str, value: object, *, optional: bool = False) -> str | None:
    """Check a model's id against the contract's pattern."""
    if optional and value is None:
        return None
    if isinstance(value, str) and _MODEL_ID.fullmatch(value):
        return str(value)
    raise InvalidArgumentError(
        f"{name} must be 1 to {MAX_MODEL_ID_LENGTH} letters (a to z), digits, '-' or '_'; got {reprlib.repr(value)}."
    )


def check_text(name: str, value: object) -> str:
    """Check for text on one line, as requests and headers need it."""
    if isinstance(value, str) and value and value.isprintable():
        return str(value)
    raise InvalidArgumentError(f"{name} must be text on one line, and not empty; got {reprlib.repr(value)}.")


def check_whole_number(name: str, value: object, *, lowest: int, highest: int | None = None) -> int:
    """Check for an integer, Python's or NumPy's but no bool, within bounds."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        number = operator.index(value)
        if lowest <= number and (highest is None or number <= highest):
            return number
    bounds = f"above {lowest - 1}" if highest is None else f"from {lowest} to {highest}"
    raise InvalidArgumentError(f"{name} must be a whole number {bounds}; got {reprlib.repr(value)}.")


def check_bytes(name: str, value: object) -> int:
    """Convert a size, a whole number or text such as ``"1.5 GiB"``, to bytes.

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


def check_loss(name: str, value: object) -> FinetuneLoss:
    """Check for one of the contract's losses."""
    for loss in FINETUNE_LOSSES:
        if isinstance(value, str) and value == loss:
            return loss
    nearest = difflib.get_close_matches(value, FINETUNE_LOSSES, n=1) if isinstance(value, str) else []
    hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
    raise InvalidArgumentError(
        f"{name} must be one of {', '.join(map(repr, FINETUNE_LOSSES))}; got {reprlib.repr(value)}{hint}"
    )


def check_levels(name: str, value: object) -> tuple[int | float, ...]:
    """Check for at least one level in percent, and refuse what is likely meant as a share, such as 0.8."""
    levels = check_percentages(name, value)
    if any(map(_is_share, levels)):
        meant = ", ".join(_percentage_meant(level) for level in levels)
        raise InvalidArgumentError(
            f"{name} is in percent, from {MIN_LEVEL} to below {MAX_LEVEL}, and not a share of 1: write "
            f"{name}=[{meant}]; got {reprlib.repr(value)}."
        )
    return levels


def check_level(name: str, value: object) -> int | float:
    """Check for one level in percent, and refuse what is likely meant as a share, such as 0.8."""
    level = _as_percentage(value)
    if level is None:
        raise InvalidArgumentError(
            f"{name} must be one percentage from {MIN_LEVEL} to below {MAX_LEVEL}, such as {name}=99; "
            f"got {reprlib.repr(value)}."
        )
    if _is_share(level):
        raise InvalidArgumentError(
            f"{name} is in percent, from {MIN_LEVEL} to below {MAX_LEVEL}, and not a share of 1: write "
            f"{name}={_percentage_meant(level)}; got {reprlib.repr(value)}."
        )
    return level


def check_percentages(name: str, value: object) -> tuple[int | float, ...]:
    """Check for at least one level in percent, however small.

    Levels keep twelve digits, as the keys of intervals have them; whole ones become ``int``.
    """
    given: list[Any] = list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else []
    levels = [level for level in map(_as_percentage, given) if level is not None]
    if not levels or len(levels) < len(given):
        raise InvalidArgumentError(
            f"{name} must be a list of percentages from {MIN_LEVEL} to below {MAX_LEVEL}, such as [80, 90]; "
            f"got {reprlib.repr(value)}."
        )
    return tuple(levels)


def check_quantiles(name: str, value: object) -> tuple[float, ...]:
    """Check for at least one number between 0 and 1."""
    expected = f"{name} must be a list of numbers above 0 and below 1"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InvalidArgumentError(f"{expected}, such as {name}=[0.1, 0.9]; got {value!r}.")
    quantiles: list[Any] = list(value)
    wrong = [quantile for quantile in quantiles if not (_is_real(quantile) and 0 < quantile < 1)]
    if wrong or not quantiles:
        found = ", ".join(map(repr, wrong[:_SHOWN])) if wrong else "none"
        raise InvalidArgumentError(
            f"{expected}, with at least one; got {found} ({len(wrong)} wrong of {len(quantiles)})."
        )
    return tuple(_as_written(quantile) for quantile in quantiles)


def _is_real(value: object) -> bool:
    """Return whether a value is a number, and not a bool."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _as_percentage(value: Any) -> int | float | None:  # noqa: ANN401 - whatever the caller gave
    """Return a level in percent with twelve digits, ``int`` where it is whole; None where it is none."""
    if not _is_real(value) or not math.isfinite(value):
        return None
    level = float(exact_decimal(_as_written(value)))
    if not MIN_LEVEL <= level < MAX_LEVEL:
        return None
    return int(level) if level.is_integer() else level


def _as_written(value: Any) -> float:  # noqa: ANN401 - any real number
    """Return a number as a float: of a narrow one the shortest decimal, so that float32's 99.9 is 99.9."""
    is_narrow = isinstance(value, np.floating) and not isinstance(value, np.float64)
    return float(str(value)) if is_narrow else float(value)


def _is_share(level: float) -> bool:
    """Return whether a level is so small that no one wants its interval, and rather a share of 1."""
    return 0 < level < 1


def _percentage_meant(level: float) -> str:
    """Return the level that was likely meant."""
    return f"{(exact_decimal(level) * 100).normalize():f}" if _is_share(level) else f"{level:g}"
