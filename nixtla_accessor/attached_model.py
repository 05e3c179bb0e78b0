"""The fine-tuned model that a frame, a record or an id means."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from nixtla_accessor.arguments import ModelChoice
from nixtla_accessor.contract import DEFAULT_MODEL, parse_base_model_id
from nixtla_accessor.errors import InvalidArgumentError, NoModelError, OtherSeriesWarning, warn_caller
from nixtla_accessor.panel.frame_code import FrameCode
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.messages import SHOWN
from nixtla_accessor.panel.misnamed import names_of
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.panel import DEFAULT_NAMES, Columns
from nixtla_accessor.panel.times import are_integers
from nixtla_accessor.pending_model import finish_record
from nixtla_accessor.record import KEY, MAX_TEXT, Record, explain_unusable, is_recordable, parse_record, read_record

if TYPE_CHECKING:
    from nixtla_accessor.api.client import Client

_last_tuned: str | None = None


def model_to_ask(schema: pd.DataFrame, choice: ModelChoice, client: Client, code: FrameCode) -> Record | None:
    """Return the record of the fine-tuned model to ask; None for the base model.

    Raises
    ------
    NoModelError
        If no model is attached or named, or the attached one is kept by another service, or still being trained
        (`ModelPendingError`).
    TrainingFailedError
        If the job that was to train the attached one has ended without it.
    """
    record = read_record(schema)
    if choice.zero_shot and choice.finetuned_model_id is not None:
        raise InvalidArgumentError(
            "zero_shot=True asks the base model, and finetuned_model_id names a fine-tuned one. Give one of the two."
        )
    if choice.zero_shot and choice.is_tuned_here:
        raise InvalidArgumentError(
            "zero_shot=True asks the base model as it is, and finetune_steps fine-tunes it for this call. Give one of "
            "the two."
        )
    if choice.finetuned_model_id is not None:
        return named_model(schema, choice.finetuned_model_id, client, code)
    if choice.model is not None or choice.zero_shot or choice.is_tuned_here:
        return None
    if record is None:
        by_id = f", or {code.call('use_model', repr(_last_tuned))} for the last one that this process tuned"
        unusable = explain_unusable(schema.attrs.get(KEY))
        reason = "concat, merge and some other steps of pandas drop it" if unusable is None else unusable.rstrip(".")
        raise NoModelError(
            f"The frame has no fine-tuned model attached{'; ' if unusable is None else ' that can be used. '}{reason}. "
            "Attach it again with df.timegpt.use_model(previous_frame), where the previous frame still has it"
            f"{by_id if _last_tuned else ''}; "
            f"fine-tune one with {code.call('finetune')}; or ask the base model with zero_shot=True, which is the same "
            f"as model={DEFAULT_MODEL!r}."
        )
    refuse_other_origin(record, client, code)
    return finish_record(record, client, code)


def training_record(schema: pd.DataFrame, client: Client, code: FrameCode) -> Record:
    """Return the record of the frame's model, trained or not, which the client's service keeps.

    Raises
    ------
    NoModelError
        If no model is attached, or another service keeps it.
    """
    record = read_record(schema)
    if record is None:
        unusable = explain_unusable(schema.attrs.get(KEY))
        found = "." if unusable is None else f" that can be used. {unusable}"
        raise NoModelError(
            f"The frame has no fine-tuned model attached{found} "
            f"{code.call('finetune', 'wait=False')} has a job train one."
        )
    refuse_other_origin(record, client, code)
    return record


def refuse_other_origin(record: Record, client: Client, code: FrameCode) -> None:
    """Raise `NoModelError` where another service keeps the model than the client's."""
    if record.origin != client.origin:
        raise NoModelError(
            f"The frame's model {record.finetuned_model_id!r} is kept at {record.origin}, and the client is connected "
            f"to {client.origin}. Connect to {record.origin} again, or fine-tune here: {code.call('finetune')}."
        )


def named_model(schema: pd.DataFrame, finetuned_model_id: str, client: Client, code: FrameCode) -> Record:
    """Return the record of the fine-tuned model of an id: the frame's, which knows more, if it is of that model."""
    record = read_record(schema)
    attached = None if record is None else (record.finetuned_model_id, record.origin)
    if record is not None and attached == (finetuned_model_id, client.origin):
        return finish_record(record, client, code)
    return look_up_model(finetuned_model_id, client)


def given_record(given: pd.DataFrame | Mapping[str, Any]) -> Record:
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


def refuse_unrecordable(schema: pd.DataFrame, columns: Columns) -> None:
    """Refuse columns of which the record of a model cannot keep the names, before there is a model.

    Raises
    ------
    InvalidArgumentError
        A name is neither a number nor text, nor a tuple of these, or too long.
    """
    for (role, default), name in zip(DEFAULT_NAMES.items(), (columns.id, columns.time, columns.target), strict=True):
        if name is None or is_recordable(name):
            continue
        new = default if default not in names_of(schema) else f"{role}_column"
        then = "" if new == default else f", with {role}_col={new!r}"
        raise InvalidArgumentError(
            f"A frame keeps its model with the names of the columns, which must be text of at most {MAX_TEXT:,} "
            f"characters, numbers, or tuples of these; found {reprlib.repr(name)}. Rename the {role} column: "
            f"{columns.frame.rename(name, new)}{then}."
        )


def recorded_frequency(record: Record | None, schema: pd.DataFrame, columns: Columns) -> Frequency | None:
    """Return the frequency that the model was tuned at; None where it is unknown.

    Raises
    ------
    InvalidArgumentError
        If the name of the frequency does not tell its days.
    """
    if record is None or record.freq is None:
        return None
    if isinstance(record.freq, str) and has_integer_time(schema, columns):
        return None
    try:
        return parse_frequency(record.freq)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"The model {record.finetuned_model_id!r} was tuned at the frequency {record.freq!r}, a name that does not "
            "tell the days of a custom offset. Give the offset that it was tuned with again: freq=offset."
        ) from error


def warn_about_other_series(record: Record, schema: pd.DataFrame, columns: Columns) -> None:
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


def look_up_model(finetuned_model_id: str, client: Client) -> Record:
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


def remember_model(record: Record) -> None:
    """Remember the model for the message of a frame that has lost its own."""
    global _last_tuned  # noqa: PLW0603 - one for the process
    _last_tuned = record.finetuned_model_id


def _name_of_frequency(freq: str) -> str | int:
    """Return the name of a frequency in the spelling of today's pandas; names that only an offset explains stay."""
    try:
        return parse_frequency(freq).name
    except InvalidArgumentError:
        return freq


def has_integer_time(schema: pd.DataFrame, columns: Columns) -> bool:
    """Return whether time is counted, rather than dated."""
    return are_integers(get_column(schema, columns.time, "time"))
