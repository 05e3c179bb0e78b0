"""How far a trend may go beyond what was ever seen."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.history import History

# Chosen on the choosing panels of tests/benchmarks/development.py.
RECENT_PACE = 1.25  # of the last quarter, at which a trend may go on
SHORTEST_PACE = 3  # steps that it is measured over, at least


def growth_bounds(history: History) -> tuple[Floats, Floats]:
    """Compute how far a trend may go at each lead; two arrays of shape (windows, leads).

    Beyond the values seen it may go at twice the pace of its range over the whole history, or at that of the last
    quarter, whichever is more; where a positive history grew by a constant rate through most of its quarters, upward by
    as much as that rate brings. So growth goes on, and a burst after a long calm soon ends.
    """
    span = history.highest - history.lowest
    steps = history.ahead + history.season.length  # from the same phase of the season before
    quarter = np.maximum(history.n // 4, 1)
    age = np.arange(history.z.shape[1], 0, -1)[None]
    latest = (age <= np.maximum(quarter, SHORTEST_PACE) + 1) & history.seen
    infinity = np.float32(np.inf)
    latest_span = np.where(latest, history.z, -infinity).max(1, keepdims=True)
    latest_span = latest_span - np.where(latest, history.z, infinity).min(1, keepdims=True)
    pace = np.maximum(2 * span / history.n, RECENT_PACE * latest_span / np.maximum(quarter, SHORTEST_PACE))
    margin = pace * steps
    ends = history.z.shape[1] - quarter * np.arange(5)[None]
    sums = np.take_along_axis(history.sums, np.maximum(ends, 0), 1)
    positive = (history.lowest + history.offset > 0) & (history.n >= 4)
    level = np.where(positive, (sums[:, :-1] - sums[:, 1:]) / quarter + history.offset, 1)
    rates = np.log(np.maximum(level[:, :-1], 1e-9) / np.maximum(level[:, 1:], 1e-9))
    rate = np.maximum(np.sort(rates, 1)[:, 1:2], 0) / quarter  # the middle one of the three
    grown = np.exp(np.minimum(1.5 * rate * steps, 5)) - 1
    upper = np.maximum(margin, np.where(positive, (history.highest + history.offset) * grown, 0))
    limit = np.float32(NETWORK.z_limit)
    return (
        np.maximum(history.lowest - margin, -limit).astype(np.float32),
        np.minimum(history.highest + upper, limit).astype(np.float32),
    )
