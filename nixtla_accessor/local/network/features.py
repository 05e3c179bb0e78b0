"""What the network sees of a window: its inputs, and the simple forecasts that it mixes.

A window is a stretch of history, right-aligned in its row. Everything is expressed in `z = (y - location) / scale` of
that window, so that the network is indifferent to the level and the unit of a series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from nixtla_accessor.local.network.baselines import N_BASES, simple_forecasts
from nixtla_accessor.local.network.history import (
    HORIZON,
    PERIOD_MEANS,
    SEASON_LAGS,
    SECOND_SEASON_LAGS,
    Floats,
    Integers,
    Past,
    row_mean,
)
from nixtla_accessor.seasons import Season

__all__ = ["HORIZON", "N_BASES", "N_INPUTS", "Floats", "Integers", "Windows", "extract", "input_size", "right_aligned"]

RECENT_VALUES = 128  # last values that the network sees as they are
LONGEST_INPUT = 1056  # history beyond this is not used
LENGTH_CODE = np.array([6, 8, 10, 12, 16, 24, 36, 48, 64, 96, 128, 256, 512])  # thermometer of the history's length
TRIAL_STEPS = 6  # the last season is forecast on trial; of shorter ones, as many as so many steps hold
N_SCALARS = 51 + 2 * N_BASES
N_INPUTS = (
    RECENT_VALUES + 2 * PERIOD_MEANS + (SEASON_LAGS + SECOND_SEASON_LAGS + 2) * HORIZON + N_SCALARS + len(LENGTH_CODE)
)


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

    @staticmethod
    def joined(parts: Sequence[Windows]) -> Windows:
        """Join several batches into one."""
        return Windows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Windows)))


def input_size(season: Season) -> int:
    """Say how many points of history the network can use at most."""
    wanted = PERIOD_MEANS * season.length if season.length > 1 else RECENT_VALUES
    second = SECOND_SEASON_LAGS * season.second + season.length if season.second else 0
    return min(LONGEST_INPUT, max(RECENT_VALUES, wanted, second))


def right_aligned(series: Sequence[Floats], season: Season) -> tuple[Floats, Integers]:
    """Lay the usable end of each series at the right end of a row; answers the rows and how many points each has."""
    size = input_size(season)
    lengths = np.array([min(len(values), size) for values in series])
    width = int(lengths.max())
    history = np.zeros((len(series), width))
    for row, values, length in zip(history, series, lengths, strict=True):
        row[width - length :] = values[len(values) - length :]
    return history, lengths


def extract(history: Floats, length: Integers, season: Season) -> Windows:
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
    # wide enough to be read from after the steps on trial, HORIZON at most, are cut off
    values = _padded(history, max(RECENT_VALUES, 2 * m + 1) + HORIZON, input_size(season))
    age = np.arange(values.shape[1], 0, -1)[None]  # 1 is the latest point
    seen = age <= n
    mean = row_mean(values, seen)
    location = row_mean(values, age <= np.minimum(m, n))
    spread = np.sqrt(row_mean((values - mean) ** 2, seen))
    lately = max(2 * m, 48)  # the scale comes from the recent past
    recent, recently_seen = values[:, -lately:], seen[:, -lately:]
    recent_spread = np.sqrt(row_mean((recent - row_mean(recent, recently_seen)) ** 2, recently_seen))
    recent_change = row_mean(np.abs(np.diff(recent)), recently_seen[:, :-1])
    scale = np.maximum.reduce(
        [0.5 * recent_spread, 0.5 * recent_change, 0.05 * spread, 1e-5 * np.abs(mean), np.full_like(mean, 1e-9)]
    )
    z = (np.clip((values - location) / scale, -50, 50) * seen).astype(np.float32)
    mean_z = np.clip((mean - location) / scale, -50, 50).astype(np.float32)

    past = Past(z, seen, n, season, offset=(location / scale).astype(np.float32))
    simple = simple_forecasts(past)
    naive_errors = [past.naive_error(lag) for lag in (1, m, season.second)]
    recent_naive_errors = [past.naive_error(lag, within=lately) for lag in (1, m, season.second)]
    naive_error = np.where(n > m, naive_errors[1], naive_errors[0])
    unit = naive_error.astype(np.float32) + np.float32(0.05)
    scalars = [
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
        np.arcsinh(mean_z),
        past.lowest + past.offset > 0,
        np.arcsinh(past.lowest),
        np.arcsinh(past.highest),
        *(np.arcsinh(error) for error in naive_errors + recent_naive_errors),
        *simple.parameters,
        row_mean(values == 0, seen),
        row_mean(np.diff(values) == 0, seen[:, :-1]),
        *_lately_missed_by(past, unit),
        n >= LENGTH_CODE,
    ]
    inputs = [
        np.arcsinh(z[:, -RECENT_VALUES:]),
        np.arcsinh(past.period_means),
        past.period_seen,
        np.arcsinh(past.lags).reshape(len(z), -1),
        np.arcsinh(past.second_lags).reshape(len(z), -1),
        np.arcsinh(simple.second_seasonal),
        np.arcsinh(simple.theta),
        *scalars,
    ]
    return Windows(
        inputs=np.concatenate([part.astype(np.float32) for part in inputs], 1),
        bases=simple.stacked,
        unit=unit,
        location=location,
        scale=scale,
    )


def _lately_missed_by(past: Past, unit: Floats) -> list[Floats]:
    """Forecast the last steps of the history, and tell by how much each simple forecast missed them, in units.

    Answers whether the history is long enough, the logarithm of the mean absolute errors, and the squashed mean errors;
    0 where it is not.
    """
    m = past.season.length
    steps = min(HORIZON, m) if m >= TRIAL_STEPS else TRIAL_STEPS // m * m
    enough = past.n >= 2 * steps
    missed = past.z[:, -steps:, None] - simple_forecasts(past.before(steps)).stacked[:, :steps]
    missed /= unit[:, :, None]
    size = np.log(np.abs(missed).mean(1) + np.float32(0.05))
    return [enough, size * enough, np.arcsinh(missed.mean(1)) * enough]


def _padded(history: Floats, at_least: int, at_most: int) -> Floats:
    """Take the last columns, with zeros on the left up to a width that every feature can be read from."""
    values = np.asarray(history, np.float64)[:, -max(at_least, at_most) :]
    missing = max(0, at_least - values.shape[1])
    return np.pad(values, ((0, 0), (missing, 0)))
