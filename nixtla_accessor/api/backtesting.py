"""Calls about the past: windows forecast from what came before them, and values that a forecast finds unusual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.asking import Call, ask_with_series
from nixtla_accessor.api.exchange import Failure, FailureKind
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    AnomalyDetectionOutput,
    CrossValidationInput,
    CrossValidationOutput,
)

_WAITING_FOR = "forecasting the past"


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidationResult:
    """Forecasts of windows of the past.

    Attributes
    ----------
    mean : ndarray of shape (n,), float64
        Series by series, window by window, step by step.
    positions : ndarray of shape (n,), int64
        Where in the values that were sent each forecast belongs.
    intervals : mapping of str to ndarray of shape (n,), float64
        The bounds, named as the service names them: ``"lo-80"``, ``"hi-80"``; empty without levels.
    input_tokens, output_tokens, finetune_tokens : int
        What it cost.
    """

    mean: npt.NDArray[np.float64]
    positions: npt.NDArray[np.int64]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyResult:
    """What a service finds unusual in the past.

    Attributes
    ----------
    mean : ndarray of shape (n,), float64
        The forecast of each value that was looked at.
    sizes : ndarray of shape (n_series,), int64
        How many values at the end of each series were looked at.
    anomaly : ndarray of shape (n,), bool
        Whether the value lies outside its interval.
    intervals : mapping of str to ndarray of shape (n,), float64
        The bounds, named as the service names them.
    input_tokens, output_tokens, finetune_tokens : int
        What it cost.
    """

    mean: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int64]
    anomaly: npt.NDArray[np.bool_]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int


def cross_validate(call: Call, request: CrossValidationInput) -> CrossValidationResult:
    """Forecast windows of the past; arguments and errors as of `forecasting.forecast`."""
    output = ask_with_series(
        call,
        "/v2/cross_validation",
        request,
        CrossValidationOutput,
        waiting_for=_WAITING_FOR,
        about=request.finetuned_model_id,
    )
    positions = np.array(output.idxs, dtype=np.int64)
    intervals = {name: np.array(bound, dtype=np.float64) for name, bound in (output.intervals or {}).items()}
    n_values, lengths = len(request.series.y), {len(output.mean), *map(len, intervals.values())}
    windows_are_whole = len(positions) % request.h == 0 and bool((np.diff(positions.reshape(-1, request.h)) == 1).all())
    if lengths != {len(positions)} or not windows_are_whole or not ((positions > 0) & (positions < n_values)).all():
        reason = "answered with windows that do not fit the series"
        raise error_of(Failure(FailureKind.UNREADABLE, reason), call.transport.where)
    return CrossValidationResult(
        mean=np.array(output.mean, dtype=np.float64),
        positions=positions,
        intervals=intervals,
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
    )


def detect_anomalies(call: Call, request: AnomalyDetectionInput) -> AnomalyResult:
    """Find unusual values of the past; arguments and errors as of `forecasting.forecast`."""
    output = ask_with_series(
        call,
        "/v2/anomaly_detection",
        request,
        AnomalyDetectionOutput,
        waiting_for=_WAITING_FOR,
        about=request.finetuned_model_id,
    )
    sizes = np.array(output.sizes, dtype=np.int64)
    intervals = {name: np.array(bound, dtype=np.float64) for name, bound in (output.intervals or {}).items()}
    lengths = {len(output.mean), len(output.anomaly), *map(len, intervals.values())}
    sizes_fit = len(sizes) == len(request.series.sizes) and bool(((sizes >= 0) & (sizes <= request.series.sizes)).all())
    if not sizes_fit or lengths != {int(sizes.sum())}:
        reason = "answered about values that do not fit the series"
        raise error_of(Failure(FailureKind.UNREADABLE, reason), call.transport.where)
    return AnomalyResult(
        mean=np.array(output.mean, dtype=np.float64),
        sizes=sizes,
        anomaly=np.array(output.anomaly, dtype=np.bool_),
        intervals=intervals,
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
    )
