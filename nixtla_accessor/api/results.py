"""The results of calls, read from the service's answers and checked against the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.encoding import decode
from nixtla_accessor.api.exchange import Failure, FailureKind
from nixtla_accessor.api.job_schema import SubmittedJob
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    AnomalyDetectionOutput,
    CrossValidationInput,
    CrossValidationOutput,
    FinetuneOutput,
    ForecastInput,
    ForecastOutput,
)
from nixtla_accessor.contract import SIDES, interval_key, parse_intervals


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """The model that a finetune call made, or that a job is making.

    Attributes
    ----------
    finetuned_model_id : str
        The model's id.
    input_tokens, output_tokens, finetune_tokens : int or None
        The tokens used; None where they are not known yet, or the answer was lost and the model was found by its id.
    job_id : str or None
        The job that trains the model; None where it is trained.
    """

    finetuned_model_id: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    finetune_tokens: int | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ForecastResult:
    """A forecast of every series.

    Attributes
    ----------
    mean : ndarray of shape (n_series * h,), float64
        The horizon of the first series, then of the second, and so on.
    intervals : mapping of str to ndarray of shape (n_series * h,), float64
        The requested bounds, under the contract's keys: ``"lo-80"``, ``"hi-80"``; empty without levels.
    input_tokens, output_tokens, finetune_tokens : int
        The tokens used.
    weights_x : ndarray of shape (n_features,), float64, or None
        The weight of each row of ``X``, where the service gives it.
    feature_contributions : ndarray of shape (n_features + 1, n_series * h), float64, or None
        What each row of ``X`` contributes to the forecast, and in the last row what it would be without them; None
        unless they were asked for.
    """

    mean: npt.NDArray[np.float64]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int
    weights_x: npt.NDArray[np.float64] | None = None
    feature_contributions: npt.NDArray[np.float64] | None = None


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
        The requested bounds, under the contract's keys: ``"lo-80"``, ``"hi-80"``; empty without levels.
    input_tokens, output_tokens, finetune_tokens : int
        The tokens used.
    feature_contributions : ndarray of shape (n_features + 1, n), float64, or None
        As of `ForecastResult`.
    """

    mean: npt.NDArray[np.float64]
    positions: npt.NDArray[np.int64]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int
    feature_contributions: npt.NDArray[np.float64] | None = None


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
        The requested bounds, under the contract's keys.
    input_tokens, output_tokens, finetune_tokens : int
        The tokens used.
    anomaly_score : ndarray of shape (n,), float64, or None
        How many standard deviations each value is from its forecast; None unless the detection was online.
    accumulated_anomaly_score : ndarray of shape (n,), float64, or None
        The same of all series together at that step, where they were judged together.
    """

    mean: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int64]
    anomaly: npt.NDArray[np.bool_]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int
    anomaly_score: npt.NDArray[np.float64] | None = None
    accumulated_anomaly_score: npt.NDArray[np.float64] | None = None


def read_finetune(content: bytes) -> FinetuneResult | Failure:
    """Read the answer of ``POST /v2/finetune``."""
    output = decode(content, FinetuneOutput)
    return output if isinstance(output, Failure) else FinetuneResult(**output.model_dump())


def read_submission(content: bytes, model_id: str) -> FinetuneResult | Failure:
    """Read the answer of ``POST /v2/finetune/async``, which is to train the model of this id."""
    output = decode(content, SubmittedJob)
    return output if isinstance(output, Failure) else FinetuneResult(model_id, job_id=output.job_id)


def read_forecast(content: bytes, request: ForecastInput) -> ForecastResult | Failure:
    """Read the answer of ``POST /v2/forecast``."""
    output = decode(content, ForecastOutput)
    if isinstance(output, Failure):
        return output
    length = len(request.series.sizes) * request.h
    intervals = requested_intervals(output.intervals, request.level)
    found = mismatch({"mean": output.mean, **intervals}, request.level, length)
    found = found or _mismatch_of_contributions(output.feature_contributions, request, length)
    if found is not None:
        return unreadable(f"a forecast {found}")
    return ForecastResult(
        mean=np.array(output.mean, dtype=np.float64),
        intervals=as_arrays(intervals),
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
        weights_x=None if output.weights_x is None else np.array(output.weights_x, dtype=np.float64),
        feature_contributions=_contributions(output.feature_contributions, request),
    )


def read_cross_validation(content: bytes, request: CrossValidationInput) -> CrossValidationResult | Failure:
    """Read the answer of ``POST /v2/cross_validation``.

    Its windows must be the last of each series, as many as are requested, or as have a value before them; over the
    whole history, any of its steps, in their order.
    """
    output = decode(content, CrossValidationOutput)
    if isinstance(output, Failure):
        return output
    positions = _steps_of_history(output, request) if request.full_history else _steps_of_windows(output, request)
    if positions is None:
        return unreadable("windows that do not fit the series")
    intervals = requested_intervals(output.intervals, request.level)
    found = mismatch({"mean": output.mean, **intervals}, request.level, len(positions))
    found = found or _mismatch_of_contributions(output.feature_contributions, request, len(positions))
    if found is not None:
        return unreadable(f"windows {found}")
    return CrossValidationResult(
        mean=np.array(output.mean, dtype=np.float64),
        positions=positions,
        intervals=as_arrays(intervals),
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
        feature_contributions=_contributions(output.feature_contributions, request),
    )


def read_anomalies(content: bytes, request: AnomalyDetectionInput) -> AnomalyResult | Failure:
    """Read the answer of ``POST /v2/anomaly_detection``."""
    output = decode(content, AnomalyDetectionOutput)
    if isinstance(output, Failure):
        return output
    fit = len(output.sizes) == len(request.series.sizes) and all(
        0 <= size <= longest for size, longest in zip(output.sizes, request.series.sizes.tolist(), strict=True)
    )
    if not fit:
        return unreadable("values that do not fit the series")
    intervals = requested_intervals(output.intervals, [request.level])
    answered: dict[str, Sized] = {"mean": output.mean, "anomaly": output.anomaly, **intervals}
    found = mismatch(answered, [request.level], sum(output.sizes))
    if found is not None:
        return unreadable(f"an examination {found}")
    return AnomalyResult(
        mean=np.array(output.mean, dtype=np.float64),
        sizes=np.array(output.sizes, dtype=np.int64),
        anomaly=np.array(output.anomaly, dtype=np.bool_),
        intervals=as_arrays(intervals),
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
    )


def unreadable(found: str) -> Failure:
    """Return the failure of an answer that does not fit its request."""
    return Failure(FailureKind.UNREADABLE, f"answered with {found}")


def requested_intervals(
    answered: Mapping[str, list[float]] | None, levels: Sequence[float] | None
) -> dict[str, list[float]]:
    """Return the requested bounds that are there, under the contract's keys; what else is answered is ignored."""
    bounds = {interval_key(*bound): values for bound, values in parse_intervals(answered or {}).items()}
    keys = [interval_key(side, level) for level in levels or () for side in SIDES]
    return {key: bounds[key] for key in keys if key in bounds}


def mismatch(answered: Mapping[str, Sized], levels: Sequence[float] | None, length: int) -> str | None:
    """Return how an answer differs from the requested lists of so many values; None where it does not."""
    for name, values in answered.items():
        if len(values) != length:
            return f"with {len(values):,} values of {name!r} instead of {length:,}"
    if any(interval_key(side, level) not in answered for level in levels or () for side in SIDES):
        return "without all the requested intervals"
    return None


def _mismatch_of_contributions(
    answered: Sequence[Sized] | None, request: ForecastInput | CrossValidationInput, length: int
) -> str | None:
    """Return how contributions differ from those that were asked for; None where they do not."""
    if not request.feature_contributions:
        return None
    expected = len(request.series.X or ()) + 1
    if answered is None:
        return "without the contributions of the covariates, which were asked for"
    if len(answered) != expected or any(len(values) != length for values in answered):
        shape = f"{len(answered)} lists of {len(answered[0]) if answered else 0:,} values"
        return f"whose contributions are {shape} instead of {expected} of {length:,}"
    return None


def _contributions(
    answered: list[list[float]] | None, request: ForecastInput | CrossValidationInput
) -> npt.NDArray[np.float64] | None:
    return np.array(answered, dtype=np.float64) if request.feature_contributions else None


def as_arrays(intervals: Mapping[str, list[float]]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the bounds of intervals as arrays."""
    return {key: np.array(bound, dtype=np.float64) for key, bound in intervals.items()}


def _steps_of_windows(output: CrossValidationOutput, request: CrossValidationInput) -> npt.NDArray[np.int64] | None:
    """Return the positions of the windows that were asked for; None where the answer has others."""
    n_windows = _windows_of_series(request)
    positions = np.empty(0, dtype=np.int64)
    if int(n_windows.sum()) * request.h == len(output.idxs):
        positions = _window_positions(request, n_windows)
    fits = output.idxs == positions.tolist() and output.sizes == (n_windows * request.h).tolist()
    return positions if fits else None


def _steps_of_history(output: CrossValidationOutput, request: CrossValidationInput) -> npt.NDArray[np.int64] | None:
    """Return the positions that were forecast of the past; None where they are none, or of other series than it says.

    Positions ascend, and each series has as many of them as its size says.
    """
    ends = np.cumsum(request.series.sizes)
    try:
        positions, sizes = np.array(output.idxs, dtype=np.int64), np.array(output.sizes, dtype=np.int64)
    except OverflowError:
        return None
    if (np.diff(positions, prepend=-1) <= 0).any() or (len(positions) and positions[-1] >= ends[-1]):
        return None
    counts = np.bincount(np.searchsorted(ends, positions, side="right"), minlength=len(ends))
    return positions if np.array_equal(counts, sizes) else None


def _windows_of_series(request: CrossValidationInput) -> npt.NDArray[np.int64]:
    """Return how many windows each series has: as many as requested, or as have a value before them."""
    sizes = request.series.sizes
    longest = int(sizes.max())  # what is larger makes no difference, and may be no int64
    step = min(request.step_size or request.h, longest)
    with_a_past = np.maximum((sizes - min(request.h, longest) - 1) // step + 1, 0)
    return np.minimum(with_a_past, min(request.n_windows, longest))


def _window_positions(request: CrossValidationInput, n_windows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the positions of the forecasts to be answered: series by series, window by window, step by step."""
    if not n_windows.any():
        return np.empty(0, dtype=np.int64)
    windows_after = np.repeat(np.cumsum(n_windows), n_windows) - np.arange(n_windows.sum()) - 1
    starts = np.repeat(np.cumsum(request.series.sizes), n_windows) - request.h
    starts -= windows_after * min(request.step_size or request.h, int(request.series.sizes.max()))
    return (starts[:, None] + np.arange(request.h)).ravel()
