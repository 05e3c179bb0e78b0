"""A regression of a panel on its covariates: fitted on the past, and what it says of any step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.covariates.alignment import MOST_POINTS, batches
from nixtla_accessor.local.covariates.columns import Feature, Group, plan_features
from nixtla_accessor.local.covariates.panel import Panel, filter_columns, make_columns, make_rows
from nixtla_accessor.local.covariates.ridge import make_robust_equations
from nixtla_accessor.local.covariates.search import Choice, choose
from nixtla_accessor.local.covariates.selection import held_out_coefficients, series_shares
from nixtla_accessor.local.forecaster import Covariates
from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.threads import map_in_threads
from nixtla_accessor.seasons import Season

_SERIES_PRIOR = 4.0
_RECENT_SEASONS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """What covariates add to one series, or to its logarithm.

    Attributes
    ----------
    by_covariate : ndarray of float64, shape (covariates, points)
        0 where a covariate has its mean of the past.
    deviation : ndarray of float64, shape (points after the fit,)
        Standard deviation of the error of their sum.
    """

    by_covariate: NDArray[np.float64]
    deviation: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Coefficients of each series.

    Attributes
    ----------
    features : sequence of Feature
        One for each covariate.
    groups : tuple of (int, str)
        The groups of columns that are used.
    coefficients : ndarray of float32, shape (series, columns)
        In `units`.
    units : ndarray of float64, shape (series,)
        What a coefficient of 1 means in the series, or in its logarithm.
    centre, recent : ndarray of float32, shape (series, columns)
        The mean of each column over the past, and over its last seasons.
    covariance : ndarray of float32, shape (series, columns, columns)
        Of the coefficients.
    shifts : ndarray of float64, shape (series,), or None
        For effects on the logarithm: what is added to a series before.
    season : Season
    ends : ndarray of int, shape (series,)
        How much of each series was looked at.
    """

    features: Sequence[Feature]
    groups: tuple[Group, ...]
    coefficients: NDArray[np.float32]
    units: NDArray[np.float64]
    centre: NDArray[np.float32]
    recent: NDArray[np.float32]
    covariance: NDArray[np.float32]
    shifts: NDArray[np.float64] | None
    season: Season
    ends: Integers

    def column_slices(self) -> list[tuple[int, slice]]:
        """Return the number of each used covariate, and which columns are its own."""
        result: dict[int, slice] = {}
        first = 0
        for number, kind in self.groups:
            end = first + self.features[number].width(kind)
            result[number] = slice(result[number].start if number in result else first, end)
            first = end
        return list(result.items())

    def rescale(self, row: int, values: Floats) -> Floats:
        """Return the values of a series on the scale that effects add up on."""
        return values if self.shifts is None else np.log(np.maximum(values + self.shifts[row], np.finfo(float).tiny))

    def clean(self, row: int, values: Floats, effects: Floats) -> Floats:
        """Take effects out of the values of a series."""
        if self.shifts is None:
            return values - effects
        result: Floats = np.maximum((values + self.shifts[row]) * np.exp(-effects) - self.shifts[row], 0)
        return result

    def effects(self, covariates: Covariates, lengths: Integers) -> list[Effects]:
        """Compute the effect of each covariate at each step of each series.

        Parameters
        ----------
        covariates : sequence of Covariate
            Their `past` may go on beyond that of the fit.
        lengths : ndarray of int, shape (series,)
            Steps of each series, at least as many as in the fit.
        """
        panel = Panel((), covariates, lengths, self.season, lengths - self.ends)
        result: list[Effects | None] = [None] * len(lengths)

        def compute(rows: Integers) -> None:
            columns = make_columns(panel, self.features, self.groups, rows, int(lengths[rows].max()))
            sums = np.zeros((len(rows), len(covariates), columns.shape[2]))
            for number, some in self.column_slices():
                weights = self.coefficients[rows, None, some]
                sums[:, number] = (weights @ columns[:, some])[:, 0] - (weights[:, 0] * self.centre[rows, some]).sum(1)[
                    :, None
                ]
            sums *= self.units[rows, None, None]
            after = lengths[rows] - self.ends[rows]
            unusual = columns[:, :, columns.shape[2] - after.max() :] - self.recent[rows, :, None]
            variance = np.einsum("skt,skt->st", self.covariance[rows] @ unusual, unusual)
            deviation = np.sqrt(np.maximum(variance, 0)) * self.units[rows, None]
            for nth, row in enumerate(rows):
                result[row] = Effects(
                    sums[nth, :, sums.shape[2] - lengths[row] :], deviation[nth, deviation.shape[1] - after[nth] :]
                )

        with one_blas_thread:
            map_in_threads(compute, list(batches(lengths)))
        return [effects for effects in result if effects is not None]


def fit_regression(
    series: Sequence[Floats],
    covariates: Covariates,
    season: Season,
    ends: Integers,
    progress: Callable[[int], None],
) -> Regression | None:
    """Fit each series' regression on the covariates, with strength borrowed from the panel.

    Parameters
    ----------
    series : sequence of ndarray, each of shape (points,)
    covariates : sequence of Covariate
    season : Season
    ends : ndarray of int, shape (series,)
        How much of each series may be looked at, at least one point.
    progress : callable
        Called now and then, with a number of series.

    Returns
    -------
    Regression or None
        None if a hold-out finds no covariate worth using.
    """
    panel = Panel(series, covariates, ends, season, np.zeros_like(ends))
    with one_blas_thread:
        progress(0)
        choice = choose(panel, plan_features(covariates, ends, season))
        return None if choice is None else _fit_all(panel, choice, progress)


def _fit_all(panel: Panel, choice: Choice, progress: Callable[[int], None]) -> Regression:
    """Fit every series, a batch at a time."""
    groups = choice.kept_groups
    n_series, n_columns = len(panel.ends), int(choice.selection.kept.sum())
    regression = Regression(
        features=choice.features,
        groups=groups,
        coefficients=np.empty((n_series, n_columns), np.float32),
        units=np.empty(n_series),
        centre=np.empty((n_series, n_columns), np.float32),
        recent=np.empty((n_series, n_columns), np.float32),
        covariance=np.empty((n_series, n_columns, n_columns), np.float32),
        shifts=choice.shifts,
        season=panel.season,
        ends=panel.ends,
    )

    def fit(rows: Integers) -> None:
        progress(0)
        _fit_rows(panel, choice, regression, rows)

    map_in_threads(fit, list(batches(panel.ends)))
    return regression


def _fit_rows(panel: Panel, choice: Choice, regression: Regression, rows: Integers) -> None:
    """Fit some series, and enter the results in the regression."""
    selection = choice.selection
    length = min(int(panel.ends[rows].max()), MOST_POINTS)
    columns = make_columns(panel, regression.features, regression.groups, rows, length)
    regression.centre[rows] = _mean_of_last(columns, panel.ends[rows])
    regression.recent[rows] = _mean_of_last(
        columns, np.minimum(panel.ends[rows], _RECENT_SEASONS * panel.season.length)
    )
    prior = (selection.pooled, selection.scale, selection.pull)
    filtered = make_rows(panel, filter_columns(panel, columns, rows), rows, choice.shifts, choice.persistence)
    equations = make_robust_equations(
        [filtered], lambda equations: equations.sums(selection.decay).own_coefficients(*prior)
    )
    held_out = held_out_coefficients(equations, selection.pull, selection.decay, selection.pooled, selection.scale)
    shares = selection.shares * series_shares(equations, held_out, selection.shares, _SERIES_PRIOR)[:, None]
    sums = equations.sums(selection.decay)
    regression.coefficients[rows] = sums.own_coefficients(*prior) * shares
    regression.units[rows] = filtered.units
    covariance = np.linalg.inv(sums.products + np.diag(selection.pull * selection.scale))
    regression.covariance[rows] = covariance * (shares[:, :, None] * shares[:, None])


def _mean_of_last(columns: NDArray[np.float32], counts: Integers) -> NDArray[np.float32]:
    """Compute the mean of each column over the last points of each series; (series, columns)."""
    length = columns.shape[2]
    inside = np.arange(length) >= length - np.minimum(counts, length)[:, None]
    weights = inside / inside.sum(1)[:, None]
    mean: NDArray[np.float32] = (columns @ weights[:, :, None].astype(np.float32))[:, :, 0]
    return mean
