"""Asks about a panel too large for one request: several requests at a time, each about some of the series."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.schema import SeriesWithFutureExogenous
from nixtla_accessor.api.sending import RequestContext

MAX_VALUES = 1_000_000  # values in a request and its answer; more are split
MAX_CONCURRENT = 4  # requests

ResultT = TypeVar("ResultT")


def split_series(
    series: SeriesWithFutureExogenous, values: npt.NDArray[np.int64], max_values: int
) -> list[SeriesWithFutureExogenous]:
    """Split series into parts with about as many values to send and to receive, in their order; none is split itself.

    Parameters
    ----------
    series : SeriesWithFutureExogenous
        With their features.
    values : ndarray of shape (n_series,)
        How many values each series makes in a request and its answer.
    max_values : int
        The most values of a part, but for a series that has more alone.

    Returns
    -------
    list of SeriesWithFutureExogenous
        The very series, where one part is enough.
    """
    first = np.unique((np.cumsum(values) - 1) // max_values, return_index=True)[1].tolist()
    if len(first) == 1:
        return [series]
    ends = [*first[1:], len(series.sizes)]
    return [_part(series, start, end) for start, end in zip(first, ends, strict=True)]


def ask_in_parts(
    context: RequestContext,
    parts: Sequence[SeriesWithFutureExogenous],
    ask: Callable[[RequestContext, int], ResultT],
    activity: str,
) -> list[ResultT]:
    """Ask about several parts at a time, and return the results in order; the first failure ends them all.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    parts : sequence of SeriesWithFutureExogenous
        Of `split_series`.
    ask : callable
        Asks about the part of a number, with a context that knows what comes before the part.
    activity : str
        What the requests are for, for the progress bar.

    Raises
    ------
    TimeGPTError
        Of the part that failed first.
    """
    context.display.start_counting(len(parts), activity)
    contexts = _contexts_of(context, parts)
    # The threads are daemons: the interpreter, when it ends, would wait for those of `concurrent.futures`.
    waiting, done = iter(enumerate(contexts)), queue.SimpleQueue[tuple[int, ResultT | BaseException]]()
    lock, is_over = threading.Lock(), threading.Event()

    def work() -> None:
        while not is_over.is_set():
            with lock:
                task = next(waiting, None)
            if task is None:
                return
            nth, own = task
            try:
                done.put((nth, ask(own, nth)))
            except BaseException as error:  # noqa: BLE001 - raised below
                done.put((nth, error))
                return

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(len(parts), MAX_CONCURRENT))]
    with suppress(RuntimeError):  # an interpreter that is ending starts none
        for thread in threads:
            thread.start()
    if threads[0].ident is None:
        work()
    results: dict[int, ResultT] = {}
    try:
        while len(results) < len(parts):
            nth, result = done.get()
            if isinstance(result, BaseException):
                raise result
            results[nth] = result
            context.display.advance()
    finally:
        is_over.set()
    return [results[nth] for nth in range(len(parts))]


def _part(series: SeriesWithFutureExogenous, start: int, end: int) -> SeriesWithFutureExogenous:
    """Return some of the series, from the one numbered ``start`` to before ``end``, with their features."""
    before, up_to, n_series = int(series.sizes[:start].sum()), int(series.sizes[:end].sum()), len(series.sizes)
    return SeriesWithFutureExogenous.model_construct(
        y=series.y[before:up_to],
        sizes=series.sizes[start:end],
        X=None if series.X is None else [row[before:up_to] for row in series.X],
        X_future=None
        if series.X_future is None
        else [row[start * len(row) // n_series : end * len(row) // n_series] for row in series.X_future],
        categorical_exog=series.categorical_exog,
    )


def _contexts_of(context: RequestContext, parts: Sequence[SeriesWithFutureExogenous]) -> list[RequestContext]:
    """Return the context of each part, which knows what comes before it and shows no progress of its own."""
    contexts = []
    n_values, n_series, n_ahead = 0, 0, 0
    for part in parts:
        offsets = {"y": n_values, "sizes": n_series, "X": n_values, "X_future": n_ahead}
        contexts.append(replace(context, display=ProgressDisplay(shown=False), offsets=offsets))
        n_values, n_series = n_values + len(part.y), n_series + len(part.sizes)
        n_ahead += len(part.X_future[0]) if part.X_future else 0
    return contexts
