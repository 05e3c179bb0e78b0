"""Forecasts of a Dask frame: each partition asks for its own series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import dask.dataframe as dd
import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.accessor import TimeGPTAccessor
from nixtla_accessor.dask.carrying import carry_what_is_said, put_record
from nixtla_accessor.dask.partitions import bring_series_together
from nixtla_accessor.dask.service import Service
from nixtla_accessor.dask.turns import turn
from nixtla_accessor.errors import TimeGPTError
from nixtla_accessor.panel.frame import take_column
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import forecast_columns
from nixtla_accessor.record import Record


@dataclass(frozen=True, slots=True)
class Question:
    """What every partition asks.

    Parameters
    ----------
    method : {"forecast", "cross_validation"}
        The method of the pandas accessor.
    columns : Columns
        The frame's columns.
    arguments : mapping
        The method's other arguments.
    record : Record, optional
        The model to ask; None for the base model as it is.
    service : Service
        Where to ask.
    """

    method: Literal["forecast", "cross_validation"]
    columns: Columns
    arguments: Mapping[str, Any]
    record: Record | None
    service: Service


def ask_by_partition(frame: dd.DataFrame, question: Question, empty: pd.DataFrame) -> dd.DataFrame:
    """Plan to ask for each partition; nothing is computed.

    Parameters
    ----------
    frame : dask DataFrame
        The series, in any partitions.
    question : Question
        What to ask.
    empty : DataFrame
        An answer without rows.
    """
    whole = bring_series_together(frame, question.columns)
    if question.record is not None:
        empty = put_record(empty, question.record)
    answers = whole.map_partitions(
        answer_partition,
        question,
        empty,
        whole.npartitions,
        meta=empty,
        enforce_metadata=False,
        clear_divisions=True,
    )
    carry_what_is_said(answers)
    return answers


def answer_partition(
    part: pd.DataFrame,
    question: Question,
    empty: pd.DataFrame,
    n_partitions: int,
    partition_info: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Ask for one partition, whose series are whole; a partition without rows is answered without asking."""
    if not len(part):
        return empty.copy()
    frame = part.copy(deep=False)
    frame.attrs = dict(empty.attrs)
    number = 0 if partition_info is None else int(partition_info["number"])
    columns = {f"{role}_col": getattr(question.columns, role) for role in ("id", "time", "target")}
    with _partition_named(part, question.columns, f"partition {number} of {n_partitions}"), turn():
        ask = getattr(TimeGPTAccessor(frame), question.method)
        answer: pd.DataFrame = ask(**question.arguments, **columns, client=question.service.client())
    id_col = question.columns.id
    if id_col is not None and isinstance(empty[id_col].dtype, pd.CategoricalDtype):
        answer[id_col] = answer[id_col].astype("category")  # a shuffle may have made text of them
    answer.attrs = dict(empty.attrs)
    return answer


def empty_answer(
    meta: pd.DataFrame,
    columns: Columns,
    level: Sequence[float] | None,
    quantiles: Sequence[float] | None,
    *,
    with_past: bool,
) -> pd.DataFrame:
    """Make an answer without rows, with the columns and dtypes of one that has some.

    Parameters
    ----------
    meta : DataFrame
        The empty frame that describes the collection.
    columns : Columns
        Its columns.
    level, quantiles : sequence of float, optional
        Levels that are asked for, and the quantiles that are shown in their place.
    with_past : bool
        Whether cutoff and target are among the columns, as in cross-validation.
    """
    times = take_column(meta, columns.time, "time")
    time_dtype = times.dtype.categories.dtype if isinstance(times.dtype, pd.CategoricalDtype) else times.dtype
    answer: dict[Any, pd.Series[Any]] = {}
    if columns.id is not None:
        ids = take_column(meta, columns.id, "id")
        answer[columns.id] = pd.Series(ids.array[:0], dtype=ids.dtype)
    answer[columns.time] = pd.Series([], dtype=time_dtype)
    if with_past:
        answer["cutoff"] = pd.Series([], dtype=time_dtype)
        answer[columns.target] = pd.Series([], dtype=take_column(meta, columns.target, "target").dtype)
    nothing: npt.NDArray[np.float64] = np.empty(0)
    bounds = {f"{side}-{one}": nothing for one in level or () for side in ("lo", "hi")}
    numbers = forecast_columns(nothing, bounds, None if quantiles else level, quantiles)
    return pd.DataFrame(answer | {name: pd.Series(values) for name, values in numbers.items()})


@contextmanager
def _partition_named(part: pd.DataFrame, columns: Columns, name: str) -> Iterator[None]:
    """Note on an error which partition it is of, and which series that holds."""
    try:
        yield
    except TimeGPTError as error:
        if columns.id is not None:
            ids = list(take_column(part, columns.id, "id").unique())
            name += f", whose {len(ids)} series are {', '.join(map(repr, ids[:3]))}{', …' if len(ids) > 3 else ''}"
        error.add_note(f"This is {name}. Other partitions are not concerned; persist() keeps what they have answered.")
        raise
