"""What the operations need of a frame, whether pandas or Dask holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import pandas as pd

from nixtla_accessor.flags import check_flag
from nixtla_accessor.other_frames import check_future_is_pandas
from nixtla_accessor.panel.calendar_features import check_calendar
from nixtla_accessor.panel.covariate_columns import NO_COVARIATES, CovariateChoice
from nixtla_accessor.panel.covariates import pack_with_covariates
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.record import attach_record
from nixtla_accessor.selection import Selection

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.panel.frequency import Frequency
    from nixtla_accessor.panel.panel import Columns
    from nixtla_accessor.queries.query import Query
    from nixtla_accessor.record import Record

FrameT_co = TypeVar("FrameT_co", covariant=True)


class Source(Protocol[FrameT_co]):
    """A long frame of series that can be packed, asked about, and that carries a record."""

    @property
    def schema(self) -> pd.DataFrame:
        """A pandas frame with the columns, dtypes and attrs of the source; it may have no rows."""

    def pack(self, columns: Columns, frequency: Frequency | None, *, allow_missing: bool) -> PackedSeries:
        """Return all series, checked and packed; a frequency of None is inferred."""

    def check_covariates(self, choice: CovariateChoice) -> CovariateChoice:
        """Return a caller's choice of covariates with an ``X_df`` of pandas; refuse what cannot be used of it."""

    def settle_frequency(
        self, columns: Columns, frequency: Frequency | None, *, allow_missing: bool
    ) -> Frequency | None:
        """Return the frequency that every part of the source is to be read at; None where the source is one part."""

    def attach(self, record: Record) -> FrameT_co:
        """Attach a record to the frame, and return the very frame."""

    def answer(self, query: Query, client: Client) -> FrameT_co:
        """Ask the service about all series."""


def pack_source(source: Source[FrameT_co], selection: Selection, *, allow_missing: bool) -> PackedSeries:
    """Return all series of a source, checked and packed as they would be sent.

    Parameters
    ----------
    source : Source
        The frame.
    selection : Selection
        Its frequency and columns; columns that are left open are those of the frame's record.
    allow_missing : bool
        Whether the target may have missing values.

    Raises
    ------
    InvalidArgumentError, InvalidFrameError
        If the frequency or a column cannot be used, or the frame cannot be packed.
    """
    allow_missing = check_flag("allow_missing", allow_missing)
    selection = selection.with_recorded_columns(source.schema)
    columns = selection.resolve_columns(source.schema)
    return source.pack(columns, selection.parse_freq(), allow_missing=allow_missing)


class PandasSource:
    """A pandas DataFrame as a source."""

    __slots__ = ("_frame",)

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    @property
    def schema(self) -> pd.DataFrame:
        """The frame itself."""
        return self._frame

    def pack(
        self,
        columns: Columns,
        frequency: Frequency | None,
        *,
        allow_missing: bool,
        covariates: CovariateChoice = NO_COVARIATES,
    ) -> PackedSeries:
        """Return all series, checked and packed with what explains them."""
        return pack_with_covariates(self._frame, columns, frequency, covariates, allow_missing=allow_missing)

    def check_covariates(self, choice: CovariateChoice) -> CovariateChoice:
        """Return the choice, of which ``X_df`` must be of pandas, as the frame is."""
        check_future_is_pandas(choice.X_df)
        check_calendar(choice)
        return choice

    def settle_frequency(
        self,
        columns: Columns,  # noqa: ARG002 - the rows are read once, when they are packed
        frequency: Frequency | None,
        *,
        allow_missing: bool,  # noqa: ARG002
    ) -> Frequency | None:
        """Return what was given: packing infers the rest from the same rows."""
        return frequency

    def attach(self, record: Record) -> pd.DataFrame:
        """Write the record into the frame's attrs."""
        attach_record(self._frame, record)
        return self._frame

    def answer(self, query: Query, client: Client) -> pd.DataFrame:
        """Ask about the frame."""
        return query.answer(self._frame, client)
