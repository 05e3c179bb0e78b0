"""Exponential smoothing with fitted parameters, against a loop over steps and a solver for the first state."""

import numpy as np
import pytest

from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.history import NEAR_LEADS
from nixtla_accessor.local.network.smoothing import (
    FIRST_STATE_RIDGE,
    LEVEL_ALPHAS,
    MIN_VARIANCE,
    POINTS,
    TREND_ALPHAS,
    TREND_BETAS_OVER_ALPHA,
    TREND_DAMPINGS,
    smooth,
)

HORIZON = NETWORK.horizon
AHEAD = NEAR_LEADS[None].astype(np.float32)
LEVELS = [(alpha, 0.0, 0.0) for alpha in LEVEL_ALPHAS]
TRENDS = [
    (alpha, alpha * ratio, damping)
    for alpha in TREND_ALPHAS
    for ratio in TREND_BETAS_OVER_ALPHA
    for damping in TREND_DAMPINGS
]


def run(values, model, level, trend):
    """Errors of one step, and the last state."""
    alpha, beta, damping = model
    errors = []
    for value in values:
        forecast = level + damping * trend
        errors.append(value - forecast)
        level, trend = forecast + alpha * errors[-1], damping * trend + beta * errors[-1]
    return np.array(errors), level, trend


def fit(values, model):
    """Corrected criterion, mean square and forecast of a model from its best first state."""
    n, with_trend = len(values), model[1] > 0
    states = np.eye(2)[: 2 if with_trend else 1]
    from_zero, _, _ = run(values, model, 0, 0)
    effect = np.stack([run(values, model, *state)[0] - from_zero for state in states], 1)
    ridge = np.diag(np.sqrt(FIRST_STATE_RIDGE[: len(states)]))
    effect_and_ridge, target = np.vstack([effect, ridge]), np.append(-from_zero, np.zeros(len(states)))
    first, *_ = np.linalg.lstsq(effect_and_ridge, target, rcond=None)
    errors, level, trend = run(values, model, *np.pad(first, (0, 2 - len(first))))
    mean_square = errors @ errors / n + MIN_VARIANCE
    parameters = 6 if with_trend else 3
    criterion = n * np.log(mean_square) + 2 * parameters * n / max(n - parameters - 1, 0.5)
    steps = np.cumsum(model[2] ** np.arange(1, HORIZON + 1))
    return criterion, mean_square, level + trend * steps


def slow_smooth(values, models):
    """Mean of the models by their likelihood: forecast, root of the mean square error, weights."""
    criteria, squares, forecasts = (
        np.array(part) for part in zip(*(fit(values, model) for model in models), strict=True)
    )
    weights = np.exp((criteria.min() - criteria) / 2)
    weights /= weights.sum()
    return weights @ forecasts, np.sqrt(weights @ squares), weights


_rng = np.random.default_rng(0)
HISTORIES = {
    "walk": _rng.normal(size=60).cumsum(),
    "noise": _rng.normal(size=30),
    "line and noise": 0.3 * np.arange(40) - 6 + 0.2 * _rng.normal(size=40),
    "short": _rng.normal(size=9),
    "as long as is used": _rng.normal(size=POINTS).cumsum() / 4,
    "longer than is used": _rng.normal(size=POINTS + 30).cumsum() / 4,
}


@pytest.mark.parametrize("name", HISTORIES)
def test_forecasts_are_means_of_the_models_by_their_likelihood(name):
    values = HISTORIES[name]
    row = np.zeros((1, POINTS + 40), np.float32)
    row[0, -len(values) :] = values
    fitted = smooth(row, np.array([[len(values)]]), np.array([[0.25]], np.float32), AHEAD)
    used = row[0, -min(len(values), POINTS) :].astype(float)
    for forecast, models in ((fitted.level, LEVELS), (fitted.trend, TRENDS), (fitted.combined, LEVELS + TRENDS)):
        expected, error, weights = slow_smooth(used, models)
        np.testing.assert_allclose(forecast[0], expected, atol=0.02 * used.std())
    assert fitted.error[0, 0] == pytest.approx(error, rel=0.01)
    assert fitted.alpha[0, 0] == pytest.approx(weights @ [alpha for alpha, _, _ in LEVELS + TRENDS], abs=0.01)
    assert fitted.trend_weight[0, 0] == pytest.approx(weights[len(LEVELS) :].sum(), abs=0.01)


def test_the_drifting_level_catches_up_with_a_line_and_continues_at_half_its_slope():
    row = np.zeros((1, POINTS), np.float32)
    row[0, -50:] = 0.2 * np.arange(50)
    fitted = smooth(row, np.array([[50]]), np.array([[0.2]], np.float32), AHEAD)
    np.testing.assert_allclose(np.diff(fitted.drifting[0]), 0.1, atol=1e-4)
    assert fitted.alpha[0, 0] > 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 5, 200])
def test_constant_and_tiny_histories_are_continued(n):
    row = np.zeros((2, 200), np.float32)
    row[:, -n:] = [[3.0], [-1.0]]
    fitted = smooth(row, np.full((2, 1), n), np.zeros((2, 1), np.float32), AHEAD)
    for forecast in (fitted.level, fitted.trend, fitted.combined, fitted.drifting):
        np.testing.assert_allclose(forecast, np.repeat([[3.0], [-1.0]], HORIZON, 1), atol=0.05)


def test_a_history_is_smoothed_independently_of_the_others():
    rng = np.random.default_rng(1)
    values, n = rng.normal(size=(5, POINTS)).astype(np.float32), np.array([[3], [10], [40], [90], [POINTS]])
    values *= np.arange(POINTS, 0, -1) <= n
    together = smooth(values, n, np.zeros((5, 1), np.float32), AHEAD).combined
    alone = [smooth(values[i : i + 1], n[i : i + 1], np.zeros((1, 1), np.float32), AHEAD).combined[0] for i in range(5)]
    np.testing.assert_allclose(together, alone, atol=2e-5)
