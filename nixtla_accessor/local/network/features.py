"""The features of a window: the network's inputs, and the baselines that it mixes.

A window is a stretch of history, right-aligned in its row. Everything is expressed in `z = (y - location) / scale` of
that window, so that the network does not depend on the level and the unit of a series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.network.baselines import (
    N_BASELINES,
    PARAMETERS,
    BaselineForecasts,
    forecast_baselines,
)
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.cycles import short_season
from nixtla_accessor.local.network.detection import detect_seasons
from nixtla_accessor.local.network.history import NEAR_LEADS, History, mean_of_seen, row_mean
from nixtla_accessor.local.network.outliers import without_spikes
from nixtla_accessor.local.network.scaling import (
    USUAL_CHANGE,
    Measures,
    cycle_error,
    measure,
    naive_errors,
    usual_error,
)
from nixtla_accessor.seasons import Season

INPUTS: Mapping[str, int] = {
    "recent_values": NETWORK.recent_values,
    "period_means": NETWORK.period_means,
    "period_seen": NETWORK.period_means,
    "season_lags": NETWORK.season_lags * NETWORK.horizon,
    "second_season_lags": NETWORK.second_season_lags * NETWORK.horizon,
    "second_season_at_level": NETWORK.horizon,
    "theta": NETWORK.horizon,
    "detected_smoothing": NETWORK.horizon,
    "detected_trend": NETWORK.horizon,
    "own_quantiles": NETWORK.n_levels,
    "lag_errors": len(NETWORK.knots),
    "lag_seen": len(NETWORK.knots),
    "detected": 1,
    "detected_strength": 1,
    "log_detected": 1,
    "log_cycles_of_history": 1,
    "detected_error": 1,
    "short_error": 1,
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
    "recent_zero_fraction": 1,
    "never_negative": 1,
    "touches_zero": 1,
    "tied_fraction": 1,
    "log_zeros_at_end": 1,
    "unchanged_fraction": 1,
    "on_trial": 1,
    "trial_error": N_BASELINES,
    "trial_bias": N_BASELINES,
    "departure": N_BASELINES,
    "over_length": len(NETWORK.length_thresholds),
}
"""Columns of each input, in the order that the network's weights expect."""
N_INPUTS = sum(INPUTS.values())

_SHOWN_BASELINES = ("second_season_at_level", "theta", "detected_smoothing", "detected_trend")  # the network sees them
_LENGTH_THRESHOLDS = np.array(NETWORK.length_thresholds)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features of a batch of windows.

    Attributes
    ----------
    inputs : ndarray of float32, shape (windows, N_INPUTS)
        What the network sees, in the order of INPUTS.
    baselines : ndarray of float32, shape (windows, N_BASELINES, leads)
        In z, in the order of BASELINES.
    own_spread : ndarray of float32, shape (windows, levels)
        Quantiles of the latest values, less their median, in z.
    phase_spread : ndarray of float32, shape (windows, leads)
        How much more than usual the values of each lead's phase vary, as a part of the usual.
    support : ndarray of float32, shape (windows, 2)
        In z, below and above what the series can be: zero where it never was beyond, else infinity.
    unit : ndarray of float32, shape (windows, 1)
        Size in z of a usual error of the (seasonal) naive forecast: the unit of corrections and of losses.
    location, scale : ndarray of float64, shape (windows, 1)
        `y = location + scale * z`.
    """

    inputs: Floats
    baselines: Floats
    own_spread: Floats
    phase_spread: Floats
    support: Floats
    unit: Floats
    location: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, chosen: Integers) -> Features:
        """Return some of the windows."""
        return Features(*(getattr(self, field.name)[chosen] for field in fields(Features)))

    @staticmethod
    def concatenate(parts: Sequence[Features]) -> Features:
        """Join several batches into one."""
        return Features(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Features)))


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


def align_right(series: Sequence[Floats]) -> tuple[Floats, Integers]:
    """Put the usable end of each series at the right end of a row; return the rows, and how many points each has."""
    size = NETWORK.max_input
    lengths = np.array([min(len(values), size) for values in series])
    width = int(lengths.max())
    rows = np.zeros((len(series), width))
    for row, values, length in zip(rows, series, lengths, strict=True):
        row[width - length :] = values[len(values) - length :]
    return rows, lengths


def extract_features(
    values: Floats,
    length: Integers,
    season: Season,
    leads: Integers = NEAR_LEADS,
    usual_change: Floats | float = USUAL_CHANGE,
) -> Features:
    """Compute the features of windows that share a season.

    Parameters
    ----------
    values : ndarray of float64, shape (windows, points)
        Finite values, the latest in the last column; those before a window's `length` last points are ignored.
    length : ndarray of int, shape (windows,)
        Points of history in each window, at least 1.
    season : Season
    leads : ndarray of int, shape (leads,)
        Steps ahead to forecast; the first are NEAR_LEADS.
    usual_change : float or ndarray of shape (windows, 1)
        Mean change from point to point over the mean size, in series like these: the spread of those that are too short
        to have one; see `usual_change_of`.

    Returns
    -------
    Features
    """
    m = season.length
    n = np.minimum(length, NETWORK.max_input)[:, None]
    # wide enough for every feature after the steps on trial, `horizon` at most, are cut off
    values = _pad_left(values, max(NETWORK.recent_values, 2 * m + 1) + NETWORK.horizon, NETWORK.max_input)
    age = np.arange(values.shape[1], 0, -1)[None]  # 1 is the latest point
    seen = age <= n
    recent_points = max(2 * m, 48)
    raw, values = values, without_spikes(values, seen, m)
    measures = measure(values, age, n, m, recent_points, usual_change)
    location, scale = measures.location, measures.scale
    z = (np.clip((values - location) / scale, -50, 50) * seen).astype(np.float32)
    history = History(z, seen, n, season, measures.offset, leads)
    detected, strength = detect_seasons(_without_season(history), seen, n, season)
    baselines = forecast_baselines(history, detected)
    errors = naive_errors(history, recent_points)
    of_lags = _lag_errors(history)
    cycles = {
        "detected_error": cycle_error(history, detected),
        "short_error": cycle_error(history, np.full_like(n, short_season(m))),
    }
    unit = usual_error(history, errors, cycles, measures, detected)
    quantiles = history.quantiles
    near = slice(NETWORK.horizon)
    inputs = {
        "recent_values": np.arcsinh(z[:, -NETWORK.recent_values :]),
        "period_means": np.arcsinh(history.period_means),
        "period_seen": history.period_seen,
        "season_lags": np.arcsinh(history.lags[:, :, near]).reshape(len(z), -1),
        "second_season_lags": np.arcsinh(history.second_lags[:, :, near]).reshape(len(z), -1),
        **{name: np.arcsinh(baselines.by_name[name][:, near]) for name in _SHOWN_BASELINES},
        "own_quantiles": np.arcsinh(quantiles),
        **of_lags,
        "detected": detected > 0,
        "detected_strength": strength,
        "log_detected": np.log(np.maximum(detected, 1)) / 3,
        "log_cycles_of_history": np.log(n / np.maximum(detected, 1)) / 2 * (detected > 0),
        **{name: np.arcsinh(error) for name, error in cycles.items()},
        **_length_inputs(n, season),
        **_level_inputs(history, measures),
        **{name: np.arcsinh(error) for name, error in errors.items()},
        **baselines.parameters,
        **_zero_inputs(raw, seen, recent_points),
        "tied_fraction": _tied_fraction(history),
        "unchanged_fraction": row_mean(np.diff(raw) == 0, seen[:, :-1]),
        **_trial_inputs(history, detected, baselines, unit),
    }
    return Features(
        inputs=np.concatenate([inputs[name].astype(np.float32) for name in INPUTS], 1),
        baselines=baselines.stacked,
        own_spread=quantiles - quantiles[:, NETWORK.median, None],
        phase_spread=_phase_spread(history),
        support=_support(raw, seen, (location / scale).astype(np.float32)),
        unit=unit,
        location=location,
        scale=scale,
    )


def _without_season(history: History) -> Floats:
    """Subtract the season that the frequency implies, where it was seen three times, so that others stand out."""
    m = history.season.length
    if m == 1:
        return history.z
    profile = history.repeat_profile(history.profile(NETWORK.period_means), history.z.shape[1])
    result: Floats = (history.z - profile * (history.n >= 3 * m)) * history.seen
    return result


def _lag_errors(history: History) -> dict[str, NDArray[np.generic]]:
    """Compute how far the series moved in so many steps, for each knot, rounded up to whole seasons."""
    m = history.season.length
    lags = [-(-knot // m) * m if knot >= m else knot for knot in NETWORK.knots]
    return {
        "lag_errors": np.arcsinh(np.concatenate([history.naive_error(lag) for lag in lags], 1)),
        "lag_seen": history.n > np.array(lags),
    }


def _phase_spread(history: History) -> Floats:
    """Compute how much the values of each lead's phase vary from season to season; close to 0 where few were seen."""
    m = history.season.length
    count = min(NETWORK.cycle_lags, history.periods.shape[1])
    if m == 1 or count < 2:
        return np.zeros((len(history.z), len(history.leads)), np.float32)
    seen = history.period_seen[:, :count, None]
    deviation = (history.periods[:, :count] - history.period_means[:, :count, None]) * seen
    absolute = mean_of_seen(np.abs(deviation - mean_of_seen(deviation, seen)[:, None]), seen)
    usual = absolute.mean(1, keepdims=True) + np.float32(1e-6)
    seasons = seen.sum(1).astype(np.float32)
    ratio = np.minimum(absolute / usual, 4) - 1
    result: Floats = (ratio * np.maximum(seasons - 1, 0) / (seasons + 2))[:, history.phase].astype(np.float32)
    return result


def _support(values: Floats, seen: Mask, offset: Floats) -> Floats:
    """Return the bounds of what was never crossed: zero, in z, or infinity."""
    lowest, highest = (np.where(seen, values, 0).min(1, keepdims=True), np.where(seen, values, 0).max(1, keepdims=True))
    infinity = np.float32(np.inf)
    bounds = [np.where(lowest >= 0, -offset, -infinity), np.where(highest <= 0, -offset, infinity)]
    return np.concatenate(bounds, 1).astype(np.float32)


def _zero_inputs(values: Floats, seen: Mask, recent_points: int) -> dict[str, NDArray[np.generic]]:
    zero = (values == 0) & seen
    at_end = np.where(zero.all(1), zero.shape[1], np.argmin(zero[:, ::-1], 1))[:, None]
    never_negative = ~((values < 0) & seen).any(1, keepdims=True)
    return {
        "zero_fraction": row_mean(zero, seen),
        "recent_zero_fraction": row_mean(zero[:, -recent_points:], seen[:, -recent_points:]),
        "never_negative": never_negative,
        "touches_zero": never_negative & zero.any(1, keepdims=True),
        "log_zeros_at_end": np.log1p(at_end) / 3,
    }


def _tied_fraction(history: History) -> Floats:
    """Compute the part of the latest values that equal another: much of counts, little of measurements."""
    ordered = history.ordered
    same = (ordered[:, 1:] == ordered[:, :-1]) & np.isfinite(ordered[:, 1:])
    result: Floats = same.sum(1, keepdims=True) / np.minimum(history.n, ordered.shape[1]).astype(np.float32)
    return result


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


def _level_inputs(history: History, measures: Measures) -> dict[str, NDArray[np.generic]]:
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


def _trial_inputs(
    history: History, detected: Integers, baselines: BaselineForecasts, unit: Floats
) -> dict[str, NDArray[np.generic]]:
    """Forecast the last steps of the history on trial, and measure each baseline's error, in units.

    Returns
    -------
    dict
        Whether the history is long enough for it, the logarithm of the mean absolute errors, and the squashed mean
        errors, 0 where it is not; and the logarithm of how far each baseline now departs from what those of little
        error say together: a lag that holds a fault departs by more than it erred.
    """
    m = history.season.length
    steps = min(NETWORK.horizon, m) if m >= NETWORK.trial_steps else NETWORK.trial_steps // m * m
    enough = history.n >= 2 * steps
    errors = history.z[:, None, -steps:] - forecast_baselines(history.before(steps), detected).stacked
    errors /= unit[:, :, None]
    size = np.log(np.abs(errors).mean(2) + np.float32(0.05))
    trust = np.where(enough, np.exp(-2 * size), np.float32(1))
    near = baselines.stacked[:, :, : NETWORK.horizon]
    together = np.einsum("wb,wbh->wh", trust / trust.sum(1, keepdims=True), near)
    departure = np.abs(near - together[:, None]).mean(2) / unit
    return {
        "on_trial": enough,
        "trial_error": size * enough,
        "trial_bias": np.arcsinh(errors.mean(2)) * enough,
        "departure": np.log(departure + np.float32(0.05)),
    }


def _pad_left(values: Floats, min_width: int, max_width: int) -> Floats:
    """Return the last columns, with zeros on the left up to a width that every feature can be read from."""
    values = np.asarray(values, np.float64)[:, -max(min_width, max_width) :]
    missing = max(0, min_width - values.shape[1])
    return np.pad(values, ((0, 0), (missing, 0)))
