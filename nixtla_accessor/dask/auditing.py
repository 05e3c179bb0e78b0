"""The problems of a Dask frame: found in every partition, and added up where they are the whole frame's."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import dask.dataframe as dd
import pandas as pd

from nixtla_accessor.dask.joining import find_joint_frequency, lay_out
from nixtla_accessor.dask.partitions import bring_series_together, compute_each
from nixtla_accessor.dask.pieces import Pieces, Reading, cut_pieces
from nixtla_accessor.errors import DuplicateColumnError, FrequencyError, MissingColumnError, UnsupportedDtypeError
from nixtla_accessor.panel.audit import KINDS, OF_COLUMNS, Problem, audit_frame, find_problems, tabulate
from nixtla_accessor.panel.frame import default_columns, take_column
from nixtla_accessor.panel.frequency import parse_frequency
from nixtla_accessor.panel.inference import Finding, find_frequency
from nixtla_accessor.panel.panel import Columns, Panel
from nixtla_accessor.selection import Freq


@dataclass(frozen=True, slots=True)
class Settled:
    """What is known of the whole frame's frequency, for every partition to go by.

    Parameters
    ----------
    finding : Finding, optional
        The frequency.
    refusal : str, optional
        Why there is none.
    """

    finding: Finding | None = None
    refusal: str | None = None

    def find(self, panel: Panel) -> Finding:
        """Return the frequency; where nothing is known, that of the panel."""
        if self.refusal is not None:
            raise FrequencyError(self.refusal)
        return self.finding or find_frequency(panel)


def audit_dask_frame(
    frame: dd.DataFrame,
    freq: Freq | None,
    id_col: Hashable | None,
    time_col: Hashable | None,
    target_col: Hashable | None,
) -> pd.DataFrame:
    """List everything that keeps a frame from being packed; the rows are those for the computed frame."""
    given = None if freq is None else Finding(parse_frequency(freq))
    columns = default_columns(frame._meta, id_col, time_col, target_col)
    whole, settled = frame, Settled(given)
    if _has(frame._meta, columns):
        whole = bring_series_together(frame, columns)
        if given is None:
            settled = _settle(frame, columns)
    parts = compute_each(whole, problems_of_part, columns, settled)
    if not any(n_rows for n_rows, _ in parts):
        return audit_frame(frame._meta, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col)
    return tabulate(_add_up(problem for _, problems in parts for problem in problems))


def problems_of_part(part: pd.DataFrame, columns: Columns, settled: Settled) -> tuple[int, list[Problem]]:
    """Return how many rows a partition has, and all its problems."""
    return len(part), list(find_problems(part, columns, settled.find)) if len(part) else []


def stamps_of_part(part: pd.DataFrame, columns: Columns) -> Reading:
    """Read what stamps a partition has of each series, but for the rows that lack either."""
    named = {} if columns.id is None else {columns.id: take_column(part, columns.id, "id").array}
    stamps = pd.DataFrame({**named, columns.time: take_column(part, columns.time, "time").array}).dropna()
    stamps[columns.target] = 0
    return cut_pieces(stamps, columns, None, allow_missing=True, with_values=False)


def _has(meta: pd.DataFrame, columns: Columns) -> bool:
    """Tell whether a frame has all its columns."""
    try:
        for name, role in ((columns.id, "id"), (columns.time, "time"), (columns.target, "target")):
            if name is not None:
                take_column(meta, name, role)
    except (MissingColumnError, DuplicateColumnError):
        return False
    return True


def _settle(frame: dd.DataFrame, columns: Columns) -> Settled:
    """Find the frequency of the whole frame."""
    wanted = [name for name in frame.columns if name in {columns.id, columns.time}]
    pieces = [
        reading for reading in compute_each(frame[wanted], stamps_of_part, columns) if isinstance(reading, Pieces)
    ]
    if not pieces:
        return Settled()
    try:
        return Settled(find_joint_frequency(lay_out(pieces, columns)))
    except FrequencyError as error:
        return Settled(refusal=str(error))
    except UnsupportedDtypeError:  # which the partitions report
        return Settled()


def _add_up(problems: Iterable[Problem]) -> list[Problem]:
    """Add up the problems that are not one series', and sort all as those of one frame are."""
    of_series: list[Problem] = []
    of_frame: dict[tuple[Hashable, str], Problem] = {}
    for problem in problems:
        key = (problem.column, problem.kind)
        if problem.series is not None:
            of_series.append(problem)
        elif key not in of_frame:
            of_frame[key] = problem
        elif problem.kind not in OF_COLUMNS.values():
            of_frame[key] = replace(of_frame[key], count=of_frame[key].count + problem.count)
    order = pd.Index([problem.series for problem in of_series], tupleize_cols=False).argsort()
    in_order = [*of_frame.values(), *(of_series[int(place)] for place in order)]
    return sorted(in_order, key=_rank)


def _rank(problem: Problem) -> int:
    """Order problems by kind; those of columns stay in the order in which they were found."""
    return -1 if problem.kind in OF_COLUMNS.values() else KINDS.index(problem.kind)
