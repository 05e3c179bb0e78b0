"""Exponential smoothing, for each history with the parameters that would have forecast it best.

A grid of models in their innovations form (Hyndman et al., Forecasting with Exponential Smoothing, 2008, chapter 2):
``l' = l + damping * b + alpha * e`` and ``b' = damping * b + beta * e``, where e is what the forecast
``l + damping * b`` of one step missed by. Errors and final states are linear in the history and in the first state, so
matrices that are made once answer for all histories, and the first state is that of the least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from nixtla_accessor.local.network.history import HORIZON, Floats, Integers, Mask

POINTS = 96  # the latest points that are smoothed
LEVEL_RATES = (0.05, 0.15, 0.3, 0.5, 0.75, 1.0)
TREND_GRID = ((0.1, 0.35, 0.85), (0.05, 0.3), (0.88, 0.98))  # alpha, beta / alpha, damping
FIRST_STATE_RIDGE = (1e-6, 0.1)  # of level and trend: of two points one could not tell them apart
PARAMETERS = (3, 6)  # counted by the criterion: of a level, of a level with a damped trend; with the error's variance
LEAST_VARIANCE = 1e-3  # in z; errors smaller than this tell nothing


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What is the same for all histories; k models, the first of which are of a level alone.

    Attributes
    ----------
    errors : ndarray, shape (POINTS, k * POINTS)
        From a history that begins in the first column to its errors, had the first state been zero.
    response : ndarray, shape (k, 2, POINTS)
        What a first state adds to the forecasts.
    first_state : ndarray, shape (POINTS + 1, k, 2, 2)
        From errors times response to the first state of the least squares, by the length of the history.
    state : ndarray, shape (POINTS, k * 2)
        From a history that ends in the last column to its last state, had the first been zero.
    carried : ndarray, shape (POINTS + 1, k, 2, 2)
        What becomes of the first state, by the length of the history.
    ahead : ndarray, shape (k, HORIZON)
        Steps of the trend that a forecast adds, damped.
    lag : ndarray, shape (POINTS + 1, k)
        Steps by which a smoothed level stays behind a steady trend, by the length of the history.
    with_trend : ndarray of bool, shape (k,)
    alpha : ndarray, shape (k,)
    """

    errors: Floats
    response: Floats
    first_state: Floats
    state: Floats
    carried: Floats
    ahead: Floats
    lag: Floats
    with_trend: Mask
    alpha: Floats


@cache
def _tables() -> _Tables:
    """Work out what every model of the grid makes of one observation, and of its first state."""
    alphas, shares, dampings = TREND_GRID
    models = [(alpha, 0.0, 0.0) for alpha in LEVEL_RATES]
    models += [(alpha, alpha * share, damping) for alpha in alphas for share in shares for damping in dampings]
    alpha, beta, damping = np.array(models).T
    k = len(models)
    measured = np.stack([np.ones(k), damping], 1)  # forecast of one step = measured @ state
    gain = np.stack([alpha, beta], 1)
    moved = np.zeros((k, 2, 2))
    moved[:, 0, 0], moved[:, 0, 1], moved[:, 1, 1] = 1, damping, damping
    moved -= gain[:, :, None] * measured[:, None]  # the state after an observation of zero
    powers = [np.broadcast_to(np.eye(2), (k, 2, 2))]
    for _ in range(POINTS):
        powers.append(moved @ powers[-1])
    carried = np.stack(powers)
    response = np.einsum("ki,tkij->kjt", measured, carried[:-1])
    impulse = np.einsum("kjt,kj->kt", response, gain)  # of an observation on the forecasts after it
    since = np.arange(POINTS)[None] - np.arange(POINTS)[:, None]
    errors = np.where(since > 0, -impulse[:, np.maximum(since - 1, 0)], since == 0)
    squares = np.einsum("kit,kjt->tkij", response, response).cumsum(0)
    squares = np.concatenate([np.zeros((1, k, 2, 2)), squares]) + np.diag(FIRST_STATE_RIDGE)
    with_trend = beta > 0
    steps = np.arange(1, HORIZON + 1)
    lengths = np.arange(POINTS + 1)[:, None]
    single = {
        "errors": errors.transpose(1, 0, 2).reshape(POINTS, -1),
        "response": response,
        "first_state": np.linalg.inv(squares),
        "state": np.einsum("tkij,kj->tki", carried[POINTS - 1 :: -1], gain).reshape(POINTS, -1),
        "carried": carried,
        "ahead": np.cumsum(damping[:, None] ** steps, 1),
        "lag": (1 - (1 - alpha) ** lengths) / alpha - 1,
        "alpha": alpha,
    }
    return _Tables(with_trend=with_trend, **{name: table.astype(np.float32) for name, table in single.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """Forecasts of the best models; those of about the same merit share in them.

    Attributes
    ----------
    level, trend, best : ndarray of float32, shape (windows, HORIZON)
        Of the models of a level alone, of those with a damped trend, of all.
    drifting : ndarray of float32, shape (windows, HORIZON)
        The level, and half of the history's linear trend: the theta forecast (Hyndman and Billah, 2003).
    error : ndarray of float32, shape (windows, 1)
        Root of the mean square error of one step, of the best models.
    rate, trend_share : ndarray of float32, shape (windows, 1)
        Their mean alpha, and the share of the models with a trend.
    """

    level: Floats
    trend: Floats
    best: Floats
    drifting: Floats
    error: Floats
    rate: Floats
    trend_share: Floats


def smooth(values: Floats, n: Integers, slope: Floats) -> Smoothed:
    """Smooth histories and forecast them.

    Parameters
    ----------
    values : ndarray of float32, shape (windows, points)
        Without season, right-aligned; 0 where there is no history. At least POINTS points; the last are used.
    n : ndarray of int, shape (windows, 1)
        Points of history, at least 1.
    slope : ndarray of float32, shape (windows, 1)
        Of each history's linear trend, a step.
    """
    tables = _tables()
    k = len(tables.alpha)
    values = values[:, -POINTS:]
    length = np.minimum(n[:, 0], POINTS)
    column = np.arange(POINTS)[None]
    inside = column < length[:, None]
    left_aligned = np.take_along_axis(values, np.minimum(column + POINTS - length[:, None], POINTS - 1), 1) * inside
    errors = (left_aligned @ tables.errors).reshape(-1, k, POINTS)
    errors *= inside[:, None]
    correlated = np.matmul(errors.transpose(1, 0, 2), tables.response.transpose(0, 2, 1)).transpose(1, 0, 2)
    first = np.einsum("wkij,wkj->wki", tables.first_state[length], correlated)
    squares = np.einsum("wkt,wkt->wk", errors, errors) - np.einsum("wki,wki->wk", first, correlated)
    state = (values @ tables.state).reshape(-1, k, 2) + np.einsum("wkij,wkj->wki", tables.carried[length], first)
    forecasts = state[:, :, :1] + state[:, :, 1:] * tables.ahead
    variance = np.maximum(squares / length[:, None], 0) + np.float32(LEAST_VARIANCE)
    criterion = _criterion(variance, length, tables.with_trend)
    of_levels, of_trends = _weights(criterion, ~tables.with_trend), _weights(criterion, tables.with_trend)
    of_all = _weights(criterion, np.ones(k, bool))
    level = np.einsum("wk,wkh->wh", of_levels, forecasts)
    lag = np.einsum("wk,wk->w", of_levels, tables.lag[length])[:, None]
    return Smoothed(
        level=level,
        trend=np.einsum("wk,wkh->wh", of_trends, forecasts),
        best=np.einsum("wk,wkh->wh", of_all, forecasts),
        drifting=level + np.float32(0.5) * slope * (np.arange(1, HORIZON + 1, dtype=np.float32)[None] + lag),
        error=np.sqrt(np.einsum("wk,wk->w", of_all, variance))[:, None],
        rate=(of_all @ tables.alpha)[:, None],
        trend_share=of_all[:, tables.with_trend].sum(1, keepdims=True),
    )


def _criterion(variance: Floats, length: Integers, with_trend: Mask) -> Floats:
    """Compute Akaike's criterion, corrected for short histories; (windows, models)."""
    n, parameters = length[:, None], np.where(with_trend, *PARAMETERS[::-1])[None]
    penalty = 2 * parameters * n / np.maximum(n - parameters - 1, 0.5)
    result: Floats = n * np.log(variance) + penalty
    return result


def _weights(criterion: Floats, chosen: Mask) -> Floats:
    """Weigh models by their likelihood, those that are not chosen with 0; (windows, models)."""
    least = criterion[:, chosen].min(1, keepdims=True)
    weights = np.exp(np.maximum((least - criterion) / 2, -60)) * chosen
    result: Floats = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return result
