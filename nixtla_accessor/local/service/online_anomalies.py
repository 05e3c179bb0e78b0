"""Online anomaly detection: the last values of each series, judged by the errors of the forecasts before them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nixtla_accessor.api.online_schema import OnlineAnomalyInput, OnlineAnomalyOutput
from nixtla_accessor.api.schema import CrossValidationInput, CrossValidationOutput
from nixtla_accessor.contract import interval_key
from nixtla_accessor.local.anomaly_scores import SPREAD_LEVEL, accumulate, calibrate, spreads, standardise
from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.errors import UnsupportedError
from nixtla_accessor.local.service.interruption import Interruption

_CALIBRATED_BY = 5  # times the values to examine, as the contract says
_MIN_CALIBRATION = 200  # values, where the series has as many
_LEAST_PROBABILITY = 1e-9  # for the level 0


def detect_online_anomalies(
    engine: Engine, request: OnlineAnomalyInput, interruption: Interruption | None = None
) -> OnlineAnomalyOutput:
    """Mark unusual values among the last of each series.

    The values to examine, and many before them, are forecast in windows, each value from the window that begins last
    before it. How far the values before are from their forecasts says how far is usual. Where there are fewer than five
    times as many before as are examined, those that are examined count as well.

    Parameters
    ----------
    engine : Engine
        Makes the forecasts.
    request : OnlineAnomalyInput
        The series, the windows, the level and the model.
    interruption : Interruption, optional
        Ends the work.

    Returns
    -------
    OnlineAnomalyOutput
        Series that are too short have fewer values than asked for. A missing value is no anomaly, and has the score 0.

    Raises
    ------
    UnsupportedError
        If windows leave values between them, or series of unequal length are to be judged together.
    UnknownFrequencyError, UnknownModelError, WrongCovariatesError, LimitError, AnswerTooLongError, StoppedError
        As of `Engine.cross_validation`.
    """
    _check(request)
    answer = engine.cross_validation(_windows(request), interruption)
    y, sizes = np.asarray(request.series.y, np.float64), request.series.sizes
    forecast = _latest_forecasts(answer, len(y))
    n_known = np.add.reduceat(np.isfinite(forecast[0]), np.cumsum(sizes) - sizes)
    judged = _judge(y, forecast, sizes, n_known, request.detection_size)
    n_examined = np.minimum(n_known, request.detection_size)
    examined = np.flatnonzero(np.repeat(np.cumsum(sizes), sizes) - np.arange(len(y)) <= np.repeat(n_examined, sizes))
    reach = NormalDist().inv_cdf(0.5 + request.level / 200)
    is_anomaly, accumulated = np.abs(judged.scores) > reach, None
    if request.threshold_method == "multivariate":
        accumulated = _accumulate(judged.scores, len(sizes), int(n_known[0]), request.detection_size)
        is_anomaly = accumulated > NormalDist().inv_cdf(max(request.level / 100, _LEAST_PROBABILITY))
    return OnlineAnomalyOutput(
        input_tokens=answer.input_tokens,
        output_tokens=len(examined),
        finetune_tokens=answer.finetune_tokens,
        mean=forecast[0][examined].tolist(),
        sizes=n_examined.tolist(),
        idxs=examined.tolist(),
        anomaly=is_anomaly[examined].tolist(),
        anomaly_score=np.nan_to_num(judged.scores[examined]).tolist(),
        accumulated_anomaly_score=None if accumulated is None else accumulated[examined].tolist(),
        intervals={
            interval_key("lo", request.level): (forecast[0] - reach * judged.below)[examined].tolist(),
            interval_key("hi", request.level): (forecast[0] + reach * judged.above)[examined].tolist(),
        },
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """The scores of all values, and the standard deviations below and above their forecasts; NaN without one."""

    scores: Floats
    below: Floats
    above: Floats


def _check(request: OnlineAnomalyInput) -> None:
    if request.step_size is not None and request.step_size > request.h:
        raise UnsupportedError(
            ("body", "step_size"),
            f"The local engine examines every value: expected a step_size of at most h, {request.h:,}, found "
            f"{request.step_size:,}.",
        )
    sizes = request.series.sizes
    if request.threshold_method == "multivariate" and len(np.unique(sizes)) > 1:
        raise UnsupportedError(
            ("body", "threshold_method"),
            "Series that are judged together must have the same length: found lengths from "
            f"{sizes.min():,} to {sizes.max():,}.",
        )


def _windows(request: OnlineAnomalyInput) -> CrossValidationInput:
    """Return the request for the forecasts of the values to examine, and of those that they are compared with."""
    step = request.step_size or request.h
    wanted = request.detection_size + max(_CALIBRATED_BY * request.detection_size, _MIN_CALIBRATION)
    return CrossValidationInput.model_construct(
        series=request.series,
        freq=request.freq,
        h=request.h,
        n_windows=max(-(-(wanted - request.h) // step), 0) + 1,
        step_size=step,
        level=[SPREAD_LEVEL],
        model=request.model,
        clean_ex_first=request.clean_ex_first,
        finetune_steps=request.finetune_steps,
        finetune_loss=request.finetune_loss,
        finetune_depth=request.finetune_depth,
        finetuned_model_id=request.finetuned_model_id,
        hist_exog=request.hist_exog,
        refit=request.refit,
    )


def _latest_forecasts(answer: CrossValidationOutput, n_values: int) -> tuple[Floats, Floats, Floats]:
    """Return the median of each value's latest forecast, and the bounds of its interval; NaN without one."""
    bounds = answer.intervals or {}
    lists = (answer.mean, bounds[interval_key("lo", SPREAD_LEVEL)], bounds[interval_key("hi", SPREAD_LEVEL)])
    median, lowest, highest = (np.full(n_values, np.nan) for _ in lists)
    for target, values in zip((median, lowest, highest), lists, strict=True):
        target[answer.idxs] = values  # where windows overlap, the last stays
    return median, lowest, highest


def _judge(
    y: Floats, forecast: tuple[Floats, Floats, Floats], sizes: Integers, n_known: Integers, detection_size: int
) -> _Judged:
    """Return how far each value is from its forecast, in standard deviations of its series."""
    median, lowest, highest = forecast
    scores, below, above = (np.full(len(y), np.nan) for _ in range(3))
    for size, end, count in zip(sizes, np.cumsum(sizes), n_known, strict=True):
        known = slice(end - count, end)
        of_below, of_above = spreads(y[end - size : end], median[known], lowest[known], highest[known])
        errors = standardise(y[known], median[known], of_below, of_above)
        factor = calibrate(errors[_is_calibration(count, detection_size)])
        scores[known], below[known], above[known] = errors / factor, of_below * factor, of_above * factor
    return _Judged(scores, below, above)


def _is_calibration(n_known: int, detection_size: int) -> Mask:
    """Return which of the values with a forecast say what is usual: those before the ones to examine, if enough."""
    is_before = np.arange(n_known) < n_known - detection_size
    enough = n_known >= (_CALIBRATED_BY + 1) * detection_size
    return is_before if enough else np.ones(n_known, bool)


def _accumulate(scores: Floats, n_series: int, n_known: int, detection_size: int) -> Floats:
    """Return the scores of all series together, for each value of each."""
    by_series = scores.reshape(n_series, -1)
    accumulated = np.full(by_series.shape[1], np.nan)
    first = len(accumulated) - n_known
    accumulated[first:] = accumulate(by_series[:, first:], _is_calibration(n_known, detection_size))
    return np.tile(accumulated, n_series)
