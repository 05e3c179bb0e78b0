"""A panel and its covariates as arrays: the target in the scale that effects add up in, and columns beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.covariates.alignment import align_right, filter_persistence, filter_seasons
from nixtla_accessor.local.covariates.columns import Feature, Group
from nixtla_accessor.local.forecaster import Covariates
from nixtla_accessor.seasons import Season

_SEASONS_TO_DIFFERENCE = 3  # fewer are differenced step by step
_OUTLIER = 3.5  # noise, beyond which an error is an outlier
_NOISE_OF_MEDIAN = 1.4826  # standard deviation over median absolute value, of normal errors
_LEAST_NOISE = 0.3  # of the standard deviation, for series that mostly stay the same
_USUAL_SHARE = 0.9  # of the points, among which no outlier nor what the filter makes of it is looked for
_POINTS_FOR_NOISE = 20  # of a series, that tell as much as the other series do
_LEAST_VALUE = 0.05  # of the mean: a series that falls below has a share of the mean added before the logarithm
_SHIFT = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The past of a panel that a regression may look at.

    Attributes
    ----------
    series : sequence of ndarray, each of shape (points,)
    covariates : sequence of Covariate
    ends : ndarray of int, shape (series,)
        How much of each series may be looked at.
    season : Season
    first_phase : ndarray of int, shape (series,)
        The place in its season of the step after the end.
    """

    series: Sequence[Floats]
    covariates: Covariates
    ends: Integers
    season: Season
    first_phase: Integers

    def log_shifts(self) -> NDArray[np.float64] | None:
        """Return what to add to each series before the logarithm; None if one has negative values, or all are zero."""
        shifts = np.zeros(len(self.series))
        for row, (values, end) in enumerate(zip(self.series, self.ends, strict=True)):
            seen = values[:end][np.isfinite(values[:end])]
            lowest, mean = (seen.min(), seen.mean()) if len(seen) else (1.0, 1.0)
            if lowest < 0:
                return None
            shifts[row] = 0.0 if lowest > _LEAST_VALUE * mean else max(_SHIFT * mean, np.finfo(float).tiny)
        return shifts


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The filtered target and columns of some series of similar length.

    Attributes
    ----------
    columns : ndarray of float32, shape (series, columns, points)
    changes : ndarray of float32, shape (series, points)
        The target in `units`.
    valid : ndarray of bool, shape (series, points)
    noise, units : ndarray of float64, shape (series,)
        Standard deviation of the changes in units; what a coefficient of 1 means in the target.
    log_units : ndarray of float64, shape (series,)
        The logarithm of what a change of 1 means in the series, on average over time.
    """

    columns: NDArray[np.float32]
    changes: NDArray[np.float32]
    valid: Mask
    noise: NDArray[np.float64]
    units: NDArray[np.float64]
    log_units: NDArray[np.float64]

    def errors(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what coefficients of shape (series, columns) leave of the changes; 0 where they are not valid."""
        result: NDArray[np.float32] = self.changes - (coefficients.astype(np.float32)[:, None] @ self.columns)[:, 0]
        result *= self.valid
        return result

    def weigh(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return Huber's weights of changes, or of what is left of them: 1, and less for outliers; (series, points)."""
        bound = (_OUTLIER * measure_noise(values, self.valid)[:, None]).astype(np.float32)
        return (bound / np.maximum(np.abs(values), bound)).astype(np.float32, copy=False)


def with_coefficients(
    parts: Sequence[Rows], coefficients: NDArray[np.float64]
) -> Iterator[tuple[Rows, NDArray[np.float64]]]:
    """Yield each part with its coefficients, of those of all parts in turn; (series, columns)."""
    first = 0
    for rows in parts:
        yield rows, coefficients[first : first + len(rows.changes)]
        first += len(rows.changes)


def make_columns(
    panel: Panel, features: Sequence[Feature], groups: Sequence[Group], rows: Integers, length: int
) -> NDArray[np.float32]:
    """Return the last columns of some series, aligned right; (series, columns, length)."""
    ends = panel.ends[rows]
    made: list[Floats] = []
    values: dict[int, Floats] = {}
    for number, kind in groups:
        feature = features[number]
        if number not in values:
            past = panel.covariates[number].past
            values[number] = feature.standardise(align_right([past[row] for row in rows], ends, length), rows)
        phase = np.arange(-length, 0) + panel.first_phase[rows, None]
        made += feature.columns(kind, values[number], phase)
    return np.stack(made, 1)


def filter_columns(panel: Panel, columns: NDArray[np.float32], rows: Integers) -> Floats:
    """Take level and season out of columns, as out of the target."""
    observed = np.isfinite(_target(panel, rows, columns.shape[2]))
    lag = _lag(panel, columns.shape[2])
    return filter_seasons(columns, _differences(observed, lag)[:, None], lag)


def make_rows(
    panel: Panel, filtered: Floats, rows: Integers, shifts: NDArray[np.float64] | None, persistence: float
) -> Rows:
    """Filter the target, and measure the noise.

    Parameters
    ----------
    panel : Panel
    filtered : ndarray of float32, shape (series, columns, points)
        See `filter_columns`.
    rows : ndarray of int
        The numbers of the series.
    shifts : ndarray of float64, shape (all series,), or None
        For a logarithmic scale: what is added before.
    persistence : float
        See `filter_persistence`.
    """
    target = _target(panel, rows, filtered.shape[2])
    observed = np.isfinite(target)
    target, units = _rescale(np.where(observed, target, 0.0), observed, None if shifts is None else shifts[rows])
    lag = _lag(panel, filtered.shape[2])
    differences = _differences(observed, lag)
    valid = differences.copy()
    if persistence:
        valid[:, 1:] &= differences[:, :-1]
    changes = filter_persistence(filter_seasons(target, differences, lag), valid, persistence)
    noise = measure_noise(changes, valid)
    log_units = np.log(units) if shifts is None else (target * valid).sum(1) / np.maximum(valid.sum(1), 1)
    if shifts is None:  # effects are borrowed from the panel in units of the noise, which few points tell badly
        weight = valid.sum(1) / (valid.sum(1) + _POINTS_FOR_NOISE)
        unit = np.exp(weight * np.log(noise) + (1 - weight) * np.median(np.log(noise)))
        changes, noise, units, log_units = changes / unit[:, None], noise / unit, units * unit, log_units + np.log(unit)
    columns = filter_persistence(filtered, valid[:, None], persistence).astype(np.float32, copy=False)
    return Rows(columns, changes.astype(np.float32), valid, noise, units, log_units)


def _target(panel: Panel, rows: Integers, length: int) -> NDArray[np.float64]:
    return align_right([panel.series[row] for row in rows], panel.ends[rows], length)


def _lag(panel: Panel, length: int) -> int:
    """Return the steps to difference over: a season, or one if there are too few seasons."""
    return panel.season.length if length >= _SEASONS_TO_DIFFERENCE * panel.season.length else 1


def _differences(observed: Mask, lag: int) -> Mask:
    """Return where a value and the one a season before were observed."""
    result = np.zeros_like(observed)
    if lag < observed.shape[1]:
        result[:, lag:] = observed[:, lag:] & observed[:, :-lag]
    return result


def _rescale(
    target: NDArray[np.float64], observed: Mask, shifts: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the target in the scale of the effects, and the unit of each series."""
    if shifts is None:
        peak = np.abs(target).max(1)
        peak[peak == 0] = 1
        return target / peak[:, None], peak
    shifted = np.where(observed, target + shifts[:, None], 1.0)
    return np.log(shifted), np.ones(len(target))


def measure_noise(changes: Floats, valid: Mask) -> NDArray[np.float64]:
    """Estimate the standard deviation of each row's changes, little moved by outliers."""
    count = np.maximum(valid.sum(1), 1)
    magnitude = np.sort(np.where(valid, np.abs(changes), np.inf), 1)
    usual = np.arange(changes.shape[1]) < (_USUAL_SHARE * count)[:, None]
    square = (np.where(usual & np.isfinite(magnitude), magnitude, 0) ** 2).sum(1)
    deviation = np.sqrt(np.where(square > 0, square, (changes**2).sum(1)) / count)
    median = magnitude[np.arange(len(changes)), np.minimum(count // 2, changes.shape[1] - 1)]
    noise = np.maximum(_NOISE_OF_MEDIAN * np.where(np.isfinite(median), median, 0), _LEAST_NOISE * deviation)
    return np.where(noise > 1e-9, noise, 1.0)
