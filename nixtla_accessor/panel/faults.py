"""Rows that cannot be used, counted and named, so that the counts of a frame's parts can be combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from nixtla_accessor.errors import InvalidFrameError, MissingValueError, NonFiniteValueError
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.messages import SHOWN, and_more


class Fault(IntEnum):
    """What is wrong with a row; a frame is refused for the first of these that it has."""

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
    column : NamedColumn
        The column that has it.
    count : int
        How many there are.
    n_rows : int
        The rows of the frame, or of the part.
    first : tuple of (int, str)
        The first faulty rows: position, from 0, and how a message names the row.
    """

    fault: Fault
    column: NamedColumn
    count: int
    n_rows: int
    first: tuple[tuple[int, str], ...]

    def to_error(self) -> InvalidFrameError:
        """Return the error that the frame is refused with."""
        affected = f"in {self.count} of {self.n_rows} rows"
        names = [name for _, name in self.first[:SHOWN]]
        more = and_more(self.count)
        match self.fault:
            case Fault.MISSING_ID:
                return MissingValueError(
                    f"The ids in {self.column!r} are missing {affected}: rows "
                    f"{', '.join(str(row) for row, _ in self.first[:SHOWN])}{more}, counted from 0. "
                    f"Fill the ids in, or drop the rows: {self.column.drop_missing()}."
                )
            case Fault.MISSING_TIME:
                named = "; ".join(f"{name} in row {row}" for row, name in self.first[:SHOWN])
                return MissingValueError(
                    f"The times in {self.column!r} are missing {affected}, counted from 0: {named}{more}. "
                    f"Fill them in, or drop the rows: {self.column.drop_missing()}."
                )
            case Fault.INFINITE_TARGET:
                return NonFiniteValueError(
                    f"The target {self.column!r} is infinite {affected}: {'; '.join(names)}{more}. "
                    "Replace these values; models cannot learn from them."
                )
            case Fault.MISSING_TARGET:
                return MissingValueError(
                    f"The target {self.column!r} is missing {affected}: {'; '.join(names)}{more}. "
                    f"Fill them in with {self.column.frame.fill_missing()}, which "
                    "leaves out the rows before a series' first value and after its last, or send them as missing with "
                    "allow_missing=True, which newer servers accept."
                )


def combine_faults(parts: Sequence[tuple[int, FaultyRows | None]]) -> FaultyRows | None:
    """Combine the faulty rows of a frame's parts; of several faults, keep the one that the frame is refused for first.

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
