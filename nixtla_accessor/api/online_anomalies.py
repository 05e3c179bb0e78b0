"""``POST /v2/online_anomaly_detection``: its checked arguments, its call, and its answer."""

from __future__ import annotations

import reprlib
from collections.abc import Sized
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np

from nixtla_accessor.api.adaptation import AS_IT_IS, Adaptation
from nixtla_accessor.api.checks import check_level, check_model_id, check_text, check_whole_number
from nixtla_accessor.api.encoding import decode
from nixtla_accessor.api.endpoints import FORECASTING_THE_PAST, Call
from nixtla_accessor.api.exchange import Failure
from nixtla_accessor.api.online_schema import OnlineAnomalyInput, OnlineAnomalyOutput, ThresholdMethod
from nixtla_accessor.api.results import AnomalyResult, as_arrays, mismatch, requested_intervals, unreadable
from nixtla_accessor.api.schema import SeriesWithFutureExogenous
from nixtla_accessor.contract import DEFAULT_LEVEL, DEFAULT_MODEL
from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.flags import check_flag


@dataclass(frozen=True, slots=True)
class OnlineAnomalyOptions:
    """The checked arguments of an online anomaly detection, in plain Python types.

    Attributes
    ----------
    detection_size : int
        How many values at the end of each series are examined.
    h : int or None
        The steps of a window that is forecast; None where it is still to be chosen.
    step_size : int or None
        Steps from one window to the next; None for ``h``.
    threshold_method : {"univariate", "multivariate"}
        Whether each series is judged by itself, or all together.
    level : float
        The level of the interval that a usual value lies in, in percent.
    model, finetuned_model_id : str
        The base model, and the fine-tuned one or None.
    refit : bool
        Whether to fine-tune for each window, rather than for the first only.
    hist_exog : tuple of int
        The rows of ``X`` that are known of the past only.
    adaptation : Adaptation
        How the model is adapted for this call.
    """

    detection_size: int
    h: int | None
    step_size: int | None
    threshold_method: ThresholdMethod
    level: int | float
    model: str
    finetuned_model_id: str | None
    refit: bool = False
    hist_exog: tuple[int, ...] = ()
    adaptation: Adaptation = AS_IT_IS

    def make_request(self, series: SeriesWithFutureExogenous, freq: str) -> OnlineAnomalyInput:
        """Return the request that asks which of the last values of the series are anomalies."""
        return OnlineAnomalyInput.model_construct(
            series=series,
            freq=freq,
            h=self.h or self.detection_size,
            detection_size=self.detection_size,
            threshold_method=self.threshold_method,
            step_size=self.step_size,
            model=self.model,
            level=float(self.level),
            finetuned_model_id=self.finetuned_model_id,
            refit=self.refit,
            hist_exog=list(self.hist_exog) or None,
            **self.adaptation.tuning(),
            **self.adaptation.settings(),
        )


def check_online_anomaly_options(
    *,
    detection_size: object,
    h: object = None,
    step_size: object = None,
    threshold_method: object = "univariate",
    level: object = DEFAULT_LEVEL,
    model: object = DEFAULT_MODEL,
    finetuned_model_id: object = None,
    refit: object = False,
    adaptation: Adaptation = AS_IT_IS,
) -> OnlineAnomalyOptions:
    """Check the arguments of an online anomaly detection, except the series.

    Raises
    ------
    InvalidArgumentError
        An argument has a wrong type or value; the message says what it may be.
    """
    if detection_size is None:
        raise InvalidArgumentError(
            "The online method examines the last values of each series: say how many, such as detection_size=30."
        )
    return OnlineAnomalyOptions(
        detection_size=check_whole_number("detection_size", detection_size, lowest=1),
        h=None if h is None else check_whole_number("h", h, lowest=1),
        step_size=None if step_size is None else check_whole_number("step_size", step_size, lowest=1),
        threshold_method=_check_threshold_method(threshold_method),
        level=check_level("level", level),
        model=check_text("model", model),
        finetuned_model_id=check_model_id("finetuned_model_id", finetuned_model_id, optional=True),
        refit=check_flag("refit", refit),
        adaptation=adaptation,
    )


def online_anomaly_detection(request: OnlineAnomalyInput) -> Call[AnomalyResult]:
    """Return the call that judges the last values of each series (``POST /v2/online_anomaly_detection``)."""
    return Call(
        "POST",
        "/v2/online_anomaly_detection",
        partial(read_online_anomalies, request=request),
        request=request,
        activity=FORECASTING_THE_PAST,
        model_id=request.finetuned_model_id,
    )


def read_online_anomalies(content: bytes, request: OnlineAnomalyInput) -> AnomalyResult | Failure:
    """Read the answer; it must be about the last values of each series."""
    output = decode(content, OnlineAnomalyOutput)
    if isinstance(output, Failure):
        return output
    longest = request.series.sizes.tolist()
    fits = len(output.sizes) == len(longest) and all(
        0 <= size <= most for size, most in zip(output.sizes, longest, strict=True)
    )
    if not fits or output.idxs != _last_positions(request, output.sizes):
        return unreadable("values that do not fit the series")
    intervals = requested_intervals(output.intervals, [request.level])
    answered: dict[str, Sized] = {
        "mean": output.mean,
        "anomaly": output.anomaly,
        "anomaly_score": output.anomaly_score,
        **intervals,
    }
    if request.threshold_method == "multivariate":
        answered["accumulated_anomaly_score"] = output.accumulated_anomaly_score or ()
    found = mismatch(answered, [request.level] if output.intervals else None, sum(output.sizes))
    if found is not None:
        return unreadable(f"an examination {found}")
    accumulated = output.accumulated_anomaly_score
    return AnomalyResult(
        mean=np.array(output.mean, dtype=np.float64),
        sizes=np.array(output.sizes, dtype=np.int64),
        anomaly=np.array(output.anomaly, dtype=np.bool_),
        intervals=as_arrays(intervals),
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
        anomaly_score=np.array(output.anomaly_score, dtype=np.float64),
        accumulated_anomaly_score=None if accumulated is None else np.array(accumulated, dtype=np.float64),
    )


def _last_positions(request: OnlineAnomalyInput, sizes: list[int]) -> list[int]:
    """Return the positions of the last values of each series."""
    ends = np.cumsum(request.series.sizes).tolist()
    return [position for end, size in zip(ends, sizes, strict=True) for position in range(end - size, end)]


def _check_threshold_method(value: object) -> ThresholdMethod:
    for method in get_args(ThresholdMethod):
        if isinstance(value, str) and value == method:
            return method  # type: ignore[no-any-return]  # get_args knows no types
    raise InvalidArgumentError(
        "threshold_method must be 'univariate', to judge each series by itself, or 'multivariate', to judge all "
        f"together; got {reprlib.repr(value)}."
    )
