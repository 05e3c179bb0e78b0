"""The features of a window: the network's inputs, and the baselines that it mixes.

A window is a stretch of history, right-aligned in its row. Everything is expressed in `z = (y - location) / scale` of
that window, so that the network does not depend on the level and the unit of a series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.baselines import N_BASELINES, PARAMETERS, forecast_baselines
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.history import History, row_mean
from nixtla_accessor.seasons import Season

INPUTS: Mapping[str, int] = {
    "recent_values": NETWORK.recent_values,
    "period_means": NETWORK.period_means,
    "period_seen": NETWORK.period_means,
    "season_lags": NETWORK.season_lags * NETWORK.horizon,
    "second_season_lags": NETWORK.second_season_lags * NETWORK.horizon,
    "second_season_at_level": NETWORK.horizon,
    "theta": NETWORK.horizon,
    "log_length": 1,
    "log_season_length": 1,
    "nonseasonal": 1,
    "has_second_season": 1,
    "log_seasons_of_history": 1,
    "over_one_season": 1,
    "over_two_seasons": 1,
    "over_second_season": 1,
    "mean_over_scale": 1,
    "offset": 1,
    "recent_spread": 1,
    "recent_change": 1,
    "spread": 1,
    "mean": 1,
    "all_positive": 1,
    "lowest": 1,
    "highest": 1,
    "naive_error": 1,
    "seasonal_naive_error": 1,
    "second_seasonal_naive_error": 1,
    "recent_naive_error": 1,
    "recent_seasonal_naive_error": 1,
    "recent_second_seasonal_naive_error": 1,
    **dict.fromkeys(PARAMETERS, 1),
    "zero_fraction": 1,
    "unchanged_fraction": 1,
    "on_trial": 1,
    "trial_error": N_BASELINES,
    "trial_bias": N_BASELINES,
    "over_length": len(NETWORK.length_thresholds),
}
"""Columns of each input, in the order that the network's weights expect."""
N_INPUTS = sum(INPUTS.values())

_LENGTH_THRESHOLDS = np.array(NETWORK.length_thresholds)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features of a batch of windows.

    Attributes
    ----------
    inputs : ndarray of float32, shape (windows, N_INPUTS)
        What the network sees, in the order of INPUTS.
    baselines : ndarray of float32, shape (windows, horizon, N_BASELINES)
        In z, in the order of BASELINES.
    unit : ndarray of float32, shape (windows, 1)
        Size in z of a usual error of the (seasonal) naive forecast: the unit of corrections and of losses.
    location, scale : ndarray of float64, shape (windows, 1)
        `y = location + scale * z`.
    """

    inputs: Floats
    baselines: Floats
    unit: Floats
    location: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.inputs)

    @staticmethod
    def concatenate(parts: Sequence[Features]) -> Features:
        """Join several batches into one."""
        return Features(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Features)))


@dataclass(frozen=True, slots=True, eq=False)
class _Measures:
    """Location, scale and spread of each history, in the units of the series; each (windows, 1)."""

    mean: Floats
    location: Floats
    spread: Floats
    recent_spread: Floats
    recent_change: Floats
    scale: Floats


def input_size(season: Season) -> int:
    """Return how many points of history the network uses at most."""
    wanted = NETWORK.period_means * season.length if season.length > 1 else NETWORK.recent_values
    second = NETWORK.second_season_lags * season.second + season.length if season.second else 0
    return min(NETWORK.max_input, max(NETWORK.recent_values, wanted, second))


def input_columns(name: str) -> slice:
    """Return the columns of an input in `Features.inputs`.

    Examples
    --------
    >>> input_columns("period_means")
    slice(128, 144, None)
    """
    names = list(INPUTS)
    start = sum(INPUTS[earlier] for earlier in names[: names.index(name)])
    return slice(start, start + INPUTS[name])


def align_right(series: Sequence[Floats], season: Season) -> tuple[Floats, Integers]:
    """Put the usable end of each series at the right end of a row; return the rows, and how many points each has."""
    size = input_size(season)
    lengths = np.array([min(len(values), size) for values in series])
    width = int(lengths.max())
    rows = np.zeros((len(series), width))
    for row, values, length in zip(rows, series, lengths, strict=True):
        row[width - length :] = values[len(values) - length :]
    return rows, lengths


def extract_features(values: Floats, length: Integers, season: Season) -> Features:
    """Compute the features of windows that share a season.

    Parameters
    ----------
    values : ndarray of float64, shape (windows, points)
        Finite values, the latest in the last column; those before a window's `length` last points are ignored.
    length : ndarray of int, shape (windows,)
        Points of history in each window, at least 1.
    season : Season

    Returns
    -------
    Features
    """
    m = season.length
    n = np.minimum(length, input_size(season))[:, None]
    # wide enough for every feature after the steps on trial, `horizon` at most, are cut off
    values = _pad_left(values, max(NETWORK.recent_values, 2 * m + 1) + NETWORK.horizon, input_size(season))
    age = np.arange(values.shape[1], 0, -1)[None]  # 1 is the latest point
    seen = age <= n
    recent_points = max(2 * m, 48)
    measures = _measure(values, age, n, m, recent_points)
    location, scale = measures.location, measures.scale
    z = (np.clip((values - location) / scale, -50, 50) * seen).astype(np.float32)
    history = History(z, seen, n, season, offset=(location / scale).astype(np.float32))
    baselines = forecast_baselines(history)
    errors = _naive_errors(history, recent_points)
    usual_error = np.where(n > m, errors["seasonal_naive_error"], errors["naive_error"])
    unit = usual_error.astype(np.float32) + np.float32(0.05)
    inputs = {
        "recent_values": np.arcsinh(z[:, -NETWORK.recent_values :]),
        "period_means": np.arcsinh(history.period_means),
        "period_seen": history.period_seen,
        "season_lags": np.arcsinh(history.lags).reshape(len(z), -1),
        "second_season_lags": np.arcsinh(history.second_lags).reshape(len(z), -1),
        "second_season_at_level": np.arcsinh(baselines.by_name["second_season_at_level"]),
        "theta": np.arcsinh(baselines.by_name["theta"]),
        **_length_inputs(n, season),
        **_level_inputs(history, measures),
        **{name: np.arcsinh(error) for name, error in errors.items()},
        **baselines.parameters,
        "zero_fraction": row_mean(values == 0, seen),
        "unchanged_fraction": row_mean(np.diff(values) == 0, seen[:, :-1]),
        **_trial_inputs(history, unit),
    }
    return Features(
        inputs=np.concatenate([inputs[name].astype(np.float32) for name in INPUTS], 1),
        baselines=baselines.stacked,
        unit=unit,
        location=location,
        scale=scale,
    )


def _measure(values: Floats, age: Integers, n: Integers, m: int, recent_points: int) -> _Measures:
    """Measure each history; the scale is mostly that of its recent points."""
    seen = age <= n
    mean = row_mean(values, seen)
    spread = np.sqrt(row_mean((values - mean) ** 2, seen))
    recent, recent_seen = values[:, -recent_points:], seen[:, -recent_points:]
    recent_spread = np.sqrt(row_mean((recent - row_mean(recent, recent_seen)) ** 2, recent_seen))
    recent_change = row_mean(np.abs(np.diff(recent)), recent_seen[:, :-1])
    scale = np.maximum.reduce(
        [0.5 * recent_spread, 0.5 * recent_change, 0.05 * spread, 1e-5 * np.abs(mean), np.full_like(mean, 1e-9)]
    )
    location = row_mean(values, age <= np.minimum(m, n))
    return _Measures(mean, location, spread, recent_spread, recent_change, scale)


def _naive_errors(history: History, recent_points: int) -> dict[str, Floats]:
    """Compute mean absolute errors of the naive forecasts, over the whole history and its recent points."""
    lags = {
        "naive_error": 1,
        "seasonal_naive_error": history.season.length,
        "second_seasonal_naive_error": history.season.second,
    }
    errors = {name: history.naive_error(lag) for name, lag in lags.items()}
    recent = {f"recent_{name}": history.naive_error(lag, within=recent_points) for name, lag in lags.items()}
    return errors | recent


def _length_inputs(n: Integers, season: Season) -> dict[str, NDArray[np.generic]]:
    m = season.length
    return {
        "log_length": np.log(n / 32),
        "log_season_length": np.full(n.shape, np.log(m) / 3),
        "nonseasonal": np.full(n.shape, m == 1),
        "has_second_season": np.full(n.shape, season.second > 0),
        "log_seasons_of_history": np.log(n / m) / 2,
        "over_one_season": n > m,
        "over_two_seasons": n > 2 * m,
        "over_second_season": (n > season.second) & (season.second > 0),
        "over_length": n >= _LENGTH_THRESHOLDS,
    }


def _level_inputs(history: History, measures: _Measures) -> dict[str, NDArray[np.generic]]:
    scale = measures.scale
    mean_z = np.clip((measures.mean - measures.location) / scale, -50, 50).astype(np.float32)
    return {
        "mean_over_scale": np.clip(measures.mean / scale, -30, 30) / 10,
        "offset": np.arcsinh(history.offset) / 3,
        "recent_spread": measures.recent_spread / scale,
        "recent_change": measures.recent_change / scale,
        "spread": np.arcsinh(measures.spread / scale),
        "mean": np.arcsinh(mean_z),
        "all_positive": history.lowest + history.offset > 0,
        "lowest": np.arcsinh(history.lowest),
        "highest": np.arcsinh(history.highest),
    }


def _trial_inputs(history: History, unit: Floats) -> dict[str, NDArray[np.generic]]:
    """Forecast the last steps of the history on trial, and measure each baseline's error, in units.

    Returns
    -------
    dict
        Whether the history is long enough for it, the logarithm of the mean absolute errors, and the squashed mean
        errors; 0 where it is not.
    """
    m = history.season.length
    steps = min(NETWORK.horizon, m) if m >= NETWORK.trial_steps else NETWORK.trial_steps // m * m
    enough = history.n >= 2 * steps
    errors = history.z[:, -steps:, None] - forecast_baselines(history.before(steps)).stacked[:, :steps]
    errors /= unit[:, :, None]
    size = np.log(np.abs(errors).mean(1) + np.float32(0.05))
    return {
        "on_trial": enough,
        "trial_error": size * enough,
        "trial_bias": np.arcsinh(errors.mean(1)) * enough,
    }


def _pad_left(values: Floats, min_width: int, max_width: int) -> Floats:
    """Return the last columns, with zeros on the left up to a width that every feature can be read from."""
    values = np.asarray(values, np.float64)[:, -max(min_width, max_width) :]
    missing = max(0, min_width - values.shape[1])
    return np.pad(values, ((0, 0), (missing, 0)))
