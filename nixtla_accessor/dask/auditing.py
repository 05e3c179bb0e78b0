"""An audit of a Dask frame: the problems of its partitions, merged."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import dask
import dask.dataframe as dd
import pandas as pd

from nixtla_accessor.dask.joining import find_frequency_across_partitions, locate_pieces
from nixtla_accessor.dask.partitions import (
    bring_series_together,
    compute_each,
    find_series_apart,
    ids_of_part,
    rows_of_part,
)
from nixtla_accessor.dask.pieces import PartitionResult, Pieces, pack_partition
from nixtla_accessor.errors import DuplicateColumnError, FrequencyError, MissingColumnError, UnsupportedDtypeError
from nixtla_accessor.panel.audit import check_horizon, find_problems
from nixtla_accessor.panel.covariate_columns import CovariateChoice
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.inference import InferredFrequency, find_frequency
from nixtla_accessor.panel.misnamed import names_of
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.notable_series import Span
from nixtla_accessor.panel.panel import Columns, Stamps
from nixtla_accessor.panel.problems import KINDS, KINDS_OF_COLUMNS, Problem, tabulate
from nixtla_accessor.panel.times import TICKS_PER_SECOND, TimeForm

IRREGULARITIES = frozenset({"duplicate stamp", "off-grid stamp", "gap"})  # whose remedy follows the worst series
SERIES_APART = frozenset({"unknown future series", "missing future series"})  # all of them, where none is in common


@dataclass(frozen=True, slots=True)
class FrameStamps:
    """What is known of the stamps of the whole frame, to compare every partition with.

    Parameters
    ----------
    inferred : InferredFrequency, optional
        Their frequency; None where it is not known.
    error : str, optional
        Why the frame has none.
    span : Span, optional
        Their first and last, in ticks of ``form``.
    form : TimeForm, optional
        How they are written.
    """

    inferred: InferredFrequency | None = None
    error: str | None = None
    span: Span | None = None
    form: TimeForm | None = None

    def find(self, stamps: Stamps) -> InferredFrequency:
        """Return the frequency of the frame; where it is not known, that of a partition's stamps."""
        if self.error is not None:
            raise FrequencyError(self.error)
        return self.inferred or find_frequency(stamps)

    def span_in(self, form: TimeForm) -> Span | None:
        """Return the first and the last stamp in the ticks of another form."""
        if self.span is None or self.form is None or form.is_integer or form.unit == self.form.unit:
            return self.span
        per_second, own = TICKS_PER_SECOND[form.unit], TICKS_PER_SECOND[self.form.unit]
        return Span(*(tick * per_second // own for tick in self.span))


def audit_dask_frame(
    frame: dd.DataFrame, columns: Columns, frequency: Frequency | None, h: int | None, covariates: CovariateChoice
) -> pd.DataFrame:
    """List every problem of a frame, as `nixtla_accessor.panel.audit.audit_frame` does for the computed one."""
    check_horizon(h, covariates)
    given = None if frequency is None else InferredFrequency(frequency)
    columns = columns.with_frequency(frequency)
    whole, stamps = frame, FrameStamps(given)
    if _has_keys(frame._meta, columns):
        whole = bring_series_together(frame, columns)
        stamps = _frame_stamps(frame, columns, given)
    future = None if covariates.X_df is None else dask.delayed(covariates.X_df)
    parts = compute_each(whole, problems_of_part, columns, stamps, h, covariates.without_future(), future)
    if not any(len(ids) for ids, _ in parts):
        return tabulate(find_problems(frame._meta, columns, stamps.find))
    problems = [problem for _, problems in parts for problem in problems]
    apart = _series_apart(frame, columns, covariates.X_df, set().union(*(ids for ids, _ in parts)))
    if any(problem.kind == "unknown future series" and problem.series is None for problem in apart):
        problems = [problem for problem in problems if problem.kind not in SERIES_APART]
    problems = [problem for problem in problems if problem not in apart]
    return tabulate(sorted([*merge_problems(problems), *apart], key=_rank))


def _series_apart(
    frame: dd.DataFrame, columns: Columns, X_df: pd.DataFrame | None, known: set[Hashable]
) -> list[Problem]:
    """List what no partition alone can tell of the series of the horizon's rows."""
    if X_df is None or columns.id not in names_of(frame._meta):
        return []
    findings = find_series_apart(X_df, columns, get_column(frame._meta, columns.id, "id").dtype, known)
    return [problem for finding in findings for problem in finding.to_problems()]


def problems_of_part(
    part: pd.DataFrame,
    columns: Columns,
    stamps: FrameStamps,
    h: int | None,
    covariates: CovariateChoice,
    X_df: pd.DataFrame | None,
) -> tuple[set[Hashable], list[Problem]]:
    """Return the ids of a partition, or something in their place, and all its problems."""
    if not len(part):
        return set(), []
    covariates = replace(covariates, X_df=rows_of_part(part, X_df, columns))
    problems = list(find_problems(part, columns, stamps.find, h, stamps.span_in, covariates))
    return ids_of_part(part, columns), problems


def stamps_of_part(part: pd.DataFrame, columns: Columns) -> PartitionResult:
    """Read the stamps of a partition, without the rows that have no id or no time."""
    named = {} if columns.id is None else {columns.id: get_column(part, columns.id, "id").array}
    stamps = pd.DataFrame({**named, columns.time: get_column(part, columns.time, "time").array}).dropna()
    stamps[columns.target] = 0
    return pack_partition(stamps, columns, None, allow_missing=True, with_values=False)


def _has_keys(meta: pd.DataFrame, columns: Columns) -> bool:
    """Return whether a frame has the columns of ids and times."""
    try:
        for name, role in ((columns.id, "id"), (columns.time, "time")):
            if name is not None:
                get_column(meta, name, role)
    except (MissingColumnError, DuplicateColumnError):
        return False
    return True


def _frame_stamps(frame: dd.DataFrame, columns: Columns, given: InferredFrequency | None) -> FrameStamps:
    """Read the stamps of the whole frame, and infer their frequency unless it is given."""
    names = [name for name in frame.columns if name in {columns.id, columns.time}]
    results = compute_each(frame[names], stamps_of_part, columns)
    pieces = [result for result in results if isinstance(result, Pieces)]
    if not pieces:
        return FrameStamps(given)
    try:
        layout = locate_pieces(pieces, columns)
    except UnsupportedDtypeError:  # reported for each partition
        return FrameStamps(given)
    known = FrameStamps(given, None, Span(int(layout.first.min()), int(layout.last.max())), layout.form)
    try:
        return replace(known, inferred=given or find_frequency_across_partitions(layout))
    except FrequencyError as error:
        return replace(known, error=str(error))


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
        elif problem.kind not in KINDS_OF_COLUMNS:
            of_frame[key] = replace(of_frame[key], count=of_frame[key].count + problem.count)
    order = pd.Index([problem.series for problem in of_series], tupleize_cols=False).argsort()
    sorted_by_id = [of_series[int(place)] for place in order]
    return sorted([*of_frame.values(), *_with_common_remedies(sorted_by_id)], key=_rank)


def _with_common_remedies(problems: list[Problem]) -> list[Problem]:
    """Give the problems of irregular stamps the remedy of the series with most of them, as for a frame in one part."""
    alike = {kind: [problem for problem in problems if problem.kind == kind] for kind in IRREGULARITIES}
    remedies = {kind: max(some, key=lambda problem: problem.count).remedy for kind, some in alike.items() if some}
    return [replace(problem, remedy=remedies.get(problem.kind, problem.remedy)) for problem in problems]


def _rank(problem: Problem) -> int:
    """Return the place of a problem's kind; those of columns stay in the order in which they were found."""
    return -1 if problem.kind in KINDS_OF_COLUMNS else KINDS.index(problem.kind)
