"""A Dask DataFrame as a source: packed here, and asked about partition by partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd

from nixtla_accessor.api.client import Client
from nixtla_accessor.dask.carrying import carry_attached_record, carry_record, put_record
from nixtla_accessor.dask.concurrency import request_slot
from nixtla_accessor.dask.packing import infer_dask_frequency, pack_dask_frame
from nixtla_accessor.dask.partitions import (
    bring_series_together,
    checked_future,
    future_in_pandas,
    partition_named,
    plan_ids,
    rows_of_part,
)
from nixtla_accessor.dask.portable_client import PortableClient
from nixtla_accessor.panel.calendar_features import check_calendar
from nixtla_accessor.panel.covariate_columns import CovariateChoice, find_covariates
from nixtla_accessor.panel.findings import refuse
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.queries.query import Query, refuse_other_frequency
from nixtla_accessor.record import Record


class DaskSource:
    """A Dask DataFrame as a source; see `nixtla_accessor.source.Source`."""

    __slots__ = ("_frame",)

    def __init__(self, frame: dd.DataFrame) -> None:
        self._frame = frame

    @property
    def schema(self) -> pd.DataFrame:
        """The frame's meta: an empty frame with its columns, dtypes and attrs."""
        meta: pd.DataFrame = self._frame._meta
        return meta

    def pack(self, columns: Columns, frequency: Frequency | None, *, allow_missing: bool) -> PackedSeries:
        """Return the series of all partitions, checked and packed."""
        return pack_dask_frame(self._frame, columns, frequency, allow_missing=allow_missing)

    def check_covariates(self, choice: CovariateChoice) -> CovariateChoice:
        """Return the choice with an ``X_df`` of pandas."""
        choice = replace(choice, X_df=future_in_pandas(choice.X_df))
        check_calendar(choice)
        return choice

    def settle_frequency(self, columns: Columns, frequency: Frequency | None, *, allow_missing: bool) -> Frequency:
        """Return the frequency of all partitions; where it is not given, the stamps are read for it now."""
        return frequency or infer_dask_frequency(self._frame, columns, allow_missing=allow_missing)

    def attach(self, record: Record) -> dd.DataFrame:
        """Add the record to the frame's plan."""
        carry_record(self._frame, record)
        return self._frame

    def answer(self, query: Query, client: Client) -> dd.DataFrame:
        """Plan to ask for each partition; nothing is computed.

        The future of all series is one task, of which each partition takes the rows of its own. It follows tasks that
        read the ids of all partitions, so that a series which none has is refused before anything is sent. They do not
        keep the partitions, which may be larger than memory together, but read the column of ids once more.
        """
        if query.frequency is not None:
            refuse_other_frequency(query.record, query.frequency, query.columns)
        _, findings = find_covariates(self.schema, query.columns, query.covariates)
        refuse(findings)
        X_df = query.covariates.X_df
        future = None if X_df is None else self._check_series(X_df, query.columns)
        query = replace(query, covariates=query.covariates.without_future())
        series_together = bring_series_together(self._frame, query.columns)
        empty = query.empty_answer(self.schema)
        if query.record is not None:
            empty = put_record(empty, query.record.for_frame(query.columns, _name(query.frequency)))
        answers = series_together.map_partitions(
            answer_partition,
            query,
            PortableClient(client),
            empty,
            series_together.npartitions,
            future,
            meta=empty,
            enforce_metadata=False,
            clear_divisions=True,
        )
        carry_attached_record(answers)
        return answers

    def _check_series(self, X_df: pd.DataFrame, columns: Columns) -> Any:  # noqa: ANN401 - Dask is not typed
        """Plan the rows of the horizon, whose series must be those of the frame."""
        future = dask.delayed(X_df)
        if columns.id is None:
            return future
        dtype = get_column(self.schema, columns.id, "id").dtype
        return dask.delayed(checked_future)(future, columns, dtype, plan_ids(self._frame, columns))


def answer_partition(
    part: pd.DataFrame,
    query: Query,
    client: PortableClient,
    empty: pd.DataFrame,
    n_partitions: int,
    X_df: pd.DataFrame | None,
    partition_info: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Ask about one partition, whose series are complete; a partition without rows is answered without asking.

    Parameters
    ----------
    part : DataFrame
        The rows of the partition.
    query : Query
        The question.
    client : PortableClient
        The client to ask with.
    empty : DataFrame
        An answer without rows.
    n_partitions : int
        How many partitions there are.
    X_df : DataFrame, optional
        The future of all series.
    partition_info : mapping, optional
        Given by Dask: the ``number`` of the partition.
    """
    if not len(part):
        return empty.copy()
    number = 0 if partition_info is None else int(partition_info["number"])
    with partition_named(part, query.columns, f"partition {number} of {n_partitions}"), request_slot():
        question = query.of_part(number).with_future(rows_of_part(part, X_df, query.columns))
        answer = question.answer(part, client.get())
    answer = answer[list(empty.columns)]
    id_col = query.columns.id
    if id_col is not None and isinstance(empty[id_col].dtype, pd.CategoricalDtype):
        answer[id_col] = answer[id_col].astype("category")  # a shuffle may have made text of them
    answer.attrs = dict(empty.attrs)
    return answer


def _name(frequency: Frequency | None) -> str | int | None:
    return None if frequency is None else frequency.name
