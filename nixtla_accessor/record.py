"""The record of a fine-tuned model in ``df.attrs["timegpt"]``: its only reader and writer.

The record is one flat dict of JSON scalars, so it survives every operation that keeps ``attrs``: query, assign, sort,
copy, groupby, pickle and Parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from nixtla_accessor.panel.panel import Columns

KEY = "timegpt"
VERSION = 2  # of the list of fields


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
    id_col, time_col, target_col : str or None
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
    last_stamp: str | int | None = None
    version: int = VERSION

    def __str__(self) -> str:
        columns = f"{self.id_col!r}, {self.time_col!r}, {self.target_col!r}"
        model = f"model {self.finetuned_model_id!r} at {self.origin}"
        return f"{model}, freq {self.freq!r}, columns {columns}"

    def for_frame(self, columns: Columns, freq: str | int | None) -> Record:
        """Return the record with the columns and the frequency of the frame that it is attached to."""
        names: dict[str, Any] = {"id_col": columns.id, "time_col": columns.time, "target_col": columns.target}
        return replace(self, freq=freq, **names)


_NAMES = frozenset(field.name for field in fields(Record))
_TEXTS = ("finetuned_model_id", "model", "origin", "created_at")


def attach_record(frame: pd.DataFrame | pd.Series[Any], record: Record) -> None:
    """Write a record into a frame's attrs, replacing an earlier one."""
    frame.attrs[KEY] = asdict(record)


def read_record(frame: pd.DataFrame | pd.Series[Any]) -> Record | None:
    """Return the record of a frame; None if there is none that can be read."""
    return parse_record(frame.attrs.get(KEY))


def parse_record(stored: object) -> Record | None:
    """Return the record that a mapping holds; None if it holds none that can be read."""
    if not isinstance(stored, Mapping) or not all(isinstance(stored.get(name), str) for name in _TEXTS):
        return None
    known: dict[str, Any] = {name: value for name, value in stored.items() if name in _NAMES}
    return Record(**known)


def view_record(frame: pd.DataFrame) -> Mapping[str, Any]:
    """Return a read-only view of a frame's record, empty if there is none."""
    record = read_record(frame)
    return MappingProxyType({} if record is None else asdict(record))
