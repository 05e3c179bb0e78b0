"""Seasons that the frequency does not imply, of a length of each series' own."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.pretraining.drawing import Drawing


def add_foreign_season(drawing: Drawing, seasonal: Floats, probability: float) -> Floats:
    """Give some series such a season: mostly in place of the one they have, else in addition."""
    rows = np.flatnonzero(drawing.rng.random(drawing.rows) < probability)
    if not len(rows):
        return seasonal
    rng, n = drawing.rng, len(rows)
    longest = np.clip(0.6 * drawing.life[rows], 4, NETWORK.max_detected)
    period = np.exp(rng.uniform(np.log(2.6), np.log(longest + 0.5))).round().astype(int)
    pattern = _patterns(drawing, period)
    time = np.arange(drawing.points)[None] + rng.integers(0, NETWORK.max_detected, (n, 1))
    foreign = np.take_along_axis(pattern, time % period, 1)
    cycle = time // period
    by_cycle = rng.standard_normal((n, int(cycle.max()) + 1), dtype=np.float32)
    uneven = drawing.log_uniform(-1.7, 0, n) * (rng.random((n, 1)) < 0.4)
    foreign = foreign * (1 + uneven * np.take_along_axis(by_cycle, cycle, 1))
    foreign *= drawing.log_uniform(-0.6, 0.9, n)
    kept = rng.random((n, 1)) < 0.3
    result = seasonal.copy()
    result[rows] = foreign + seasonal[rows] * kept
    return result.astype(np.float32)


def _patterns(drawing: Drawing, period: Integers) -> Floats:
    """Draw one cycle of unit spread for each period: harmonics, any shape, or a day with a flat night."""
    rng, n, longest = drawing.rng, len(period), int(period.max())
    column = np.arange(longest)[None]
    inside = column < period
    phase = (column / period).astype(np.float32)
    smooth = np.zeros((n, longest), np.float32)
    decay = drawing.uniform(0.3, 2, n)
    for k in range(1, 6):
        smooth += (
            rng.standard_normal((n, 1), dtype=np.float32)
            / k**decay
            * np.sin(2 * np.pi * (k * phase + drawing.uniform(0, 1, n)))
        )
    rough = rng.standard_normal((n, longest), dtype=np.float32)
    day = np.maximum(smooth, drawing.uniform(-1, 0.5, n) * smooth.std(1, keepdims=True))
    day += rough * drawing.log_uniform(-1.5, -0.5, n)
    kind = rng.random((n, 1))
    pattern = np.select([kind < 0.35, kind < 0.7], [smooth, rough], day)
    pattern = (pattern - (pattern * inside).sum(1, keepdims=True) / period) * inside
    result: Floats = pattern / (np.sqrt((pattern**2).sum(1, keepdims=True) / period) + np.float32(1e-3))
    return result
