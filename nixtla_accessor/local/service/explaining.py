"""Forecasts of windows with the covariates of a request, by whichever way the forecaster takes covariates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.api.schema import CrossValidationInput, ForecastInput
from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.covariates.forecasting import ExplainedForecast, ExplainedPanel
from nixtla_accessor.local.forecaster import CovariateForecaster, Forecaster, Tensors
from nixtla_accessor.local.service.backtest import BacktestWindows
from nixtla_accessor.local.service.covariates import RequestedPanel
from nixtla_accessor.seasons import Season


def explain(
    forecaster: Forecaster,
    panel: RequestedPanel,
    season: Season,
    ends: Integers,
    progress: Callable[[int], None],
) -> ExplainedPanel | None:
    """Estimate the effects of a panel's covariates; None where there are none, or the forecaster reads them itself.

    Parameters
    ----------
    forecaster : Forecaster
    panel : RequestedPanel
    season : Season
    ends : ndarray of int, shape (series,)
        How much of each series may be looked at.
    progress : callable
    """
    if not panel.covariates or isinstance(forecaster, CovariateForecaster):
        return None
    return ExplainedPanel(panel.series, panel.covariates, season, ends, progress)


def forecast_windows(
    forecaster: Forecaster,
    tensors: Tensors | None,
    panel: RequestedPanel,
    explained: ExplainedPanel | None,
    windows: BacktestWindows,
    season: Season,
    probabilities: Sequence[float],
    *,
    clean_first: bool,
    progress: Callable[[int], None],
) -> ExplainedForecast:
    """Forecast windows of a panel.

    Parameters
    ----------
    forecaster : Forecaster
    tensors : mapping of str to ndarray, optional
        The model.
    panel : RequestedPanel
    explained : ExplainedPanel, optional
        What `explain` says of the panel.
    windows : BacktestWindows
    season : Season
    probabilities : sequence of float
        Of the quantiles, that of the median first.
    clean_first : bool
        ``clean_ex_first``.
    progress : callable
    """
    if explained is not None:
        forecast_series = partial(_forecast_series, forecaster, tensors, season, windows.horizon, progress)
        return explained.forecast(
            forecast_series, windows.series, windows.start, windows.horizon, probabilities, clean_first=clean_first
        )
    arguments = (tensors, panel.histories(windows), season, windows.horizon, probabilities)
    if panel.covariates and isinstance(forecaster, CovariateForecaster):
        covariates = panel.covariates_at(windows)
        quantiles = forecaster.forecast_with_covariates(*arguments, covariates=covariates, progress=progress)
    else:
        quantiles = forecaster.forecast(*arguments, progress=progress)
    none = np.empty((0, *quantiles.shape[1:]))
    return ExplainedForecast(quantiles, quantiles[0], none, none)


def forecast_past_windows(
    forecaster: Forecaster,
    tensors: Tensors | None,
    panel: RequestedPanel,
    windows: BacktestWindows,
    season: Season,
    probabilities: Sequence[float],
    *,
    clean_first: bool,
    progress: Callable[[int], None],
) -> ExplainedForecast:
    """Forecast windows of the past, with effects that are estimated from what comes before the first of each series."""
    some, within = _with_windows(panel, windows)
    explained = explain(forecaster, some, season, within.earliest().start, progress)
    return forecast_windows(
        forecaster, tensors, some, explained, within, season, probabilities, clean_first=clean_first, progress=progress
    )


def values_to_tune_on(
    forecaster: Forecaster,
    panel: RequestedPanel,
    windows: BacktestWindows,
    season: Season,
    progress: Callable[[int], None],
) -> list[Floats]:
    """Return what comes before the first window of each series, without the effects of covariates."""
    some, within = _with_windows(panel, windows)
    earliest = within.earliest()
    explained = explain(forecaster, some, season, earliest.start, progress)
    return some.histories(earliest) if explained is None else explained.histories(earliest.series, earliest.start)


def _with_windows(panel: RequestedPanel, windows: BacktestWindows) -> tuple[RequestedPanel, BacktestWindows]:
    """Return the part of a panel that has windows, and the windows with the numbers of its series."""
    rows, series = np.unique(windows.series, return_inverse=True)
    return panel.some(rows), BacktestWindows(series, windows.start, windows.horizon)


def join(parts: Sequence[tuple[Integers, ExplainedForecast]]) -> ExplainedForecast:
    """Join the forecasts of some windows each, given by their rows; at least one part."""
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    forecasts = [forecast for _, forecast in parts]
    return ExplainedForecast(
        np.concatenate([each.quantiles for each in forecasts], 1)[:, order],
        np.concatenate([each.base for each in forecasts])[order],
        np.concatenate([each.contributions for each in forecasts], 1)[:, order],
        np.concatenate([each.interventions for each in forecasts], 1)[:, order],
    )


def empty_forecast(n_quantiles: int, n_covariates: int, horizon: int) -> ExplainedForecast:
    """Return the forecasts of no windows: those of a panel whose series have one value each."""
    none = np.empty((n_covariates, 0, horizon))
    return ExplainedForecast(np.empty((n_quantiles, 0, horizon)), np.empty((0, horizon)), none, none)


def contribution_lists(
    request: ForecastInput | CrossValidationInput, forecast: ExplainedForecast, inside: Mask | None = None
) -> list[list[float]] | None:
    """Return the contribution of each covariate and last the base value, as lists of a response.

    Parameters
    ----------
    request : ForecastInput or CrossValidationInput
    forecast : ExplainedForecast
    inside : ndarray of bool, shape (windows, horizon), optional
        Which steps to return; all if it is not given.

    Returns
    -------
    list or None
        None where they are not asked for, or there are none. Those of the type ``shapley`` add up to the forecast.
    """
    if not (request.feature_contributions and len(forecast.contributions)):
        return None
    if request.feature_contributions_type == "intervention":
        lists, base = forecast.interventions, forecast.base
    else:
        lists = forecast.contributions
        base = forecast.quantiles[0] - lists.sum(0)
    chosen = np.ones(base.shape, bool) if inside is None else inside
    return [each[chosen].tolist() for each in (*lists, base)]


def _forecast_series(
    forecaster: Forecaster,
    tensors: Tensors | None,
    season: Season,
    horizon: int,
    progress: Callable[[int], None],
    series: Sequence[Floats],
    probabilities: Sequence[float],
) -> NDArray[np.float64]:
    return forecaster.forecast(tensors, series, season, horizon, probabilities, progress=progress)
