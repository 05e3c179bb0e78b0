"""Exponential smoothing: with the parameters that suit each history best, and with a fixed rate.

The parameters come from a grid of models in their innovations form (Hyndman et al., Forecasting with Exponential
Smoothing, 2008, chapter 2):
``l' = l + damping * b + alpha * e`` and ``b' = damping * b + beta * e``, where e is the error of the one-step forecast
``l + damping * b``. Errors and final states are linear in the history and in the first state, so matrices that are
computed once serve all histories, and the first state is the least-squares one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers, Mask

# The shipped weights were trained with baselines of this grid.
POINTS = 96  # the latest points that are smoothed
BLOCK = 24  # points whose errors are computed at once: few enough for a processor's cache
LEVEL_ALPHAS = (0.05, 0.15, 0.3, 0.5, 0.75, 1.0)
TREND_ALPHAS = (0.1, 0.35, 0.85)
TREND_BETAS_OVER_ALPHA = (0.05, 0.3)
TREND_DAMPINGS = (0.88, 0.98)
FIRST_STATE_RIDGE = (1e-6, 0.1)  # of level and trend, which two points alone could not tell apart
N_LEVEL_PARAMETERS = 3  # that the criterion counts for a level alone, the variance of the errors among them
N_TREND_PARAMETERS = 6  # and for a level with a damped trend
MIN_VARIANCE = 1e-3  # in z; smaller errors carry no information


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """Matrices that are the same for all histories; k models, those of a level alone first.

    Attributes
    ----------
    errors : tuple of ndarray, each of shape (end, k * BLOCK)
        For each block of points that ends there, from a history that begins in the first column to the errors in the
        block, if the first state were zero.
    response : ndarray, shape (k, 2, POINTS)
        Effect of a first state on the forecasts.
    first_state : ndarray, shape (POINTS + 1, k, 2, 2)
        From errors times response to the least-squares first state, by the length of the history.
    state : ndarray, shape (POINTS, k * 2)
        From a history that ends in the last column to its last state, if the first were zero.
    carried : ndarray, shape (POINTS + 1, k, 2, 2)
        Effect of the first state on the last, by the length of the history.
    damping : ndarray, shape (k,)
        Of the trend, per step ahead.
    lag : ndarray, shape (POINTS + 1, k)
        Steps by which a smoothed level lags behind a steady trend, by the length of the history.
    with_trend : ndarray of bool, shape (k,)
    alpha : ndarray, shape (k,)
    """

    errors: tuple[Floats, ...]
    response: Floats
    first_state: Floats
    state: Floats
    carried: Floats
    damping: Floats
    lag: Floats
    with_trend: Mask
    alpha: Floats


@cache
def _tables() -> _Tables:
    """Compute the effect of one observation, and of the first state, in every model of the grid."""
    models = [(alpha, 0.0, 0.0) for alpha in LEVEL_ALPHAS]
    models += [
        (alpha, alpha * ratio, damping)
        for alpha in TREND_ALPHAS
        for ratio in TREND_BETAS_OVER_ALPHA
        for damping in TREND_DAMPINGS
    ]
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
    errors = np.where(since > 0, -impulse[:, np.maximum(since - 1, 0)], since == 0).astype(np.float32)
    ends = range(BLOCK, POINTS + 1, BLOCK)
    blocks = (errors[:, :end, end - BLOCK : end].transpose(1, 0, 2).reshape(end, -1) for end in ends)
    squares = np.einsum("kit,kjt->tkij", response, response).cumsum(0)
    squares = np.concatenate([np.zeros((1, k, 2, 2)), squares]) + np.diag(FIRST_STATE_RIDGE)
    with_trend = beta > 0
    lengths = np.arange(POINTS + 1)[:, None]
    single = {
        "response": response,
        "first_state": np.linalg.inv(squares),
        "state": np.einsum("tkij,kj->tki", carried[POINTS - 1 :: -1], gain).reshape(POINTS, -1),
        "carried": carried,
        "damping": damping,
        "lag": (1 - (1 - alpha) ** lengths) / alpha - 1,
        "alpha": alpha,
    }
    rest = {name: table.astype(np.float32) for name, table in single.items()}
    return _Tables(errors=tuple(blocks), with_trend=with_trend, **rest)


@dataclass(frozen=True, slots=True, eq=False)
class FittedSmoothing:
    """Forecasts averaged over the models, weighted by their likelihood.

    Attributes
    ----------
    level, trend, combined : ndarray of float32, shape (windows, leads)
        Over the models of a level alone, over those with a damped trend, over all.
    drifting : ndarray of float32, shape (windows, leads)
        The level plus half of the history's linear trend: the theta forecast (Hyndman and Billah, 2003).
    error : ndarray of float32, shape (windows, 1)
        Root mean square error of one step, over all models.
    alpha, trend_weight : ndarray of float32, shape (windows, 1)
        The mean alpha over all models, and the total weight of those with a trend.
    """

    level: Floats
    trend: Floats
    combined: Floats
    drifting: Floats
    error: Floats
    alpha: Floats
    trend_weight: Floats

    def with_rows(self, rows: Integers, fitted: FittedSmoothing) -> FittedSmoothing:
        """Return the same with some rows from another fit, that of these rows alone."""
        changed = {field.name: getattr(self, field.name).copy() for field in fields(self)}
        for name, values in changed.items():
            values[rows] = getattr(fitted, name)
        return FittedSmoothing(**changed)


def smooth(values: Floats, n: Integers, slope: Floats, ahead: Floats) -> FittedSmoothing:
    """Fit every model of the grid to each history, and forecast with their weighted mean.

    Parameters
    ----------
    values : ndarray of float32, shape (windows, points)
        Without season, right-aligned; 0 where there is no history. At least POINTS points; the last are used.
    n : ndarray of int, shape (windows, 1)
        Points of history, at least 1.
    slope : ndarray of float32, shape (windows, 1)
        Linear trend of each history, in z a step.
    ahead : ndarray of float32, shape (1, leads)
        The steps ahead to forecast.
    """
    tables = _tables()
    k = len(tables.alpha)
    values = values[:, -POINTS:]
    length = np.minimum(n[:, 0], POINTS)
    column = np.arange(POINTS)[None]
    inside = column < length[:, None]
    left_aligned = values
    if not inside.all():
        at = np.minimum(column + POINTS - length[:, None], POINTS - 1)
        left_aligned = np.take_along_axis(values, at, 1) * inside
    squares, correlated = np.zeros((len(values), k), np.float32), np.zeros((k, len(values), 2), np.float32)
    for end, to_errors in zip(range(BLOCK, int(length.max(initial=0)) + BLOCK, BLOCK), tables.errors, strict=False):
        block = slice(end - BLOCK, end)
        errors = (left_aligned[:, :end] @ to_errors).reshape(-1, k, BLOCK)
        errors *= inside[:, None, block]
        squares += np.einsum("wkt,wkt->wk", errors, errors)
        correlated += np.matmul(errors.transpose(1, 0, 2), tables.response[:, :, block].transpose(0, 2, 1))
    correlated = correlated.transpose(1, 0, 2)
    first = _times(tables.first_state[length], correlated)
    squares -= np.einsum("wki,wki->wk", first, correlated)
    state = (values @ tables.state).reshape(-1, k, 2) + _times(tables.carried[length], first)
    damped_steps = damped_sum(tables.damping[:, None], ahead)
    variance = np.maximum(squares / length[:, None], 0) + np.float32(MIN_VARIANCE)
    criterion = _criterion(variance, length, tables.with_trend)
    level_weights, trend_weights = _weights(criterion, ~tables.with_trend), _weights(criterion, tables.with_trend)
    weights = _weights(criterion, np.ones(k, bool))

    def mean_forecast(weights: Floats) -> Floats:
        """Return the weighted mean of the models' forecasts: level, and trend times damped steps."""
        level = np.einsum("wk,wk->w", weights, state[:, :, 0])[:, None]
        mean: Floats = level + (weights * state[:, :, 1]) @ damped_steps
        return mean

    level = mean_forecast(level_weights)
    lag = np.einsum("wk,wk->w", level_weights, tables.lag[length])[:, None]
    return FittedSmoothing(
        level=level,
        trend=mean_forecast(trend_weights),
        combined=mean_forecast(weights),
        drifting=level + np.float32(0.5) * slope * (ahead + lag),
        error=np.sqrt(np.einsum("wk,wk->w", weights, variance))[:, None],
        alpha=(weights @ tables.alpha)[:, None],
        trend_weight=weights[:, tables.with_trend].sum(1, keepdims=True),
    )


def damped_sum(damping: Floats | float, steps: Floats) -> Floats:
    """Return ``damping + damping^2 + …``, so many terms as steps, in float32."""
    result: Floats = (damping * (1 - damping**steps) / (1 - damping)).astype(np.float32)
    return result


def _times(matrices: Floats, vectors: Floats) -> Floats:
    """Multiply matrices, 2 by 2, by vectors; (windows, models, 2)."""
    product: Floats = matrices[..., 0] * vectors[..., :1] + matrices[..., 1] * vectors[..., 1:]
    return product


def _criterion(variance: Floats, length: Integers, with_trend: Mask) -> Floats:
    """Compute Akaike's information criterion, corrected for short histories (AICc); (windows, models)."""
    n, parameters = length[:, None], np.where(with_trend, N_TREND_PARAMETERS, N_LEVEL_PARAMETERS)[None]
    penalty = 2 * parameters * n / np.maximum(n - parameters - 1, 0.5)
    result: Floats = n * np.log(variance) + penalty
    return result


def _weights(criterion: Floats, chosen: Mask) -> Floats:
    """Compute Akaike weights of the chosen models, 0 for the others; (windows, models)."""
    least = criterion[:, chosen].min(1, keepdims=True)
    weights = np.exp(np.maximum((least - criterion) / 2, -60)) * chosen
    result: Floats = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return result


class WeightedMeans:
    """Exponential smoothing with a fixed rate: weighted means over the points that were seen."""

    def __init__(self, seen: Mask) -> None:
        self.seen = seen.astype(np.float32)
        self.age = np.arange(seen.shape[1] - 1, -1, -1)

    def level(self, rate: float, values: Floats) -> Floats:
        """Smooth the values; the level at the last point."""
        weight = ((1 - rate) ** self.age).astype(np.float32)
        level: Floats = (values @ weight / (self.seen @ weight))[:, None]
        return level

    def drift(self, rate: float, values: Floats) -> Floats:
        """Smooth the changes from point to point."""
        weight = ((1 - rate) ** self.age[1:]).astype(np.float32)
        seen = self.seen[:, :-1]
        drift: Floats = ((np.diff(values) * seen) @ weight / np.maximum(seen @ weight, np.float32(1e-9)))[:, None]
        return drift
