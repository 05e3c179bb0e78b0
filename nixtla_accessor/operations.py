"""What ``df.timegpt`` does, for any source: each operation from the arguments to what the caller gets back.

An operation fills in the selection from the record, packs the source, asks the service and attaches the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from nixtla_accessor.api.adaptation import Adaptation, check_adaptation
from nixtla_accessor.api.client import Client, chosen_client, default_client
from nixtla_accessor.api.online_anomalies import OnlineAnomalyOptions, check_online_anomaly_options
from nixtla_accessor.api.outcome import announce_outcome
from nixtla_accessor.api.requests import (
    AnomalyOptions,
    CrossValidationOptions,
    FinetuneOptions,
    ForecastOptions,
    check_anomaly_options,
    check_cross_validation_options,
    check_finetune_options,
    check_forecast_options,
)
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.api.simulation import SimulationOptions, check_simulation_options
from nixtla_accessor.arguments import (
    Adapting,
    Comparison,
    Detection,
    ModelChoice,
    ModelNaming,
    Paths,
    Sending,
    Steps,
    Tuning,
    Windows,
)
from nixtla_accessor.attached_model import (
    given_record,
    has_integer_time,
    look_up_model,
    model_to_ask,
    recorded_frequency,
    refuse_other_origin,
    refuse_unrecordable,
    remember_model,
    training_record,
    warn_about_other_series,
)
from nixtla_accessor.comparison.backtest import (
    add_forecasts_of_models,
    comparable,
    forecast_without_service,
    keep_models,
    look_up_candidates,
    temporary_models,
)
from nixtla_accessor.comparison.candidates import ToTune, read_candidates
from nixtla_accessor.comparison.measuring import compare_forecasts
from nixtla_accessor.comparison.verdict import did_it_help, rank, which_is_best
from nixtla_accessor.contract import DEFAULT_MODEL
from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.packed_calls import train
from nixtla_accessor.panel.covariate_columns import CovariateChoice
from nixtla_accessor.panel.frame_code import FrameCode
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.misnamed import taken_name
from nixtla_accessor.panel.packing import PackedSeries, drop_last
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.scores import MODEL_LEVEL
from nixtla_accessor.pending_model import record_after
from nixtla_accessor.queries.anomalies import AnomalyQuery
from nixtla_accessor.queries.cross_validation import CrossValidationQuery
from nixtla_accessor.queries.forecast import ForecastQuery
from nixtla_accessor.queries.leakage import last_stamp
from nixtla_accessor.queries.online_anomalies import OnlineAnomalyQuery
from nixtla_accessor.queries.query import Query
from nixtla_accessor.queries.simulation import SimulationQuery
from nixtla_accessor.record import PENDING, READY, Record, read_record
from nixtla_accessor.selection import Selection
from nixtla_accessor.source import PandasSource, Source, pack_source

_SECONDS_TO_CANCEL = 30.0  # that a job may go on after it is cancelled

FrameT = TypeVar("FrameT")
OptionsT = TypeVar(
    "OptionsT", ForecastOptions, CrossValidationOptions, AnomalyOptions, OnlineAnomalyOptions, SimulationOptions
)


def finetune(
    source: Source[FrameT], selection: Selection, tuning: Tuning, naming: ModelNaming, sending: Sending
) -> FrameT:
    """Fine-tune a model to the series and attach its record; see `TimeGPTAccessor.finetune`."""
    options = check_finetune_options(
        model=tuning.model,
        finetune_steps=tuning.finetune_steps,
        finetune_loss=tuning.finetune_loss,
        finetune_depth=tuning.finetune_depth,
        output_model_id=naming.output_model_id,
        finetuned_model_id=naming.finetuned_model_id,
        overwrite=naming.overwrite,
        max_request=sending.max_request,
    )
    wait = _check_wait(sending)
    client = chosen_client(sending.client)
    packed = pack_source(source, selection, allow_missing=sending.allow_missing)
    refuse_unrecordable(source.schema, packed.columns)
    result = train(client, options, packed, timeout=sending.timeout, wait=wait)
    record = _record_of_training(options, packed, result, client.origin)
    if record.state == READY:
        remember_model(record)
    frame = source.attach(record)
    if record.state == READY:
        announce_outcome(client, options, result)
    return frame


def model_state(source: Source[FrameT], code: FrameCode) -> str | None:
    """Return how the training of the frame's model stands; see `TimeGPTAccessor.status`."""
    record = read_record(source.schema)
    if record is None or record.state == READY:
        return None if record is None else READY
    client = default_client()
    refuse_other_origin(record, client, code)
    return client.training_progress(record.finetuned_model_id, record.job_id).state


def wait_for_model(source: Source[FrameT], code: FrameCode, timeout: float | None, client: Client | None) -> FrameT:
    """Wait for the frame's model, and attach its record as that of a trained one; see `TimeGPTAccessor.wait`."""
    client = chosen_client(client)
    record = training_record(source.schema, client, code)
    if record.state == PENDING:
        progress = client.wait_for_training(record.finetuned_model_id, record.job_id, timeout)
        record = record_after(record, progress, code)
        remember_model(record)
    return source.attach(record)


def cancel_training(source: Source[FrameT], code: FrameCode, client: Client | None) -> str:
    """Cancel the training of the frame's model, and return how it has ended; see `TimeGPTAccessor.cancel`."""
    client = chosen_client(client)
    record = training_record(source.schema, client, code)
    if record.state == READY:
        return READY
    if record.job_id is not None:
        client.cancel_job(record.job_id)
    return client.wait_for_training(record.finetuned_model_id, record.job_id, _SECONDS_TO_CANCEL).state


def use_model(
    source: Source[FrameT],
    selection: Selection,
    model: str | pd.DataFrame | Mapping[str, Any],
    *,
    client: Client | None,
) -> FrameT:
    """Attach an existing model; see `TimeGPTAccessor.use_model`."""
    recorded = None if isinstance(model, str) else given_record(model)
    columns = selection.with_recorded_columns(source.schema, recorded).resolve_columns(source.schema)
    refuse_unrecordable(source.schema, columns)
    record = recorded or look_up_model(str(model), chosen_client(client))
    freq = record.freq
    given = selection.parse_freq()
    if given is not None:
        freq = given.name
    elif isinstance(freq, str) and has_integer_time(source.schema, columns):
        freq = None  # the service does not know the step of integer time
    return source.attach(record.for_frame(columns, freq))


def forecast(
    source: Source[FrameT],
    selection: Selection,
    covariates: CovariateChoice,
    choice: ModelChoice,
    adapting: Adapting,
    sending: Sending,
    steps: Steps,
) -> FrameT:
    """Forecast every series; see `TimeGPTAccessor.forecast`."""
    adaptation = check_adaptation(**adapting.as_options())
    options = check_forecast_options(**steps.as_options(), **_named(choice), adaptation=adaptation)
    make_query = partial(ForecastQuery, add_history=steps.add_history)
    return _query(make_query, options, source, selection, covariates, _adapted(choice, adaptation), sending)


def cross_validation(
    source: Source[FrameT],
    selection: Selection,
    covariates: CovariateChoice,
    choice: ModelChoice,
    adapting: Adapting,
    sending: Sending,
    windows: Windows,
) -> FrameT:
    """Forecast windows at the end of every series; see `TimeGPTAccessor.cross_validation`."""
    adaptation = check_adaptation(**adapting.as_options())
    options = check_cross_validation_options(**windows.as_options(), **_named(choice), adaptation=adaptation)
    make_query = partial(CrossValidationQuery, too_short=windows.too_short)
    return _query(make_query, options, source, selection, covariates, _adapted(choice, adaptation), sending)


def detect_anomalies(
    source: Source[FrameT],
    selection: Selection,
    covariates: CovariateChoice,
    choice: ModelChoice,
    adapting: Adapting,
    sending: Sending,
    detection: Detection,
) -> FrameT:
    """Find the values far from their forecast; see `TimeGPTAccessor.detect_anomalies`."""
    adaptation = check_adaptation(**adapting.as_options())
    named, choice = _named(choice), _adapted(choice, adaptation)
    if detection.method == "batch":
        batch = check_anomaly_options(level=detection.level, **named, adaptation=adaptation)
        return _query(AnomalyQuery, batch, source, selection, covariates, choice, sending)
    online = check_online_anomaly_options(**detection.as_online_options(), **named, adaptation=adaptation)
    make_query = partial(OnlineAnomalyQuery, too_short=detection.too_short)
    return _query(make_query, online, source, selection, covariates, choice, sending)


def simulate(
    source: Source[FrameT],
    selection: Selection,
    covariates: CovariateChoice,
    choice: ModelChoice,
    adapting: Adapting,
    sending: Sending,
    paths: Paths,
) -> FrameT:
    """Draw paths into the future; see `TimeGPTAccessor.simulate`."""
    adaptation = check_adaptation(**adapting.as_options())
    options = check_simulation_options(**paths.as_options(), **_named(choice), adaptation=adaptation)
    return _query(SimulationQuery, options, source, selection, covariates, choice, sending)


def compare(
    source: PandasSource,
    selection: Selection,
    covariates: CovariateChoice,
    tuning: Tuning,
    sending: Sending,
    windows: Windows,
    comparison: Comparison,
) -> pd.DataFrame:
    """Forecast the last windows with each candidate, and compare the forecasts; see `TimeGPTAccessor.compare`."""
    options = check_cross_validation_options(**windows.as_options())
    client = chosen_client(sending.client)
    covariates = source.check_covariates(covariates)
    selection = selection.with_recorded_columns(source.schema)
    columns, frequency = selection.resolve_columns(source.schema), selection.parse_freq()
    if comparison.keep:
        refuse_unrecordable(source.schema, columns)
    candidates = read_candidates(comparison.candidates, tuning, list(source.schema.columns), columns)
    packed = source.pack(columns, frequency, allow_missing=sending.allow_missing, covariates=covariates)
    if comparison.by_series and packed.columns.id == MODEL_LEVEL:
        raise taken_name(source.schema, MODEL_LEVEL, "id", packed.columns.frame)
    packed = comparable(packed, options, windows.too_short)
    without_service = forecast_without_service(candidates, source.schema, packed, options)
    existing = look_up_candidates(candidates, source.schema, packed, options, client)
    training = drop_last(packed, options.h * options.n_windows)
    with temporary_models(client) as tuned:
        for name, candidate in candidates.items():
            if isinstance(candidate, ToTune):
                result = train(client, candidate.options, training)
                tuned[name] = _record_of_training(candidate.options, training, result, client.origin)
        forecasts = add_forecasts_of_models(without_service, candidates, existing | tuned, packed, options, client)
        table, errors = compare_forecasts(packed, forecasts, options, by_series=comparison.by_series)
        asked_of_tuning = comparison.candidates is None
        table.attrs["comparison"] = did_it_help(forecasts, errors) if asked_of_tuning else which_is_best(errors)
        keep_models(table, comparison.keep, rank(errors), existing, tuned)
    return table


def _check_wait(sending: Sending) -> bool:
    """Return whether to wait for the model, as it must be where several requests train it."""
    if not sending.wait and sending.max_request is not None:
        raise InvalidArgumentError(
            "wait=False has one request train the model, and max_request divides the series among several: give one "
            "of the two."
        )
    return sending.wait


def _record_of_training(options: FinetuneOptions, packed: PackedSeries, result: FinetuneResult, origin: str) -> Record:
    """Return the record of a model that was just trained."""
    record = Record(
        finetuned_model_id=result.finetuned_model_id,
        base_model_id=options.finetuned_model_id,
        model=options.model,
        finetune_steps=options.finetune_steps,
        finetune_loss=options.finetune_loss,
        finetune_depth=options.finetune_depth,
        input_tokens=result.input_tokens,
        output_tokens=result.output_tokens,
        finetune_tokens=result.finetune_tokens,
        n_series=len(packed.sizes),
        n_obs=len(packed.y),
        last_stamp=last_stamp(packed),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        origin=origin,
        state=READY if result.job_id is None else PENDING,
        job_id=result.job_id,
    )
    return record.for_frame(packed.columns, packed.freq)


def _named(choice: ModelChoice) -> dict[str, str | None]:
    """Return the models that a caller names, the default base model where none is named."""
    model = DEFAULT_MODEL if choice.model is None else choice.model
    return {"model": model, "finetuned_model_id": choice.finetuned_model_id}


def _adapted(choice: ModelChoice, adaptation: Adaptation) -> ModelChoice:
    """Return the choice of a model that may be fine-tuned for this call."""
    return replace(choice, is_tuned_here=adaptation.finetune_steps > 0)


def _query(
    make_query: Callable[[Columns, Frequency | None, bool, bool, Record | None, CovariateChoice, OptionsT], Query],
    options: OptionsT,
    source: Source[FrameT],
    selection: Selection,
    covariates: CovariateChoice,
    choice: ModelChoice,
    sending: Sending,
) -> FrameT:
    """Settle which model, columns and frequency a question is about, and answer it.

    The query packs the series itself, since on Dask each partition is packed and asked about on its own.
    """
    client = chosen_client(sending.client)
    covariates = source.check_covariates(covariates)
    selection = selection.with_recorded_columns(source.schema)
    record = model_to_ask(source.schema, choice, client, selection.default_columns(source.schema).frame)
    columns = selection.resolve_columns(source.schema)
    given = selection.parse_freq()
    recorded = recorded_frequency(record, source.schema, columns) if given is None else None
    frequency = source.settle_frequency(columns, given or recorded, allow_missing=sending.allow_missing)
    if record is not None:
        refuse_unrecordable(source.schema, columns)
        warn_about_other_series(record, source.schema, columns)
        base_model = record.model if choice.model is None else choice.model
        options = replace(options, model=base_model, finetuned_model_id=record.finetuned_model_id)
    query = make_query(columns, frequency, recorded is not None, sending.allow_missing, record, covariates, options)
    query.refuse_taken_names(source.schema)
    return source.answer(query, client)
