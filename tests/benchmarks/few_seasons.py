"""Panels of few seasons, on which fine-tuning knows little: generated, of one, ten and forty series.

Each series is a season of three waves, a trend, a random walk and correlated noise, multiplied. The waves are the
series' own, or shared by the panel. None is of a generator of pretraining.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from accuracy import Panel
from numpy.typing import NDArray

from nixtla_accessor.seasons import season_of

# frequency, points of a season, horizon, points of a series
_KINDS = (
    ("W", 52, 26, (104, 120, 156, 208, 260, 330)),
    ("MS", 12, 12, (36, 48, 72, 120)),
    ("QS", 4, 8, (20, 28, 40, 80)),
    ("D", 7, 14, (40, 60, 120, 400)),
    ("h", 24, 24, (100, 200, 336, 700)),
    ("YS", 1, 6, (15, 25, 40)),
)
_N_SERIES = (1, 10, 40)


def few_season_panels(seed: int = 0) -> Iterator[Panel]:
    """Yield all panels; those of one frequency have the same name."""
    for freq, season_length, horizon, lengths in _KINDS:
        for length in lengths:
            for n_series in _N_SERIES:
                for is_shared in (False, True) if n_series > 1 else (False,):
                    rng = np.random.default_rng([seed, length, n_series, is_shared, season_length])
                    waves = _waves(rng, length + horizon, season_length) if is_shared else None
                    rows = [_series(rng, length + horizon, season_length, waves) for _ in range(n_series)]
                    train, test = [row[:length] for row in rows], [row[length:] for row in rows]
                    yield Panel(freq, season_of(freq), train, test)


def _waves(rng: np.random.Generator, length: int, season_length: int) -> NDArray[np.float64]:
    phases = 2 * np.pi * np.arange(length) / season_length
    waves = [rng.normal() / number * np.sin(number * phases + rng.uniform(0, 2 * np.pi)) for number in (1, 2, 3)]
    return np.asarray(np.sum(waves, axis=0))


def _series(
    rng: np.random.Generator, length: int, season_length: int, shared: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    waves = _waves(rng, length, season_length) if shared is None else shared * rng.uniform(0.5, 1.5)
    walk = rng.normal(size=length).cumsum() * rng.choice([0, 0.05, 0.15])
    trend = 0.3 * rng.normal() * np.arange(length) / season_length
    shocks, noise, persistence = 0.3 * rng.normal(size=length), np.zeros(length), rng.uniform(0, 0.6)
    for step in range(1, length):
        noise[step] = persistence * noise[step - 1] + shocks[step]
    return np.asarray(100 * np.exp(0.1 * waves + 0.15 * (walk + trend) + 0.1 * noise))
