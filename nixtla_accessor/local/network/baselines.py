"""The baselines: simple forecasts that the network mixes, computed at once for a batch of histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.cycles import CYCLE_FORECASTS, forecast_cycles
from nixtla_accessor.local.network.growth import growth_bounds
from nixtla_accessor.local.network.history import History, mean_of_seen, row_mean
from nixtla_accessor.local.network.smoothing import WeightedMeans, damped_sum, smooth

BASELINES = (
    "naive",
    "seasonal_naive",
    "seasonal_mean",
    "seasonal_naive_with_drift",
    "season_at_level",
    "recent_trend",
    "long_trend",
    "damped_recent_trend",
    "exponential_growth",
    "damped_exponential_growth",
    "second_seasonal_naive",
    "second_seasonal_mean",
    "second_season_at_level",
    "slow_smoothing",
    "medium_smoothing",
    "fast_smoothing",
    "profile_at_latest_mean",
    "profile_at_long_mean",
    "damped_holt",
    "theta",
    "multiplicative_smoothing",
    "multiplicative_damped_holt",
    "second_season_mean_at_level",
    "fitted_level",
    "fitted_trend",
    "fitted_additive",
    "fitted_theta",
    "fitted_multiplicative",
    "fitted_multiplicative_theta",
    "fitted_nonseasonal",
    "fitted_nonseasonal_level",
    "history_mean",
    "history_median",
    *(f"detected_{name}" for name in CYCLE_FORECASTS),
    "detected_fitted",
    *(f"short_{name}" for name in CYCLE_FORECASTS),
)
"""Names of the baselines, in the order that the network's weights expect."""
PARAMETERS = (
    "last_growth",
    "recent_growth",
    "long_growth",
    "log_growth",
    "slow_level",
    "medium_level",
    "fast_level",
    "slow_drift",
    "drift",
    "trend_per_season",
    "trend_over_history",
    "change_autocorrelation",
    "change_size",
    "season_size",
    "recent_season_size",
    "multiplicative",
    "additive_fit_error",
    "multiplicative_fit_error",
    "nonseasonal_fit_error",
    "additive_fit_alpha",
    "multiplicative_fit_alpha",
    "nonseasonal_fit_alpha",
    "additive_fit_trend_weight",
    "multiplicative_fit_trend_weight",
    "nonseasonal_fit_trend_weight",
)
"""Names of the parameters of the baselines that the network sees, in the order that its weights expect."""
N_BASELINES = len(BASELINES)
TRENDING = (
    "seasonal_naive_with_drift",
    "recent_trend",
    "long_trend",
    "damped_recent_trend",
    "exponential_growth",
    "damped_exponential_growth",
    "damped_holt",
    "theta",
    "multiplicative_damped_holt",
    "fitted_trend",
    "fitted_additive",
    "fitted_theta",
    "fitted_multiplicative",
    "fitted_multiplicative_theta",
    "fitted_nonseasonal",
    "detected_trend",
    "detected_fitted",
    "short_trend",
)
"""Names of the baselines that can leave the range of the history."""

# The shipped weights were trained with baselines of these rates, and of those further down.
SMOOTHED_POINTS = 256  # how far back exponential smoothing with a fixed rate goes
SEASONAL_DAMPING = 0.85  # of growth, per season
STEP_DAMPING = 0.9  # of a drift, per step


@dataclass(frozen=True, slots=True, eq=False)
class BaselineForecasts:
    """The baselines of a batch of histories, in z.

    Attributes
    ----------
    by_name : dict of str to ndarray of shape (windows, leads)
        The forecasts, by the names in BASELINES.
    stacked : ndarray of float32, shape (windows, N_BASELINES, leads)
        The same, in the order of BASELINES.
    parameters : dict of str to ndarray of shape (windows, 1)
        Growth, levels, drifts and sizes that the forecasts are made of, squashed, by the names in PARAMETERS.
    """

    by_name: dict[str, Floats]
    stacked: Floats
    parameters: dict[str, Floats]


def forecast_baselines(history: History, detected: Integers) -> BaselineForecasts:
    """Compute all baselines of a batch of histories.

    Parameters
    ----------
    history : History
    detected : ndarray of int, shape (windows, 1)
        Length of a season that the frequency does not imply, 0 where there is none; see `detection`.
    """
    naive = _naive(history)
    growth = _growth(history)
    fixed = _fixed_smoothing(history)
    fitted = _fitted_smoothing(history, fixed)
    by_name = {
        **_naive_forecasts(naive),
        **_growth_forecasts(history, naive, growth),
        **_fixed_smoothing_forecasts(history, fixed),
        **fitted.forecasts,
        **_typical_values(history),
        **forecast_cycles(history, detected, fitted.forecasts["fitted_nonseasonal"]),
    }
    lowest, highest = growth_bounds(history)
    for name in TRENDING:
        by_name[name] = np.clip(by_name[name], lowest, highest)
    parameters = {**_growth_parameters(growth), **_fixed_smoothing_parameters(history, fixed), **fitted.parameters}
    stacked = np.empty((len(history.z), N_BASELINES, len(history.leads)), np.float32)
    for nth, name in enumerate(BASELINES):
        stacked[:, nth] = by_name[name]
    return BaselineForecasts(by_name, stacked, parameters)


def _typical_values(history: History) -> dict[str, Floats]:
    shape = (len(history.z), len(history.leads))
    median = history.quantiles[:, NETWORK.median, None]
    return {
        "history_mean": np.broadcast_to(row_mean(history.z, history.seen), shape),
        "history_median": np.broadcast_to(median, shape),
    }


def _clip(forecast: Floats) -> Floats:
    """Clip what can grow beyond all measure."""
    return np.clip(forecast, -NETWORK.z_limit, NETWORK.z_limit)


@dataclass(frozen=True, slots=True, eq=False)
class _Naive:
    """Values of the history repeated as they are, or moved to today's level; each (windows, leads)."""

    last: Floats
    seasonal: Floats
    seasonal_mean: Floats
    at_level: Floats
    second_seasonal: Floats
    second_seasonal_mean: Floats
    second_at_level: Floats
    second_mean_at_level: Floats


def _naive(history: History) -> _Naive:
    """Repeat the history; where it is too short, what a shorter one allows."""
    lags, lags_seen = history.lags, history.lags_seen
    last = np.broadcast_to(history.z[:, -1:], (len(history.z), len(history.leads)))
    seasonal = np.where(lags_seen[:, 0], lags[:, 0], last)
    seasonal_mean = np.where(lags_seen.any(1), mean_of_seen(lags, lags_seen), last)
    level_seen = lags_seen & history.period_seen[:, : NETWORK.season_lags, None]
    mean_at_level = mean_of_seen(lags - history.period_means[:, : NETWORK.season_lags, None], level_seen)
    today = history.period_means[:, :1]
    mean_at_level += today - history.within_season(history.slope(NETWORK.season_lags)[0])[:, history.phase]
    at_level = np.where(level_seen.any(1), mean_at_level, seasonal)
    second, second_seen = history.second_lags, history.second_lags_seen
    season = history.season
    ages = [season.second * lag for lag in range(1, NETWORK.second_season_lags + 1)]
    both_seen = second_seen & (history.n >= np.array(ages) + season.length)[:, :, None]
    second_at_level = second + today[:, None] - np.stack([history.mean_before(age) for age in ages], 1)
    return _Naive(
        last=last,
        seasonal=seasonal,
        seasonal_mean=seasonal_mean,
        at_level=at_level,
        second_seasonal=np.where(second_seen[:, 0], second[:, 0], seasonal_mean),
        second_seasonal_mean=np.where(second_seen.any(1), mean_of_seen(second, second_seen), seasonal_mean),
        second_at_level=np.where(both_seen[:, 0], second_at_level[:, 0], at_level),
        second_mean_at_level=np.where(both_seen.any(1), mean_of_seen(second_at_level, both_seen), at_level),
    )


def _naive_forecasts(naive: _Naive) -> dict[str, Floats]:
    return {
        "naive": naive.last,
        "seasonal_naive": naive.seasonal,
        "seasonal_mean": naive.seasonal_mean,
        "season_at_level": naive.at_level,
        "second_seasonal_naive": naive.second_seasonal,
        "second_seasonal_mean": naive.second_seasonal_mean,
        "second_season_at_level": naive.second_at_level,
        "second_season_mean_at_level": naive.second_mean_at_level,
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Growth:
    """Growth per season, over the last, the recent and all seasons, and of the logarithm; each (windows, 1)."""

    last: Floats
    recent: Floats
    long: Floats
    logarithmic: Floats


def _growth(history: History) -> _Growth:
    """Measure growth on the means of whole seasons."""
    means = history.period_means
    recent, used = history.slope(5)
    now, then = means[:, :1] + history.offset, np.take_along_axis(means, used - 1, 1) + history.offset
    positive = (now > 0) & (then > 0) & (used > 1)
    one = np.float32(1)
    logarithmic = np.log(np.where(positive, now, one) / np.where(positive, then, one)) / np.maximum(used - 1, 1)
    return _Growth(
        last=np.where(history.n_periods > 1, means[:, :1] - means[:, 1:2], np.float32(0)),
        recent=recent,
        long=history.slope(NETWORK.period_means)[0],
        logarithmic=logarithmic.astype(np.float32),
    )


def _growth_forecasts(history: History, naive: _Naive, growth: _Growth) -> dict[str, Floats]:
    m = history.season.length
    seasons_ahead = history.ahead / m + np.float32(0.5 - 0.5 / m)  # from the centre of the last period
    damped_seasons = (1 - SEASONAL_DAMPING**seasons_ahead) / np.float32(-np.log(SEASONAL_DAMPING))

    def grow(seasons: Floats) -> Floats:
        factor = np.exp(np.clip(growth.logarithmic * seasons, -1.5, 1.5))
        return _clip((naive.at_level + history.offset) * factor - history.offset)

    return {
        "seasonal_naive_with_drift": naive.seasonal + growth.last * np.ceil(history.ahead / m),
        "recent_trend": naive.at_level + growth.recent * seasons_ahead,
        "long_trend": naive.at_level + growth.long * seasons_ahead,
        "damped_recent_trend": naive.at_level + growth.recent * damped_seasons,
        "exponential_growth": grow(seasons_ahead),
        "damped_exponential_growth": grow(damped_seasons),
    }


def _growth_parameters(growth: _Growth) -> dict[str, Floats]:
    return {
        "last_growth": np.arcsinh(growth.last),
        "recent_growth": np.arcsinh(growth.recent),
        "long_growth": np.arcsinh(growth.long),
        "log_growth": np.clip(growth.logarithmic * 4, -2, 2),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _FixedSmoothing:
    """Exponential smoothing with fixed rates, of the seasonally adjusted series: levels, trends, profiles, forecasts.

    Names with `recent` are of a series adjusted by its latest seasons only.
    """

    slow: Floats
    medium: Floats
    fast: Floats
    recent_fast: Floats
    slow_drift: Floats
    drift: Floats
    trend: Floats
    profile: Floats
    recent_profile: Floats
    seasonal: Floats
    recent_seasonal: Floats
    holt: Floats
    theta: Floats
    positive: Mask
    multiplicative: Floats
    multiplicative_holt: Floats
    change_variance: Floats
    change_autocorrelation: Floats
    adjusted: Floats


def _fixed_smoothing(history: History) -> _FixedSmoothing:
    """Smooth the series less its season, and the series over its season."""
    z, seen, n, points = history.z, history.seen, history.n, history.z.shape[1]
    smoothed = min(points, SMOOTHED_POINTS)
    weighted = WeightedMeans(seen[:, -smoothed:])
    profile, recent_profile = history.profile(NETWORK.period_means), history.profile(4)
    seasonal, recent_seasonal = profile[:, history.phase], recent_profile[:, history.phase]
    adjusted = (z - history.repeat_profile(profile, points)) * seen
    recent = (z[:, -smoothed:] - history.repeat_profile(recent_profile, smoothed)) * seen[:, -smoothed:]
    slow, medium, fast = (weighted.level(rate, adjusted[:, -smoothed:]) for rate in (0.1, 0.3, 0.6))
    slow_drift, drift = (weighted.drift(rate, recent) for rate in (0.1, 0.2))
    time = np.where(seen, (n + 1) / 2 - np.arange(points, 0, -1), 0).astype(np.float32)
    trend = (time * adjusted).sum(1, keepdims=True) / np.maximum((time**2).sum(1, keepdims=True), 1e-6)
    damped_steps = damped_sum(STEP_DAMPING, history.ahead)
    holt = weighted.level(0.5, recent) + recent_seasonal + drift * damped_steps
    changes = np.diff(adjusted[:, -smoothed:]) * seen[:, -smoothed:-1]
    change_variance = (changes**2).sum(1, keepdims=True) + np.float32(1e-9)

    ratio, positive = history.ratio_profile(6)
    over_season = (z[:, -smoothed:] + history.offset) / history.repeat_profile(ratio, smoothed) * seen[:, -smoothed:]
    ratio_level = weighted.level(0.4, over_season)
    ratio_holt = np.maximum(ratio_level + weighted.drift(0.1, over_season) * damped_steps, 0)
    ratio_ahead = ratio[:, history.phase]
    return _FixedSmoothing(
        slow=slow,
        medium=medium,
        fast=fast,
        recent_fast=weighted.level(0.6, recent),
        slow_drift=slow_drift,
        drift=drift,
        trend=trend,
        profile=profile,
        recent_profile=recent_profile,
        seasonal=seasonal,
        recent_seasonal=recent_seasonal,
        holt=holt,
        theta=weighted.level(0.4, adjusted[:, -smoothed:]) + seasonal + 0.5 * trend * history.ahead,
        positive=positive,
        multiplicative=np.where(positive, ratio_level * ratio_ahead - history.offset, medium + seasonal),
        multiplicative_holt=np.where(positive, ratio_holt * ratio_ahead - history.offset, holt),
        change_variance=change_variance,
        change_autocorrelation=(changes[:, 1:] * changes[:, :-1]).sum(1, keepdims=True) / change_variance,
        adjusted=adjusted,
    )


def _fixed_smoothing_forecasts(history: History, fixed: _FixedSmoothing) -> dict[str, Floats]:
    mean = row_mean(history.z, history.seen)
    long_mean = np.where(history.n_periods > 0, mean_of_seen(history.period_means, history.period_seen)[:, None], mean)
    return {
        "slow_smoothing": fixed.slow + fixed.seasonal,
        "medium_smoothing": fixed.medium + fixed.seasonal,
        "fast_smoothing": fixed.recent_fast + fixed.recent_seasonal,
        "profile_at_latest_mean": fixed.seasonal + history.period_means[:, :1],
        "profile_at_long_mean": long_mean + fixed.seasonal,
        "damped_holt": fixed.holt,
        "theta": fixed.theta,
        "multiplicative_smoothing": _clip(fixed.multiplicative),
        "multiplicative_damped_holt": _clip(fixed.multiplicative_holt),
    }


def _fixed_smoothing_parameters(history: History, fixed: _FixedSmoothing) -> dict[str, Floats]:
    n, m = history.n, history.season.length
    return {
        "slow_level": np.arcsinh(fixed.slow),
        "medium_level": np.arcsinh(fixed.medium),
        "fast_level": np.arcsinh(fixed.fast),
        "slow_drift": np.arcsinh(fixed.slow_drift * m),
        "drift": np.arcsinh(fixed.drift * m),
        "trend_per_season": np.arcsinh(fixed.trend * m),
        "trend_over_history": np.arcsinh(fixed.trend * n),
        "change_autocorrelation": fixed.change_autocorrelation,
        "change_size": np.sqrt(fixed.change_variance / n),
        "season_size": fixed.profile.std(1, keepdims=True),
        "recent_season_size": fixed.recent_profile.std(1, keepdims=True),
        "multiplicative": fixed.positive.astype(np.float32),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _FittedSmoothing:
    """Forecasts and parameters of exponential smoothing that is fitted to each history."""

    forecasts: dict[str, Floats]
    parameters: dict[str, Floats]


def _fitted_smoothing(history: History, fixed: _FixedSmoothing) -> _FittedSmoothing:
    """Fit to the series less its season, over its season and as it is, and put the season back."""
    z, n, trend, positive = history.z, history.n, fixed.trend, fixed.positive
    ratio, _ = history.ratio_profile(NETWORK.period_means)
    additive = multiplicative = nonseasonal = smooth(z, n, trend, history.ahead)
    if history.season.length > 1:
        additive = smooth(fixed.adjusted, n, trend, history.ahead)
        some = np.flatnonzero(positive)
        over_season = (z + history.offset) / history.repeat_profile(ratio, z.shape[1]) - history.offset
        values = over_season[some] * history.seen[some]
        multiplicative = additive.with_rows(some, smooth(values, n[some], trend[some], history.ahead))

    def times_season(forecast: Floats) -> Floats:
        product = (forecast + history.offset) * ratio[:, history.phase] - history.offset
        return np.where(positive, product, forecast + fixed.seasonal)

    forecasts = {
        "fitted_level": additive.level + fixed.seasonal,
        "fitted_trend": additive.trend + fixed.seasonal,
        "fitted_additive": additive.combined + fixed.seasonal,
        "fitted_theta": additive.drifting + fixed.seasonal,
        "fitted_multiplicative": times_season(multiplicative.combined),
        "fitted_multiplicative_theta": times_season(multiplicative.drifting),
        "fitted_nonseasonal": nonseasonal.combined,
        "fitted_nonseasonal_level": nonseasonal.level,
    }
    fits = {"additive": additive, "multiplicative": multiplicative, "nonseasonal": nonseasonal}
    parameters: dict[str, Floats] = {}
    for name, fit in fits.items():
        parameters[f"{name}_fit_error"] = np.log(fit.error)
        parameters[f"{name}_fit_alpha"] = fit.alpha
        parameters[f"{name}_fit_trend_weight"] = fit.trend_weight
    return _FittedSmoothing({name: _clip(forecast) for name, forecast in forecasts.items()}, parameters)
