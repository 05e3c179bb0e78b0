"""Columns of a regression made from covariates: the value itself, hinges, smoothed values, lags, shapes of the day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.covariates.alignment import exponential_mean
from nixtla_accessor.local.forecaster import Covariate
from nixtla_accessor.seasons import Season

# Tuned on synthetic prices, demand and sales (tests/benchmarks/covariates.py), as all constants in this package.
_KNOTS = (0.1, 0.3, 0.7, 0.9)  # quantiles; with the value itself they make a U, a threshold or a saturation
_SAMPLE = 20_000  # values to take quantiles of
_MIN_DISTINCT = 8  # values of a covariate that is worth bending
_MIN_SEASON_TO_SMOOTH = 8
_MIN_SEASON_FOR_SHAPE = 12
_HARMONICS = (1, 2)
_LAGS = (1, 2)
_MAX_CATEGORIES = 24
_MIN_OF_CATEGORY = 3
_BEYOND = 0.25  # of its range: how far outside the past a covariate's effect goes on growing
_SAME_SCALE = 0.5  # spread of the series' means, in spreads within series, below which all have one scale

_MISSING = -1.0  # the position of a missing category


@dataclass(frozen=True, slots=True, eq=False)
class NumericFeature:
    """How a number becomes columns.

    Attributes
    ----------
    kinds : tuple of str
        Of its groups of columns.
    lags : tuple of int
        Of its lagged columns.
    peak : float
        The largest past value, which all are divided by first.
    is_relative : bool
        Whether its logarithm is used.
    centre, scale, lowest, highest, missing : ndarray of float64, shape (series,)
        The value that becomes 0, the distance that becomes 1, the bounds outside which no effect grows, and what a
        missing value becomes.
    knots, smoothed_knots : ndarray of float64, shape (knots,)
    season : Season
    """

    kinds: tuple[str, ...]
    lags: tuple[int, ...]
    peak: float
    is_relative: bool
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    missing: NDArray[np.float64]
    knots: NDArray[np.float64]
    smoothed_knots: NDArray[np.float64]
    season: Season

    def standardise(self, values: Floats, rows: Integers) -> Floats:
        """Scale the values of some series, within bounds; (series, points)."""
        with np.errstate(over="ignore"):  # it is within bounds afterwards
            scaled = values / self.peak
        scaled = np.clip(scaled, self.lowest[rows, None], self.highest[rows, None])
        if self.is_relative:
            scaled = np.log(scaled)
        scaled -= self.centre[rows, None]
        scaled /= self.scale[rows, None]
        return np.where(np.isnan(scaled), self.missing[rows, None], scaled).astype(np.float32)

    def width(self, kind: str) -> int:
        """Return how many columns a group has."""
        widths = {"hinges": len(self.knots), "smoothed": 1 + len(self.smoothed_knots), "lags": len(self.lags)}
        return {"value": 1, "shape": 2 * len(_HARMONICS), **widths}[kind]

    def columns(self, kind: str, standardised: Floats, phase: Integers) -> list[Floats]:
        """Return the columns of one group, each of shape (series, points)."""
        match kind:
            case "value":
                return [standardised]
            case "hinges":
                return _hinges(standardised, self.knots)
            case "smoothed":
                smoothed = exponential_mean(standardised, self.season.length / 4)
                return [smoothed, *_hinges(smoothed, self.smoothed_knots)]
            case "lags":
                return [_lagged(standardised, lag) for lag in self.lags]
            case _:
                return _shapes(standardised, phase, self.season)


@dataclass(frozen=True, slots=True, eq=False)
class CategoricalFeature:
    """How names of categories become columns: one for each frequent category except the most frequent.

    Attributes
    ----------
    kinds : tuple of str
    lags : tuple of int
    positions : tuple of float
        Of the categories with a column, among the names; -1 for a missing one.
    season : Season
    """

    kinds: tuple[str, ...]
    lags: tuple[int, ...]
    positions: tuple[float, ...]
    season: Season

    def standardise(self, values: Floats, rows: Integers) -> Floats:  # noqa: ARG002 - the same for all series
        """Give missing values a position."""
        return np.where(np.isnan(values), _MISSING, values).astype(np.float32)

    def width(self, kind: str) -> int:
        """Return how many columns a group has."""
        return len(self.positions) * {"value": 1, "lags": len(self.lags), "shape": 2 * len(_HARMONICS)}[kind]

    def columns(self, kind: str, standardised: Floats, phase: Integers) -> list[Floats]:
        """Return the columns of one group, each of shape (series, points)."""
        indicators = [(standardised == position).astype(np.float32) for position in self.positions]
        match kind:
            case "value":
                return indicators
            case "lags":
                return [_lagged(indicator, lag) for lag in self.lags for indicator in indicators]
            case _:
                return [shape for indicator in indicators for shape in _shapes(indicator, phase, self.season)]


Feature = NumericFeature | CategoricalFeature
Group = tuple[int, str]
"""Columns that are used or left out together: the number of their covariate, and their kind."""


def plan_features(covariates: Sequence[Covariate], ends: Integers, season: Season) -> list[Feature]:
    """Decide how each covariate becomes columns.

    Parameters
    ----------
    covariates : sequence of Covariate
    ends : ndarray of int, shape (series,)
        How much of each series may be looked at.
    season : Season

    Returns
    -------
    list of Feature
        One for each covariate; one that never changes has no columns.
    """
    return [
        _plan_number(covariate, ends, season)
        if covariate.categories is None
        else _plan_categories(covariate, ends, season)
        for covariate in covariates
    ]


def _known(covariate: Covariate, ends: Integers) -> NDArray[np.float64]:
    return np.concatenate([values[:end] for values, end in zip(covariate.past, ends, strict=True)])


def _plan_number(covariate: Covariate, ends: Integers, season: Season) -> NumericFeature:
    values = _known(covariate, ends)
    peak = float(np.nanmax(np.abs(values), initial=0.0, where=~np.isnan(values)))
    values = values / peak if peak else np.zeros_like(values)
    offsets = np.cumsum(ends) - ends
    lowest, highest = _bounds(values, offsets)
    means = _means(values, offsets)
    overall = float(np.nanmean(means)) if np.isfinite(means).any() else 0.0
    means = np.where(np.isnan(means), overall, means)
    spread = float(np.sqrt(np.nanmean(_squares(values, means, ends)))) if np.isfinite(values).any() else 0.0
    has_one_scale = float(means.std()) <= _SAME_SCALE * spread
    is_relative = not has_one_scale and bool(lowest.min() > 0)
    if has_one_scale:
        lowest, highest = np.full_like(lowest, lowest.min()), np.full_like(highest, highest.max())
        centre, scale = np.full_like(means, overall), np.full_like(means, spread)
    elif is_relative:
        logarithms = np.log(values)
        centre = _means(logarithms, offsets)
        centre = np.where(np.isnan(centre), np.log(means), centre)
        scale = np.full_like(means, np.sqrt(np.nanmean(_squares(logarithms, centre, ends))))
    else:
        centre, scale = means, np.sqrt(_means(_squares(values, means, ends), offsets))
    reach = _BEYOND * (highest - lowest)
    room = np.minimum(reach, lowest / 2) if is_relative else reach
    feature = NumericFeature(
        kinds=(),
        lags=_LAGS,
        peak=peak or 1.0,
        is_relative=is_relative,
        centre=centre,
        scale=np.where(scale > 1e-9, scale, 1.0),
        lowest=lowest - room,
        highest=highest + reach,
        missing=np.zeros_like(means),
        knots=np.empty(0),
        smoothed_knots=np.empty(0),
        season=season,
    )
    if not (scale > 1e-9).any():
        return feature
    missing = np.zeros_like(means) if not has_one_scale else (means - centre) / feature.scale
    feature = replace(feature, missing=missing)
    if covariate.future is None:
        return replace(feature, kinds=("lags",))
    return _with_kinds(feature, covariate, ends)


def _with_kinds(feature: NumericFeature, covariate: Covariate, ends: Integers) -> NumericFeature:
    """Choose the groups of columns that a number may have, and the knots of its hinges."""
    every = max(1, int(ends.sum()) // _SAMPLE)
    some = range(0, len(ends), max(1, min(every, len(ends) // 20)))
    rows = [feature.standardise(covariate.past[row][None, : ends[row]], np.array([row])) for row in some]
    sample = np.concatenate([row[0] for row in rows])
    kinds = ["value"]
    knots = smoothed_knots = np.empty(0)
    if len(np.unique(sample[:_SAMPLE])) >= _MIN_DISTINCT:
        kinds.append("hinges")
        knots = np.quantile(sample, _KNOTS)
        if feature.season.length >= _MIN_SEASON_TO_SMOOTH:
            kinds.append("smoothed")
            smoothed = [exponential_mean(row, feature.season.length / 4)[0] for row in rows]
            smoothed_knots = np.quantile(np.concatenate(smoothed), _KNOTS)
    kinds.append("lags")
    if feature.season.length >= _MIN_SEASON_FOR_SHAPE:
        kinds.append("shape")
    return replace(feature, kinds=tuple(kinds), knots=knots, smoothed_knots=smoothed_knots)


def _plan_categories(covariate: Covariate, ends: Integers, season: Season) -> CategoricalFeature:
    values = _known(covariate, ends)
    positions, counts = np.unique(np.where(np.isnan(values), _MISSING, values), return_counts=True)
    most_frequent = np.argsort(-counts, kind="stable")
    chosen = [i for i in most_frequent[1 : 1 + _MAX_CATEGORIES] if counts[i] >= _MIN_OF_CATEGORY]
    kinds: tuple[str, ...] = ()
    if chosen and covariate.future is None:
        kinds = ("lags",)
    elif chosen:
        has_shape = season.length >= _MIN_SEASON_FOR_SHAPE and len(chosen) <= len(_HARMONICS)
        kinds = ("value", "shape") if has_shape else ("value",)
    return CategoricalFeature(kinds, (1,), tuple(float(positions[i]) for i in chosen), season)


def _bounds(values: Floats, offsets: Integers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the greatest value of each series; those of all for a series without values."""
    seen = ~np.isnan(values)
    lowest = np.minimum.reduceat(np.where(seen, values, np.inf), offsets)
    highest = np.maximum.reduceat(np.where(seen, values, -np.inf), offsets)
    none = lowest > highest
    if none.all():
        return np.zeros_like(lowest), np.zeros_like(highest)
    lowest[none], highest[none] = lowest[~none].min(), highest[~none].max()
    return lowest, highest


def _means(values: Floats, offsets: Integers) -> NDArray[np.float64]:
    """Compute the mean of each series; NaN for a series without values."""
    seen = ~np.isnan(values)
    count = np.add.reduceat(seen.astype(np.int64), offsets)
    total = np.add.reduceat(np.where(seen, values, 0.0), offsets)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _squares(values: Floats, centre: Floats, sizes: Integers) -> Floats:
    """Compute squared distances from each series' centre."""
    result: Floats = (values - np.repeat(centre, sizes)) ** 2
    return result


def _hinges(values: Floats, knots: Iterable[float]) -> list[Floats]:
    """Return distances beyond each knot, on the side away from the median."""
    distances = [
        (np.float32(knot) - values if knot_is_low else values - np.float32(knot))
        for knot_is_low, knot in zip([level < 0.5 for level in _KNOTS], knots, strict=True)
    ]
    return [np.maximum(distance, np.float32(0)) for distance in distances]


def _lagged(values: Floats, lag: int) -> Floats:
    """Shift each row to later points; the first value stands in for what came before."""
    lag = min(lag, values.shape[1])
    return np.concatenate([np.repeat(values[:, :1], lag, 1), values[:, : values.shape[1] - lag]], 1)


def _shapes(values: Floats, phase: Integers, season: Season) -> list[Floats]:
    """Return the values times waves over the season, so that an effect may depend on the time of the day."""
    angle = 2 * np.pi * phase / season.length
    waves = [wave(harmonic * angle).astype(np.float32) for harmonic in _HARMONICS for wave in (np.cos, np.sin)]
    return [values * wave for wave in waves]
