"""An audit of a Dask frame: the problems of its partitions, merged."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import dask.dataframe as dd
import pandas as pd

from nixtla_accessor.dask.joining import find_frequency_across_partitions, locate_pieces
from nixtla_accessor.dask.partitions import bring_series_together, compute_each
from nixtla_accessor.dask.pieces import PartitionResult, Pieces, pack_partition
from nixtla_accessor.errors import DuplicateColumnError, FrequencyError, MissingColumnError, UnsupportedDtypeError
from nixtla_accessor.panel.audit import audit_frame, find_problems
from nixtla_accessor.panel.frequency import FrequencyLike, parse_frequency
from nixtla_accessor.panel.inference import InferredFrequency, find_frequency
from nixtla_accessor.panel.names import default_columns, get_column
from nixtla_accessor.panel.panel import Columns, Stamps
from nixtla_accessor.panel.problems import COLUMN_KINDS, KINDS, Problem, tabulate


@dataclass(frozen=True, slots=True)
class FrameFrequency:
    """The frequency of the whole frame, to compare every partition with.

    Parameters
    ----------
    inferred : InferredFrequency, optional
        The frequency; None where it is not known.
    error : str, optional
        Why the frame has none.
    """

    inferred: InferredFrequency | None = None
    error: str | None = None

    def find(self, stamps: Stamps) -> InferredFrequency:
        """Return the frequency of the frame; where it is not known, that of a partition's stamps."""
        if self.error is not None:
            raise FrequencyError(self.error)
        return self.inferred or find_frequency(stamps)


def audit_dask_frame(
    frame: dd.DataFrame,
    freq: FrequencyLike | None,
    id_col: Hashable | None,
    time_col: Hashable | None,
    target_col: Hashable | None,
) -> pd.DataFrame:
    """List everything that keeps a frame from being packed, as `audit_frame` does for the computed frame."""
    given = None if freq is None else InferredFrequency(parse_frequency(freq))
    columns = default_columns(frame._meta, id_col, time_col, target_col)
    whole, frequency = frame, FrameFrequency(given)
    if _has(frame._meta, columns):
        whole = bring_series_together(frame, columns)
        if given is None:
            frequency = _frame_frequency(frame, columns)
    parts = compute_each(whole, problems_of_part, columns, frequency)
    if not any(n_rows for n_rows, _ in parts):
        return audit_frame(frame._meta, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col)
    return tabulate(merge_problems(problem for _, problems in parts for problem in problems))


def problems_of_part(part: pd.DataFrame, columns: Columns, frequency: FrameFrequency) -> tuple[int, list[Problem]]:
    """Return how many rows a partition has, and all its problems."""
    return len(part), list(find_problems(part, columns, frequency.find)) if len(part) else []


def stamps_of_part(part: pd.DataFrame, columns: Columns) -> PartitionResult:
    """Read the stamps of a partition, without the rows that have no id or no time."""
    named = {} if columns.id is None else {columns.id: get_column(part, columns.id, "id").array}
    stamps = pd.DataFrame({**named, columns.time: get_column(part, columns.time, "time").array}).dropna()
    stamps[columns.target] = 0
    return pack_partition(stamps, columns, None, allow_missing=True, with_values=False)


def _has(meta: pd.DataFrame, columns: Columns) -> bool:
    """Return whether a frame has all its columns."""
    try:
        for name, role in ((columns.id, "id"), (columns.time, "time"), (columns.target, "target")):
            if name is not None:
                get_column(meta, name, role)
    except (MissingColumnError, DuplicateColumnError):
        return False
    return True


def _frame_frequency(frame: dd.DataFrame, columns: Columns) -> FrameFrequency:
    """Infer the frequency of the whole frame."""
    names = [name for name in frame.columns if name in {columns.id, columns.time}]
    results = compute_each(frame[names], stamps_of_part, columns)
    pieces = [result for result in results if isinstance(result, Pieces)]
    if not pieces:
        return FrameFrequency()
    try:
        return FrameFrequency(find_frequency_across_partitions(locate_pieces(pieces, columns)))
    except FrequencyError as error:
        return FrameFrequency(error=str(error))
    except UnsupportedDtypeError:  # reported for each partition
        return FrameFrequency()


def merge_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems of all partitions as those of one frame: those of the whole frame once, all sorted."""
    of_series: list[Problem] = []
    of_frame: dict[tuple[Hashable, str], Problem] = {}
    for problem in problems:
        key = (problem.column, problem.kind)
        if problem.series is not None:
            of_series.append(problem)
        elif key not in of_frame:
            of_frame[key] = problem
        elif problem.kind not in COLUMN_KINDS.values():
            of_frame[key] = replace(of_frame[key], count=of_frame[key].count + problem.count)
    order = pd.Index([problem.series for problem in of_series], tupleize_cols=False).argsort()
    in_order = [*of_frame.values(), *(of_series[int(place)] for place in order)]
    return sorted(in_order, key=_rank)


def _rank(problem: Problem) -> int:
    """Return the place of a problem's kind; those of columns stay in the order in which they were found."""
    return -1 if problem.kind in COLUMN_KINDS.values() else KINDS.index(problem.kind)
