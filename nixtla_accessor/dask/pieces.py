"""Pieces of series: what a worker makes of a partition, and all that it sends of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from nixtla_accessor.errors import FrequencyError, TimeGPTError
from nixtla_accessor.panel.arrays import Integers, Target, Ticks, steps_within
from nixtla_accessor.panel.faults import FaultyRows
from nixtla_accessor.panel.frame import find_faults, read_arrays
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.ids import find_missing_ids
from nixtla_accessor.panel.inference import find_frequency
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.packing import pack_if_regular
from nixtla_accessor.panel.panel import Columns, Panel
from nixtla_accessor.panel.times import TICKS_PER_SECOND, TimeForm


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The rows of a partition, packed: of each series the piece that it holds, in the order of ids and times.

    Where every piece is regular, its first stamp and its size determine all its stamps.

    Parameters
    ----------
    ids : Index of length n_pieces
        One id for each piece.
    sizes, first, last : ndarray of int64, shape (n_pieces,)
        The number of rows of each piece, and its first and last stamp.
    y : ndarray of float64 or int64, shape (n_rows,)
        The values, piece by piece; empty where only stamps were asked for.
    form : TimeForm
        How the partition writes stamps.
    target_dtype : dtype
        The partition's dtype of the target.
    frequency : Frequency or None
        The frequency that every piece was verified against; None where they are not regular.
    ticks : ndarray of int64, shape (n_rows,), or None
        All stamps, where the pieces are not regular.
    """

    ids: pd.Index[Any]
    sizes: Integers
    first: Ticks
    last: Ticks
    y: Target
    form: TimeForm
    target_dtype: Any
    frequency: Frequency | None
    ticks: Ticks | None

    @property
    def n_rows(self) -> int:
        """The number of rows of the partition."""
        return int(self.sizes.sum())

    def all_ticks(self) -> Ticks:
        """Return every stamp; shape (n_rows,)."""
        if self.frequency is None or self.ticks is not None:
            return np.asarray(self.ticks)
        return self.frequency.advance(self.first.repeat(self.sizes), steps_within(self.sizes), self.form)

    def in_form(self, form: TimeForm) -> Pieces:
        """Return the pieces with stamps in the unit of another form, which is as fine or finer."""
        if form == self.form:
            return self
        factor = 1 if form.is_integer else TICKS_PER_SECOND[form.unit] // TICKS_PER_SECOND[self.form.unit]
        ticks = None if self.ticks is None else self.ticks * factor
        return replace(self, first=self.first * factor, last=self.last * factor, ticks=ticks, form=form)


# A partition's pieces; or its faulty rows, or the error that it is refused with; None where it is empty. Errors are
# returned rather than raised, so that those of all partitions can be combined.
PartitionResult: TypeAlias = Pieces | FaultyRows | TimeGPTError | None


def pack_partition(
    part: pd.DataFrame, columns: Columns, frequency: Frequency | None, *, allow_missing: bool, with_values: bool
) -> PartitionResult:
    """Read, check and pack a partition.

    Parameters
    ----------
    part : DataFrame
        The partition.
    columns : Columns
        Its columns.
    frequency : Frequency, optional
        The frequency to verify the pieces against; by default the one inferred from them.
    allow_missing : bool
        Whether the target may have missing values.
    with_values : bool
        Whether to return values and stamps, or only the stamps.
    """
    if not len(part):
        return None
    try:
        if columns.id is not None:
            without_id = find_missing_ids(get_column(part, columns.id, "id"), columns.column(columns.id))
            if without_id is not None:
                return without_id
        panel = read_arrays(part, columns)
        faulty = find_faults(panel, allow_missing=allow_missing)
        if faulty is not None:
            return faulty
        pieces = _regular_pieces(panel, frequency or _inferred(panel)) or _irregular_pieces(panel)
    except TimeGPTError as error:
        return error.with_traceback(None)
    return pieces if with_values else replace(pieces, y=pieces.y[:0])


def _inferred(panel: Panel) -> Frequency | None:
    try:
        return find_frequency(panel).frequency
    except FrequencyError:
        return None


def _regular_pieces(panel: Panel, frequency: Frequency | None) -> Pieces | None:
    """Pack pieces that are regular at the frequency; None where some are not."""
    packed = None if frequency is None else pack_if_regular(panel, frequency)
    if packed is None:
        return None
    return Pieces(
        packed.ids,
        packed.sizes,
        packed.start_ticks,
        packed.last_ticks,
        packed.y,
        panel.form,
        panel.target_dtype,
        frequency,
        None,
    )


def _irregular_pieces(panel: Panel) -> Pieces:
    """Sort pieces by time, and keep all stamps."""
    order = np.lexsort((panel.ticks, panel.grouping.row_codes()))
    sizes = panel.grouping.sizes
    ticks = panel.ticks[order]
    ends = np.cumsum(sizes)
    return Pieces(
        panel.grouping.ids,
        sizes,
        ticks[ends - sizes],
        ticks[ends - 1],
        panel.y[order],
        panel.form,
        panel.target_dtype,
        None,
        ticks,
    )
