"""Calls of the service about packed series; a refusal names the rows of the frame that it means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import overload

from nixtla_accessor.api.client import Client
from nixtla_accessor.api.requests import (
    AnomalyOptions,
    CrossValidationOptions,
    FinetuneOptions,
    ForecastOptions,
    Timeout,
)
from nixtla_accessor.api.results import AnomalyResult, CrossValidationResult, FinetuneResult, ForecastResult
from nixtla_accessor.api.schema import Series
from nixtla_accessor.contract import refused_positions
from nixtla_accessor.errors import OversizedSeriesError, UnprocessableError
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.packing import PackedSeries

RECENT_ROWS = 1000  # of each series, in the advice to send fewer


def train(
    client: Client, options: FinetuneOptions, packed: PackedSeries, *, timeout: Timeout | None = None
) -> FinetuneResult:
    """Fine-tune a model to packed series; errors as of `Client.finetune`, with the rows of the frame."""
    with _refused_rows_named(packed):
        return client.train(options, _series_of(packed), packed.frequency.api_name, timeout=timeout)


@overload
def ask(client: Client, options: ForecastOptions, packed: PackedSeries) -> ForecastResult: ...
@overload
def ask(client: Client, options: CrossValidationOptions, packed: PackedSeries) -> CrossValidationResult: ...
@overload
def ask(client: Client, options: AnomalyOptions, packed: PackedSeries) -> AnomalyResult: ...
def ask(
    client: Client, options: ForecastOptions | CrossValidationOptions | AnomalyOptions, packed: PackedSeries
) -> ForecastResult | CrossValidationResult | AnomalyResult:
    """Forecast packed series, now or in the past; errors as of `Client.forecast`, with the rows of the frame."""
    with _refused_rows_named(packed):
        return client.ask(options, _series_of(packed), packed.frequency.api_name)


def _series_of(packed: PackedSeries) -> Series:
    """Return packed series as the request has them; they are checked already."""
    return Series.model_construct(y=packed.y, sizes=packed.sizes)


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
            ids = ", ".join(repr(packed.ids[position]) for position in error.positions[:SHOWN])
            error.add_context(f"These series are too large: {ids}{and_more(len(error.positions))}.")
        recent = columns.frame.keep_recent(columns.id, columns.time, RECENT_ROWS)
        error.add_context(f"The last {RECENT_ROWS:,} values of each are in {recent}.")
        raise
    except UnprocessableError as error:
        positions = [position for position in refused_positions(error.detail) if position < len(packed.y)]
        if positions:
            named = "; ".join(_name_row(packed, position) for position in positions[:SHOWN])
            error.add_context(f"In the frame, the refused values are: {named}{and_more(len(positions))}.")
        raise


def _name_row(packed: PackedSeries, position: int) -> str:
    """Return how a message names a packed value: its series, its stamp and the value."""
    series, stamp, value = packed.locate(position)
    name = "the series" if packed.columns.id is None else f"series {series!r}"
    return f"{name} at {stamp}: {value}"
