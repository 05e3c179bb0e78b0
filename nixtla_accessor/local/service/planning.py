"""The windows that a request asks to forecast, placed once all that it asks for is within the limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nixtla_accessor.api.schema import AnomalyDetectionInput, CrossValidationInput, ForecastInput, Series
from nixtla_accessor.local.service.backtest import (
    BacktestWindows,
    all_windows,
    count_all_windows,
    count_last_windows,
    last_windows,
)
from nixtla_accessor.local.service.intervals import probabilities
from nixtla_accessor.local.service.limits import Limits
from nixtla_accessor.seasons import Season

MAX_ESTIMATES = 8
"""How often the effects of covariates are estimated in a cross-validation that does not fine-tune for each window."""

_MIN_HISTORY = 4  # steps before the first window of the past


def check_forecast(request: ForecastInput, stretch: int, limits: Limits) -> None:
    """Check a forecast against the limits.

    Parameters
    ----------
    request : ForecastInput
    stretch : int
        Steps that the forecaster forecasts at once.
    limits : Limits

    Raises
    ------
    LimitError, AnswerTooLongError
    """
    n_series = len(request.series.sizes)
    limits.check_series(request.series)
    limits.check_horizon(request.h)
    limits.check_levels(request.level)
    limits.check_training(request.finetune_steps)
    limits.check_covariates(len(request.series.X or ()), len(request.series.y))
    _check_windows(n_series, request.h, request.level, stretch, limits)


def plan_cross_validation(
    request: CrossValidationInput, season: Season, stretch: int, limits: Limits
) -> tuple[BacktestWindows, int]:
    """Place the windows of a cross-validation.

    Returns
    -------
    windows : BacktestWindows
    n_rounds : int
        How many windows of a series are fine-tuned for, if any is.

    Raises
    ------
    LimitError, AnswerTooLongError
    """
    sizes = request.series.sizes
    limits.check_series(request.series)
    limits.check_levels(request.level)
    horizon, history = _whole_history(season, stretch)
    step = request.h if request.step_size is None else request.step_size
    if request.full_history:
        counts = count_all_windows(sizes, horizon, history)
    else:
        limits.check_horizon(request.h)
        limits.check_backtest(request.n_windows, step)
        horizon = request.h
        counts = count_last_windows(sizes, horizon, request.n_windows, step)
    n_rounds = int(counts.max())
    if not (request.finetune_steps and request.refit):
        n_rounds = min(1, n_rounds)
    limits.check_training(request.finetune_steps, n_rounds)
    n_estimates = max(n_rounds, min(MAX_ESTIMATES, int(counts.max())))
    limits.check_covariates(len(request.series.X or ()), len(request.series.y) * n_estimates)
    _check_windows(int(counts.sum()), horizon, request.level, stretch, limits)
    if request.full_history:
        windows = all_windows(sizes, horizon, history)
    else:
        windows = last_windows(sizes, horizon, request.n_windows, step)
    limits.check_points_to_fill(_count_points_to_fill(request.series, windows))
    return windows, n_rounds


def plan_anomaly_detection(
    request: AnomalyDetectionInput, season: Season, stretch: int, limits: Limits
) -> BacktestWindows:
    """Place the windows of an anomaly detection.

    Raises
    ------
    LimitError, AnswerTooLongError
    """
    sizes = request.series.sizes
    limits.check_series(request.series)
    limits.check_level(request.level)
    limits.check_covariates(len(request.series.X or ()), len(request.series.y))
    horizon, history = _whole_history(season, stretch)
    _check_windows(int(count_all_windows(sizes, horizon, history).sum()), horizon, [request.level], stretch, limits)
    windows = all_windows(sizes, horizon, history)
    limits.check_points_to_fill(_count_points_to_fill(request.series, windows))
    return windows


def _check_windows(n_windows: int, horizon: int, levels: Sequence[float] | None, stretch: int, limits: Limits) -> None:
    limits.check_answer(len(probabilities(levels)), n_windows * horizon)
    limits.check_forecast(n_windows, horizon, stretch)


def _whole_history(season: Season, stretch: int) -> tuple[int, int]:
    """Return the length of windows over the whole history, and of the history before the first.

    The windows are a season long, or as long as the forecaster's horizon if that is shorter; two seasons come before.
    """
    return min(season.length, stretch), max(2 * season.length, _MIN_HISTORY)


def _count_points_to_fill(series: Series, windows: BacktestWindows) -> int:
    """Count the points before the windows of series with missing values: these are filled for each window."""
    offsets = np.cumsum(series.sizes) - series.sizes
    has_gaps = np.add.reduceat(np.isnan(series.y), offsets) > 0
    return int(windows.start[has_gaps[windows.series]].sum())
