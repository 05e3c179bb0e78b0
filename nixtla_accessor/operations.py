"""What ``df.timegpt`` does, for any source: each operation from the arguments to what the caller gets back.

An operation fills in the selection from the record, packs the source, asks the service and attaches the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype, is_numeric_dtype

from nixtla_accessor.api.checks import check_flag
from nixtla_accessor.api.client import Client, default_client
from nixtla_accessor.api.requests import (
    AnomalyOptions,
    CrossValidationOptions,
    FinetuneOptions,
    ForecastOptions,
    Timeout,
    check_anomaly_options,
    check_cross_validation_options,
    check_finetune_options,
    check_forecast_options,
)
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.comparison import (
    FINE_TUNED,
    WITH_COVARIATES,
    ZERO_SHOT,
    Forecasts,
    comparable,
    compare_forecasts,
)
from nixtla_accessor.contract import DEFAULT_MODEL, parse_base_model_id
from nixtla_accessor.errors import InvalidArgumentError, NoModelError, OtherSeriesWarning, TimeGPTError, warn_caller
from nixtla_accessor.packed_calls import ask, train
from nixtla_accessor.panel.covariate_columns import CovariateChoice
from nixtla_accessor.panel.covariates import historic_rows
from nixtla_accessor.panel.frame_code import FrameCode
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.messages import SHOWN
from nixtla_accessor.panel.misnamed import taken_name
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.packing import PackedSeries, TooShort, drop_last
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.scores import MODEL_LEVEL
from nixtla_accessor.panel.tidy import forecast_columns
from nixtla_accessor.queries import (
    AnomalyQuery,
    CrossValidationQuery,
    ForecastQuery,
    Query,
    last_stamp,
    refuse_other_frequency,
)
from nixtla_accessor.record import KEY, Record, explain_unusable, parse_record, read_record
from nixtla_accessor.selection import Selection
from nixtla_accessor.source import PandasSource, Source, pack_source

FrameT = TypeVar("FrameT")
_last_tuned: str | None = None
OptionsT = TypeVar("OptionsT", ForecastOptions, CrossValidationOptions, AnomalyOptions)


@dataclass(frozen=True, slots=True)
class Tuning:
    """How to fine-tune: the base model, and the steps, the loss and the depth of the training."""

    model: str
    finetune_steps: int
    finetune_loss: str
    finetune_depth: int


@dataclass(frozen=True, slots=True)
class ModelNaming:
    """The id that the new model gets, the model that it continues from, and whether it may replace another."""

    output_model_id: str | None
    finetuned_model_id: str | None
    overwrite: bool


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model to ask; None for what the caller left open.

    Attributes
    ----------
    model : str, optional
        A base model, which without ``finetuned_model_id`` forecasts as it is (zero-shot).
    finetuned_model_id : str, optional
        A fine-tuned model, in place of the one that is attached to the frame.
    zero_shot : bool
        Whether the base model is asked, named or default.
    """

    model: str | None
    finetuned_model_id: str | None
    zero_shot: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps after the end of each series, and what is to be said of them.

    Attributes
    ----------
    h : int
        How many.
    level, quantiles : sequence of float, optional
        The intervals, or the quantiles.
    feature_contributions : bool
        Whether to say what each covariate contributes.
    add_history : bool
        Whether to begin with forecasts of the past.
    """

    h: int
    level: Sequence[float] | None = None
    quantiles: Sequence[float] | None = None
    feature_contributions: bool = False
    add_history: bool = False

    def as_options(self) -> dict[str, Any]:
        """Return the arguments of a forecast's options."""
        return {
            "h": self.h,
            "level": self.level,
            "quantiles": self.quantiles,
            "feature_contributions": self.feature_contributions,
        }


@dataclass(frozen=True, slots=True)
class Windows:
    """The last windows of each series, which are forecast from the values before them.

    Series that are too short for them are refused, or left out (``too_short="drop"``).
    """

    h: int
    n_windows: int
    step_size: int | None = None
    level: Sequence[float] | None = None
    too_short: TooShort = "raise"

    def __post_init__(self) -> None:
        if self.too_short not in {"raise", "drop"}:
            raise InvalidArgumentError(f"too_short must be 'raise' or 'drop'; got {self.too_short!r}.")

    def as_options(self) -> dict[str, Any]:
        """Return the arguments of a cross-validation's options."""
        return {"h": self.h, "n_windows": self.n_windows, "step_size": self.step_size, "level": self.level}


@dataclass(frozen=True, slots=True)
class Sending:
    """How the series are sent: to which client, within which limits, and whether with missing values."""

    client: Client | None
    timeout: Timeout | None = None
    max_request: int | str | None = None
    allow_missing: bool = False


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
    client = sending.client or default_client()
    packed = pack_source(source, selection, allow_missing=sending.allow_missing)
    result = train(client, options, packed, timeout=sending.timeout)
    record = _record_of_training(options, packed, result, client.origin)
    _remember(record)
    return source.attach(record)


def use_model(
    source: Source[FrameT],
    selection: Selection,
    model: str | pd.DataFrame | Mapping[str, Any],
    *,
    client: Client | None,
) -> FrameT:
    """Attach an existing model; see `TimeGPTAccessor.use_model`."""
    recorded = None if isinstance(model, str) else _given_record(model)
    columns = selection.with_recorded_columns(source.schema, recorded).resolve_columns(source.schema)
    record = recorded or _look_up(str(model), client or default_client())
    freq = record.freq
    given = selection.parse_freq()
    if given is not None:
        freq = given.name
    elif isinstance(freq, str) and _has_integer_time(source.schema, columns):
        freq = None  # the service does not know the step of integer time
    return source.attach(record.for_frame(columns, freq))


def forecast(
    source: Source[FrameT],
    selection: Selection,
    covariates: CovariateChoice,
    choice: ModelChoice,
    sending: Sending,
    steps: Steps,
) -> FrameT:
    """Forecast every series; see `TimeGPTAccessor.forecast`."""
    options = check_forecast_options(**steps.as_options(), **_named(choice))
    make_query = partial(ForecastQuery, add_history=check_flag("add_history", steps.add_history))
    return _query(make_query, options, source, selection, covariates, choice, sending)


def cross_validation(
    source: Source[FrameT],
    selection: Selection,
    covariates: CovariateChoice,
    choice: ModelChoice,
    sending: Sending,
    windows: Windows,
) -> FrameT:
    """Forecast windows at the end of every series; see `TimeGPTAccessor.cross_validation`."""
    options = check_cross_validation_options(**windows.as_options(), **_named(choice))
    make_query = partial(CrossValidationQuery, too_short=windows.too_short)
    return _query(make_query, options, source, selection, covariates, choice, sending)


def detect_anomalies(
    source: Source[FrameT],
    selection: Selection,
    covariates: CovariateChoice,
    choice: ModelChoice,
    sending: Sending,
    level: float,
) -> FrameT:
    """Find the values outside the interval of their forecast; see `TimeGPTAccessor.detect_anomalies`."""
    options = check_anomaly_options(level=level, **_named(choice))
    return _query(AnomalyQuery, options, source, selection, covariates, choice, sending)


def compare(
    source: PandasSource,
    selection: Selection,
    covariates: CovariateChoice,
    tuning: Tuning,
    sending: Sending,
    windows: Windows,
    *,
    by_series: bool,
    keep: bool,
) -> pd.DataFrame:
    """Fine-tune on all but the last windows, and compare forecasts of them; see `TimeGPTAccessor.compare`."""
    options = check_finetune_options(**asdict(tuning))
    test_windows = check_cross_validation_options(**windows.as_options(), model=tuning.model)
    client = sending.client or default_client()
    covariates = source.check_covariates(covariates)
    selection = selection.with_recorded_columns(source.schema)
    columns, frequency = selection.resolve_columns(source.schema), selection.parse_freq()
    packed = source.pack(columns, frequency, allow_missing=sending.allow_missing, covariates=covariates)
    if by_series and packed.columns.id == MODEL_LEVEL:
        raise taken_name(source.schema, MODEL_LEVEL, "id", packed.columns.frame)
    packed = comparable(packed, test_windows.h, test_windows.n_windows, windows.too_short)
    training = drop_last(packed, test_windows.h * test_windows.n_windows)
    model_id = train(client, options, training).finetuned_model_id
    alone = replace(packed, covariates=())
    try:
        forecasts = {
            ZERO_SHOT: _forecast_windows(alone, test_windows, client),
            FINE_TUNED: _forecast_windows(alone, replace(test_windows, finetuned_model_id=model_id), client),
        }
        if packed.covariates:
            for name, asked in ((ZERO_SHOT, None), (FINE_TUNED, model_id)):
                forecasts[f"{name}{WITH_COVARIATES}"] = _forecast_windows(
                    packed, replace(test_windows, finetuned_model_id=asked), client
                )
    finally:
        if not keep:
            with suppress(TimeGPTError):  # the comparison matters more than a model left behind
                client.delete_finetuned_model(model_id)
    table = compare_forecasts(packed, forecasts, test_windows, by_series=by_series)
    if keep:
        table.attrs["comparison"]["finetuned_model_id"] = model_id
    return table


def _forecast_windows(packed: PackedSeries, windows: CrossValidationOptions, client: Client) -> Forecasts:
    """Return the forecasts of the last windows of each series, by column."""
    result = ask(client, replace(windows, hist_exog=historic_rows(packed)), packed)
    return forecast_columns(result.mean, result.intervals, windows.level, None)


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
    )
    return record.for_frame(packed.columns, packed.freq)


def _named(choice: ModelChoice) -> dict[str, str | None]:
    """Return the models that a caller names, the default base model where none is named."""
    model = DEFAULT_MODEL if choice.model is None else choice.model
    return {"model": model, "finetuned_model_id": choice.finetuned_model_id}


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
    client = sending.client or default_client()
    covariates = source.check_covariates(covariates)
    selection = selection.with_recorded_columns(source.schema)
    record = _model_to_ask(source, choice, client, selection.default_columns(source.schema).frame)
    columns = selection.resolve_columns(source.schema)
    given = selection.parse_freq()
    recorded = _recorded_frequency(record, source.schema, columns) if given is None else None
    frequency = source.settle_frequency(columns, given or recorded, allow_missing=sending.allow_missing)
    if frequency is not None:
        refuse_other_frequency(record, frequency, columns)
    if record is not None:
        _warn_about_other_series(record, source.schema, columns)
        base_model = record.model if choice.model is None else choice.model
        options = replace(options, model=base_model, finetuned_model_id=record.finetuned_model_id)
    query = make_query(columns, frequency, recorded is not None, sending.allow_missing, record, covariates, options)
    query.refuse_taken_names(source.schema)
    return source.answer(query, client)


def _model_to_ask(source: Source[FrameT], choice: ModelChoice, client: Client, code: FrameCode) -> Record | None:
    """Return the record of the fine-tuned model to ask; None for the base model.

    Raises
    ------
    NoModelError
        If no model is attached or named, or the attached one is kept by another service.
    """
    record = read_record(source.schema)
    if not isinstance(choice.zero_shot, bool | np.bool_):
        raise InvalidArgumentError(f"zero_shot must be True or False; got {choice.zero_shot!r}.")
    if choice.zero_shot and choice.finetuned_model_id is not None:
        raise InvalidArgumentError(
            "zero_shot=True asks the base model, and finetuned_model_id names a fine-tuned one. Give one of the two."
        )
    if choice.finetuned_model_id is not None:
        attached = None if record is None else (record.finetuned_model_id, record.origin)
        if attached == (choice.finetuned_model_id, client.origin):
            return record
        return _look_up(choice.finetuned_model_id, client)
    if choice.model is not None or choice.zero_shot:
        return None
    if record is None:
        by_id = f", or {code.call('use_model', repr(_last_tuned))} for the last one that this process tuned"
        unusable = explain_unusable(source.schema.attrs.get(KEY))
        reason = "concat, merge and some other steps of pandas drop it" if unusable is None else unusable.rstrip(".")
        raise NoModelError(
            f"The frame has no fine-tuned model attached{'; ' if unusable is None else ' that can be used. '}{reason}. "
            "Attach it again with df.timegpt.use_model(previous_frame), where the previous frame still has it"
            f"{by_id if _last_tuned else ''}; "
            f"fine-tune one with {code.call('finetune')}; or ask the base model with zero_shot=True, which is the same "
            f"as model={DEFAULT_MODEL!r}."
        )
    if record.origin != client.origin:
        raise NoModelError(
            f"The frame's model {record.finetuned_model_id!r} is kept at {record.origin}, and the client is connected "
            f"to {client.origin}. Connect to {record.origin} again, or fine-tune here: {code.call('finetune')}."
        )
    return record


def _given_record(given: pd.DataFrame | Mapping[str, Any]) -> Record:
    """Return the record that a frame (of pandas or Dask) carries, or that a mapping holds.

    Raises
    ------
    InvalidArgumentError
        If there is none.
    """
    stored: object = given
    if not isinstance(given, Mapping):
        attrs = getattr(getattr(given, "_meta", given), "attrs", None)
        stored = attrs.get(KEY) if isinstance(attrs, Mapping) else None
    record = parse_record(stored)
    if record is None:
        unusable = explain_unusable(stored)
        reason = "." if unusable is None else f" that can be used. {unusable}"
        raise InvalidArgumentError(
            "use_model takes the id of a fine-tuned model, a record, or a frame that has one; the "
            f"{type(given).__name__} that was given has none{reason}"
        )
    return record


def _recorded_frequency(record: Record | None, schema: pd.DataFrame, columns: Columns) -> Frequency | None:
    """Return the frequency that the model was tuned at; None where it is unknown.

    Raises
    ------
    InvalidArgumentError
        If the name of the frequency does not tell its days.
    """
    if record is None or record.freq is None:
        return None
    if isinstance(record.freq, str) and _has_integer_time(schema, columns):
        return None
    try:
        return parse_frequency(record.freq)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"The model {record.finetuned_model_id!r} was tuned at the frequency {record.freq!r}, a name that does not "
            "tell the days of a custom offset. Give the offset that it was tuned with again: freq=offset."
        ) from error


def _warn_about_other_series(record: Record, schema: pd.DataFrame, columns: Columns) -> None:
    """Warn where another column than that of the record tells the series apart."""
    if record.id_col is None or record.id_col == columns.id:
        return
    named = f"this frame's by {columns.id!r}"
    if columns.id is None:
        further = [name for name in schema.columns if name not in {columns.time, columns.target}]
        texts = [name for name in further if not is_numeric_dtype(get_column(schema, name, "id").dtype)]
        if not texts:
            return  # a group of the tuned frame, cut out without its id
        named = f"this frame, without that column, is read as one series; it has {', '.join(map(repr, texts[:SHOWN]))}"
    warn_caller(
        f"The model {record.finetuned_model_id!r} was tuned on series identified by {record.id_col!r}; {named}. If "
        f"these are other series, fine-tune a model to them with {columns.frame.call('finetune')}.",
        OtherSeriesWarning,
    )


def _has_integer_time(schema: pd.DataFrame, columns: Columns) -> bool:
    return is_integer_dtype(get_column(schema, columns.time, "time").dtype)


def _name_of_frequency(freq: str) -> str | int:
    """Return the name of a frequency in the spelling of today's pandas; names that only an offset explains stay."""
    try:
        return parse_frequency(freq).name
    except InvalidArgumentError:
        return freq


def _remember(record: Record) -> None:
    """Remember the model for the message of a frame that has lost its own."""
    global _last_tuned  # noqa: PLW0603 - one for the process
    _last_tuned = record.finetuned_model_id


def _look_up(finetuned_model_id: str, client: Client) -> Record:
    """Return the record of a model that the service knows, without the columns of a frame."""
    model = client.finetuned_model(finetuned_model_id)
    return Record(
        finetuned_model_id=model.id,
        base_model_id=parse_base_model_id(model.base_model_id),
        model=model.model,
        freq=_name_of_frequency(model.freq),
        finetune_steps=model.steps,
        finetune_loss=model.loss,
        finetune_depth=model.depth,
        created_at=model.created_at,
        origin=client.origin,
    )
