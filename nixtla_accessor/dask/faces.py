"""The pandas face of a Dask frame: arguments, columns, models and records are those of pandas, on the frame's meta."""

from __future__ import annotations

from collections.abc import Hashable

import dask.dataframe as dd
import numpy as np
import pandas as pd

from nixtla_accessor.accessor import Freq, TimeGPTAccessor
from nixtla_accessor.api.client import Client
from nixtla_accessor.dask.packing import infer_dask_frequency, pack_dask_frame
from nixtla_accessor.panel.frame import resolve_columns, take_column
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.times import TimeForm
from nixtla_accessor.record import Record


class DaskFace(TimeGPTAccessor):
    """The pandas accessor on a copy of a Dask frame's meta, which packs the Dask frame itself.

    Parameters
    ----------
    frame : dask DataFrame
        One row for each series and stamp, in any order and any partitions.
    """

    __slots__ = ("_dask_frame",)

    def __init__(self, frame: dd.DataFrame) -> None:
        super().__init__(frame._meta.copy())
        self._dask_frame = frame

    @property
    def meta(self) -> pd.DataFrame:
        """The copy of the frame's meta, to which `finetune` and `use_model` attach their record."""
        return self._frame

    def columns(
        self, id_col: Hashable | None, time_col: Hashable | None, target_col: Hashable | None
    ) -> tuple[Hashable | None, Hashable | None, Hashable | None]:
        """Fill in the record's columns where none is named."""
        return self._columns(id_col, time_col, target_col)

    def pack(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        allow_missing: bool = False,
    ) -> PackedSeries:
        """Check the Dask frame and pack it."""
        columns, frequency = self._resolve(freq, id_col, time_col, target_col)
        return pack_dask_frame(self._dask_frame, columns, frequency, allow_missing=allow_missing)

    def _resolve(
        self, freq: Freq | None, id_col: Hashable | None, time_col: Hashable | None, target_col: Hashable | None
    ) -> tuple[Columns, Frequency | None]:
        """Find the columns, and read the frequency that was given."""
        columns = resolve_columns(self._frame, *self._columns(id_col, time_col, target_col))
        return columns, None if freq is None else parse_frequency(freq)


class AskingFace(DaskFace):
    """The same for what is asked partition by partition: it settles columns, frequency and model, and packs no rows."""

    __slots__ = ()

    def settle(
        self,
        *,
        freq: Freq | None,
        id_col: Hashable | None,
        time_col: Hashable | None,
        target_col: Hashable | None,
        model: str | None,
        finetuned_model_id: str | None,
        allow_missing: bool,
        client: Client,
    ) -> tuple[PackedSeries, Record | None]:
        """Return the frame packed without its rows, and the record of the model to ask; None for the base model.

        Raises
        ------
        NoModelError
            If no model is attached or named, or it was tuned at another frequency or lives at another service.
        """
        record = self._record_to_use(model, finetuned_model_id, client)
        return self._pack_for(record, freq, id_col, time_col, target_col, allow_missing=allow_missing), record

    def pack(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        allow_missing: bool = False,
    ) -> PackedSeries:
        """Settle columns and frequency; only where the frequency is not known, the stamps are read."""
        columns, frequency = self._resolve(freq, id_col, time_col, target_col)
        if frequency is None:
            frequency = infer_dask_frequency(self._dask_frame, columns, allow_missing=allow_missing)
        none = np.empty(0, dtype=np.int64)
        target_dtype = take_column(self._frame, columns.target, "target").dtype
        form = TimeForm("integer", none.dtype)  # of no stamps
        return PackedSeries(none, none, pd.Index(none), none, columns, frequency, form, target_dtype)
