"""The record of a fine-tuned model in ``df.attrs["timegpt"]``: its only reader and writer.

The record is one flat dict of JSON scalars, so it survives whatever keeps ``attrs``: query, assign, sort, copy,
groupby, pickle and Parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

import pandas as pd

KEY = "timegpt"
VERSION = 1  # of the list of fields


@dataclass(frozen=True, slots=True)
class Record:
    """A fine-tuned model, and the frame that it was tuned on.

    Attributes
    ----------
    finetuned_model_id : str
        The model's id.
    base_model_id : str or None
        The fine-tuned model that it went on from.
    model : str
        The name of the base model.
    freq : str, int or None
        The frequency as pandas of today spells it, an int for integer time; None where it is not known.
    id_col, time_col, target_col : str or None
        The columns that were used; None for an id column or a time that had no name.
    finetune_steps, finetune_loss, finetune_depth
        How it was tuned.
    input_tokens, output_tokens, finetune_tokens : int or None
        What was paid, where the service told.
    n_series, n_obs : int or None
        The size of what it was tuned on.
    created_at : str
        When the record was made, ISO 8601 in UTC.
    origin : str
        Scheme and host of the service that keeps the model; ``local`` for the embedded engine.
    version : int
        The version of this list of fields.
    """

    finetuned_model_id: str
    model: str
    origin: str
    created_at: str
    base_model_id: str | None = None
    freq: str | int | None = None
    id_col: str | int | None = None
    time_col: str | int | None = None
    target_col: str | int | None = None
    finetune_steps: int | None = None
    finetune_loss: str | None = None
    finetune_depth: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    finetune_tokens: int | None = None
    n_series: int | None = None
    n_obs: int | None = None
    version: int = VERSION


_NAMES = frozenset(field.name for field in fields(Record))
_TEXTS = ("finetuned_model_id", "model", "origin", "created_at")


def attach_record(frame: pd.DataFrame | pd.Series[Any], record: Record) -> None:
    """Write a record into a frame's attrs, in the place of the one that was there."""
    frame.attrs[KEY] = asdict(record)


def read_record(frame: pd.DataFrame | pd.Series[Any]) -> Record | None:
    """Read the record of a frame; None where there is none that can be understood."""
    stored = frame.attrs.get(KEY)
    if not isinstance(stored, Mapping) or not all(isinstance(stored.get(name), str) for name in _TEXTS):
        return None
    known: dict[str, Any] = {name: value for name, value in stored.items() if name in _NAMES}
    return Record(**known)


def view_record(frame: pd.DataFrame) -> Mapping[str, Any]:
    """Return a read-only view of a frame's record, empty where there is none."""
    record = read_record(frame)
    return MappingProxyType({} if record is None else asdict(record))
