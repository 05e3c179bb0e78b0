"""Rows that cannot be used: counted and named, so that those of a frame's parts can be added up."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from nixtla_accessor.errors import InvalidFrameError, MissingValueError, NonFiniteValueError
from nixtla_accessor.panel.messages import SHOWN, rest


class Fault(IntEnum):
    """What is wrong with a row, in the order in which frames are refused for it."""

    MISSING_ID = 1
    MISSING_TIME = 2
    INFINITE_TARGET = 3
    MISSING_TARGET = 4


@dataclass(frozen=True, slots=True)
class FaultyRows:
    """The rows of a frame, or of a part of it, that have a fault.

    Parameters
    ----------
    fault : Fault
        What is wrong with them.
    column : hashable
        The column that has it.
    count : int
        How many there are.
    n_rows : int
        How many rows were looked at.
    first : tuple of (int, str)
        The first of them: the row, counted from 0, and how a message names it.
    """

    fault: Fault
    column: Hashable
    count: int
    n_rows: int
    first: tuple[tuple[int, str], ...]

    def refusal(self) -> InvalidFrameError:
        """Make the error that the frame is refused with."""
        share = f"in {self.count} of {self.n_rows} rows"
        names = [name for _, name in self.first[:SHOWN]]
        more = rest(self.count)
        match self.fault:
            case Fault.MISSING_ID:
                return MissingValueError(
                    f"The ids in {self.column!r} are missing {share}: rows "
                    f"{', '.join(str(row) for row, _ in self.first[:SHOWN])}{more}, counted from 0. "
                    f"Name the series, or drop the rows: df.dropna(subset=[{self.column!r}])."
                )
            case Fault.MISSING_TIME:
                named = "; ".join(f"{name} in row {row}" for row, name in self.first[:SHOWN])
                return MissingValueError(
                    f"The times in {self.column!r} are missing {share}, counted from 0: {named}{more}. "
                    f"Fill them in, or drop the rows: df.dropna(subset=[{self.column!r}])."
                )
            case Fault.INFINITE_TARGET:
                return NonFiniteValueError(
                    f"The target {self.column!r} is infinite {share}: {'; '.join(names)}{more}. "
                    "Replace these values; no model can learn from them."
                )
            case Fault.MISSING_TARGET:
                return MissingValueError(
                    f"The target {self.column!r} is missing {share}: {'; '.join(names)}{more}. "
                    "Fill the values in, for instance with df.timegpt.fill_gaps(method='interpolate'), or send them as "
                    "missing with allow_missing=True, which newer servers take."
                )


def add_up(parts: Sequence[tuple[int, FaultyRows | None]]) -> FaultyRows | None:
    """Add up the faults of a frame's parts; of several faults, the one that the frame is refused for first.

    Parameters
    ----------
    parts : sequence of (int, FaultyRows or None)
        For each part, in the order of the frame, how many rows it has, and those of them that are faulty.
    """
    found = [faulty for _, faulty in parts if faulty is not None]
    if not found:
        return None
    worst = min(found, key=lambda faulty: faulty.fault)
    first: list[tuple[int, str]] = []
    count, start = 0, 0
    for n_rows, faulty in parts:
        if faulty is not None and faulty.fault == worst.fault:
            count += faulty.count
            first += [(start + row, name) for row, name in faulty.first]
        start += n_rows
    return FaultyRows(worst.fault, worst.column, count, start, tuple(first[:SHOWN]))
