"""What happens to single series: demand that is mostly zero, bursts, outliers, shifts of level, faults a year ago."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.pretraining.drawing import Drawing
from nixtla_accessor.seasons import Season

SELDOM, SELDOM_SEASONS = 0.35, (1, 4, 12)  # yearly, quarterly and monthly series are calmer


def add_events(drawing: Drawing, values: Floats, season: Season) -> Floats:
    """Let such things happen to a few series each; all but bursts and demand lie in the history."""
    values = np.array(values, np.float64)
    often = SELDOM if season.length in SELDOM_SEASONS else 1.0
    spread = drawing.spread(values.astype(np.float32)).astype(np.float64)
    _add_outliers(drawing, values, spread, season, often)
    _shift_level(drawing, values, spread, season, often)
    _add_faults(drawing, values, spread, season, often)
    _replace_by_demand(drawing, values, often)
    _replace_by_bursts(drawing, values, season, often)
    return values


def _some(drawing: Drawing, probability: float) -> Integers:
    return np.flatnonzero(drawing.rng.random(drawing.rows) < probability)


def _signed(drawing: Drawing, low: float, high: float, rows: int) -> Floats:
    """Draw 10 to a uniform power, up or down."""
    result: Floats = drawing.log_uniform(low, high, rows) * np.sign(drawing.uniform(-1, 1, rows))
    return result


def _add_outliers(drawing: Drawing, values: Floats, spread: Floats, season: Season, often: float) -> None:
    """Add an outlier within the last seasons."""
    rows = _some(drawing, 0.06 * often)
    back = drawing.rng.integers(1, 2 * season.length + 12, len(rows))
    column = np.maximum(drawing.history - back, 0)
    size = _signed(drawing, 0.2, 1.2, len(rows))
    keeps_sign = values[rows].min(1) >= 0
    moved = values[rows, column] + (size * spread[rows])[:, 0]
    values[rows, column] = np.where(keeps_sign, np.abs(moved), moved)


def _shift_level(drawing: Drawing, values: Floats, spread: Floats, season: Season, often: float) -> None:
    """Move the level for good, within the last seasons."""
    rows = _some(drawing, 0.06 * often)
    start = drawing.history - drawing.rng.integers(1, 2 * season.length + 12, (len(rows), 1))
    after = np.arange(drawing.points)[None] >= start
    change = np.abs(_signed(drawing, -0.3, 0.8, len(rows)))
    up = drawing.rng.random((len(rows), 1)) < 0.6
    moved = np.where(up, values[rows] + change * spread[rows], values[rows] / (1 + change))
    values[rows] = np.where(after, moved, values[rows])


def _add_faults(drawing: Drawing, values: Floats, spread: Floats, season: Season, often: float) -> None:
    """Spoil a stretch of the history; where there is a second season, often the one that is a lag of the forecast."""
    rows = _some(drawing, (0.25 if season.second else 0.06) * often)
    n = len(rows)
    duration = np.exp(drawing.rng.uniform(0, np.log(max(4, 3 * season.length)), n)).astype(int)[:, None]
    start = (drawing.history - drawing.rng.random((n, 1)) * drawing.life[rows]).astype(int)
    if season.second:
        year_ago = drawing.history - season.second + drawing.rng.integers(-duration, 28, (n, 1))
        start = np.where(drawing.rng.random((n, 1)) < 0.7, year_ago, start)
    column = np.arange(drawing.points)[None]
    spoilt = (column >= start) & (column < start + duration) & (column < drawing.history)
    silent = drawing.rng.random((n, 1)) < 0.4
    change = _signed(drawing, -0.2, 1, n) * spread[rows]
    nothing = np.minimum(values[rows].min(1, keepdims=True), 0 if drawing.rng.random() < 0.5 else np.inf)
    wrong = np.where(silent, nothing, values[rows] + change)
    wrong = np.where(values[rows].min(1, keepdims=True) >= 0, np.abs(wrong), wrong)
    values[rows] = np.where(spoilt, wrong, values[rows])


def _replace_by_demand(drawing: Drawing, values: Floats, often: float) -> None:
    """Let some series be demand that comes now and then, more often when the series is high."""
    rng, rows = drawing.rng, _some(drawing, 0.07 * often)
    n, shape = len(rows), (len(rows), drawing.points)
    relative = values[rows] - values[rows].mean(1, keepdims=True)
    relative /= values[rows].std(1, keepdims=True) + 1e-9
    odds = np.log(drawing.uniform(0.03, 0.7, n)) + np.clip(relative, -3, 3) * drawing.uniform(0, 0.6, n)
    happens = rng.random(shape) < np.exp(np.minimum(odds, -0.05))
    mean = drawing.log_uniform(-0.3, 1.3, n)
    whole = 1 + rng.poisson(np.broadcast_to(mean * rng.gamma(2, 0.5, shape), shape))
    measured = mean * np.exp(0.6 * rng.standard_normal(shape))
    values[rows] = np.where(happens, np.where(rng.random((n, 1)) < 0.7, whole, measured), 0)


def _replace_by_bursts(drawing: Drawing, values: Floats, season: Season, often: float) -> None:
    """Let some series be calm but for a steep rise and fall, as in an epidemic; it may be under way at the end."""
    rng, rows = drawing.rng, _some(drawing, 0.05 * often)
    n = len(rows)
    width = np.exp(rng.uniform(np.log(2), np.log(20 + 2 * season.length), (n, 1)))
    peak = drawing.history + width * rng.uniform(-5, 2, (n, 1))
    distance = (np.arange(drawing.points)[None] - peak) / width
    slower = rng.uniform(1, 4, (n, 1))  # the fall
    height = np.exp(-np.where(distance < 0, distance**2 * rng.uniform(0.3, 1, (n, 1)), distance**2 / slower**2))
    rough = np.exp(0.25 * rng.standard_normal(height.shape) * (rng.random((n, 1)) < 0.7))
    plateau = np.where((rng.random((n, 1)) < 0.25) & (distance > 0), 1, height)  # it stays
    calm = np.abs(values[rows]) * (rng.random((n, 1)) < 0.5)
    usual = np.maximum(calm.mean(1, keepdims=True), 1e-3)
    size = usual * drawing.log_uniform(0.5, 3.5, n)
    burst = calm + size * plateau * rough
    values[rows] = np.where(rng.random((n, 1)) < 0.5, np.floor(burst), burst)
