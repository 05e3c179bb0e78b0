"""The results of calls, read from the service's answers and checked against the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.encoding import decode
from nixtla_accessor.api.exchange import Failure, FailureKind
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    AnomalyDetectionOutput,
    CrossValidationInput,
    CrossValidationOutput,
    FinetuneOutput,
    ForecastInput,
    ForecastOutput,
)


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """The model that a finetune call made.

    Attributes
    ----------
    finetuned_model_id : str
        The model's id.
    input_tokens, output_tokens, finetune_tokens : int or None
        The tokens used; None where the answer was lost and the model was found by its id.
    """

    finetuned_model_id: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    finetune_tokens: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ForecastResult:
    """A forecast of every series.

    Attributes
    ----------
    mean : ndarray of shape (n_series * h,), float64
        The horizon of the first series, then of the second, and so on.
    intervals : mapping of str to ndarray of shape (n_series * h,), float64
        The bounds, under the service's keys: ``"lo-80"``, ``"hi-80"``; empty without levels.
    input_tokens, output_tokens, finetune_tokens : int
        The tokens used.
    """

    mean: npt.NDArray[np.float64]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidationResult:
    """Forecasts of windows of the past.

    Attributes
    ----------
    mean : ndarray of shape (n,), float64
        Series by series, window by window, step by step.
    positions : ndarray of shape (n,), int64
        The position of each forecast in the values that were sent.
    intervals : mapping of str to ndarray of shape (n,), float64
        The bounds, under the service's keys: ``"lo-80"``, ``"hi-80"``; empty without levels.
    input_tokens, output_tokens, finetune_tokens : int
        The tokens used.
    """

    mean: npt.NDArray[np.float64]
    positions: npt.NDArray[np.int64]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyResult:
    """Anomalies among the last values of each series.

    Attributes
    ----------
    mean : ndarray of shape (n,), float64
        The forecast of each value that was examined.
    sizes : ndarray of shape (n_series,), int64
        The number of values at the end of each series that were examined.
    anomaly : ndarray of shape (n,), bool
        Whether the value lies outside its interval.
    intervals : mapping of str to ndarray of shape (n,), float64
        The bounds, under the service's keys.
    input_tokens, output_tokens, finetune_tokens : int
        The tokens used.
    """

    mean: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int64]
    anomaly: npt.NDArray[np.bool_]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int


def read_finetune(content: bytes) -> FinetuneResult | Failure:
    """Read the answer of ``POST /v2/finetune``."""
    output = decode(content, FinetuneOutput)
    return output if isinstance(output, Failure) else FinetuneResult(**output.model_dump())


def read_forecast(content: bytes, request: ForecastInput) -> ForecastResult | Failure:
    """Read the answer of ``POST /v2/forecast``."""
    output = decode(content, ForecastOutput)
    if isinstance(output, Failure):
        return output
    mismatch = _forecast_mismatch(output, request)
    if mismatch is not None:
        return Failure(FailureKind.UNREADABLE, f"answered with {mismatch}")
    return ForecastResult(
        mean=np.array(output.mean, dtype=np.float64),
        intervals=_interval_arrays(output.intervals),
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
    )


def read_cross_validation(content: bytes, request: CrossValidationInput) -> CrossValidationResult | Failure:
    """Read the answer of ``POST /v2/cross_validation``."""
    output = decode(content, CrossValidationOutput)
    if isinstance(output, Failure):
        return output
    positions = np.array(output.idxs, dtype=np.int64)
    intervals = _interval_arrays(output.intervals)
    n_values, lengths = len(request.series.y), {len(output.mean), *map(len, intervals.values())}
    windows_are_whole = len(positions) % request.h == 0 and bool((np.diff(positions.reshape(-1, request.h)) == 1).all())
    if lengths != {len(positions)} or not windows_are_whole or not ((positions > 0) & (positions < n_values)).all():
        return Failure(FailureKind.UNREADABLE, "answered with windows that do not fit the series")
    return CrossValidationResult(
        mean=np.array(output.mean, dtype=np.float64),
        positions=positions,
        intervals=intervals,
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
    )


def read_anomalies(content: bytes, request: AnomalyDetectionInput) -> AnomalyResult | Failure:
    """Read the answer of ``POST /v2/anomaly_detection``."""
    output = decode(content, AnomalyDetectionOutput)
    if isinstance(output, Failure):
        return output
    sizes = np.array(output.sizes, dtype=np.int64)
    intervals = _interval_arrays(output.intervals)
    lengths = {len(output.mean), len(output.anomaly), *map(len, intervals.values())}
    sizes_fit = len(sizes) == len(request.series.sizes) and bool(((sizes >= 0) & (sizes <= request.series.sizes)).all())
    if not sizes_fit or lengths != {int(sizes.sum())}:
        return Failure(FailureKind.UNREADABLE, "answered with values that do not fit the series")
    return AnomalyResult(
        mean=np.array(output.mean, dtype=np.float64),
        sizes=sizes,
        anomaly=np.array(output.anomaly, dtype=np.bool_),
        intervals=intervals,
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
    )


def _forecast_mismatch(output: ForecastOutput, request: ForecastInput) -> str | None:
    """Return how a forecast differs in shape from the request; None where it does not."""
    length = len(request.series.sizes) * request.h
    intervals = output.intervals or {}
    for name, values in {"mean": output.mean, **intervals}.items():
        if len(values) != length:
            return f"a forecast with {len(values):,} values of {name!r} instead of {length:,}"
    if len(intervals) < 2 * len(set(request.level or ())):
        return "a forecast without all the requested intervals"
    return None


def _interval_arrays(intervals: Mapping[str, list[float]] | None) -> dict[str, npt.NDArray[np.float64]]:
    return {key: np.array(bound, dtype=np.float64) for key, bound in (intervals or {}).items()}
