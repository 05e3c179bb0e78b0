"""Asks the service about series: in one request, or in several where that would be too large and none needs all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, overload

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api import endpoints, parts
from nixtla_accessor.api.online_anomalies import online_anomaly_detection
from nixtla_accessor.api.online_schema import OnlineAnomalyInput
from nixtla_accessor.api.results import AnomalyResult, CrossValidationResult, ForecastResult
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    CrossValidationInput,
    ForecastInput,
    SeriesWithFutureExogenous,
)
from nixtla_accessor.api.sending import RequestContext, send
from nixtla_accessor.api.simulation import SimulationResult, simulate
from nixtla_accessor.api.simulation_schema import MAX_SEED, MIN_SEED, SimulationInput

MAX_PATH_VALUES = 2_000_000  # of the paths in an answer: larger parts say more of how errors depend on each other

Floats = npt.NDArray[np.float64]
Tokens = ForecastResult | CrossValidationResult | AnomalyResult
RequestT = TypeVar("RequestT", ForecastInput, CrossValidationInput, AnomalyDetectionInput, SimulationInput)
ResultT = TypeVar("ResultT")


@overload
def ask(context: RequestContext, request: ForecastInput) -> ForecastResult: ...
@overload
def ask(context: RequestContext, request: CrossValidationInput) -> CrossValidationResult: ...
@overload
def ask(context: RequestContext, request: AnomalyDetectionInput) -> AnomalyResult: ...
@overload
def ask(context: RequestContext, request: SimulationInput) -> SimulationResult: ...
def ask(
    context: RequestContext, request: ForecastInput | CrossValidationInput | AnomalyDetectionInput | SimulationInput
) -> ForecastResult | CrossValidationResult | AnomalyResult | SimulationResult:
    """Ask about all series of a request.

    Raises
    ------
    InvalidArgumentError
        A request is too large.
    ApiError, TransportError, ResponseError
        There is no answer, or one of another shape than requested.
    """
    if isinstance(request, SimulationInput):
        return _ask(context, request, _values_of_paths(request), simulate, _join_paths, "simulating", MAX_PATH_VALUES)
    values = _values_to_send(request.series) + _values_to_receive(request)
    if isinstance(request, ForecastInput):
        return _ask(context, request, values, _forecast, _join_forecasts, "forecasting")
    if isinstance(request, CrossValidationInput):
        return _ask(context, request, values, _cross_validate, _join_windows, endpoints.FORECASTING_THE_PAST)
    return _ask(context, request, values, _detect, _join_anomalies, endpoints.FORECASTING_THE_PAST)


def _ask(
    context: RequestContext,
    request: RequestT,
    values: npt.NDArray[np.int64],
    answer: Callable[[RequestContext, RequestT], ResultT],
    join: Callable[[Sequence[ResultT], Sequence[SeriesWithFutureExogenous]], ResultT],
    activity: str,
    max_values: int | None = None,
) -> ResultT:
    """Ask about a request in as many parts as its values make."""
    split = parts.split_series(request.series, values, max_values or parts.MAX_VALUES)
    if len(split) == 1 or _concerns_all_series(request):
        return answer(context, request)
    results = parts.ask_in_parts(
        context, split, lambda own, nth: answer(own, _for_part(request, split[nth], nth)), activity
    )
    return join(results, split)


def _for_part(request: RequestT, series: SeriesWithFutureExogenous, nth: int) -> RequestT:
    """Return the request about a part; a simulation with a seed of the part's own, so that no two draw the same."""
    update: dict[str, object] = {"series": series}
    if isinstance(request, SimulationInput) and request.seed is not None:
        update["seed"] = (request.seed - MIN_SEED + nth) % (MAX_SEED - MIN_SEED + 1) + MIN_SEED
    return request.model_copy(update=update)


def _concerns_all_series(
    request: ForecastInput | CrossValidationInput | AnomalyDetectionInput | SimulationInput,
) -> bool:
    """Return whether the answer about a series depends on the others of the request."""
    if request.multivariate:
        return True
    if isinstance(request, OnlineAnomalyInput) and request.threshold_method == "multivariate":
        return True
    tuned_here = ForecastInput | CrossValidationInput | OnlineAnomalyInput
    return isinstance(request, tuned_here) and request.finetune_steps > 0


# ---------------------------------------------------------------- how many values a series makes


def _values_to_send(series: SeriesWithFutureExogenous) -> npt.NDArray[np.int64]:
    ahead = sum(len(row) for row in series.X_future or ()) // len(series.sizes)
    return series.sizes * (1 + len(series.X or ())) + ahead


def _values_to_receive(
    request: ForecastInput | CrossValidationInput | AnomalyDetectionInput,
) -> npt.NDArray[np.int64]:
    sizes = request.series.sizes
    if isinstance(request, OnlineAnomalyInput):
        return np.minimum(sizes, request.detection_size) * 6
    if isinstance(request, AnomalyDetectionInput):
        return sizes * 4
    of_step = 1 + 2 * len(request.level or ()) + (len(request.series.X or ()) + 1) * request.feature_contributions
    if isinstance(request, ForecastInput):
        return np.full(len(sizes), request.h * of_step)
    if request.full_history:
        return sizes * of_step
    return np.full(len(sizes), min(request.h * request.n_windows, int(sizes.max()) * request.h) * of_step)


def _values_of_paths(request: SimulationInput) -> npt.NDArray[np.int64]:
    return np.full(len(request.series.sizes), request.h * (request.n_paths + len(request.quantiles or ())))


# ---------------------------------------------------------------- one request


def _forecast(context: RequestContext, request: ForecastInput) -> ForecastResult:
    return send(context, endpoints.forecast(request))


def _cross_validate(context: RequestContext, request: CrossValidationInput) -> CrossValidationResult:
    return send(context, endpoints.cross_validation(request))


def _detect(context: RequestContext, request: AnomalyDetectionInput) -> AnomalyResult:
    if isinstance(request, OnlineAnomalyInput):
        return send(context, online_anomaly_detection(request))
    return send(context, endpoints.anomaly_detection(request))


# ---------------------------------------------------------------- the results of all parts as one


def _join_forecasts(results: Sequence[ForecastResult], _parts: Sequence[SeriesWithFutureExogenous]) -> ForecastResult:
    return ForecastResult(
        mean=np.concatenate([result.mean for result in results]),
        intervals=_join_intervals(results),
        weights_x=_mean_weights(results),
        feature_contributions=_join_contributions(results),
        **_add_tokens(results),
    )


def _join_windows(
    results: Sequence[CrossValidationResult], split: Sequence[SeriesWithFutureExogenous]
) -> CrossValidationResult:
    before = np.cumsum([0, *(len(part.y) for part in split[:-1])])
    return CrossValidationResult(
        mean=np.concatenate([result.mean for result in results]),
        positions=np.concatenate([result.positions + first for result, first in zip(results, before, strict=True)]),
        intervals=_join_intervals(results),
        feature_contributions=_join_contributions(results),
        **_add_tokens(results),
    )


def _join_anomalies(results: Sequence[AnomalyResult], _parts: Sequence[SeriesWithFutureExogenous]) -> AnomalyResult:
    scores = [result.anomaly_score for result in results if result.anomaly_score is not None]
    return AnomalyResult(
        mean=np.concatenate([result.mean for result in results]),
        sizes=np.concatenate([result.sizes for result in results]),
        anomaly=np.concatenate([result.anomaly for result in results]),
        intervals=_join_intervals(results),
        anomaly_score=np.concatenate(scores) if scores else None,
        accumulated_anomaly_score=None,
        **_add_tokens(results),
    )


def _join_paths(results: Sequence[SimulationResult], _parts: Sequence[SeriesWithFutureExogenous]) -> SimulationResult:
    return SimulationResult(np.concatenate([result.paths for result in results], 1), is_coupled=False)


def _join_intervals(results: Sequence[Tokens]) -> dict[str, Floats]:
    keys: Mapping[str, Floats] = results[0].intervals
    return {key: np.concatenate([result.intervals[key] for result in results]) for key in keys}


def _add_tokens(results: Sequence[Tokens]) -> dict[str, int]:
    return {
        name: sum(getattr(result, name) for result in results)
        for name in ("input_tokens", "output_tokens", "finetune_tokens")
    }


def _mean_weights(results: Sequence[ForecastResult]) -> Floats | None:
    """Return the mean of the weights over all parts, by their numbers of forecasts; None where a part has none."""
    weights = [result.weights_x for result in results if result.weights_x is not None]
    if len(weights) < len(results):
        return None
    return np.average(weights, axis=0, weights=[len(result.mean) for result in results])


def _join_contributions(results: Sequence[ForecastResult] | Sequence[CrossValidationResult]) -> Floats | None:
    joined = [result.feature_contributions for result in results if result.feature_contributions is not None]
    return np.concatenate(joined, axis=1) if joined else None
