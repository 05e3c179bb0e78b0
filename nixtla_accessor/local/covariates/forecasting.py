"""Forecasts with covariates: their effects are taken out of the series, and put back into the forecast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.covariates.columns import NumericFeature
from nixtla_accessor.local.covariates.regression import Effects, Regression, fit_regression
from nixtla_accessor.local.forecaster import Covariate, Covariates
from nixtla_accessor.seasons import Season

ForecastSeries = Callable[[Sequence[Floats], Sequence[float]], NDArray[np.float64]]
"""Forecasts quantiles of series, from their values alone; (quantiles, series, horizon)."""


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedForecast:
    """A forecast, and what each covariate adds to it.

    Attributes
    ----------
    quantiles : ndarray of float64, shape (quantiles, windows, horizon)
    base : ndarray of float64, shape (windows, horizon)
        The median if every covariate had its mean of the past.
    contributions, interventions : ndarray of float64, shape (covariates, windows, horizon)
        What each covariate adds to the base, which together make the median; and how much lower the median would be if
        that covariate alone had its mean of the past.
    """

    quantiles: NDArray[np.float64]
    base: NDArray[np.float64]
    contributions: NDArray[np.float64]
    interventions: NDArray[np.float64]


class ExplainedPanel:
    """A panel whose series are explained by covariates, as far as a hold-out supports it.

    Parameters
    ----------
    series : sequence of ndarray, each of shape (points,)
    covariates : sequence of Covariate
        Beside the series; the future of those known ahead may have no steps, if only windows of the past are forecast.
    season : Season
    ends : ndarray of int, shape (series,)
        How much of each series the regression may look at; no window may begin earlier, unless it is one of the past
        that is to be explained rather than forecast.
    progress : callable
        Called now and then with a number of series.
    """

    def __init__(
        self,
        series: Sequence[Floats],
        covariates: Covariates,
        season: Season,
        ends: Integers,
        progress: Callable[[int], None],
    ) -> None:
        self.series = series
        self.covariates = covariates
        self._regression = fit_regression(series, covariates, season, ends, progress)
        self._effects: list[Effects] = []
        if self._regression is not None:
            lengths = np.array([len(values) for values in series])
            paths = [_path(covariate) for covariate in covariates]
            self._effects = self._regression.effects(paths, lengths + _steps_ahead(covariates))

    def histories(self, rows: Integers, starts: Integers) -> list[Floats]:
        """Return what comes before each window in its series, without the effects of the covariates."""
        cleaned = {row: self._clean(row) for row in np.unique(rows).tolist()}
        return [cleaned[row][:start] for row, start in zip(rows.tolist(), starts, strict=True)]

    def _clean(self, row: int) -> Floats:
        values = self.series[row]
        if self._regression is None:
            return values
        return self._regression.clean(row, values, self._effects[row].by_covariate.sum(0)[: len(values)])

    def weights(self) -> NDArray[np.float64]:
        """Compute how much each covariate's effect moves, as a share of how much the series move; (covariates,).

        That is the standard deviation of the effect over that of the series (or of their logarithms, where effects
        multiply), in the mean over the series; 0 for a covariate that is not used.
        """
        totals = np.zeros(len(self.covariates))
        if self._regression is None:
            return totals
        for row, (values, effects) in enumerate(zip(self.series, self._effects, strict=True)):
            spread = np.nanstd(self._regression.rescale(row, values)) if np.isfinite(values).any() else 0.0
            if spread > 0:
                totals += effects.by_covariate[:, : len(values)].std(1) / spread
        return totals / len(self.series)

    def forecast(
        self,
        forecast: ForecastSeries,
        rows: Integers,
        starts: Integers,
        horizon: int,
        probabilities: Sequence[float],
        *,
        clean_first: bool,
    ) -> ExplainedForecast:
        """Forecast windows.

        Parameters
        ----------
        forecast : callable
        rows, starts : ndarray of int, shape (windows,)
            The series of each window, and the first step that is forecast.
        horizon : int
        probabilities : sequence of float
            Of the quantiles, that of the median first.
        clean_first : bool
            Whether the series are forecast without the effects; else the forecast of the series is moved by how far
            the effects differ from their own forecast.
        """
        shape = (len(self.covariates), len(rows), horizon)
        if self._regression is None:
            quantiles = forecast(_histories(self.series, rows, starts), probabilities)
            return ExplainedForecast(quantiles, quantiles[0], np.zeros(shape), np.zeros(shape))
        effects = self._effects_ahead(forecast, rows, starts, horizon)
        moved = effects.sum(0)
        if clean_first:
            quantiles = forecast(self.histories(rows, starts), probabilities)
        else:
            quantiles = forecast(_histories(self.series, rows, starts), probabilities)
            totals = [each.by_covariate.sum(0) for each in self._effects]
            moved = moved - forecast(_histories(totals, rows, starts), [0.5])[0]
        shifts = np.zeros(len(rows)) if self._regression.shifts is None else self._regression.shifts[rows]
        return _put_back(
            quantiles,
            effects,
            moved,
            self._deviation(rows, starts, horizon),
            probabilities,
            shifts=shifts[:, None],
            multiplies=self._regression.shifts is not None,
            at_least=self._lowest()[rows, None],
        )

    def _lowest(self) -> NDArray[np.float64]:
        """Return 0 for series without negative values, which have no negative forecast either; else no bound."""
        return np.array([0.0 if np.nanmin(values, initial=np.inf) >= 0 else -np.inf for values in self.series])

    def _deviation(self, rows: Integers, starts: Integers, horizon: int) -> NDArray[np.float64]:
        """Return the standard deviation of the error of the effects ahead, 0 where they were looked at."""
        result = np.zeros((len(rows), horizon))
        for window, (row, start) in enumerate(zip(rows, starts, strict=True)):
            known = self._effects[row]
            first = start - (known.by_covariate.shape[1] - len(known.deviation))
            steps = known.deviation[max(first, 0) : max(first + horizon, 0)]
            result[window, horizon - len(steps) if first < 0 else 0 :][: len(steps)] = steps
        return result

    def _effects_ahead(
        self, forecast: ForecastSeries, rows: Integers, starts: Integers, horizon: int
    ) -> NDArray[np.float64]:
        """Return the effect of each covariate in each step of the windows; (covariates, windows, horizon)."""
        result = np.zeros((len(self.covariates), len(rows), horizon))
        for window, (row, start) in enumerate(zip(rows, starts, strict=True)):
            steps = self._effects[row].by_covariate[:, start : start + horizon]
            result[:, window, : steps.shape[1]] = steps
        regression = self._regression
        if regression is not None:
            for number, columns in regression.column_slices():
                if self.covariates[number].future is None:
                    result[number] = _historic_effects(
                        forecast, regression, number, columns, self.covariates[number], rows, starts, horizon
                    )
        return result


def _historic_effects(
    forecast: ForecastSeries,
    regression: Regression,
    number: int,
    columns: slice,
    covariate: Covariate,
    rows: Integers,
    starts: Integers,
    horizon: int,
) -> NDArray[np.float64]:
    """Compute the effects ahead of a covariate that is known of the past only; (windows, horizon).

    As far as a lag reaches, its effect is known. Beyond, a number is forecast, and a category has no effect.
    """
    feature = regression.features[number]
    longest = max(feature.lags)
    tails = np.full((len(rows), longest), np.nan)
    for window, (row, start) in enumerate(zip(rows, starts, strict=True)):
        tail = covariate.past[row][max(start - longest, 0) : start]
        tails[window, longest - len(tail) :] = tail
    ahead = np.full((len(rows), horizon), np.nan)
    if isinstance(feature, NumericFeature):
        ahead = forecast(_histories(covariate.past, rows, starts), [0.5])[0]
    path = feature.standardise(np.concatenate([tails, ahead], 1), rows)
    lagged = np.stack(feature.columns("lags", path, np.zeros(1, np.int64)), 1)[:, :, longest:]
    lagged -= regression.centre[rows, columns, None]
    if not isinstance(feature, NumericFeature):
        lagged[:, :, max(feature.lags) :] = 0
    effects = (regression.coefficients[rows, None, columns] @ lagged)[:, 0]
    result: NDArray[np.float64] = effects * regression.units[rows, None]
    return result


def _put_back(
    quantiles: NDArray[np.float64],
    effects: NDArray[np.float64],
    moved: NDArray[np.float64],
    deviation: NDArray[np.float64],
    probabilities: Sequence[float],
    *,
    shifts: NDArray[np.float64],
    multiplies: bool,
    at_least: NDArray[np.float64],
) -> ExplainedForecast:
    """Move a forecast by the effects of the covariates, and widen it by the errors of these."""
    base = quantiles[0]
    if multiplies:
        factor = np.exp(moved)
        quantiles = (quantiles + shifts) * factor - shifts
        deviation = deviation * np.abs(quantiles[0] + shifts)
        # the logarithmic mean of both forecasts shares their difference out, without a rest
        unmoved = np.abs(moved) < 1e-9
        mean = np.where(unmoved, base + shifts, (quantiles[0] - base) / np.where(unmoved, 1.0, moved))
        contributions = effects * mean
        interventions = (quantiles[0] + shifts) * -np.expm1(-effects)
    else:
        quantiles = quantiles + moved
        contributions = interventions = effects
    median = quantiles[0]
    z = np.array([NormalDist().inv_cdf(level) for level in probabilities])[:, None, None]
    spread = quantiles - median
    quantiles = np.maximum(median + np.sign(z) * np.hypot(spread, z * deviation), at_least)
    return ExplainedForecast(quantiles, np.maximum(base, at_least), contributions, interventions)


def _path(covariate: Covariate) -> Covariate:
    """Return a covariate whose past goes on with what is known of its future."""
    if covariate.future is None or covariate.future.shape[1] == 0:
        return covariate
    joined = [np.concatenate([past, ahead]) for past, ahead in zip(covariate.past, covariate.future, strict=True)]
    return Covariate(joined, covariate.future, covariate.categories)


def _steps_ahead(covariates: Covariates) -> int:
    return max((each.future.shape[1] for each in covariates if each.future is not None), default=0)


def _histories(series: Sequence[Floats], rows: Integers, starts: Integers) -> list[Floats]:
    """Return what comes before each window in its series."""
    return [series[row][:start] for row, start in zip(rows, starts, strict=True)]
