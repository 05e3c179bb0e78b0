"""The simple forecasts that the network mixes, all made at once from a batch of histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.network.history import (
    HORIZON,
    PERIOD_MEANS,
    SEASON_LAGS,
    SECOND_SEASON_LAGS,
    Floats,
    Mask,
    Past,
    mean_of_seen,
    row_mean,
)
from nixtla_accessor.local.network.smoothing import smooth

N_BASES = 31
SMOOTHED_POINTS = 256  # exponential smoothing of a given rate goes back so far
SEASONAL_DAMPING = 0.85  # of growth, per season
STEP_DAMPING = 0.9  # of a drift, per step
LIMIT = 60.0  # in z

_AHEAD = np.arange(1, HORIZON + 1, dtype=np.float32)[None]
_DAMPED_STEPS = np.cumsum(np.float32(STEP_DAMPING) ** _AHEAD, 1)


@dataclass(frozen=True, slots=True, eq=False)
class SimpleForecasts:
    """Simple forecasts in z.

    Attributes
    ----------
    stacked : ndarray of float32, shape (windows, HORIZON, N_BASES)
    parameters : list of ndarray, each of shape (windows, 1)
        What the forecasts were made of: growth, levels, drifts, sizes.
    second_seasonal, theta : ndarray, shape (windows, HORIZON)
        Two of them that the network also sees as inputs.
    """

    stacked: Floats
    parameters: list[Floats]
    second_seasonal: Floats
    theta: Floats


def simple_forecasts(past: Past) -> SimpleForecasts:
    """Make the simple forecasts of a batch of histories."""
    repeated = _repeated(past)
    growth = _growth(past)
    smoothed = _smoothed(past)
    fitted = _fitted(past, smoothed)
    mean = row_mean(past.z, past.seen)
    m = past.season.length
    seasons_ahead = _AHEAD / m + np.float32(0.5 - 0.5 / m)  # from the centre of the last period
    damped_seasons = (1 - SEASONAL_DAMPING**seasons_ahead) / np.float32(-np.log(SEASONAL_DAMPING))
    latest_mean = past.period_means[:, :1]
    long_mean = np.where(past.n_periods > 0, mean_of_seen(past.period_means, past.period_seen)[:, None], mean)

    def grown(seasons: Floats) -> Floats:
        factor = np.exp(np.clip(growth.logarithmic * seasons, -1.5, 1.5))
        return np.clip((repeated.relative + past.offset) * factor - past.offset, -LIMIT, LIMIT)

    forecasts = [
        repeated.last,
        repeated.seasonal,
        repeated.seasonal_mean,
        repeated.seasonal + growth.last * np.ceil(_AHEAD / m),
        repeated.relative,
        repeated.relative + growth.recent * seasons_ahead,
        repeated.relative + growth.long * seasons_ahead,
        repeated.relative + growth.recent * damped_seasons,
        grown(seasons_ahead),
        grown(damped_seasons),
        repeated.second_seasonal,
        repeated.second_seasonal_mean,
        repeated.second_seasonal_relative,
        smoothed.slow + smoothed.seasonal,
        smoothed.medium + smoothed.seasonal,
        smoothed.recent_fast + smoothed.recent_seasonal,
        smoothed.seasonal + latest_mean,
        long_mean + smoothed.seasonal,
        smoothed.holt,
        smoothed.theta,
        np.clip(smoothed.proportional, -LIMIT, LIMIT),
        np.clip(smoothed.proportional_holt, -LIMIT, LIMIT),
        repeated.second_seasonal_mean_relative,
        *(np.clip(each, -LIMIT, LIMIT) for each in fitted.forecasts),
    ]
    parameters = [*growth.parameters(), *smoothed.parameters(past), *fitted.parameters]
    stacked = np.stack(forecasts, 2).astype(np.float32)
    return SimpleForecasts(stacked, parameters, repeated.second_seasonal_relative, smoothed.theta)


@dataclass(frozen=True, slots=True, eq=False)
class _Repeated:
    """Values of the past once more, as they are or moved to today's level (relative). (windows, HORIZON)."""

    last: Floats
    seasonal: Floats
    seasonal_mean: Floats
    relative: Floats
    second_seasonal: Floats
    second_seasonal_mean: Floats
    second_seasonal_relative: Floats
    second_seasonal_mean_relative: Floats


def _repeated(past: Past) -> _Repeated:
    """Repeat the past; where it is too short, what a shorter past allows."""
    lags, lags_seen = past.lags, past.lags_seen
    last = np.broadcast_to(past.z[:, -1:], (len(past.z), HORIZON))
    seasonal = np.where(lags_seen[:, 0], lags[:, 0], last)
    seasonal_mean = np.where(lags_seen.any(1), mean_of_seen(lags, lags_seen), last)
    level_seen = lags_seen & past.period_seen[:, :SEASON_LAGS, None]
    relative_mean = mean_of_seen(lags - past.period_means[:, :SEASON_LAGS, None], level_seen)
    today = past.period_means[:, :1]
    relative_mean += today - past.within_season(past.slope(SEASON_LAGS)[0])[:, past.phase]
    relative = np.where(level_seen.any(1), relative_mean, seasonal)
    second, second_seen = past.second_lags, past.second_lags_seen
    season = past.season
    ages = [season.second * lag for lag in range(1, SECOND_SEASON_LAGS + 1)]
    both_seen = second_seen & (past.n >= np.array(ages) + season.length)[:, :, None]
    second_relative = second + today[:, None] - np.stack([past.mean_before(age) for age in ages], 1)
    return _Repeated(
        last=last,
        seasonal=seasonal,
        seasonal_mean=seasonal_mean,
        relative=relative,
        second_seasonal=np.where(second_seen[:, 0], second[:, 0], seasonal_mean),
        second_seasonal_mean=np.where(second_seen.any(1), mean_of_seen(second, second_seen), seasonal_mean),
        second_seasonal_relative=np.where(both_seen[:, 0], second_relative[:, 0], relative),
        second_seasonal_mean_relative=np.where(both_seen.any(1), mean_of_seen(second_relative, both_seen), relative),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Growth:
    """Growth per season: over the last, over the recent and over all; and of the logarithm. (windows, 1)."""

    last: Floats
    recent: Floats
    long: Floats
    logarithmic: Floats

    def parameters(self) -> list[Floats]:
        """Squash them for the network."""
        return [
            np.arcsinh(self.last),
            np.arcsinh(self.recent),
            np.arcsinh(self.long),
            np.clip(self.logarithmic * 4, -2, 2),
        ]


def _growth(past: Past) -> _Growth:
    """Measure growth on the means of whole seasons."""
    means = past.period_means
    recent, used = past.slope(5)
    now, then = means[:, :1] + past.offset, np.take_along_axis(means, used - 1, 1) + past.offset
    positive = (now > 0) & (then > 0) & (used > 1)
    one = np.float32(1)
    logarithmic = np.log(np.where(positive, now, one) / np.where(positive, then, one)) / np.maximum(used - 1, 1)
    return _Growth(
        last=np.where(past.n_periods > 1, means[:, :1] - means[:, 1:2], np.float32(0)),
        recent=recent,
        long=past.slope(PERIOD_MEANS)[0],
        logarithmic=logarithmic.astype(np.float32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Smoothed:
    """Exponential smoothing, at given rates, of the series less its season: levels, trends, profiles, forecasts."""

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
    proportional: Floats
    proportional_holt: Floats
    change_variance: Floats
    change_autocorrelation: Floats
    adjusted: Floats

    def parameters(self, past: Past) -> list[Floats]:
        """Squash them for the network."""
        n, m = past.n, past.season.length
        return [
            np.arcsinh(self.slow),
            np.arcsinh(self.medium),
            np.arcsinh(self.fast),
            np.arcsinh(self.slow_drift * m),
            np.arcsinh(self.drift * m),
            np.arcsinh(self.trend * m),
            np.arcsinh(self.trend * n),
            self.change_autocorrelation,
            np.sqrt(self.change_variance / n),
            self.profile.std(1, keepdims=True),
            self.recent_profile.std(1, keepdims=True),
            self.positive.astype(np.float32),
        ]


def _smoothed(past: Past) -> _Smoothed:
    """Smooth the series less its season, and the series over its season."""
    z, seen, n, points = past.z, past.seen, past.n, past.z.shape[1]
    smoothed = min(points, SMOOTHED_POINTS)
    weighted = _Weighted(seen[:, -smoothed:])
    profile, recent_profile = past.profile(PERIOD_MEANS), past.profile(4)
    seasonal, recent_seasonal = profile[:, past.phase], recent_profile[:, past.phase]
    adjusted = (z - past.unrolled(profile, points)) * seen
    recent = (z[:, -smoothed:] - past.unrolled(recent_profile, smoothed)) * seen[:, -smoothed:]
    slow, medium, fast = (weighted.level(rate, adjusted[:, -smoothed:]) for rate in (0.1, 0.3, 0.6))
    slow_drift, drift = (weighted.drift(rate, recent) for rate in (0.1, 0.2))
    time = np.where(seen, (n + 1) / 2 - np.arange(points, 0, -1), 0).astype(np.float32)
    trend = (time * adjusted).sum(1, keepdims=True) / np.maximum((time**2).sum(1, keepdims=True), 1e-6)
    holt = weighted.level(0.5, recent) + recent_seasonal + drift * _DAMPED_STEPS
    changes = np.diff(adjusted[:, -smoothed:]) * seen[:, -smoothed:-1]
    change_variance = (changes**2).sum(1, keepdims=True) + np.float32(1e-9)

    ratio, positive = past.ratio_profile(6)
    ratio_adjusted = (z[:, -smoothed:] + past.offset) / past.unrolled(ratio, smoothed) * seen[:, -smoothed:]
    ratio_level = weighted.level(0.4, ratio_adjusted)
    ratio_holt = np.maximum(ratio_level + weighted.drift(0.1, ratio_adjusted) * _DAMPED_STEPS, 0)
    ratio_ahead = ratio[:, past.phase]
    return _Smoothed(
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
        theta=weighted.level(0.4, adjusted[:, -smoothed:]) + seasonal + 0.5 * trend * _AHEAD,
        positive=positive,
        proportional=np.where(positive, ratio_level * ratio_ahead - past.offset, medium + seasonal),
        proportional_holt=np.where(positive, ratio_holt * ratio_ahead - past.offset, holt),
        change_variance=change_variance,
        change_autocorrelation=(changes[:, 1:] * changes[:, :-1]).sum(1, keepdims=True) / change_variance,
        adjusted=adjusted,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Exponential smoothing with the best parameters of each history: less its season, over its season, as it is."""

    forecasts: list[Floats]
    parameters: list[Floats]


def _fitted(past: Past, smoothed: _Smoothed) -> _Fitted:
    """Smooth with the best parameters, and put the season back."""
    z, n, trend, positive = past.z, past.n, smoothed.trend, smoothed.positive
    ratio, _ = past.ratio_profile(PERIOD_MEANS)
    proportional = (z + past.offset) / past.unrolled(ratio, z.shape[1]) - past.offset
    plain = smooth(z, n, trend)
    less_season = smooth(smoothed.adjusted, n, trend)
    over_season = smooth(np.where(positive, proportional, smoothed.adjusted) * past.seen, n, trend)

    def times_season(forecast: Floats) -> Floats:
        times = (forecast + past.offset) * ratio[:, past.phase] - past.offset
        return np.where(positive, times, forecast + smoothed.seasonal)

    fits = (less_season, over_season, plain)
    return _Fitted(
        forecasts=[
            less_season.level + smoothed.seasonal,
            less_season.trend + smoothed.seasonal,
            less_season.best + smoothed.seasonal,
            less_season.drifting + smoothed.seasonal,
            times_season(over_season.best),
            times_season(over_season.drifting),
            plain.best,
            plain.level,
        ],
        parameters=[
            *(np.log(fit.error) for fit in fits),
            *(fit.rate for fit in fits),
            *(fit.trend_share for fit in fits),
        ],
    )


class _Weighted:
    """Exponentially weighted means over the points that were seen."""

    def __init__(self, seen: Mask) -> None:
        self.seen = seen.astype(np.float32)
        self.age = np.arange(seen.shape[1] - 1, -1, -1)

    def level(self, rate: float, values: Floats) -> Floats:
        """Smooth to the level at the last point."""
        weight = ((1 - rate) ** self.age).astype(np.float32)
        level: Floats = (values @ weight / (self.seen @ weight))[:, None]
        return level

    def drift(self, rate: float, values: Floats) -> Floats:
        """Smooth the changes from point to point."""
        weight = ((1 - rate) ** self.age[1:]).astype(np.float32)
        seen = self.seen[:, :-1]
        drift: Floats = ((np.diff(values) * seen) @ weight / np.maximum(seen @ weight, np.float32(1e-9)))[:, None]
        return drift
