"""One forecast call: series up, a forecast of the asked length down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.asking import Call, ask_with_series
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.api.outcome import Failure, FailureKind
from nixtla_accessor.api.schema import ForecastInput, ForecastOutput


@dataclass(frozen=True, slots=True, eq=False)
class ForecastResult:
    """A forecast of every series.

    Attributes
    ----------
    mean : ndarray of shape (n_series * h,), float64
        The horizon of the first series, then of the second…
    intervals : mapping of str to ndarray of shape (n_series * h,), float64
        The bounds, named as the service names them: ``"lo-80"``, ``"hi-80"``; empty without levels.
    input_tokens, output_tokens, finetune_tokens : int
        What it cost.
    """

    mean: npt.NDArray[np.float64]
    intervals: Mapping[str, npt.NDArray[np.float64]]
    input_tokens: int
    output_tokens: int
    finetune_tokens: int


def forecast(call: Call, request: ForecastInput) -> ForecastResult:
    """Forecast every series.

    Parameters
    ----------
    call : Call
        What it goes by.
    request : ForecastInput
        What to forecast.

    Raises
    ------
    InvalidArgumentError
        The request is too large.
    ApiError, TransportError, ResponseError
        There is no forecast, or none of the asked length.
    """
    output = ask_with_series(
        call, "/v2/forecast", request, ForecastOutput, waiting_for="forecasting", about=request.finetuned_model_id
    )
    lack = _lack(output, request)
    if lack is not None:
        raise error_of(Failure(FailureKind.UNREADABLE, f"answered with {lack}"), call.transport.where)
    return ForecastResult(
        mean=np.array(output.mean, dtype=np.float64),
        intervals={name: np.array(bound, dtype=np.float64) for name, bound in (output.intervals or {}).items()},
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
        finetune_tokens=output.finetune_tokens,
    )


def _lack(output: ForecastOutput, request: ForecastInput) -> str | None:
    """Say what a forecast lacks of what was asked for; None for nothing."""
    length = len(request.series.sizes) * request.h
    intervals = output.intervals or {}
    for name, values in {"mean": output.mean, **intervals}.items():
        if len(values) != length:
            return f"a forecast with {len(values):,} values of {name!r} where {length:,} were asked for"
    if len(intervals) < 2 * len(set(request.level or ())):
        return "a forecast without all the intervals that were asked for"
    return None
