"""Where stamps are on the grid of a frequency: which are off it, which repeat, and how many are missing between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nixtla_accessor.panel.arrays import Flags, Integers, Ticks
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.times import TimeForm


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Stamps on the grid of a frequency, sorted by series and time.

    Parameters
    ----------
    order : ndarray of int64, shape (n,)
        The place of each among the stamps that were given.
    codes : ndarray of int64, shape (n,)
        Its series.
    repeated, off_grid : ndarray of bool, shape (n,)
        Whether it is an earlier stamp again, and whether it is between two steps of its series.
    kept : ndarray of int64
        Those that are neither.
    missing : ndarray of int64, shape (len(kept) - 1,)
        How many stamps are missing after each of ``kept``; 0 at the end of a series.
    """

    order: Integers
    codes: Integers
    repeated: Flags
    off_grid: Flags
    kept: Integers
    missing: Integers


def place_on_grid(codes: Integers, ticks: Ticks, frequency: Frequency, form: TimeForm) -> Grid:
    """Place stamps on the grid of a frequency; the grid of each series goes through most of its stamps.

    Parameters
    ----------
    codes, ticks : ndarray of int64, shape (n,)
        The series and the stamp of each row, in any order.
    frequency : Frequency
        The frequency.
    form : TimeForm
        How the caller writes stamps.
    """
    straight, off_calendar = frequency.straighten(ticks, form)
    off = np.zeros(len(codes), dtype=bool) if off_calendar is None else off_calendar
    stride = frequency.stride(form)
    order = np.lexsort((off, straight, codes))
    codes, straight, off = codes[order], straight[order], off[order]
    repeated = np.append(False, (codes[1:] == codes[:-1]) & (straight[1:] == straight[:-1])) & ~off
    phase = straight % stride
    off_grid = (off | (phase != _usual_phases(codes, phase))) & ~repeated
    kept = np.flatnonzero(~(off_grid | repeated))
    missing = np.where(codes[kept][1:] == codes[kept][:-1], np.diff(straight[kept]) // stride - 1, 0)
    return Grid(order, codes, repeated, off_grid, kept, missing)


def _usual_phases(codes: Integers, phase: Integers) -> Integers:
    """Return for each row the most frequent phase of its series; of equally frequent ones the largest."""
    order = np.lexsort((phase, codes))
    sorted_codes, sorted_phase = codes[order], phase[order]
    starts = np.flatnonzero(np.append(True, (np.diff(sorted_codes) != 0) | (np.diff(sorted_phase) != 0)))
    counts = np.diff(starts, append=len(codes))
    best = np.lexsort((counts, sorted_codes[starts]))  # the last of each series has its largest count
    usual = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    usual[sorted_codes[starts][best]] = sorted_phase[starts][best]
    return np.asarray(usual[codes])
