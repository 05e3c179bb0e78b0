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
from nixtla_accessor.panel.candidates import candidate_frequencies, nearest_frequency
from nixtla_accessor.panel.frame_code import INTERPOLATED
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.inference import take_sample
from nixtla_accessor.panel.messages import SHOWN, and_more, count
from nixtla_accessor.panel.panel import Stamps, count_series, list_rows, name_series

IN_BERLIN = "{}.dt.tz_localize('Europe/Berlin', ambiguous='infer')"  # how local times get their zone


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
    codes = stamps.grouping.row_codes()
    straight, off_calendar = frequency.straighten(stamps.ticks, stamps.form)
    off = np.zeros(len(codes), dtype=bool) if off_calendar is None else off_calendar
    stride = frequency.stride(stamps.form)
    order = np.lexsort((off, straight, codes))
    codes, straight, off = codes[order], straight[order], off[order]
    repeated = np.append(False, (codes[1:] == codes[:-1]) & (straight[1:] == straight[:-1])) & ~off
    phase = straight % stride
    off_grid = (off | (phase != _usual_phases(codes, phase))) & ~repeated
    kept = np.flatnonzero(~(off_grid | repeated))
    missing = np.where(codes[kept][1:] == codes[kept][:-1], np.diff(straight[kept]) // stride - 1, 0)
    gap_places = np.flatnonzero(missing > 0)

    irregular = np.unique(codes[np.concatenate((np.flatnonzero(repeated | off_grid), kept[gap_places]))])
    mixed = {} if allow_coarser else _find_mixed_frequencies(stamps, irregular)
    is_regular = np.ones(len(stamps.grouping.sizes), dtype=bool)
    is_regular[irregular] = False
    is_mixed = np.zeros(len(is_regular), dtype=bool)
    is_mixed[list(mixed)] = True

    def rows(places: Integers) -> Integers:
        return np.asarray(order[places[~is_mixed[codes[places]]]])

    own_gaps = ~is_mixed[codes[kept[gap_places]]]
    return Diagnosis(
        duplicates=rows(np.flatnonzero(repeated)),
        off_grid=rows(np.flatnonzero(off_grid)),
        gaps=order[kept[gap_places[own_gaps]]],
        missing=missing[gap_places[own_gaps]],
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


def how_to_unify(stamps: Stamps) -> str:
    """Return the sentence that says how to make one row of those with one stamp."""
    code, keys = stamps.columns.frame, stamps.columns.keys
    are_categories = isinstance(stamps.grouping.ids.dtype, pd.CategoricalDtype)
    total = code.add_up(keys, stamps.columns.target, keys_are_categories=are_categories)
    return f"Keep one row of each, {code.keep_first(keys)}, or sum them, {total}."


def how_to_fill(stamps: Stamps, frequency: Frequency) -> str:
    """Return the call that fills the gaps; an offset of the caller's own is called ``offset``."""
    freq = repr(frequency.name) if frequency.offset is None else "offset"
    return stamps.columns.frame.call("fill_gaps", f"freq={freq}", INTERPOLATED)


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
    remedy = how_to_unify(stamps)
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
    return MissingTimestampError(
        f"The series must have no gaps at the frequency {frequency.name!r}; {count(total, 'stamp')} missing "
        f"({count_series(stamps, found.gaps)}): {'; '.join(named)}{and_more(total)}. "
        f"Fill the gaps with {how_to_fill(stamps, frequency)}."
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
    zone = stamps.columns.column(stamps.columns.time).convert(IN_BERLIN)
    return f" This looks like a change of clocks: give the times their zone, {zone}."
