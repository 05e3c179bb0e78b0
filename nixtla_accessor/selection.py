"""What a caller selects of a frame: the frequency and the three columns."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import timedelta

import pandas as pd
from pandas.api.types import is_hashable

from nixtla_accessor.panel.frame_code import FrameCode, Library
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.names import default_columns, resolve_columns
from nixtla_accessor.panel.panel import TARGET_COLUMN, TIME_COLUMN, Columns
from nixtla_accessor.panel.tidy import MODEL_COLUMN
from nixtla_accessor.record import Record, read_record

Freq = str | int | pd.offsets.BaseOffset | timedelta


@dataclass(frozen=True, slots=True)
class Selection:
    """The frequency and the columns of a frame that a call is about; None for what the caller left open.

    Attributes
    ----------
    freq : str, int, offset or timedelta, optional
        The frequency of the stamps; an int is the step of integer time.
    id_col, time_col, target_col : hashable, optional
        The columns or index levels with the series' ids, the stamps and the values.
    library : {"pd", "dd"}
        The library that holds the frame, for code in messages.
    """

    freq: Freq | None = None
    id_col: Hashable | None = None
    time_col: Hashable | None = None
    target_col: Hashable | None = None
    library: Library = "pd"

    def with_recorded_columns(self, frame: pd.DataFrame, record: Record | None = None) -> Selection:
        """Return the selection with the columns of a record, by default the frame's, where the caller named none.

        A column that the frame no longer has gives way to the default one where that is present. Otherwise a frame
        without its id column is one series, such as a group cut out of the tuned frame, and the other columns stay,
        so that the error names the column that the record means.
        """
        record = record or read_record(frame)
        if record is None:
            return self
        present = {*frame.columns, *frame.index.names}

        def fill_in(named: Hashable | None, recorded: Hashable | None, default: str) -> Hashable | None:
            return named if named is not None or (recorded not in present and default in present) else recorded

        return replace(
            self,
            id_col=record.id_col if self.id_col is None and record.id_col in present else self.id_col,
            time_col=fill_in(self.time_col, record.time_col, TIME_COLUMN),
            target_col=fill_in(self.target_col, record.target_col, TARGET_COLUMN),
        )

    def with_forecasts_as_target(self, frame: pd.DataFrame) -> Selection:
        """Return the selection with the forecasts as the target where the frame has forecasts but no target."""
        target_col = TARGET_COLUMN if self.target_col is None else self.target_col
        has_forecasts_only = is_hashable(target_col) and target_col not in frame and MODEL_COLUMN in frame
        return replace(self, target_col=MODEL_COLUMN) if has_forecasts_only else self

    def resolve_columns(self, frame: pd.DataFrame) -> Columns:
        """Return the three columns that are meant in a frame.

        Raises
        ------
        InvalidArgumentError, InvalidFrameError
            If a column is missing, ambiguous or named for two roles.
        """
        return resolve_columns(frame, self.id_col, self.time_col, self.target_col, self.library)

    def default_columns(self, frame: pd.DataFrame) -> Columns:
        """Return the three columns that are meant, whether or not the frame has them.

        Raises
        ------
        InvalidArgumentError, MissingColumnError
            If several columns are named for one role.
        """
        return default_columns(frame, self.id_col, self.time_col, self.target_col, self.library)

    def code(self, frame: pd.DataFrame) -> FrameCode:
        """Return how code in messages reaches a frame, whose columns are those of its record."""
        return self.with_recorded_columns(frame).default_columns(frame).frame

    def parse_freq(self) -> Frequency | None:
        """Return the frequency; None where it is left open.

        Raises
        ------
        InvalidArgumentError
            If it is no frequency.
        """
        return None if self.freq is None else parse_frequency(self.freq)
