"""Location, scale and unit of each history: what makes the network independent of the level and unit of a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.cycles import short_season
from nixtla_accessor.local.network.history import History, row_mean

USUAL_CHANGE = 0.1  # from point to point over the mean size, where no series shows it
MOST_COMPARED = 1000  # series whose usual change is measured
SHORTEST_OWN_SPREAD = 3  # changes from which on a series' own are taken alone
MIN_UNIT = 0.02  # in z
ROUNDING = 1e-11  # of the mean: what varies less is constant but for rounding
FARTHEST_ZERO = 1e5  # scales from zero: beyond, float32 does not tell ratios to zero from differences


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Location, scale and spread of each history, in the units of the series; each (windows, 1)."""

    mean: Floats
    location: Floats
    spread: Floats
    recent_spread: Floats
    recent_change: Floats
    scale: Floats

    @property
    def offset(self) -> Floats:
        """The location in scales, as far as features know it: at most FARTHEST_ZERO; (windows, 1)."""
        return np.clip(self.location / self.scale, -FARTHEST_ZERO, FARTHEST_ZERO).astype(np.float32)


def measure(
    values: Floats, age: Integers, n: Integers, m: int, recent_points: int, usual_change: Floats | float
) -> Measures:
    """Measure each history; the scale is mostly that of its recent points."""
    seen = age <= n
    mean = row_mean(values, seen)
    spread = np.sqrt(row_mean((values - mean) ** 2, seen))
    recent, recent_seen = values[:, -recent_points:], seen[:, -recent_points:]
    recent_spread = np.sqrt(row_mean((recent - row_mean(recent, recent_seen)) ** 2, recent_seen))
    recent_change = row_mean(np.abs(np.diff(recent)), recent_seen[:, :-1])
    own_weight = np.clip((n - 1) / SHORTEST_OWN_SPREAD, 0, 1)  # a change or two say little
    recent_change = own_weight * recent_change + (1 - own_weight) * usual_change * np.abs(mean)
    scale = np.maximum.reduce(
        [0.5 * recent_spread, 0.5 * recent_change, 0.05 * spread, ROUNDING * np.abs(mean), np.full_like(mean, 1e-9)]
    )
    location = row_mean(values, age <= np.minimum(m, n))
    return Measures(mean, location, spread, recent_spread, recent_change, scale)


def usual_change_of(series: Sequence[Floats]) -> float:
    """Compute the median, over the series of three points or more, of the mean change over the mean size."""
    ratios = []
    for values in series[:MOST_COMPARED]:
        end = np.asarray(values, np.float64)[-NETWORK.recent_values :]
        end = end[np.isfinite(end)]
        if len(end) > 2 and end.any():
            largest = np.abs(end).max()
            ratios.append(np.abs(np.diff(end / largest)).mean() / np.abs(end / largest).mean())
    return float(np.median(ratios)) if ratios else USUAL_CHANGE


def naive_errors(history: History, recent_points: int) -> dict[str, Floats]:
    """Compute mean absolute errors of the naive forecasts, over the whole history and its recent points."""
    lags = {
        "naive_error": 1,
        "seasonal_naive_error": history.season.length,
        "second_seasonal_naive_error": history.season.second,
    }
    errors = {name: history.naive_error(lag) for name, lag in lags.items()}
    recent = {f"recent_{name}": history.naive_error(lag, within=recent_points) for name, lag in lags.items()}
    return errors | recent


def cycle_error(history: History, period: Integers) -> Floats:
    """Compute the mean absolute error of repeating the last cycle, over the recent points; 0 where there is none."""
    points = min(NETWORK.recent_values, history.z.shape[1])
    age = np.arange(points, 0, -1)[None]
    before = np.take_along_axis(history.z, np.maximum(history.z.shape[1] - age - period, 0), 1)
    known = (age + period <= history.n) & (period > 0)
    return row_mean(np.abs(history.z[:, -points:] - before), known).astype(np.float32)


def usual_error(
    history: History,
    errors: Mapping[str, Floats],
    cycles: Mapping[str, Floats],
    measures: Measures,
    detected: Integers,
) -> Floats:
    """Compute the size of a usual error in z: the least of the naive forecasts' that the history shows often enough."""
    m, n = history.season.length, history.n
    hour = short_season(m)
    usual = np.where(n > m, errors["seasonal_naive_error"], errors["naive_error"])
    if m > 1:
        usual = np.where(n > m, np.minimum(usual, errors["naive_error"]), usual)
    usual = np.where((detected > 0) & (n >= 2 * detected), np.minimum(usual, cycles["detected_error"]), usual)
    if hour:
        usual = np.where(n > hour, np.minimum(usual, cycles["short_error"]), usual)
    usual = np.where(n > SHORTEST_OWN_SPREAD, usual, measures.recent_change / measures.scale)
    return usual.astype(np.float32) + np.float32(MIN_UNIT)
