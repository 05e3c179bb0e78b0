"""The record of a fine-tuned model in ``df.attrs["timegpt"]``: its only reader and writer.

The record is one flat dict of JSON scalars, so it survives every operation that keeps ``attrs``: query, assign, sort,
copy, groupby, pickle and Parquet.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from nixtla_accessor.contract import JOB_ID_PATTERN, MAX_MODEL_ID_LENGTH, MODEL_ID_PATTERN
from nixtla_accessor.panel.panel import Columns

KEY = "timegpt"
VERSION = 3  # of the list of fields

RecordState: TypeAlias = Literal["ready", "pending"]
READY: RecordState = "ready"
PENDING: RecordState = "pending"


@dataclass(frozen=True, slots=True)
class Record:
    """A fine-tuned model, and the frame that it was tuned on.

    Attributes
    ----------
    finetuned_model_id : str
        The model's id.
    base_model_id : str or None
        The fine-tuned model that it was trained from; None for the base model.
    model : str
        The name of the base model.
    freq : str, int or None
        The frequency in the spelling of today's pandas, an int for integer time; None if it is unknown.
    id_col, time_col, target_col : str, int, float, tuple of these, or None
        The columns that were used; None for an id or time without a name.
    finetune_steps, finetune_loss, finetune_depth
        How it was tuned.
    input_tokens, output_tokens, finetune_tokens : int or None
        The tokens that were paid for, if the service said.
    n_series, n_obs : int or None
        The number of series and of values that it was tuned on.
    last_stamp : str, int or None
        The last stamp of all series that it was tuned on: ISO 8601, in UTC where the stamps have a zone; an int for
        integer time.
    created_at : str
        When the model was made, ISO 8601 in UTC.
    origin : str
        Scheme and host of the service that keeps the model; ``local`` for the local engine.
    state : {"ready", "pending"}
        Whether the model is trained, as far as the record knows; a job may have finished a pending one since.
    job_id : str or None
        The job that trains the model, or has trained it; None without one.
    version : int
        The version of this list of fields.
    """

    finetuned_model_id: str
    model: str
    origin: str
    created_at: str
    base_model_id: str | None = None
    freq: str | int | None = None
    id_col: str | float | tuple[str | float, ...] | None = None
    time_col: str | float | tuple[str | float, ...] | None = None
    target_col: str | float | tuple[str | float, ...] | None = None
    finetune_steps: int | None = None
    finetune_loss: str | None = None
    finetune_depth: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    finetune_tokens: int | None = None
    n_series: int | None = None
    n_obs: int | None = None
    last_stamp: str | int | None = None
    state: RecordState = "ready"
    job_id: str | None = None
    version: int = VERSION

    def __str__(self) -> str:
        columns = f"{self.id_col!r}, {self.time_col!r}, {self.target_col!r}"
        model = f"model {self.finetuned_model_id!r} at {self.origin}"
        pending = ", still pending" if self.state == PENDING else ""
        return f"{model}{pending}, freq {self.freq!r}, columns {columns}"

    def facts(self) -> dict[str, object]:
        """Return what a reader wants to know of the model, by name."""
        columns = ", ".join(str(name) for name in (self.id_col, self.time_col, self.target_col) if name is not None)
        tuning = f"{self.finetune_steps} steps, depth {self.finetune_depth}, loss {self.finetune_loss}"
        return {
            "model": self.finetuned_model_id,
            **({"state": f"pending, trained by the job {self.job_id}"} if self.state == PENDING else {}),
            "at": self.origin,
            "frequency": self.freq,
            "columns": columns,
            "tuned": tuning if self.finetune_steps is not None else "not known",
            "tuned on": "not known" if self.n_series is None else f"{self.n_series:,} series, {self.n_obs:,} rows",
            "last stamp": "not known" if self.last_stamp is None else self.last_stamp,
        }

    def for_frame(self, columns: Columns, freq: str | int | None) -> Record:
        """Return the record with the columns and the frequency of the frame that it is attached to."""
        names: dict[str, Any] = {"id_col": columns.id, "time_col": columns.time, "target_col": columns.target}
        return replace(self, freq=freq, **names)


MAX_TEXT = 1_000  # characters
_ISO_STAMP = re.compile(r"[+-]?\d{4,12}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?)?)?)?", re.ASCII)


def _is_model_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(MODEL_ID_PATTERN, value) is not None


def _is_job_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(JOB_ID_PATTERN, value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _is_line(value: object) -> bool:
    return _is_text(value) and value != "" and str(value).isprintable()


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def is_recordable(name: object) -> bool:
    """Return whether a record keeps the name of a column, through Parquet as well: scalars of JSON, not too long."""
    parts = name if isinstance(name, tuple) else (name,)
    return all(_is_name(part) and isinstance(part, str | int | float) for part in parts)


def _is_name(value: object) -> bool:
    try:
        return _is_text(value) if isinstance(value, str) else bool(hash(value) is not None and value == value)
    except (TypeError, ValueError):  # what has no hash, or no truth, as pd.NA
        return False


def _is_stamp(value: object) -> bool:
    if not isinstance(value, str):
        return _is_integer(value)
    try:
        return _ISO_STAMP.fullmatch(value) is not None and not np.isnat(np.datetime64(value))
    except ValueError:
        return False


_MODEL_ID = (_is_model_id, f"1 to {MAX_MODEL_ID_LENGTH} letters (a to z), digits, '-' or '_'")
_TEXT = (_is_text, f"text of at most {MAX_TEXT:,} characters")
_LINE = (_is_line, "text on one line, and not empty")
_INTEGER = (_is_integer, "an integer of at most 64 bits")
_NAME = (_is_name, f"the name of a column, of at most {MAX_TEXT:,} characters")
_FREQ = (lambda value: _is_line(value) or _is_integer(value), "the name of a frequency, or an integer")
_STATE = (lambda value: isinstance(value, str) and value in (READY, PENDING), f"{READY!r} or {PENDING!r}")
_JOB_ID = (_is_job_id, "up to 200 letters (a to z), digits and -_.:~, the first a letter or a digit")
_STAMP = (_is_stamp, "a stamp in ISO 8601 without a zone, or an integer")
_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "finetuned_model_id": _MODEL_ID,
    "model": _LINE,
    "origin": _LINE,
    "created_at": _TEXT,
    "base_model_id": _MODEL_ID,
    "freq": _FREQ,
    "id_col": _NAME,
    "time_col": _NAME,
    "target_col": _NAME,
    "finetune_steps": _INTEGER,
    "finetune_loss": _TEXT,
    "finetune_depth": _INTEGER,
    "input_tokens": _INTEGER,
    "output_tokens": _INTEGER,
    "finetune_tokens": _INTEGER,
    "n_series": _INTEGER,
    "n_obs": _INTEGER,
    "last_stamp": _STAMP,
    "state": _STATE,
    "job_id": _JOB_ID,
    "version": _INTEGER,
}
_OPTIONAL = frozenset(field.name for field in fields(Record) if field.default is None)
_DEFAULTS = {field.name: field.default for field in fields(Record) if field.default is not MISSING}


def attach_record(frame: pd.DataFrame | pd.Series[Any], record: Record) -> None:
    """Write a record into a frame's attrs, replacing an earlier one."""
    frame.attrs[KEY] = asdict(record)


def read_record(frame: pd.DataFrame | pd.Series[Any]) -> Record | None:
    """Return the record of a frame; None if there is none that can be used."""
    return parse_record(frame.attrs.get(KEY))


def parse_record(stored: object) -> Record | None:
    """Return the record that a mapping holds, without fields of later versions; None if it holds none."""
    if not isinstance(stored, Mapping) or explain_unusable(stored) is not None:
        return None
    known: dict[str, Any] = {name: value for name, value in _with_tuples(stored).items() if name in _FIELDS}
    return Record(**known)


def _with_tuples(stored: Mapping[Any, object]) -> dict[Any, object]:
    """Return a record with the names of columns as they were before JSON, which makes lists of tuples."""
    return {
        name: tuple(value) if _FIELDS.get(name) is _NAME and isinstance(value, list) else value
        for name, value in stored.items()
    }


def explain_unusable(stored: object) -> str | None:
    """Return a sentence about the first field of a record that cannot be used; None if all can, or there is no record.

    Records may have been edited, cut, or written by another version or program; nothing in them is used unchecked.
    """
    if stored is None:
        return None
    if not isinstance(stored, Mapping):
        return f"The record must be a dict; got {_show(stored)}."
    known = _with_tuples(stored)
    for name, (is_valid, expected) in _FIELDS.items():
        value = known.get(name, _DEFAULTS.get(name))
        if not is_valid(value) and not (value is None and name in _OPTIONAL):
            found = _show(value) if name in stored else "no such field"
            return f"{name!r} of the record must be {expected}; got {found}.{_explain_version(stored.get('version'))}"
    return None


def _show(value: object) -> str:
    """Return a value in short; its type alone where that has a representation of its own, which may be anything."""
    is_plain = isinstance(value, str | bytes | int | float | list | tuple | dict)
    return reprlib.repr(value) if is_plain else f"a {type(value).__name__}"


def _explain_version(version: object) -> str:
    """Return what to do about a record of a later version."""
    if not (isinstance(version, int) and _is_integer(version) and version > VERSION):
        return ""
    return f" It is of version {version}, and this nixtla_accessor reads version {VERSION}: a newer one may read it."


def view_record(frame: pd.DataFrame) -> Mapping[str, Any]:
    """Return a read-only view of a frame's record, empty if there is none."""
    record = read_record(frame)
    return MappingProxyType({} if record is None else asdict(record))
