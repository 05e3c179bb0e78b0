"""Baselines from a season of each series' own length: one that was detected, or an hour within the day."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.history import History, mean_of_seen
from nixtla_accessor.local.network.smoothing import POINTS, WeightedMeans, smooth

CYCLE_FORECASTS = ("naive", "mean", "at_level", "smoothing", "trend")
"""Names of the forecasts of `Cycle`, of which each season has its own."""


class Cycle:
    """The last cycles of the histories that hold one whole, and forecasts from them.

    Parameters
    ----------
    history : History
    period : ndarray of int, shape (windows, 1)
        Steps in a cycle; 0 where there is none.

    Attributes
    ----------
    rows : ndarray of int, shape (rows,)
        The windows that hold a cycle.
    forecasts : dict of str to ndarray of shape (rows, leads)
        Of these, by the names in CYCLE_FORECASTS.
    adjusted : ndarray of float32, shape (rows, POINTS)
        The latest points less the cycle.
    ahead : ndarray of float32, shape (rows, leads)
        The cycle at each step ahead, of mean 0.
    slope : ndarray of float32, shape (rows, 1)
        Growth per step over the last cycles.
    """

    def __init__(self, history: History, period: Integers) -> None:
        self.rows = rows = np.flatnonzero((period > 1) & (history.n >= period))
        z, n, length = history.z[rows], history.n[rows], period[rows]
        phase = np.arange(int(length.max(initial=1)))[None]
        inside = phase < length
        nth = np.arange(1, NETWORK.cycle_lags + 1)[None]
        start = z.shape[1] - nth * length  # of each cycle, latest first
        seen = n >= nth * length
        at = np.clip(start[:, :, None] + phase[:, None], 0, z.shape[1] - 1)
        values = np.take_along_axis(z[:, None], at, 2)
        ends = np.maximum(np.concatenate([start[:, :1] + length, start], 1), 0)
        sums = np.take_along_axis(history.sums[rows], ends, 1)
        means = ((sums[:, :-1] - sums[:, 1:]) / length * seen).astype(np.float32)
        used = seen.sum(1, keepdims=True)
        oldest = np.take_along_axis(means, used - 1, 1)
        growth = (means[:, :1] - oldest) / np.maximum(used - 1, 1).astype(np.float32)  # per cycle
        steady = growth * ((phase - (length - 1) / 2) / length).astype(np.float32)
        profile = (mean_of_seen(values - means[:, :, None], seen[:, :, None]) - steady) * inside
        lead_phase = (history.leads - 1)[None] % length
        self.slope = growth / length.astype(np.float32)
        self.ahead = np.take_along_axis(profile, lead_phase, 1)
        age = np.arange(POINTS, 0, -1)[None]
        seen_end = history.seen[rows, -POINTS:]
        self.adjusted = (z[:, -POINTS:] - np.take_along_axis(profile, -age % length, 1)) * seen_end
        level = WeightedMeans(seen_end).level(0.3, self.adjusted)
        at_level = self.ahead + means[:, :1]
        cycles_ahead = history.ahead / length.astype(np.float32) + (0.5 - 0.5 / length).astype(np.float32)
        self.forecasts = {
            "naive": np.take_along_axis(values[:, 0], lead_phase, 1),
            "mean": np.take_along_axis(mean_of_seen(values, seen[:, :, None]), lead_phase, 1),
            "at_level": at_level,
            "smoothing": self.ahead + level,
            "trend": at_level + growth * cycles_ahead,
        }


def short_season(season_length: int) -> int:
    """Return the steps in an hour where the season is a day of at least 48 whole parts of hours; else 0."""
    return season_length // 24 if season_length >= 48 and season_length % 24 == 0 else 0


def forecast_cycles(history: History, detected: Integers, otherwise: Floats) -> dict[str, Floats]:
    """Forecast from the detected season, and from the hour within the day.

    Parameters
    ----------
    history : History
    detected : ndarray of int, shape (windows, 1)
        Length of the detected season; 0 where there is none.
    otherwise : ndarray of float32, shape (windows, leads)
        The forecast where there is no such season, or not one whole.
    """
    forecasts: dict[str, Floats] = {}
    periods = {"detected": detected, "short": np.full_like(detected, short_season(history.season.length))}
    for season, period in periods.items():
        cycle = Cycle(history, period)
        if season == "detected":
            fitted = smooth(cycle.adjusted, history.n[cycle.rows], cycle.slope, history.ahead)
            cycle.forecasts["fitted"] = cycle.ahead + fitted.combined
        for name, forecast in cycle.forecasts.items():
            forecasts[f"{season}_{name}"] = otherwise.copy()
            forecasts[f"{season}_{name}"][cycle.rows] = forecast
    return forecasts
