"""Forecast calls: series up, a forecast of the asked length down."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.asking import Call, ask_with_series
from nixtla_accessor.api.exchange import Failure, FailureKind
from nixtla_accessor.api.explain import error_of, shift_positions
from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.schema import ForecastInput, ForecastOutput, Series
from nixtla_accessor.errors import UnprocessableError

VALUES_A_PART = 1_000_000  # sent and answered, in a request of its own
MOST_AT_ONCE = 4  # requests


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


def forecast_in_parts(call: Call, request: ForecastInput) -> ForecastResult:
    """Forecast every series, very many of them in several requests at once; arguments and errors as of `forecast`."""
    parts = _split(request)
    if len(parts) == 1:
        return forecast(call, request)
    call.display.counting(len(parts), "forecasting")
    silent = replace(call, display=ProgressDisplay(shown=False))
    pool = ThreadPoolExecutor(min(len(parts), MOST_AT_ONCE))
    try:
        running = {pool.submit(forecast, silent, part): number for number, part in enumerate(parts)}
        for done in as_completed(running):
            try:
                done.result()  # the first failure ends it all
            except UnprocessableError as error:
                former = [part.series for part in parts[: running[done]]]
                shift_positions(error, y=sum(len(s.y) for s in former), sizes=sum(len(s.sizes) for s in former))
                raise
            call.display.advance()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    results = [done.result() for done in running]
    return ForecastResult(
        mean=np.concatenate([result.mean for result in results]),
        intervals={
            name: np.concatenate([result.intervals[name] for result in results]) for name in results[0].intervals
        },
        input_tokens=sum(result.input_tokens for result in results),
        output_tokens=sum(result.output_tokens for result in results),
        finetune_tokens=sum(result.finetune_tokens for result in results),
    )


def _split(request: ForecastInput) -> list[ForecastInput]:
    """Cut a request into parts of whole series, each of about as many values up and down."""
    sizes = request.series.sizes
    values = np.cumsum(sizes + request.h * (1 + 2 * len(request.level or ())))
    part_of_series = (values - 1) // VALUES_A_PART
    first = np.unique(part_of_series, return_index=True)[1]
    if len(first) == 1:
        return [request]
    y_of_parts = np.split(request.series.y, np.cumsum(sizes)[first[1:] - 1])
    sizes_of_parts = np.split(sizes, first[1:])
    return [
        request.model_copy(update={"series": Series(y=y, sizes=part)})
        for y, part in zip(y_of_parts, sizes_of_parts, strict=True)
    ]


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
