"""Forecasts a panel too large for one request: several requests at a time, whose answers are joined."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.results import ForecastResult
from nixtla_accessor.api.schema import ForecastInput, SeriesWithFutureExogenous
from nixtla_accessor.api.sending import RequestContext, send

MAX_VALUES = 1_000_000  # values in a request and its answer; more are split
MAX_CONCURRENT = 4  # requests

_Task = tuple[RequestContext, endpoints.Call[ForecastResult]]


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
    tasks = list(zip(_contexts_of(context, parts), map(endpoints.forecast, parts), strict=True))
    return _join(_send_all(tasks, context.display))


def _send_all(tasks: Sequence[_Task], display: ProgressDisplay) -> list[ForecastResult]:
    """Send several calls at a time, and return their results in order; the first failure ends them all.

    The threads are daemons: the interpreter, when it ends, would wait for those of `concurrent.futures`.
    """
    waiting, done = iter(enumerate(tasks)), queue.SimpleQueue[tuple[int, ForecastResult | BaseException]]()
    lock, is_over = threading.Lock(), threading.Event()

    def work() -> None:
        while not is_over.is_set():
            with lock:
                task = next(waiting, None)
            if task is None:
                return
            nth, (context, call) = task
            try:
                done.put((nth, send(context, call)))
            except BaseException as error:  # noqa: BLE001 - raised below
                done.put((nth, error))
                return

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(len(tasks), MAX_CONCURRENT))]
    with suppress(RuntimeError):  # an interpreter that is ending starts none
        for thread in threads:
            thread.start()
    if threads[0].ident is None:
        work()
    results: dict[int, ForecastResult] = {}
    try:
        while len(results) < len(tasks):
            nth, result = done.get()
            if isinstance(result, BaseException):
                raise result
            results[nth] = result
            display.advance()
    finally:
        is_over.set()
    return [results[nth] for nth in range(len(tasks))]


def _split(request: ForecastInput) -> list[ForecastInput]:
    """Split a request into parts of whole series, each with about as many values to send and to receive."""
    series, h = request.series, request.h
    n_rows, n_known = len(series.X or ()), len(series.X_future or ())
    n_answered = 1 + 2 * len(request.level or ()) + (n_rows + 1) * request.feature_contributions
    values = np.cumsum(series.sizes * (1 + n_rows) + h * (n_known + n_answered))
    first = np.unique((values - 1) // MAX_VALUES, return_index=True)[1]
    if len(first) == 1:
        return [request]
    ends = [*first[1:].tolist(), len(series.sizes)]
    return [
        request.model_copy(update={"series": _part(series, h, start, end)})
        for start, end in zip(first.tolist(), ends, strict=True)
    ]


def _part(series: SeriesWithFutureExogenous, h: int, start: int, end: int) -> SeriesWithFutureExogenous:
    """Return some of the series, from the one numbered ``start`` to before ``end``, with their features."""
    before, up_to = int(series.sizes[:start].sum()), int(series.sizes[:end].sum())
    return SeriesWithFutureExogenous.model_construct(
        y=series.y[before:up_to],
        sizes=series.sizes[start:end],
        X=None if series.X is None else [row[before:up_to] for row in series.X],
        X_future=None if series.X_future is None else [row[start * h : end * h] for row in series.X_future],
        categorical_exog=series.categorical_exog,
    )


def _contexts_of(context: RequestContext, parts: list[ForecastInput]) -> list[RequestContext]:
    """Return the context of each part, which knows what comes before it and shows no progress of its own."""
    contexts = []
    n_values, n_series = 0, 0
    for part in parts:
        offsets = {"y": n_values, "sizes": n_series, "X": n_values, "X_future": n_series * part.h}
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
        weights_x=_mean_weights(results),
        feature_contributions=_join_contributions(results),
    )


def _mean_weights(results: list[ForecastResult]) -> npt.NDArray[np.float64] | None:
    """Return the mean of the weights over all parts, by their numbers of forecasts; None where a part has none."""
    weights = [result.weights_x for result in results if result.weights_x is not None]
    if len(weights) < len(results):
        return None
    return np.average(weights, axis=0, weights=[len(result.mean) for result in results])


def _join_contributions(results: list[ForecastResult]) -> npt.NDArray[np.float64] | None:
    parts = [result.feature_contributions for result in results if result.feature_contributions is not None]
    return np.concatenate(parts, axis=1) if parts else None
