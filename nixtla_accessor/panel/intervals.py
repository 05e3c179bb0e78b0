"""Levels and quantiles: which levels to ask for, and what the columns of the answer are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from nixtla_accessor.errors import InvalidArgumentError, ResponseError

MODEL_COLUMN = "TimeGPT"
Values = npt.NDArray[np.float64]


def levels_to_ask(level: Sequence[float] | None, quantiles: Sequence[float] | None) -> list[float] | None:
    """Work out the levels that answer both what is asked as levels and what is asked as quantiles.

    Parameters
    ----------
    level : sequence of float, optional
        Levels of prediction intervals, in percent, each in [0, 100).
    quantiles : sequence of float, optional
        Quantile levels, each in (0, 1). One of the two at most.

    Returns
    -------
    list of float or None
        Each level once, ascending; None where none is needed (the quantile 0.5 is the forecast itself).

    Raises
    ------
    InvalidArgumentError
        If both are given, or one is empty or out of its range.

    Examples
    --------
    >>> levels_to_ask(None, [0.1, 0.5, 0.9])
    [80.0]
    """
    if level is not None and quantiles is not None:
        raise InvalidArgumentError("Give level or quantiles, not both: level=[80] asks for the quantiles 0.1 and 0.9.")
    if level is not None:
        return sorted({float(item) for item in _checked("level", level, 0, 100, includes_lowest=True)})
    if quantiles is not None:
        asked = {_level_of(q) for q in _checked("quantiles", quantiles, 0, 1, includes_lowest=False)}
        return sorted(asked - {0.0}) or None
    return None


def forecast_columns(
    mean: Values,
    intervals: Mapping[str, Values],
    level: Sequence[float] | None,
    quantiles: Sequence[float] | None,
) -> dict[str, Values]:
    """Name the answered numbers as the ecosystem does.

    Parameters
    ----------
    mean : ndarray of shape (n,), float64
        The forecast.
    intervals : mapping of str to ndarray of shape (n,)
        The bounds as the service names them: ``lo-80``, ``hi-80``.
    level, quantiles : sequence of float, optional
        What was asked, as in `levels_to_ask`.

    Returns
    -------
    dict of str to ndarray
        ``TimeGPT``, then for each level ``TimeGPT-lo-80`` and ``TimeGPT-hi-80``, or for each quantile
        ``TimeGPT-q-10``; both ascending.

    Raises
    ------
    ResponseError
        If a bound that was asked for is missing.
    """
    bounds = {(key[:2], float(key[3:])): values for key, values in intervals.items()}

    def bound(side: str, at: float) -> Values:
        try:
            return bounds[side, at]
        except KeyError:
            message = f"The service was asked for the level {at:.12g} and answered without it: {sorted(intervals)}."
            raise ResponseError(message) from None

    columns = {MODEL_COLUMN: mean}
    for item in sorted(set(level or ())):
        for side in ("lo", "hi"):
            columns[f"{MODEL_COLUMN}-{side}-{float(item):.12g}"] = bound(side, float(item))
    for quantile in sorted(set(quantiles or ())):
        name = f"{MODEL_COLUMN}-q-{(_exact(quantile) * 100).normalize():f}"
        side = "lo" if quantile < 0.5 else "hi"
        columns[name] = mean if _level_of(quantile) == 0 else bound(side, _level_of(quantile))
    return columns


def _exact(number: float) -> Decimal:
    """Return a number as it is written, so that 0.29 is 29 percent rather than 28.999…."""
    return Decimal(repr(float(number)))


def _level_of(quantile: float) -> float:
    """Return the level of the interval that ends at a quantile: 80 for 0.1 and for 0.9."""
    return float(abs(100 - 200 * _exact(quantile)))


def _checked(name: str, items: object, lowest: float, highest: float, *, includes_lowest: bool) -> list[float]:
    """Refuse what is no sequence of numbers within the bounds."""
    bracket = "[" if includes_lowest else "("
    expected = f"{name} should be a list of numbers in {bracket}{lowest}, {highest})"
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise InvalidArgumentError(f"{expected}, such as {name}=[{(lowest + highest) * 0.8:g}]; it is {items!r}.")
    checked = list(items)
    wrong = [
        item
        for item in checked
        if isinstance(item, bool)
        or not isinstance(item, int | float | np.integer | np.floating)
        or not (lowest < item < highest or (includes_lowest and item == lowest))
    ]
    if wrong or not checked:
        found = ", ".join(map(repr, wrong[:3])) if wrong else "none"
        raise InvalidArgumentError(f"{expected}, at least one; found {found} ({len(wrong)} wrong of {len(checked)}).")
    return checked
