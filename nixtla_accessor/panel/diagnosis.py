"""What keeps a panel from being regular: which series, where, how often."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from nixtla_accessor.errors import (
    DuplicateTimestampError,
    FrequencyError,
    InvalidFrameError,
    MissingTimestampError,
    OffGridTimestampError,
)
from nixtla_accessor.panel.arrays import Flags, Integers, concatenate_ranges, steps_within
from nixtla_accessor.panel.candidates import Sample, candidate_frequencies
from nixtla_accessor.panel.clocks import ClockChange, explain_clock_change, series_at_clock_changes
from nixtla_accessor.panel.closed import MIN_SHARE_MISSING, series_with_closed_times, suggest_holidays
from nixtla_accessor.panel.frequency import Frequency, spell_frequency
from nixtla_accessor.panel.grid import place_on_grid
from nixtla_accessor.panel.inference import SAMPLE_ROWS, take_sample
from nixtla_accessor.panel.looks import calendar_that_starts_anew, explain_look
from nixtla_accessor.panel.messages import SHOWN, and_more, count
from nixtla_accessor.panel.nearest import nearest_frequency
from nixtla_accessor.panel.panel import Columns, Stamps, count_series, list_rows, name_series

_MOST_ADDED, _MOST_TIMES = 10_000_000, 100  # rows that gaps may be filled with, and how many times the frame's
_ROWS_AT_ONCE = 1_000_000  # of series whose gaps are looked at, those that are missing too


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

    def only(self, rows: Integers, codes: Integers, counts: Integers | None = None) -> Diagnosis:
        """Return the irregularities of one series alone: the one with most of some rows, of equal ones the first.

        Parameters
        ----------
        rows : ndarray of int64
            At least one row.
        codes : ndarray of int64
            The series of each row of the panel.
        counts : ndarray of int64, optional
            What each of the rows counts; one by default.
        """
        series = int(np.bincount(codes[rows], weights=counts).argmax())
        return self._of_rows(codes == series)

    def without(self, series: Integers, codes: Integers) -> Diagnosis:
        """Return the irregularities of all but some series, in the rows; ``codes`` has the series of each row."""
        return self._of_rows(~np.isin(codes, series)) if len(series) else self

    def missing_after(self, n_rows: int) -> Integers:
        """Return how many stamps are missing after each row of the panel; shape (n_rows,)."""
        missing = np.zeros(n_rows, dtype=np.int64)
        missing[self.gaps] = self.missing
        return missing

    def _of_rows(self, are_meant: Flags) -> Diagnosis:
        of_gaps = are_meant[self.gaps]
        return replace(
            self,
            duplicates=self.duplicates[are_meant[self.duplicates]],
            off_grid=self.off_grid[are_meant[self.off_grid]],
            gaps=self.gaps[of_gaps],
            missing=self.missing[of_gaps],
        )


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
        return _duplicates(stamps, frequency, found)
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


def _duplicates(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> DuplicateTimestampError:
    rows = found.duplicates
    which = " If the frame holds several series, name the column that tells them apart: id_col=…"
    which = which if stamps.columns.id is None else ""
    return DuplicateTimestampError(
        f"The stamps of a series must be unique; {count(len(rows), 'row')} with the stamp of an earlier row "
        f"({count_series(stamps, rows)}): {list_rows(stamps, rows)}. "
        f"{how_to_mend_duplicates(stamps, frequency, found)}{which}"
    )


def _off_grid(stamps: Stamps, frequency: Frequency, rows: Integers) -> OffGridTimestampError:
    return OffGridTimestampError(
        f"The stamps must be on the frequency {frequency.name!r}; {count(len(rows), 'stamp')} off the grid "
        f"({count_series(stamps, rows)}): {list_rows(stamps, rows)}. {how_to_mend_off_grid(stamps, frequency, rows)}"
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
        f"{how_to_mend_gaps(stamps, frequency, found)}"
    )


def series_with_vast_gaps(stamps: Stamps, found: Diagnosis) -> Integers:
    """Return the series whose gaps are too wide to be filled, as after a stamp that is wrong by decades."""
    if found.missing.sum() <= max(_MOST_ADDED, _MOST_TIMES * len(stamps.ticks)):
        return np.empty(0, dtype=np.int64)
    sizes = stamps.grouping.sizes
    missing = np.bincount(stamps.grouping.row_codes()[found.gaps], weights=found.missing, minlength=len(sizes))
    return np.flatnonzero(missing > _MOST_TIMES * sizes)


def how_to_mend_off_grid(stamps: Stamps, frequency: Frequency, rows: Integers) -> str:
    """Return the sentences that tell what to do about stamps off the grid."""
    look = explain_look(_sample_around(stamps, rows), stamps.columns, stamps.form, frequency)
    return look or f"Move them onto the frequency {frequency.name!r}, drop them, or give another freq."


def how_to_mend_gaps(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> str:
    """Return the sentences that tell what to do about gaps."""
    filled = how_to_fill(stamps.columns, frequency)
    change = explain_clocks(stamps, frequency, found)
    if change is not None:
        return f"{change} Or fill the gaps: {filled}."
    look = _explain_look_of_gaps(stamps, frequency, found)
    if look is not None:
        return look
    if len(series_with_vast_gaps(stamps, found)):
        return "So many cannot be filled: correct the stamp that is far from the others, or leave its row out."
    holidays = suggest_holidays(_sample_around(stamps, found.gaps), stamps.form, frequency) or ""
    return f"Fill the gaps with {filled}.{holidays}"


def explain_gaps(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> str | None:
    """Recognise gaps that are no missing rows, as of changed clocks or closed hours, and return what to do about them.

    None where they are not recognised.
    """
    return explain_clocks(stamps, frequency, found) or _explain_look_of_gaps(stamps, frequency, found)


def _explain_look_of_gaps(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> str | None:
    return explain_look(_sample_around(stamps, found.gaps), stamps.columns, stamps.form, frequency)


def find_explained_gaps(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> tuple[Integers, str]:
    """Find series whose gaps are no missing rows: those of all series together are recognised, or those of each apart.

    Parameters
    ----------
    stamps : Stamps
        The stamps of the panel.
    frequency : Frequency
        Its frequency.
    found : Diagnosis
        The gaps, in series without stamps off the grid or twice.

    Returns
    -------
    series : ndarray of int64
        The series.
    explanation : str
        What to do about them, from the one that lacks most; empty where there is none.
    """
    codes = stamps.grouping.row_codes()
    with_gaps = np.unique(codes[found.gaps])
    if not len(with_gaps):
        return with_gaps, ""
    explanation = explain_gaps(stamps, frequency, found)
    if explanation is not None:
        return with_gaps, explanation
    series = np.union1d(
        series_at_clock_changes(_clock_change(stamps, frequency, found), codes[found.gaps], frequency, stamps.form),
        _series_with_looks(stamps, frequency, found),
    )
    if not len(series):
        return series, ""
    missing = np.where(np.isin(codes[found.gaps], series), found.missing, 0)
    return series, explain_gaps(stamps, frequency, found.only(found.gaps, codes, missing)) or ""


def _series_with_looks(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> Integers:
    """Return the series whose gaps, of each apart, are closed times, or periods of a calendar that starts anew.

    Midnights of a zone are not looked for, as series that are more regular in their zone have stamps off the grid.
    """
    if stamps.form.is_integer:
        return np.empty(0, dtype=np.int64)
    sizes = stamps.grouping.sizes
    codes = stamps.grouping.row_codes()[found.gaps]
    n_gaps = np.bincount(codes, minlength=len(sizes))
    n_missing = np.bincount(codes, weights=found.missing, minlength=len(sizes))
    series = np.flatnonzero((n_missing > 0) & (n_missing >= MIN_SHARE_MISSING * np.minimum(sizes, SAMPLE_ROWS)))
    looks = np.zeros(len(sizes), dtype=bool)
    parts = np.cumsum(sizes[series] + n_missing[series]) // _ROWS_AT_ONCE
    for part in np.split(series, np.flatnonzero(np.diff(parts)) + 1):
        if len(part):
            sample = _take_beginnings(stamps, part)
            looks[part] = series_with_closed_times(sample, stamps.form, frequency)
            for one, first, size in zip(part, sample.firsts, sample.sizes, strict=True):
                if not looks[one] and 2 * n_gaps[one] > size:
                    alone = Sample(sample.ticks[first : first + size], np.array([size]))
                    looks[one] = calendar_that_starts_anew(alone, stamps.form) is not None
    return np.flatnonzero(looks)


def _take_beginnings(stamps: Stamps, series: Integers) -> Sample:
    """Return the sorted stamps of some series, the first `SAMPLE_ROWS` of each."""
    sample = take_sample(stamps, series, whole=True)
    sizes = np.minimum(sample.sizes, SAMPLE_ROWS)
    return Sample(sample.ticks[concatenate_ranges(sample.firsts, sizes)], sizes)


def how_to_mend_duplicates(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> str:
    """Return the sentences that tell how to make one row of those with one stamp."""
    columns = stamps.columns
    are_categories = isinstance(stamps.grouping.ids.dtype, pd.CategoricalDtype)
    total = columns.frame.add_up(columns.keys, columns.target, keys_are_categories=are_categories)
    remedy = f"keep one row of each, {columns.frame.keep_first(columns.keys)}, or sum them, {total}."
    change = explain_clocks(stamps, frequency, found)
    return f"{change} Otherwise {remedy}" if change else f"{remedy[0].upper()}{remedy[1:]}"


def how_to_fill(columns: Columns, frequency: Frequency, method: str | float = "interpolate") -> str:
    """Return the call that fills the gaps; an offset of the caller's own is called ``offset``."""
    number_or_name = method.item() if isinstance(method, np.generic) else method
    return columns.frame.call("fill_gaps", f"freq={spell_frequency(frequency)}", f"method={number_or_name!r}")


def _sample_around(stamps: Stamps, rows: Integers) -> Sample:
    """Return the sorted stamps of the series that have some rows, `SAMPLE_ROWS` in all."""
    series = np.unique(stamps.grouping.row_codes()[rows])
    series = series[stamps.grouping.sizes[series] >= 2]
    enough = int(np.searchsorted(np.cumsum(stamps.grouping.sizes[series]), SAMPLE_ROWS)) + 1
    sample = take_sample(stamps, series[:enough], whole=True)
    sizes = np.clip(SAMPLE_ROWS - sample.firsts, 0, sample.sizes)
    sizes = sizes[sizes > 1]
    return Sample(sample.ticks[: sizes.sum()], sizes)


def explain_clocks(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> str | None:
    """Recognise irregular stamps that a change of clocks explains, and return the sentence that tells what to do."""
    rows = slice(SAMPLE_ROWS)
    some = replace(found, duplicates=found.duplicates[rows], gaps=found.gaps[rows], missing=found.missing[rows])
    return explain_clock_change(_clock_change(stamps, frequency, some), frequency, stamps.form, stamps.columns)


def _clock_change(stamps: Stamps, frequency: Frequency, found: Diagnosis) -> ClockChange:
    before = stamps.ticks[found.gaps]
    after = before + (found.missing + 1) * frequency.stride(stamps.form)
    return ClockChange(stamps.ticks[found.duplicates], before, after, stamps.ticks)
