"""Simulations: paths made of a forecast, and of how forecasts of the past erred over the horizon."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.api.schema import CrossValidationInput, ForecastInput, ForecastOutput, SeriesWithFutureExogenous
from nixtla_accessor.api.simulation_schema import MAX_VALUES, SimulationInput, SimulationOutput
from nixtla_accessor.contract import exact_decimal, interval_key, level_of_quantile
from nixtla_accessor.local.anomaly_scores import SPREAD_LEVEL, spreads, standardise
from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.errors import LimitError
from nixtla_accessor.local.service.interruption import Interruption
from nixtla_accessor.local.simulation.dependence import Dependence, estimate_dependence
from nixtla_accessor.local.simulation.paths import draw_paths

_LEVELS = (30, 60, 80, 90, 95, 98, 99, 99.8, 99.98)  # percent: of the intervals that are asked of the forecaster
_SEED_RANGE = 2**64

# How much of the past is forecast, to see how errors depend on each other.
_PAST_STRETCHES = 4_000  # of a forecaster's horizon: about half a second
_MIN_WINDOWS, _MAX_WINDOWS = 5, 60  # of each series
_MAX_SERIES = 400  # of a panel; the others are taken to be like these
_MIN_HISTORY = 8  # values before a window
_PER_HORIZON = 2  # windows that begin within a horizon, where a series is long enough for non-overlapping ones


def simulate(engine: Engine, request: SimulationInput, interruption: Interruption | None = None) -> SimulationOutput:
    """Draw paths of every series.

    At each step they have the quantiles of the forecast. How they depend on each other over time is learnt from the
    errors of forecasts of the past; different series are drawn independently.

    Parameters
    ----------
    engine : Engine
        Makes the forecasts.
    request : SimulationInput
        The series, the horizon, the number of paths and the model.
    interruption : Interruption, optional
        Ends the work.

    Returns
    -------
    SimulationOutput
        The same for the same request with a seed.

    Raises
    ------
    LimitError
        If these are more numbers than an answer may have.
    UnknownFrequencyError, UnknownModelError, WrongCovariatesError, StoppedError
        As of `Engine.forecast`.
    """
    _check(request)
    levels = sorted({*_LEVELS, *map(level_of_quantile, request.quantiles or ())} - {0.0})
    ahead = engine.forecast(_ahead(request, levels), interruption)
    stretch = engine.models.find(request.model, request.finetuned_model_id).forecaster.horizon
    dependence, looked_at = _look_back(engine, request, stretch, interruption)
    n_series = len(request.series.sizes)
    probabilities = np.tile(dependence.of_panel, (n_series, 1))
    probabilities[looked_at] = dependence.by_series
    seed = secrets.randbits(64) if request.seed is None else request.seed % _SEED_RANGE
    paths = draw_paths(
        _quantiles(ahead, levels).reshape(-1, n_series, request.h),
        _ascending_probabilities(levels),
        (dependence.memory, dependence.shared),
        probabilities,
        request.n_paths,
        np.random.default_rng(seed),
    )
    return SimulationOutput(
        input_tokens=ahead.input_tokens,
        output_tokens=paths.size,
        samples=paths.ravel().tolist(),
        sizes=[request.h] * n_series,
        n_paths=request.n_paths,
        h=request.h,
    )


def _check(request: SimulationInput) -> None:
    n_numbers = len(request.series.sizes) * request.h * (request.n_paths + len(request.quantiles or ()))
    if n_numbers > MAX_VALUES:
        raise LimitError(
            ("body", "n_paths"),
            f"at most {MAX_VALUES:,} numbers: series times h times paths and quantiles",
            f"{n_numbers:,}",
            "ask for fewer series, steps or paths at a time",
        )


def _ahead(request: SimulationInput, levels: Sequence[float]) -> ForecastInput:
    return ForecastInput.model_construct(
        series=request.series,
        freq=request.freq,
        h=request.h,
        level=list(levels),
        model=request.model,
        finetuned_model_id=request.finetuned_model_id,
        clean_ex_first=request.clean_ex_first,
    )


def _quantiles(answer: ForecastOutput, levels: Sequence[float]) -> NDArray[np.float64]:
    """Return the quantiles of an answer in ascending order; (quantiles, values)."""
    bounds = answer.intervals or {}
    lower = [bounds[interval_key("lo", level)] for level in reversed(levels)]
    upper = [bounds[interval_key("hi", level)] for level in levels]
    return np.array([*lower, answer.mean, *upper])


def _ascending_probabilities(levels: Sequence[float]) -> list[float]:
    upper = [float(exact_decimal(0.5 + level / 200)) for level in levels]
    return [*(float(exact_decimal(1 - each)) for each in reversed(upper)), 0.5, *upper]


def _look_back(
    engine: Engine, request: SimulationInput, stretch: int, interruption: Interruption | None
) -> tuple[Dependence, Integers]:
    """Estimate how errors of forecasts of the past depend on each other, of some series; return these as well."""
    sizes = request.series.sizes
    chosen = np.unique(np.linspace(0, len(sizes) - 1, min(len(sizes), _MAX_SERIES)).astype(np.int64))
    n_windows, step = _place_windows(sizes[chosen], request.h, stretch)
    series, known = _some(request.series, chosen), len(request.series.X_future or ())
    scores: Floats = np.empty((0, request.h))
    of_series: Integers = np.empty(0, np.int64)
    if n_windows:
        asked = CrossValidationInput.model_construct(
            series=series,
            freq=request.freq,
            h=request.h,
            n_windows=n_windows,
            step_size=step,
            level=[SPREAD_LEVEL],
            model=request.model,
            finetuned_model_id=request.finetuned_model_id,
            clean_ex_first=request.clean_ex_first,
            hist_exog=list(range(known, len(series.X or ()))) or None,
        )
        scores, of_series = _errors_of_the_past(engine, asked, interruption)
    return estimate_dependence(scores, of_series, len(chosen), step), chosen


def _place_windows(sizes: Integers, horizon: int, stretch: int) -> tuple[int, int]:
    """Return how many windows of each series are forecast, and the steps from one to the next."""
    most = _PAST_STRETCHES // (len(sizes) * -(-horizon // stretch))
    wanted = int(np.clip(most, _MIN_WINDOWS, _MAX_WINDOWS))
    room = int(np.median(sizes)) - horizon - _MIN_HISTORY  # steps that windows can begin in
    step = int(np.clip(room // wanted, 1, max(1, horizon // _PER_HORIZON)))
    longest = int(sizes.max()) - horizon - _MIN_HISTORY
    return min(wanted, longest // step + 1) if longest >= 0 else 0, step


def _errors_of_the_past(
    engine: Engine, request: CrossValidationInput, interruption: Interruption | None
) -> tuple[Floats, Integers]:
    """Return the errors of each window in units of their spread, and its series; without those that have gaps."""
    answer = engine.cross_validation(request, interruption)
    y, sizes, horizon = np.asarray(request.series.y, np.float64), request.series.sizes, request.h
    bounds = answer.intervals or {}
    positions = np.array(answer.idxs, np.int64)
    median, lowest, highest = (
        np.array(values)
        for values in (answer.mean, bounds[interval_key("lo", SPREAD_LEVEL)], bounds[interval_key("hi", SPREAD_LEVEL)])
    )
    scores, ends = np.empty(len(positions)), np.cumsum(sizes)
    for series, (first, last) in enumerate(pairwise([0, *np.cumsum(answer.sizes).tolist()])):
        own, end = slice(first, last), ends[series]
        below, above = spreads(y[end - sizes[series] : end], median[own], lowest[own], highest[own])
        scores[own] = standardise(y[positions[own]], median[own], below, above)
    windows = scores.reshape(-1, horizon)
    of_window = np.repeat(np.arange(len(sizes)), np.array(answer.sizes) // horizon)
    starts = positions[::horizon] - (ends - sizes)[of_window]
    usable = np.isfinite(windows).all(1) & (starts >= _MIN_HISTORY)
    return windows[usable], of_window[usable]


def _some(series: SeriesWithFutureExogenous, chosen: Integers) -> SeriesWithFutureExogenous:
    """Return some of the series, with the past of their features."""
    is_chosen = np.isin(np.arange(len(series.sizes)), chosen)
    kept = np.repeat(is_chosen, series.sizes)
    return SeriesWithFutureExogenous.model_construct(
        y=series.y[kept],
        sizes=series.sizes[is_chosen],
        X=None if series.X is None else [_keep(row, kept) for row in series.X],
        categorical_exog=series.categorical_exog,
    )


def _keep(row: Any, kept: Mask) -> Any:  # noqa: ANN401 - an array, or a list of text
    """Return some of the values of a feature."""
    if isinstance(row, np.ndarray):
        return row[kept]
    return [value for value, is_kept in zip(row, kept.tolist(), strict=True) if is_kept]
