"""Forecasts a panel too large for one request: several requests at a time, whose answers are joined."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

import numpy as np

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.results import ForecastResult
from nixtla_accessor.api.schema import ForecastInput, Series
from nixtla_accessor.api.sending import RequestContext, send

MAX_VALUES = 1_000_000  # values in a request and its answer; more are split
MAX_CONCURRENT = 4  # requests


def forecast(context: RequestContext, request: ForecastInput) -> ForecastResult:
    """Forecast every series, in several requests where one would be too large.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    request : ForecastInput
        What to forecast.

    Returns
    -------
    ForecastResult

    Raises
    ------
    InvalidArgumentError
        A request is too large.
    ApiError, TransportError, ResponseError
        There is no forecast, or one of another shape than requested.
    """
    parts = _split(request)
    if len(parts) == 1:
        return send(context, endpoints.forecast(request))
    context.display.start_counting(len(parts), "forecasting")
    pool = ThreadPoolExecutor(min(len(parts), MAX_CONCURRENT))
    try:
        running = [
            pool.submit(send, part_context, endpoints.forecast(part))
            for part_context, part in zip(_contexts_of(context, parts), parts, strict=True)
        ]
        for done in as_completed(running):
            done.result()  # the first failure ends them all
            context.display.advance()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return _join([done.result() for done in running])


def _split(request: ForecastInput) -> list[ForecastInput]:
    """Split a request into parts of whole series, each with about as many values to send and to receive."""
    sizes = request.series.sizes
    values = np.cumsum(sizes + request.h * (1 + 2 * len(request.level or ())))
    part_of_series = (values - 1) // MAX_VALUES
    first = np.unique(part_of_series, return_index=True)[1]
    if len(first) == 1:
        return [request]
    y_of_parts = np.split(request.series.y, np.cumsum(sizes)[first[1:] - 1])
    sizes_of_parts = np.split(sizes, first[1:])
    return [
        request.model_copy(update={"series": Series.model_construct(y=y, sizes=part)})
        for y, part in zip(y_of_parts, sizes_of_parts, strict=True)
    ]


def _contexts_of(context: RequestContext, parts: list[ForecastInput]) -> list[RequestContext]:
    """Return the context of each part, which knows what comes before it and shows no progress of its own."""
    contexts = []
    n_values, n_series = 0, 0
    for part in parts:
        offsets = {"y": n_values, "sizes": n_series}
        contexts.append(replace(context, display=ProgressDisplay(shown=False), offsets=offsets))
        n_values, n_series = n_values + len(part.series.y), n_series + len(part.series.sizes)
    return contexts


def _join(results: list[ForecastResult]) -> ForecastResult:
    """Return the forecasts of all parts as one."""
    return ForecastResult(
        mean=np.concatenate([result.mean for result in results]),
        intervals={key: np.concatenate([result.intervals[key] for result in results]) for key in results[0].intervals},
        input_tokens=sum(result.input_tokens for result in results),
        output_tokens=sum(result.output_tokens for result in results),
        finetune_tokens=sum(result.finetune_tokens for result in results),
    )
