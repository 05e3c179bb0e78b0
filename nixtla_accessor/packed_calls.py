"""Calls of the service about packed series; a refusal names the rows of the frame that it means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.client import Client
from nixtla_accessor.api.online_anomalies import OnlineAnomalyOptions
from nixtla_accessor.api.requests import (
    AnomalyOptions,
    CrossValidationOptions,
    FinetuneOptions,
    ForecastOptions,
    Timeout,
)
from nixtla_accessor.api.results import AnomalyResult, CrossValidationResult, FinetuneResult, ForecastResult
from nixtla_accessor.api.schema import Series, SeriesWithFutureExogenous
from nixtla_accessor.api.simulation import SimulationOptions, SimulationResult
from nixtla_accessor.contract import RefusedValue, refused_values
from nixtla_accessor.errors import OversizedSeriesError, UnprocessableError
from nixtla_accessor.panel.messages import SHOWN, and_more, quoted
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.panel import name_id


def train(
    client: Client,
    options: FinetuneOptions,
    packed: PackedSeries,
    *,
    timeout: Timeout | None = None,
    wait: bool = True,
) -> FinetuneResult:
    """Fine-tune a model to packed series, or have a job do so; errors as of `Client.train`, with the frame's rows."""
    with _refused_rows_named(packed):
        series = Series.model_construct(y=packed.y, sizes=packed.sizes)  # checked already
        return client.train(options, series, packed.frequency.api_name, timeout=timeout, wait=wait)


@overload
def ask(client: Client, options: ForecastOptions, packed: PackedSeries) -> ForecastResult: ...
@overload
def ask(client: Client, options: CrossValidationOptions, packed: PackedSeries) -> CrossValidationResult: ...
@overload
def ask(client: Client, options: AnomalyOptions | OnlineAnomalyOptions, packed: PackedSeries) -> AnomalyResult: ...
@overload
def ask(client: Client, options: SimulationOptions, packed: PackedSeries) -> SimulationResult: ...
def ask(
    client: Client,
    options: ForecastOptions | CrossValidationOptions | AnomalyOptions | OnlineAnomalyOptions | SimulationOptions,
    packed: PackedSeries,
) -> ForecastResult | CrossValidationResult | AnomalyResult | SimulationResult:
    """Forecast packed series, now or in the past; errors as of `Client.forecast`, with the rows of the frame."""
    with _refused_rows_named(packed):
        return client.ask(options, _series_of(packed), packed.frequency.api_name)


def _series_of(packed: PackedSeries) -> SeriesWithFutureExogenous:
    """Return packed series and their covariates as the request has them; they are checked already."""
    covariates = packed.covariates
    futures = [covariate.future for covariate in covariates if covariate.future is not None]
    categorical = [number for number, covariate in enumerate(covariates) if covariate.is_categorical]
    return SeriesWithFutureExogenous.model_construct(
        y=packed.y,
        sizes=packed.sizes,
        X=[_as_row(covariate.past) for covariate in covariates] or None,
        X_future=[_as_row(future) for future in futures] or None,
        categorical_exog=categorical or None,
    )


def _as_row(values: npt.NDArray[Any]) -> npt.NDArray[Any] | list[Any]:
    """Return the values of a covariate as the request has them: categories as a list."""
    return values.tolist() if values.dtype == np.dtype(object) else values


@contextmanager
def _refused_rows_named(packed: PackedSeries) -> Iterator[None]:
    """Add to a refusal which rows, or which series, of the frame it means.

    Parameters
    ----------
    packed : PackedSeries
        The series as they are sent.
    """
    try:
        yield
    except OversizedSeriesError as error:
        columns = packed.columns
        if columns.id is not None:
            ids = ", ".join(quoted(packed.ids[position]) for position in error.positions[:SHOWN])
            error.add_context(f"These series are too large: {ids}{and_more(len(error.positions))}.")
        if error.n_recent:
            recent = columns.frame.keep_recent(columns.id, columns.time, error.n_recent)
            error.add_context(f"The last {error.n_recent:,} values of each fit, and are in {recent}.")
        raise
    except UnprocessableError as error:
        names = [name for value in refused_values(error.detail) if (name := _name_value(packed, value))]
        if names:
            error.add_context(
                f"In the frame, the refused values are: {'; '.join(names[:SHOWN])}{and_more(len(names))}."
            )
        raise


def _name_value(packed: PackedSeries, refused: RefusedValue) -> str:
    """Return how a message names a packed value: its series, its stamp and the value; empty where there is none."""
    if refused.array == "sizes":
        is_there = refused.position < len(packed.sizes)
        return name_id(packed.columns, packed.ids, refused.position) if is_there else ""
    values: npt.NDArray[Any] | None = packed.y
    of_covariate = ""
    if refused.row is not None:
        if refused.row >= len(packed.covariates):
            return ""
        covariate = packed.covariates[refused.row]
        values = covariate.past if refused.array == "X" else covariate.future
        of_covariate = f" of {covariate.name!r}"
    if values is None or refused.position >= len(values):
        return ""
    if refused.array == "X_future":
        series, step = divmod(refused.position, len(values) // len(packed.sizes))
        where = f"step {step + 1} of {name_id(packed.columns, packed.ids, series)}"
    else:
        series = int(np.searchsorted(np.cumsum(packed.sizes), refused.position, side="right"))
        where = f"{name_id(packed.columns, packed.ids, series)} at {packed.locate(refused.position)[1]}"
    return f"{where}{of_covariate}: {values[refused.position]}"
