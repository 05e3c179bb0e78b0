"""Levels and quantiles: which levels to ask for, and what the columns of the answer are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from nixtla_accessor.errors import InvalidArgumentError, ResponseError

MODEL_COLUMN = "TimeGPT"
Values = npt.NDArray[np.float64]


def levels_to_ask(level: Sequence[float] | None, quantiles: Sequence[float] | None) -> Sequence[float] | None:
    """Work out the levels that answer both what is asked as levels and what is asked as quantiles.

    Parameters
    ----------
    level : sequence of float, optional
        Levels of prediction intervals, in percent; they are left as they are.
    quantiles : sequence of float, optional
        Quantile levels, each in (0, 1). One of the two at most.

    Returns
    -------
    sequence of float or None
        For quantiles each level once, ascending; None where none is needed (the quantile 0.5 is the forecast itself).

    Raises
    ------
    InvalidArgumentError
        If both are given, or the quantiles are none or out of their range.

    Examples
    --------
    >>> levels_to_ask(None, [0.1, 0.5, 0.9])
    [80.0]
    """
    if level is not None and quantiles is not None:
        raise InvalidArgumentError("Give level or quantiles, not both: level=[80] asks for the quantiles 0.1 and 0.9.")
    if quantiles is None:
        return level
    _check_quantiles(quantiles)
    return sorted({_level_of(quantile) for quantile in quantiles} - {0.0}) or None


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
    for item in sorted(set(() if level is None else level)):
        for side in ("lo", "hi"):
            columns[f"{MODEL_COLUMN}-{side}-{float(item):.12g}"] = bound(side, float(item))
    for quantile in sorted(set(() if quantiles is None else quantiles)):
        name = f"{MODEL_COLUMN}-q-{(_exact(quantile) * 100).normalize():f}"
        side = "lo" if quantile < 0.5 else "hi"
        columns[name] = mean if _level_of(quantile) == 0 else bound(side, _level_of(quantile))
    return columns


def _exact(number: float) -> Decimal:
    """Return a number as it was meant, so that 0.29 is 29 percent rather than 28.999…, and 3 * 0.1 is 30."""
    return Decimal(f"{number:.12g}")


def _level_of(quantile: float) -> float:
    """Return the level of the interval that ends at a quantile: 80 for 0.1 and for 0.9."""
    return float(abs(100 - 200 * _exact(quantile)))


def _check_quantiles(quantiles: object) -> None:
    """Refuse what is no sequence of numbers between 0 and 1."""
    expected = "quantiles should be a list of numbers above 0 and below 1"
    if isinstance(quantiles, str | bytes) or not isinstance(quantiles, Iterable):
        raise InvalidArgumentError(f"{expected}, such as quantiles=[0.1, 0.9]; it is {quantiles!r}.")
    asked = list(quantiles)
    wrong = [
        item
        for item in asked
        if isinstance(item, bool) or not isinstance(item, int | float | np.integer | np.floating) or not 0 < item < 1
    ]
    if wrong or not asked:
        found = ", ".join(map(repr, wrong[:3])) if wrong else "none"
        raise InvalidArgumentError(f"{expected}, at least one; found {found} ({len(wrong)} wrong of {len(asked)}).")
