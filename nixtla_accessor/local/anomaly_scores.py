"""How unusual values are for their forecasts, in standard deviations: each alone, and all series together."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from nixtla_accessor.local.arrays import Floats, Mask

SPREAD_LEVEL = 95
"""The level, in percent, of the interval that tells how far the values are usually from their forecast."""

_HALF_WIDTH = NormalDist().inv_cdf(0.5 + SPREAD_LEVEL / 200)
_LEAST_SPREAD = 1e-6  # beside the mean size of a series' values, so that a constant series has scores too
_CALIBRATION_SHARE = 0.9  # up to a tenth of the calibration values may be anomalies themselves
_AS_GOOD_AS = 10  # calibration values: what the forecast's own interval counts for
_CLIP = 3.0  # standard deviations, where correlations are measured


def spreads(values: Floats, median: Floats, lowest: Floats, highest: Floats) -> tuple[Floats, Floats]:
    """Return the standard deviation of each value below and above its forecast, as its interval implies it.

    Parameters
    ----------
    values : ndarray, shape (points,)
        All of a series, from which its usual size is taken.
    median, lowest, highest : ndarray, shape (steps,)
        The forecast, and the bounds of its interval of the level `SPREAD_LEVEL`.
    """
    size = float(np.nanmean(np.abs(values))) if np.isfinite(values).any() else 0.0
    least = _LEAST_SPREAD * (size or 1.0)
    return np.maximum((median - lowest) / _HALF_WIDTH, least), np.maximum((highest - median) / _HALF_WIDTH, least)


def standardise(actual: Floats, median: Floats, below: Floats, above: Floats) -> Floats:
    """Return the errors of forecasts in standard deviations; NaN where a value is missing."""
    error = actual - median
    scores: Floats = np.where(error < 0, error / below, error / above)
    return scores


def calibrate(errors: Floats) -> float:
    """Return by how much the standard deviations of a series must be multiplied to fit its errors.

    The width that holds nine tenths of the errors is compared with that of a normal distribution. The fewer there are,
    the more the forecast's own interval is believed.

    Parameters
    ----------
    errors : ndarray, shape (n,)
        Standardised; NaN where a value is missing.

    Examples
    --------
    >>> calibrate(np.array([])), round(calibrate(np.random.default_rng(0).normal(0, 2, 2000)), 1)
    (1.0, 2.0)
    """
    known = np.abs(errors[np.isfinite(errors)])
    if not len(known):
        return 1.0
    factor = np.quantile(known, _CALIBRATION_SHARE) / NormalDist().inv_cdf(0.5 + _CALIBRATION_SHARE / 2)
    return float(np.sqrt((len(known) * factor**2 + _AS_GOOD_AS) / (len(known) + _AS_GOOD_AS)))


def accumulate(scores: Floats, is_calibration: Mask) -> Floats:
    """Return how unusual all series together are at each step, in standard deviations.

    The mean square of the scores has, with series that move together, the distribution of a chi-squared variable with
    fewer degrees of freedom than there are series: the square of their number over the sum of their squared
    correlations (Satterthwaite). Its cube root is nearly normal (Wilson and Hilferty, 1931).

    Parameters
    ----------
    scores : ndarray, shape (series, steps)
        Of each series; NaN where a value is missing.
    is_calibration : ndarray of bool, shape (steps,)
        The steps in which the correlations of the series are measured.

    Examples
    --------
    >>> scores = np.random.default_rng(0).normal(size=(50, 400))
    >>> bool(abs(accumulate(scores, np.arange(400) < 350)[350:].mean()) < 0.5)
    True
    """
    known = np.where(np.isfinite(scores), scores, 0.0)
    freedom = _degrees_of_freedom(np.clip(known[:, is_calibration], -_CLIP, _CLIP))
    spread = 2 / (9 * freedom)
    mean_square = (known**2).mean(0)
    result: Floats = (np.cbrt(mean_square) - (1 - spread)) / np.sqrt(spread)
    return result


def _degrees_of_freedom(scores: Floats) -> float:
    """Return how many independent series vary as much together as these do; from 1 to their number."""
    n_series, n_steps = scores.shape
    size = np.sqrt((scores**2).mean(1, keepdims=True)) if n_steps else np.ones((n_series, 1))
    standard = scores / np.where(size > 0, size, 1.0)
    products = standard @ standard.T if n_series < n_steps else standard.T @ standard
    squared_correlations = float((products**2).sum()) / max(n_steps, 1) ** 2
    by_chance = n_series * (n_series - 1) / max(n_steps, 1)
    return float(n_series**2 / np.clip(squared_correlations - by_chance, n_series, n_series**2))
