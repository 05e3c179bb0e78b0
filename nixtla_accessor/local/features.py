"""What the network sees of a window: its inputs, and the simple forecasts that it mixes.

A window is a stretch of history, right-aligned in its row. Everything is expressed in `z = (y - location) / scale` of
that window, so that the network is indifferent to the level and the unit of a series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.seasons import Season

HORIZON = 24  # steps ahead that the network forecasts in one go
RECENT_VALUES = 128  # last values that the network sees as they are
PERIOD_MEANS = 16  # means of whole seasons, latest first
SEASON_LAGS = 4  # values one, two, ... seasons before each step ahead
SECOND_SEASON_LAGS = 3
LONGEST_INPUT = 1056  # history beyond this is not used
N_BASES = 22  # simple forecasts, see `_Bases`
N_SCALARS = 41
LENGTH_CODE = np.array([6, 8, 10, 12, 16, 24, 36, 48, 64, 96, 128, 256, 512])  # thermometer of the history's length
N_INPUTS = (
    RECENT_VALUES + 2 * PERIOD_MEANS + (SEASON_LAGS + SECOND_SEASON_LAGS + 2) * HORIZON + N_SCALARS + len(LENGTH_CODE)
)
DAMPING = 0.85  # of a trend, per season

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """A batch of windows as the network takes them.

    Attributes
    ----------
    inputs : ndarray of float32, shape (windows, N_INPUTS)
    bases : ndarray of float32, shape (windows, HORIZON, N_BASES)
        Simple forecasts in z.
    unit : ndarray of float32, shape (windows, 1)
        Size in z of a usual error of the (seasonal) naive forecast: the unit of corrections and of losses.
    location, scale : ndarray of float64, shape (windows, 1)
        `y = location + scale * z`.
    """

    inputs: Floats
    bases: Floats
    unit: Floats
    location: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, chosen: NDArray[np.integer]) -> Windows:
        """Some of the windows."""
        return Windows(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @staticmethod
    def joined(parts: Sequence[Windows]) -> Windows:
        """Several batches as one."""
        return Windows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Windows)))


def input_size(season: Season) -> int:
    """Points of history that the network can use at most."""
    wanted = PERIOD_MEANS * season.length if season.length > 1 else RECENT_VALUES
    second = SECOND_SEASON_LAGS * season.second + season.length if season.second else 0
    return min(LONGEST_INPUT, max(RECENT_VALUES, wanted, second))


def right_aligned(series: Sequence[Floats], season: Season) -> tuple[Floats, NDArray[np.integer]]:
    """The usable end of each series as the right end of a row, and how many points each has."""
    size = input_size(season)
    lengths = np.array([min(len(values), size) for values in series])
    width = int(lengths.max())
    history = np.zeros((len(series), width))
    for row, values, length in zip(history, series, lengths, strict=True):
        row[width - length :] = values[len(values) - length :]
    return history, lengths


def extract(history: Floats, length: NDArray[np.integer], season: Season) -> Windows:
    """Make the network's inputs from windows that share a season.

    Parameters
    ----------
    history : ndarray of float64, shape (windows, points)
        Finite values, the latest in the last column; what stands before the window's `length` last points is ignored.
    length : ndarray of int, shape (windows,)
        Points of history in each window, at least 1.
    season : Season

    Returns
    -------
    Windows
    """
    m = season.length
    n = np.minimum(length, input_size(season))[:, None]
    values = _padded(history, max(RECENT_VALUES, 2 * m + 1, 48), input_size(season))
    age = np.arange(values.shape[1], 0, -1)[None]  # 1 is the latest point
    seen = age <= n
    mean = _mean(values, seen)
    location = _mean(values, age <= np.minimum(m, n))
    spread = np.sqrt(_mean((values - mean) ** 2, seen))
    recent = slice(-max(2 * m, 48), None)  # scale comes from the recent past
    recent_mean = _mean(values[:, recent], seen[:, recent])
    recent_spread = np.sqrt(_mean((values[:, recent] - recent_mean) ** 2, seen[:, recent]))
    recent_change = _mean(np.abs(np.diff(values[:, recent])), seen[:, recent][:, :-1])
    scale = np.maximum.reduce(
        [0.5 * recent_spread, 0.5 * recent_change, 0.05 * spread, 1e-5 * np.abs(mean), np.full_like(mean, 1e-9)]
    )
    z = (np.clip((values - location) / scale, -50, 50) * seen).astype(np.float32)

    past = _Past(z, seen, n, season, offset=(location / scale).astype(np.float32))
    bases = _Bases(past, mean_z=np.clip((mean - location) / scale, -50, 50).astype(np.float32))
    naive_errors = [past.naive_error(lag, recent) for recent in (False, True) for lag in (1, m, season.second)]
    scalars: list[Floats] = [
        np.log(n / 32),
        np.full(n.shape, np.log(m) / 3),
        np.full(n.shape, m == 1),
        np.full(n.shape, season.second > 0),
        np.log(n / m) / 2,
        n > m,
        n > 2 * m,
        (n > season.second) & (season.second > 0),
        np.clip(mean / scale, -30, 30) / 10,
        np.arcsinh(past.offset) / 3,
        recent_spread / scale,
        recent_change / scale,
        np.arcsinh(spread / scale),
        np.arcsinh(bases.mean_z),
        past.lowest + past.offset > 0,
        np.arcsinh(past.lowest),
        np.arcsinh(past.highest),
        *(np.arcsinh(error) for error in naive_errors),
        *bases.scalars(),
        _mean(values == 0, seen),
        _mean(np.diff(values) == 0, seen[:, :-1]),
        n >= LENGTH_CODE,
    ]
    inputs = [
        np.arcsinh(z[:, -RECENT_VALUES:]),
        np.arcsinh(past.period_means),
        past.period_seen,
        np.arcsinh(past.lags).reshape(len(z), -1),
        np.arcsinh(past.second_lags).reshape(len(z), -1),
        np.arcsinh(bases.second_season_relative),
        np.arcsinh(bases.theta),
        *scalars,
    ]
    return Windows(
        inputs=np.concatenate([part.astype(np.float32) for part in inputs], 1),
        bases=bases.stacked(),
        unit=np.where(n > m, naive_errors[1], naive_errors[0]).astype(np.float32) + np.float32(0.05),
        location=location,
        scale=scale,
    )


class _Past:
    """A window's history in z, and what is read off it: period means, lags, seasonal profiles."""

    def __init__(self, z: Floats, seen: Mask, n: NDArray[np.integer], season: Season, offset: Floats) -> None:
        self.z, self.seen, self.n, self.season, self.offset = z, seen, n, season, offset
        m, points = season.length, z.shape[1]
        self.lowest = np.where(seen, z, np.float32(np.inf)).min(1, keepdims=True)
        self.highest = np.where(seen, z, np.float32(-np.inf)).max(1, keepdims=True)
        self.phase = np.arange(HORIZON) % m  # of each step ahead within the season
        periods = min(PERIOD_MEANS, points // m)
        latest_first = z[:, points - periods * m :].reshape(len(z), periods, m)[:, ::-1]
        self.periods = latest_first
        self.period_seen = np.zeros((len(z), PERIOD_MEANS), bool)
        self.period_seen[:, :periods] = n >= m * np.arange(1, periods + 1)
        self.period_means = np.zeros((len(z), PERIOD_MEANS), np.float32)
        self.period_means[:, :periods] = latest_first.mean(2) * self.period_seen[:, :periods]
        self.n_periods = self.period_seen.sum(1, keepdims=True)
        self.lags, self.lags_seen = self._lagged(m, SEASON_LAGS)
        self.second_lags, self.second_lags_seen = self._lagged(season.second, SECOND_SEASON_LAGS)

    def _lagged(self, period: int, count: int) -> tuple[Floats, Mask]:
        """The values 1..count periods before each step ahead, and which of them were seen; 0 where not."""
        points = self.z.shape[1]
        values = np.zeros((len(self.z), count, HORIZON), np.float32)
        seen = np.zeros(values.shape, bool)
        for j in range(count if period else 0):
            age = (j + 1) * period - np.arange(HORIZON) % period
            seen[:, j] = age <= self.n
            values[:, j] = self.z[:, np.maximum(points - age, 0)] * seen[:, j]
        return values, seen

    def mean_before(self, end: int) -> Floats:
        """Mean of the season that ends `end` points before the last; 0 where it was not seen."""
        m, points = self.season.length, self.z.shape[1]
        if end + m > points:
            return np.zeros((len(self.z), 1), np.float32)
        mean = self.z[:, points - end - m : points - end].mean(1, keepdims=True)
        return np.where(self.n >= end + m, mean, np.float32(0))

    def profile(self, periods: int) -> Floats:
        """Mean deviation from the period's mean at each phase, over the latest periods. (windows, season length)"""
        m = self.season.length
        periods = min(periods, self.periods.shape[1])
        if m == 1 or periods == 0:
            return np.zeros((len(self.z), m), np.float32)
        deviation = self.periods[:, :periods] - self.period_means[:, :periods, None]
        return _mean_of_seen(deviation, self.period_seen[:, :periods, None])

    def ratio_profile(self, periods: int) -> tuple[Floats, Mask]:
        """Mean ratio to the period's mean at each phase, and where that makes sense: values well above zero."""
        m = self.season.length
        periods = min(periods, self.periods.shape[1])
        sensible = (self.lowest + self.offset > 0.2) & (self.n_periods > 0)
        if m == 1 or periods == 0:
            return np.ones((len(self.z), m), np.float32), sensible
        level = np.where(sensible, self.period_means[:, :periods] + self.offset, np.float32(1))
        values = np.where(sensible[:, :, None], self.periods[:, :periods] + self.offset[:, :, None], np.float32(1))
        seen = self.period_seen[:, :periods]
        ratio = _mean_of_seen(values / np.where(seen, level, np.float32(1))[:, :, None], seen[:, :, None])
        return np.where(sensible, np.maximum(ratio, np.float32(0.01)), np.float32(1)), sensible

    def unrolled(self, profile: Floats, points: int) -> Floats:
        """A seasonal profile laid under the last points."""
        repeats = -(-points // self.season.length)
        return np.tile(profile, (1, repeats))[:, -points:]

    def naive_error(self, lag: int, recent: bool) -> Floats:
        """Mean absolute error of the forecast 'as `lag` steps ago'."""
        points = self.z.shape[1]
        first = max(points - max(2 * self.season.length, 48), lag) if recent else lag
        if lag == 0 or first >= points:
            return np.zeros((len(self.z), 1), np.float32)
        change = np.abs(self.z[:, first:] - self.z[:, first - lag : points - lag])
        return _mean(change, self.seen[:, first - lag : points - lag])


class _Bases:
    """The simple forecasts that the network mixes, and their parameters as scalars for its input."""

    def __init__(self, past: _Past, mean_z: Floats) -> None:
        self.past, self.mean_z = past, mean_z
        n, m, z = past.n, past.season.length, past.z
        means, n_periods = past.period_means, past.n_periods
        ahead = np.arange(1, HORIZON + 1, dtype=np.float32)[None]
        seasons_ahead = ahead / m + np.float32(0.5 - 0.5 / m)  # from the centre of the last period
        damped_seasons = (1 - DAMPING**seasons_ahead) / np.float32(-np.log(DAMPING))
        damped_steps = np.cumsum(np.float32(0.9) ** ahead, 1)

        # the values of former seasons, as they are or moved to today's level
        last = np.broadcast_to(z[:, -1:], (len(z), HORIZON))
        lags, lags_seen = past.lags, past.lags_seen
        seasonal_naive = np.where(lags_seen[:, 0], lags[:, 0], last)
        seasonal_mean = np.where(lags_seen.any(1), _mean_of_seen(lags, lags_seen), last)
        level_seen = lags_seen & past.period_seen[:, :SEASON_LAGS, None]
        relative = np.where(
            level_seen.any(1), _mean_of_seen(lags - means[:, :SEASON_LAGS, None], level_seen), seasonal_naive
        )
        second, second_seen = past.second_lags, past.second_lags_seen
        second_naive = np.where(second_seen[:, 0], second[:, 0], seasonal_mean)
        second_mean = np.where(second_seen.any(1), _mean_of_seen(second, second_seen), seasonal_mean)
        two_seasons_seen = second_seen[:, 0] & (n >= past.season.second + m)
        self.second_season_relative = np.where(
            two_seasons_seen, second[:, 0] - past.mean_before(past.season.second), relative
        )

        # growth from season to season: the last, over up to five, over all
        self.last_step = np.where(n_periods > 1, means[:, :1] - means[:, 1:2], np.float32(0))
        self.slope, few = self._slope(5)
        self.long_slope, _ = self._slope(PERIOD_MEANS)
        now, then = means[:, :1] + past.offset, np.take_along_axis(means, few - 1, 1) + past.offset
        positive = (now > 0) & (then > 0) & (few > 1)
        log_growth = np.log(np.where(positive, now, 1) / np.where(positive, then, 1)) / np.maximum(few - 1, 1)
        self.growth = log_growth.astype(np.float32)

        # exponential smoothing of the deseasonalised series
        smoothed = min(z.shape[1], 256)
        self.long_profile, self.short_profile = past.profile(PERIOD_MEANS), past.profile(4)
        seasonal, recent_seasonal = self.long_profile[:, past.phase], self.short_profile[:, past.phase]
        adjusted = (z - past.unrolled(self.long_profile, z.shape[1])) * past.seen
        recently_adjusted = (z[:, -smoothed:] - past.unrolled(self.short_profile, smoothed)) * past.seen[:, -smoothed:]
        smooth = _Smoothing(past.seen[:, -smoothed:])
        self.slow, self.medium, self.fast = (smooth.level(rate, adjusted[:, -smoothed:]) for rate in (0.1, 0.3, 0.6))
        self.slow_drift, self.drift = (smooth.drift(rate, recently_adjusted) for rate in (0.1, 0.2))
        time = np.where(past.seen, (n + 1) / 2 - np.arange(z.shape[1], 0, -1), 0).astype(np.float32)
        self.trend = (time * adjusted).sum(1, keepdims=True) / np.maximum((time**2).sum(1, keepdims=True), 1e-6)
        self.theta = smooth.level(0.4, adjusted[:, -smoothed:]) + seasonal + 0.5 * self.trend * ahead
        holt = smooth.level(0.5, recently_adjusted) + recent_seasonal + self.drift * damped_steps
        long_mean = np.where(n_periods > 0, _mean_of_seen(means, past.period_seen)[:, None], mean_z)

        # the same with a season that is proportional to the level
        ratio, self.positive = past.ratio_profile(6)
        ratio_ahead = ratio[:, past.phase]
        ratio_adjusted = (z[:, -smoothed:] + past.offset) / past.unrolled(ratio, smoothed) * past.seen[:, -smoothed:]
        ratio_level = smooth.level(0.4, ratio_adjusted)
        ratio_drift = smooth.drift(0.1, ratio_adjusted) * damped_steps
        proportional = np.where(self.positive, ratio_level * ratio_ahead - past.offset, self.medium + seasonal)
        proportional_trend = np.where(
            self.positive, np.maximum(ratio_level + ratio_drift, 0) * ratio_ahead - past.offset, holt
        )

        def grown(seasons: Floats) -> Floats:
            factor = np.exp(np.clip(self.growth * seasons, -1.5, 1.5))
            return np.clip((relative + past.offset) * factor - past.offset, -60, 60)

        changes = np.diff(adjusted[:, -smoothed:]) * past.seen[:, -smoothed:-1]
        self.change_variance = (changes**2).sum(1, keepdims=True) + np.float32(1e-9)
        self.change_autocorrelation = (changes[:, 1:] * changes[:, :-1]).sum(1, keepdims=True) / self.change_variance
        self._forecasts: list[Floats] = [
            last,
            seasonal_naive,
            seasonal_mean,
            seasonal_naive + self.last_step * np.ceil(ahead / m),
            relative,
            relative + self.slope * seasons_ahead,
            relative + self.long_slope * seasons_ahead,
            relative + self.slope * damped_seasons,
            grown(seasons_ahead),
            grown(damped_seasons),
            second_naive,
            second_mean,
            self.second_season_relative,
            self.slow + seasonal,
            self.medium + seasonal,
            smooth.level(0.6, recently_adjusted) + recent_seasonal,
            seasonal + means[:, :1],
            long_mean + seasonal,
            holt,
            self.theta,
            np.clip(proportional, -60, 60),
            np.clip(proportional_trend, -60, 60),
        ]

    def _slope(self, periods: int) -> tuple[Floats, NDArray[np.integer]]:
        """Mean growth per season over at most so many periods, and over how many it is."""
        means = self.past.period_means
        used = np.clip(self.past.n_periods, 1, periods)
        return (means[:, :1] - np.take_along_axis(means, used - 1, 1)) / np.maximum(used - 1, 1).astype(
            np.float32
        ), used

    def stacked(self) -> Floats:
        """All forecasts. (windows, HORIZON, N_BASES)"""
        return np.stack(self._forecasts, 2).astype(np.float32)

    def scalars(self) -> list[Floats]:
        """What the forecasts were made of."""
        n, m = self.past.n, self.past.season.length
        return [
            np.arcsinh(self.last_step),
            np.arcsinh(self.slope),
            np.arcsinh(self.long_slope),
            np.clip(self.growth * 4, -2, 2),
            np.arcsinh(self.slow),
            np.arcsinh(self.medium),
            np.arcsinh(self.fast),
            np.arcsinh(self.slow_drift * m),
            np.arcsinh(self.drift * m),
            np.arcsinh(self.trend * m),
            np.arcsinh(self.trend * n),
            self.change_autocorrelation,
            np.sqrt(self.change_variance / n),
            self.long_profile.std(1, keepdims=True),
            self.short_profile.std(1, keepdims=True),
            self.positive,
        ]


class _Smoothing:
    """Exponentially weighted means over the points that were seen."""

    def __init__(self, seen: Mask) -> None:
        self.seen = seen.astype(np.float32)
        self.age = np.arange(seen.shape[1] - 1, -1, -1)

    def level(self, rate: float, values: Floats) -> Floats:
        """Level at the last point."""
        weight = ((1 - rate) ** self.age).astype(np.float32)
        return (values @ weight / (self.seen @ weight))[:, None]

    def drift(self, rate: float, values: Floats) -> Floats:
        """Smoothed change from point to point."""
        weight = ((1 - rate) ** self.age[1:]).astype(np.float32)
        seen = self.seen[:, :-1]
        return ((np.diff(values) * seen) @ weight / np.maximum(seen @ weight, np.float32(1e-9)))[:, None]


def _padded(history: Floats, at_least: int, at_most: int) -> Floats:
    """The last columns, padded with zeros on the left to a width that every feature can be read from."""
    values = np.asarray(history, np.float64)[:, -max(at_least, at_most) :]
    missing = max(0, at_least - values.shape[1])
    return np.pad(values, ((0, 0), (missing, 0)))


def _mean(values: Floats | Mask, seen: Mask) -> Floats:
    """Mean over the seen columns, 0 where none was seen. (rows, 1)"""
    count = np.maximum(seen.sum(1, keepdims=True), 1)
    total: Floats = (values * seen).sum(1, keepdims=True)
    return total / count


def _mean_of_seen(values: Floats, seen: Mask) -> Floats:
    """Mean over axis 1 of what was seen, 0 where nothing was."""
    count = np.maximum(seen.sum(1), 1).astype(np.float32)
    return (values * seen).sum(1) / count
