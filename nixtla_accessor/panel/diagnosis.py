"""What keeps a panel from being regular: which series, where, how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nixtla_accessor.errors import (
    DuplicateTimestampError,
    FrequencyError,
    InvalidFrameError,
    MissingTimestampError,
    OffGridTimestampError,
)
from nixtla_accessor.panel.aliases import NANOSECONDS
from nixtla_accessor.panel.arrays import Integers, steps_within
from nixtla_accessor.panel.candidates import candidate_frequencies
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.grid import place_on_grid
from nixtla_accessor.panel.inference import take_sample
from nixtla_accessor.panel.messages import SHOWN, and_more, count
from nixtla_accessor.panel.nearest import nearest_frequency
from nixtla_accessor.panel.panel import Stamps, count_series, list_rows, name_series


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """Every irregularity of a panel under a frequency; rows are positions in the frame.

    Parameters
    ----------
    duplicates : ndarray of int64
        Rows with the stamp of an earlier row of the series.
    off_grid : ndarray of int64
        Rows with a stamp between two steps.
    gaps, missing : ndarray of int64
        Rows after which stamps are missing, and how many after each.
    mixed_frequencies : dict of int to Frequency
        Series that are regular, each at another frequency; their rows are not in the arrays.
    regular : ndarray of int64
        Series that are regular at the frequency.
    """

    duplicates: Integers
    off_grid: Integers
    gaps: Integers
    missing: Integers
    mixed_frequencies: dict[int, Frequency]
    regular: Integers


def diagnose(stamps: Stamps, frequency: Frequency, *, allow_coarser: bool = False) -> Diagnosis:
    """Find every irregularity of a panel under a frequency.

    Parameters
    ----------
    stamps : Stamps
        The stamps of the panel.
    frequency : Frequency
        The frequency to compare them with.
    allow_coarser : bool, default False
        Whether series that are regular at a frequency of their own are no mixed frequencies: a weekly series among
        daily ones then has six days missing in each week.
    """
    grid = place_on_grid(stamps.grouping.row_codes(), stamps.ticks, frequency, stamps.form)
    order, codes, kept = grid.order, grid.codes, grid.kept
    gap_places = np.flatnonzero(grid.missing > 0)

    irregular = np.unique(codes[np.concatenate((np.flatnonzero(grid.repeated | grid.off_grid), kept[gap_places]))])
    mixed = {} if allow_coarser else _find_mixed_frequencies(stamps, irregular)
    is_regular = np.ones(len(stamps.grouping.sizes), dtype=bool)
    is_regular[irregular] = False
    is_mixed = np.zeros(len(is_regular), dtype=bool)
    is_mixed[list(mixed)] = True

    def rows(places: Integers) -> Integers:
        return np.asarray(order[places[~is_mixed[codes[places]]]])

    own_gaps = ~is_mixed[codes[kept[gap_places]]]
    return Diagnosis(
        duplicates=rows(np.flatnonzero(grid.repeated)),
        off_grid=rows(np.flatnonzero(grid.off_grid)),
        gaps=order[kept[gap_places[own_gaps]]],
        missing=grid.missing[gap_places[own_gaps]],
        mixed_frequencies=mixed,
        regular=np.flatnonzero(is_regular),
    )


def explain_irregularity(stamps: Stamps, frequency: Frequency) -> InvalidFrameError:
    """Return an error that explains why a panel is not regular at a frequency, one cause at a time."""
    found = diagnose(stamps, frequency)
    if found.mixed_frequencies:
        return _mixed_frequencies(stamps, frequency, found)
    if len(found.duplicates):
        return _duplicates(stamps, frequency, found.duplicates)
    if 2 * (len(found.off_grid) + len(found.gaps)) > len(stamps.ticks) and not len(found.regular):
        nearest = _nearest_frequency(stamps)
        if nearest and nearest != frequency:
            longest = name_series(stamps, int(stamps.grouping.sizes.argmax()))
            return _contradiction(stamps, frequency, f"they are nearer to {nearest.name!r}, as in {longest}")
    if len(found.off_grid):
        return _off_grid(stamps, frequency, found.off_grid)
    return _gaps(stamps, frequency, found)


def _find_mixed_frequencies(stamps: Stamps, series: Integers) -> dict[int, Frequency]:
    """Find those of some series that are regular at a frequency of their own."""
    series = series[stamps.grouping.sizes[series] >= 3]
    if not len(series):
        return {}
    mixed: dict[int, Frequency] = {}
    sample = take_sample(stamps, series, whole=True)
    for frequency, fitting in candidate_frequencies(sample, stamps.form).items():
        for one in series[fitting].tolist():
            mixed.setdefault(one, frequency)
    return mixed


def _nearest_frequency(stamps: Stamps) -> Frequency | None:
    """Find the frequency that irregular series are nearest to."""
    some = np.flatnonzero(stamps.grouping.sizes >= 3)[:100]
    return nearest_frequency(take_sample(stamps, some, whole=True), stamps.form) if len(some) else None


def _mixed_frequencies(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> FrequencyError:
    first = list(found.mixed_frequencies.items())[:SHOWN]
    listed = "; ".join(f"{name_series(stamps, series)} is {own.name!r}" for series, own in first)
    listed += and_more(len(found.mixed_frequencies))
    if len(found.regular):
        regular = name_series(stamps, int(found.regular[0]))
        return FrequencyError(
            f"The series have mixed frequencies: {regular} is {frequency.name!r}, but {listed}. "
            "Fine-tune one frequency at a time, or resample to one."
        )
    return _contradiction(stamps, frequency, listed)


def _contradiction(stamps: Stamps, frequency: Frequency, found: str) -> FrequencyError:
    return FrequencyError(
        f"The stamps in {stamps.columns.time!r} contradict the frequency {frequency.name!r}: {found}. "
        "Give the right freq, or none to have it inferred."
    )


def _duplicates(stamps: Stamps, frequency: Frequency, rows: Integers) -> DuplicateTimestampError:
    keys = [name for name in (stamps.columns.id, stamps.columns.time) if name is not None]
    totals = f"df.groupby({keys!r}, as_index=False).sum()"
    remedy = f"Keep one row of each, df.drop_duplicates({keys!r}), or sum them, {totals}."
    if stamps.columns.id is None:
        remedy += " If the frame holds several series, name the column that tells them apart: id_col=…"
    return DuplicateTimestampError(
        f"The stamps of a series must be unique; {count(len(rows), 'row')} with the stamp of an earlier row "
        f"({count_series(stamps, rows)}): {list_rows(stamps, rows)}. {remedy}{_clock_hint(stamps, frequency, rows)}"
    )


def _off_grid(stamps: Stamps, frequency: Frequency, rows: Integers) -> OffGridTimestampError:
    return OffGridTimestampError(
        f"The stamps must be on the frequency {frequency.name!r}; {count(len(rows), 'stamp')} off the grid "
        f"({count_series(stamps, rows)}): {list_rows(stamps, rows)}. "
        "Move them onto it, drop them, or give another freq."
    )


def _gaps(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> MissingTimestampError:
    first, lengths = found.gaps[:SHOWN], np.minimum(found.missing[:SHOWN], SHOWN)
    before = first.repeat(lengths)[:SHOWN]
    steps = 1 + steps_within(lengths)[:SHOWN]
    missing = stamps.form.show(frequency.advance(stamps.ticks[before], steps, stamps.form))
    codes = stamps.grouping.row_codes()[before]
    named = [f"{name_series(stamps, code)} at {stamp}" for code, stamp in zip(codes, missing, strict=True)]
    total = int(found.missing.sum())
    freq = repr(frequency.name) if frequency.offset is None else "…"
    return MissingTimestampError(
        f"The series must have no gaps at the frequency {frequency.name!r}; {count(total, 'stamp')} missing "
        f"({count_series(stamps, found.gaps)}): {'; '.join(named)}{and_more(total)}. "
        f"Fill the gaps with df.timegpt.fill_gaps(freq={freq}, method='interpolate')."
        f"{_clock_hint(stamps, frequency, found.gaps)}"
    )


def _clock_hint(stamps: Stamps, frequency: Frequency, rows: Integers) -> str:
    """Return a hint where all rows are at times at which clocks change: local times without a zone cause that."""
    if frequency.family not in NANOSECONDS or stamps.form.zone is not None:
        return ""
    times = pd.DatetimeIndex(stamps.ticks[rows].view(f"M8[{stamps.form.unit}]"))
    on_sunday_nights = (times.day_of_week == 6) & (times.hour <= 3) & times.month.isin([3, 4, 9, 10, 11])
    if not on_sunday_nights.all():
        return ""
    column = f"df[{stamps.columns.time!r}].dt.tz_localize"
    return (
        f" This looks like a change of clocks: give the times their zone, {column}('Europe/Berlin', ambiguous='infer')."
    )
