"""How far forecasts were from what happened."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def mase(actual: Values, forecast: Values, history: Values, season_length: int) -> float:
    """Return the mean absolute scaled error.

    Parameters
    ----------
    actual, forecast : ndarray of shape (h,)
        What happened, and what was forecast, in the units of the series.
    history : ndarray of shape (n,)
        What was known; its seasonal naive error is the unit.
    season_length : int
        Steps in a season, fewer than ``n``.

    Returns
    -------
    float
        The mean absolute error, as a multiple of the mean absolute change from season to season in the history. NaN for
        a history without a change.

    References
    ----------
    Hyndman, R. J. & Koehler, A. B. (2006), Another look at measures of forecast accuracy.

    Examples
    --------
    >>> mase(np.array([3.0]), np.array([5.0]), np.array([0.0, 1.0, 2.0]), 1)
    2.0
    """
    unit = np.abs(history[season_length:] - history[:-season_length]).mean()
    return float(np.abs(actual - forecast).mean() / unit) if unit > 0 else float("nan")


def smape(actual: Values, forecast: Values) -> float:
    """Return the symmetric mean absolute percentage error, in percent from 0 to 200.

    Parameters
    ----------
    actual, forecast : ndarray of shape (h,)
        What happened, and what was forecast; where both are 0, the error is 0.

    Returns
    -------
    float
        The mean of ``200 |actual - forecast| / (|actual| + |forecast|)``.

    References
    ----------
    Makridakis, S. (1993), Accuracy measures: theoretical and practical concerns.

    Examples
    --------
    >>> smape(np.array([1.0, 0.0]), np.array([3.0, 0.0]))
    50.0
    """
    size = np.abs(actual) + np.abs(forecast)
    error = np.abs(actual - forecast)
    return float(200 * np.divide(error, size, out=np.zeros_like(error), where=size > 0).mean())
