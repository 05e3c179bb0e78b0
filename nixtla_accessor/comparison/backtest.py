"""Forecasts of the last windows of each series, by every candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd

from nixtla_accessor.api.client import Client
from nixtla_accessor.api.requests import CrossValidationOptions
from nixtla_accessor.arguments import Keep
from nixtla_accessor.attached_model import named_model
from nixtla_accessor.comparison.candidates import (
    FINE_TUNED,
    SEASONAL_NAIVE,
    WITH_COVARIATES,
    ZERO_SHOT,
    BaseModel,
    Candidate,
    Column,
    Existing,
    SeasonalNaive,
)
from nixtla_accessor.contract import interval_key
from nixtla_accessor.errors import NotFoundError, TimeGPTError, TimeGPTWarning, warn_caller
from nixtla_accessor.packed_calls import ask
from nixtla_accessor.panel.covariates import historic_rows
from nixtla_accessor.panel.other_forecasts import read_other_forecasts
from nixtla_accessor.panel.packing import PackedSeries, TooShort, long_enough
from nixtla_accessor.panel.scores import WindowForecasts, seasonal_naive
from nixtla_accessor.panel.tidy import MODEL_COLUMN, forecast_columns
from nixtla_accessor.queries.leakage import warn_about_leakage
from nixtla_accessor.queries.query import refuse_other_frequency
from nixtla_accessor.record import Record, attach_record

MIN_TRAINING_VALUES = 2  # of each series: one change, which is the unit of MASE


def comparable(packed: PackedSeries, windows: CrossValidationOptions, too_short: TooShort) -> PackedSeries:
    """Return the series that are long enough for a comparison.

    Raises
    ------
    InvalidFrameError
        If nothing to train on is left of a series that is not to be left out, or of all.
    """
    least = windows.h * windows.n_windows + MIN_TRAINING_VALUES
    all_short = bool((packed.sizes < least).all())
    purpose = f"Comparisons that hold out {windows.n_windows} × {windows.h} steps"
    return long_enough(packed, least, purpose, "raise" if all_short else too_short)


def forecast_without_service(
    candidates: Mapping[str, Candidate], frame: pd.DataFrame, packed: PackedSeries, windows: CrossValidationOptions
) -> dict[str, WindowForecasts]:
    """Return the forecasts of the candidates that no service is asked for."""
    names = {name: one.name for name, one in candidates.items() if isinstance(one, Column)}
    others = {}
    if names:
        n_held_out = windows.h * windows.n_windows
        others = read_other_forecasts(frame, packed, list(names.values()), n_held_out, windows.level or ())
    forecasts = {name: others[column] for name, column in names.items()}
    for name, candidate in candidates.items():
        if isinstance(candidate, SeasonalNaive):
            season_length = packed.frequency.season_length
            forecasts[name] = WindowForecasts(seasonal_naive(packed, windows.h, windows.n_windows, season_length))
    return forecasts


def look_up_candidates(
    candidates: Mapping[str, Candidate],
    frame: pd.DataFrame,
    packed: PackedSeries,
    windows: CrossValidationOptions,
    client: Client,
) -> dict[str, Record]:
    """Return the records of the candidates that exist as fine-tuned models.

    Raises
    ------
    NotFoundError
        If there is no such model.
    NoModelError
        If one was tuned at another frequency.

    Warns
    -----
    DataLeakageWarning
        If one is known to have been tuned on rows of the windows.
    """
    records: dict[str, Record] = {}
    for name, candidate in candidates.items():
        if not isinstance(candidate, Existing):
            continue
        try:
            record = named_model(frame, candidate.finetuned_model_id, client, packed.columns.frame)
        except NotFoundError as error:
            error.add_context(
                f"The candidate {name!r} is no column of the frame either. Name a model or a column that exists, or "
                f"{ZERO_SHOT!r}, {FINE_TUNED!r} or {SEASONAL_NAIVE!r}."
            )
            raise
        refuse_other_frequency(record, packed.frequency, packed.columns)
        warn_about_leakage(record, packed, windows.h * windows.n_windows, windows)
        records[name] = record.for_frame(packed.columns, packed.freq)
    return records


@contextmanager
def temporary_models(client: Client) -> Iterator[dict[str, Record]]:
    """Yield a dict for the records of tuned models by name; the models that are in it at the end are deleted.

    Warns
    -----
    TimeGPTWarning
        A model could not be deleted; the comparison matters more.
    """
    models: dict[str, Record] = {}
    try:
        yield models
    finally:
        left: dict[str, TimeGPTError] = {}
        for record in models.values():
            try:
                client.delete_finetuned_model(record.finetuned_model_id)
            except NotFoundError:
                continue  # deleted already
            except TimeGPTError as error:
                left[record.finetuned_model_id] = error
        for model_id, refusal in left.items():
            warn_caller(
                f"The model {model_id!r}, which was tuned for the comparison, could not be deleted: {refusal} "
                f"nixtla_accessor.delete_finetuned_model({model_id!r}) deletes it.",
                TimeGPTWarning,
            )


def keep_models(
    table: pd.DataFrame, keep: Keep, ranking: Sequence[str], existing: Mapping[str, Record], tuned: dict[str, Record]
) -> None:
    """Take the tuned models that are to be kept out of those to delete, and attach the best of them to the table.

    Parameters
    ----------
    table : DataFrame
        The comparison.
    keep : bool or "best"
        Which models to keep; an existing one that is the best is attached as well.
    ranking : sequence of str
        The forecasts, the best first.
    existing, tuned : mapping of str to Record
        The fine-tuned models by name.
    """
    if not keep:
        return
    names = list(dict.fromkeys(name.removesuffix(WITH_COVARIATES) for name in ranking))
    if keep == "best":
        records = {name: record for name, record in {**existing, **tuned}.items() if name == names[0]}
    else:
        records = {name: tuned[name] for name in names if name in tuned}
    for name in records:
        tuned.pop(name, None)
    if records:
        ids = {name: record.finetuned_model_id for name, record in records.items()}
        table.attrs["comparison"] |= {"kept": ids, "finetuned_model_id": next(iter(ids.values()))}
        attach_record(table, next(iter(records.values())))


def add_forecasts_of_models(
    without_service: Mapping[str, WindowForecasts],
    candidates: Mapping[str, Candidate],
    records: Mapping[str, Record],
    packed: PackedSeries,
    windows: CrossValidationOptions,
    client: Client,
) -> dict[str, WindowForecasts]:
    """Return the forecasts of all candidates in their order, then those with covariates, where there are some.

    Parameters
    ----------
    without_service : mapping of str to WindowForecasts
        Those that are there already.
    candidates : mapping of str to Candidate
        All candidates, by name.
    records : mapping of str to Record
        The fine-tuned models of those that have one.
    packed, windows, client
        What is forecast, and by which service.
    """
    asked = {}
    for name, candidate in candidates.items():
        if isinstance(candidate, BaseModel):
            asked[name] = replace(windows, model=candidate.model)
        elif name in records:
            record = records[name]
            asked[name] = replace(windows, model=record.model, finetuned_model_id=record.finetuned_model_id)
    alone = replace(packed, covariates=())
    forecasts = {
        name: without_service[name] if name in without_service else _ask(alone, asked[name], client)
        for name in candidates
    }
    if packed.covariates:
        forecasts |= {f"{name}{WITH_COVARIATES}": _ask(packed, options, client) for name, options in asked.items()}
    return forecasts


def _ask(packed: PackedSeries, windows: CrossValidationOptions, client: Client) -> WindowForecasts:
    result = ask(client, replace(windows, hist_exog=historic_rows(packed)), packed)
    columns = forecast_columns(result.mean, result.intervals, windows.level, None)
    rows = {name: np.asarray(values).reshape(len(packed.sizes), -1) for name, values in columns.items()}
    bounds = {
        float(level): (
            rows[f"{MODEL_COLUMN}-{interval_key('lo', level)}"],
            rows[f"{MODEL_COLUMN}-{interval_key('hi', level)}"],
        )
        for level in windows.level or ()
    }
    return WindowForecasts(rows[MODEL_COLUMN], bounds)
