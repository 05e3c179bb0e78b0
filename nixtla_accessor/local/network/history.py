"""Statistics of a window's history: means of seasons, lags, seasonal profiles, errors of naive forecasts."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.seasons import Season

TYPICAL_POINTS = 192  # the latest, whose quantiles are taken
NEAR_LEADS = np.arange(1, NETWORK.horizon + 1)


class History:
    """The history of a batch of windows that share a season, in z.

    Parameters
    ----------
    z : ndarray of float32, shape (windows, points)
        Right-aligned; 0 where there is no history. At least one season and one point more.
    seen : ndarray of bool, shape (windows, points)
        Where there is history.
    n : ndarray of int, shape (windows, 1)
        Points of history.
    season : Season
    offset : ndarray of float32, shape (windows, 1)
        `z + offset` is proportional to the series itself.
    leads : ndarray of int, shape (leads,)
        The steps ahead to forecast.

    Attributes
    ----------
    periods : ndarray of float32, shape (windows, periods, season length)
        The last whole seasons, latest first.
    period_means : ndarray of float32, shape (windows, period means)
        Latest first; 0 where the history does not hold the whole season.
    period_seen : ndarray of bool, shape (windows, period means)
    n_periods : ndarray of int, shape (windows, 1)
    lags, second_lags : ndarray of float32, shape (windows, lags, leads)
        The values one, two, … (second) seasons before each step ahead; 0 where there is none.
    lags_seen, second_lags_seen : ndarray of bool, of the same shapes
    lowest, highest : ndarray of float32, shape (windows, 1)
    phase : ndarray of int, shape (leads,)
        Of each step ahead within the season.
    ahead : ndarray of float32, shape (1, leads)
        The steps ahead.
    """

    def __init__(
        self, z: Floats, seen: Mask, n: Integers, season: Season, offset: Floats, leads: Integers = NEAR_LEADS
    ) -> None:
        self.z, self.seen, self.n, self.season, self.offset, self.leads = z, seen, n, season, offset, leads
        self.ahead = leads[None].astype(np.float32)
        m, points = season.length, z.shape[1]
        self.lowest = np.where(seen, z, np.float32(np.inf)).min(1, keepdims=True)
        self.highest = np.where(seen, z, np.float32(-np.inf)).max(1, keepdims=True)
        self.phase = (leads - 1) % m
        whole = min(NETWORK.period_means, points // m)
        self.periods = z[:, points - whole * m :].reshape(len(z), whole, m)[:, ::-1]
        self.period_seen = np.zeros((len(z), NETWORK.period_means), bool)
        self.period_seen[:, :whole] = n >= m * np.arange(1, whole + 1)
        self.period_means = np.zeros((len(z), NETWORK.period_means), np.float32)
        self.period_means[:, :whole] = self.periods.mean(2) * self.period_seen[:, :whole]
        self.n_periods = self.period_seen.sum(1, keepdims=True)
        self.lags, self.lags_seen = self._lagged(m, NETWORK.season_lags)
        self.second_lags, self.second_lags_seen = self._lagged(season.second, NETWORK.second_season_lags)
        self.sums = np.concatenate([np.zeros((len(z), 1), np.float64), z.cumsum(1, dtype=np.float64)], 1)

    @cached_property
    def ordered(self) -> Floats:
        """The latest values of each history, in ascending order; infinite where there are fewer."""
        points = min(TYPICAL_POINTS, self.z.shape[1])
        ordered: Floats = np.sort(np.where(self.seen[:, -points:], self.z[:, -points:], np.float32(np.inf)), 1)
        return ordered

    @cached_property
    def quantiles(self) -> Floats:
        """The quantiles of the latest values, at the network's levels; (windows, levels)."""
        n = np.minimum(self.n, self.ordered.shape[1])
        position = np.array(NETWORK.quantile_levels)[None] * (n - 1)
        below = position.astype(int)
        lower = np.take_along_axis(self.ordered, below, 1)
        upper = np.take_along_axis(self.ordered, np.minimum(below + 1, n - 1), 1)
        quantiles: Floats = (lower + (position - below) * (upper - lower)).astype(np.float32)
        return quantiles

    def before(self, steps: int) -> History:
        """Return the same histories without their last steps, but at least one point of each, to forecast these."""
        earlier = self.seen[:, :-steps].copy()
        earlier[:, -1] = True
        leads = np.arange(1, steps + 1)
        return History(self.z[:, :-steps], earlier, np.maximum(self.n - steps, 1), self.season, self.offset, leads)

    def _lagged(self, period: int, count: int) -> tuple[Floats, Mask]:
        """Return the values 1, 2, …, count periods before each step ahead, and where there is one."""
        points = self.z.shape[1]
        values = np.zeros((len(self.z), count, len(self.leads)), np.float32)
        seen = np.zeros(values.shape, bool)
        for j in range(count if period else 0):
            age = (j + 1) * period - (self.leads - 1) % period
            seen[:, j] = age <= self.n
            values[:, j] = self.z[:, np.maximum(points - age, 0)] * seen[:, j]
        return values, seen

    def mean_before(self, end: int) -> Floats:
        """Compute the mean of the season that ends `end` points before the last; 0 where there is no history."""
        m, points = self.season.length, self.z.shape[1]
        if end + m > points:
            return np.zeros((len(self.z), 1), np.float32)
        mean = self.z[:, points - end - m : points - end].mean(1, keepdims=True)
        return np.where(self.n >= end + m, mean, np.float32(0))

    def slope(self, periods: int) -> tuple[Floats, Integers]:
        """Return the mean growth per season over at most `periods` seasons, and how many seasons that is."""
        used = np.clip(self.n_periods, 1, periods)
        growth = self.period_means[:, :1] - np.take_along_axis(self.period_means, used - 1, 1)
        return growth / np.maximum(used - 1, 1).astype(np.float32), used

    def within_season(self, growth: Floats) -> Floats:
        """Compute how far steady growth moves each phase from its season's mean; (windows, season length)."""
        m = self.season.length
        return growth * ((np.arange(m, dtype=np.float32) - np.float32((m - 1) / 2)) / np.float32(m))

    def profile(self, periods: int) -> Floats:
        """Compute the mean deviation of each phase from its period's mean and steady growth, over the last periods."""
        m = self.season.length
        periods = min(periods, self.periods.shape[1])
        if m == 1 or periods == 0:
            return np.zeros((len(self.z), m), np.float32)
        deviation = self.periods[:, :periods] - self.period_means[:, :periods, None]
        mean = mean_of_seen(deviation, self.period_seen[:, :periods, None])
        return mean - self.within_season(self.slope(periods)[0])

    def ratio_profile(self, periods: int) -> tuple[Floats, Mask]:
        """Compute the mean ratio of each phase to its period's mean, and where it has a meaning: well above zero."""
        m = self.season.length
        periods = min(periods, self.periods.shape[1])
        positive = (self.lowest + self.offset > 0.2) & (self.n_periods > 0)
        if m == 1 or periods == 0:
            return np.ones((len(self.z), m), np.float32), positive
        one = np.float32(1)
        level = np.where(positive, self.period_means[:, :periods] + self.offset, one)
        values = np.where(positive[:, :, None], self.periods[:, :periods] + self.offset[:, :, None], one)
        seen = self.period_seen[:, :periods]
        ratio = mean_of_seen(values / np.where(seen, level, one)[:, :, None], seen[:, :, None])
        steady = self.within_season(
            self.slope(periods)[0] / np.where(positive, mean_of_seen(level, seen)[:, None], one)
        )
        return np.where(positive, np.maximum(ratio - steady, np.float32(0.01)), one), positive

    def repeat_profile(self, profile: Floats, points: int) -> Floats:
        """Repeat a seasonal profile over the last points."""
        repeats = -(-points // self.season.length)
        return np.tile(profile, (1, repeats))[:, -points:]

    def naive_error(self, lag: int, *, within: int | None = None) -> Floats:
        """Compute the mean absolute error of the naive forecast at this lag, over the last `within` points or all."""
        points = self.z.shape[1]
        first = lag if within is None else max(points - within, lag)
        if lag == 0 or first >= points:
            return np.zeros((len(self.z), 1), np.float32)
        change = np.abs(self.z[:, first:] - self.z[:, first - lag : points - lag])
        return row_mean(change, self.seen[:, first - lag : points - lag])


def row_mean(values: Floats | Mask, seen: Mask) -> Floats:
    """Compute the mean of each row over the seen columns, 0 where there are none; (rows, 1)."""
    count = np.maximum(seen.sum(1, keepdims=True), 1)
    mean: Floats = (values * seen).sum(1, keepdims=True) / count
    return mean


def mean_of_seen(values: Floats, seen: Mask) -> Floats:
    """Compute the mean over axis 1 of what was seen, 0 where nothing was."""
    count = np.maximum(seen.sum(1), 1).astype(np.float32)
    mean: Floats = (values * seen).sum(1) / count
    return mean
