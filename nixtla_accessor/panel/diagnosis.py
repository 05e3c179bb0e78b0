"""What keeps a panel from being regular: which series, where, how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import (
    DuplicateTimestampError,
    FrequencyError,
    InvalidFrameError,
    MissingTimestampError,
    OffGridTimestampError,
)
from nixtla_accessor.panel.candidates import closest_reading, find_readings
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.ids import ranges
from nixtla_accessor.panel.inference import take_sample
from nixtla_accessor.panel.messages import SHOWN, count, rest
from nixtla_accessor.panel.panel import Panel, count_series, list_rows, name_series
from nixtla_accessor.panel.vocabulary import NANOSECONDS, Reading

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """Every irregularity of a panel under a frequency; rows are positions in the frame.

    Parameters
    ----------
    duplicates : ndarray of int64
        Rows whose stamp an earlier row of the series has.
    strays : ndarray of int64
        Rows whose stamp lies between two steps.
    gaps, missing : ndarray of int64
        Rows after which stamps are missing, and how many after each.
    strangers : dict of int to Reading
        Series that are regular, each at another frequency; their rows are not in the arrays.
    natives : ndarray of int64
        Series that are regular at the frequency.
    """

    duplicates: Integers
    strays: Integers
    gaps: Integers
    missing: Integers
    strangers: dict[int, Reading]
    natives: Integers


def diagnose(panel: Panel, frequency: Frequency, *, with_strangers: bool = True) -> Diagnosis:
    """Find every irregularity of a panel under a frequency.

    Without strangers, a weekly series among daily ones is not told apart, but has six days missing in each week.
    """
    codes = panel.grouping.row_codes()
    straight, strays = frequency.straighten(panel.ticks, panel.form)
    off = np.zeros(len(codes), dtype=bool) if strays is None else strays
    stride = frequency.stride(panel.form)
    order = np.lexsort((off, straight, codes))
    codes, straight, off = codes[order], straight[order], off[order]
    repeated = np.append(False, (codes[1:] == codes[:-1]) & (straight[1:] == straight[:-1])) & ~off
    phase = straight % stride
    stray = (off | (phase != _usual_phases(codes, phase))) & ~repeated
    kept = np.flatnonzero(~(stray | repeated))
    steps = np.where(codes[kept][1:] == codes[kept][:-1], np.diff(straight[kept]) // stride - 1, 0)
    gap_places = np.flatnonzero(steps > 0)

    affected = np.unique(codes[np.concatenate((np.flatnonzero(repeated | stray), kept[gap_places]))])
    strangers = _find_strangers(panel, affected) if with_strangers else {}
    native = np.ones(len(panel.grouping.sizes), dtype=bool)
    native[affected] = False
    strange = np.zeros(len(native), dtype=bool)
    strange[list(strangers)] = True

    def rows(places: Integers) -> Integers:
        return np.asarray(order[places[~strange[codes[places]]]])

    own = ~strange[codes[kept[gap_places]]]
    return Diagnosis(
        duplicates=rows(np.flatnonzero(repeated)),
        strays=rows(np.flatnonzero(stray)),
        gaps=order[kept[gap_places[own]]],
        missing=steps[gap_places[own]],
        strangers=strangers,
        natives=np.flatnonzero(native),
    )


def irregularity(panel: Panel, frequency: Frequency) -> InvalidFrameError:
    """Explain why a panel is not regular at a frequency, one cause at a time."""
    found = diagnose(panel, frequency)
    if found.strangers:
        return _wrong_frequency(panel, frequency, found)
    if len(found.duplicates):
        return _duplicates(panel, frequency, found.duplicates)
    if 2 * (len(found.strays) + len(found.gaps)) > len(panel.ticks) and not len(found.natives):
        closer = _closer_frequency(panel)
        if closer and closer != frequency:
            first = name_series(panel, int(panel.grouping.sizes.argmax()))
            return _contradiction(panel, frequency, f"they are closer to {closer.name!r}, as in {first}")
    if len(found.strays):
        return _strays(panel, frequency, found.strays)
    return _gaps(panel, frequency, found)


def _usual_phases(codes: Integers, phase: Integers) -> Integers:
    """Give each row the most frequent phase of its series; of equals the largest."""
    order = np.lexsort((phase, codes))
    sorted_codes, sorted_phase = codes[order], phase[order]
    starts = np.flatnonzero(np.append(True, (np.diff(sorted_codes) != 0) | (np.diff(sorted_phase) != 0)))
    counts = np.diff(starts, append=len(codes))
    best = np.lexsort((counts, sorted_codes[starts]))  # the last of each series has its largest count
    usual = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    usual[sorted_codes[starts][best]] = sorted_phase[starts][best]
    return np.asarray(usual[codes])


def _find_strangers(panel: Panel, series: Integers) -> dict[int, Reading]:
    """Find the series that are regular at a frequency of their own."""
    series = series[panel.grouping.sizes[series] >= 3]
    if not len(series):
        return {}
    strangers: dict[int, Reading] = {}
    for reading, fitting in find_readings(take_sample(panel, series, whole=True), panel.form).items():
        for place in series[fitting].tolist():
            strangers.setdefault(place, reading)
    return strangers


def _wrong_frequency(panel: Panel, frequency: Frequency, found: Diagnosis) -> FrequencyError:
    own = [
        f"{name_series(panel, series)} is {Frequency(*reading).name!r}"
        for series, reading in list(found.strangers.items())[:SHOWN]
    ]
    listed = "; ".join(own) + rest(len(found.strangers))
    if len(found.natives):
        native = name_series(panel, int(found.natives[0]))
        return FrequencyError(
            f"The series have mixed frequencies: {native} is {frequency.name!r}, but {listed}. "
            "Fine-tune one frequency at a time, or resample to one."
        )
    return _contradiction(panel, frequency, listed)


def _closer_frequency(panel: Panel) -> Frequency | None:
    """Find the frequency that irregular series are near to."""
    long = np.flatnonzero(panel.grouping.sizes >= 3)[:100]
    reading = closest_reading(take_sample(panel, long, whole=True), panel.form) if len(long) else None
    return None if reading is None else Frequency(*reading)


def _contradiction(panel: Panel, frequency: Frequency, found: str) -> FrequencyError:
    return FrequencyError(
        f"The stamps in {panel.columns.time!r} contradict the frequency {frequency.name!r}: {found}. "
        "Give the right freq, or none."
    )


def _duplicates(panel: Panel, frequency: Frequency, rows: Integers) -> DuplicateTimestampError:
    keys = [name for name in (panel.columns.id, panel.columns.time) if name is not None]
    added_up = f"df.groupby({keys!r}, as_index=False).sum()"
    remedy = f"Keep one row of each, df.drop_duplicates({keys!r}), or add them up with {added_up}."
    if panel.columns.id is None:
        remedy += " If the frame holds several series, say which column tells them apart: id_col=…"
    return DuplicateTimestampError(
        f"{count(len(rows), 'row')} with a stamp that the series has already ({count_series(panel, rows)}): "
        f"{list_rows(panel, rows)}. {remedy}{_clock_hint(panel, frequency, rows)}"
    )


def _strays(panel: Panel, frequency: Frequency, rows: Integers) -> OffGridTimestampError:
    return OffGridTimestampError(
        f"{count(len(rows), 'stamp')} between two steps of the frequency {frequency.name!r} "
        f"({count_series(panel, rows)}): {list_rows(panel, rows)}. "
        "Move them onto it, drop them, or give another freq."
    )


def _gaps(panel: Panel, frequency: Frequency, found: Diagnosis) -> MissingTimestampError:
    first, lengths = found.gaps[:SHOWN], np.minimum(found.missing[:SHOWN], SHOWN)
    before = first.repeat(lengths)[:SHOWN]
    steps = ranges(np.ones_like(lengths), lengths)[:SHOWN]
    stamps = panel.form.show(frequency.advance(panel.ticks[before], steps, panel.form))
    codes = panel.grouping.row_codes()[before]
    lacking = [f"{name_series(panel, code)} lacks {stamp}" for code, stamp in zip(codes, stamps, strict=True)]
    total = int(found.missing.sum())
    freq = repr(frequency.name) if frequency.offset is None else "…"
    return MissingTimestampError(
        f"{count(total, 'stamp')} of the frequency {frequency.name!r} missing within the series "
        f"({count_series(panel, found.gaps)}): {'; '.join(lacking)}{rest(total)}. "
        f"Put them in with df.timegpt.fill_gaps(freq={freq}, method='interpolate')."
        f"{_clock_hint(panel, frequency, found.gaps)}"
    )


def _clock_hint(panel: Panel, frequency: Frequency, rows: Integers) -> str:
    """Recognise local times without a zone by what happens on Sundays in spring and autumn."""
    if frequency.family not in NANOSECONDS or panel.form.zone is not None:
        return ""
    stamps = pd.DatetimeIndex(panel.ticks[rows].view(f"M8[{panel.form.unit}]"))
    nightly = (stamps.day_of_week == 6) & (stamps.hour <= 3) & stamps.month.isin([3, 4, 9, 10, 11])
    if not nightly.all():
        return ""
    column = f"df[{panel.columns.time!r}].dt.tz_localize"
    return (
        f" This looks like a change of clocks: give the times their zone, {column}('Europe/Berlin', ambiguous='infer')."
    )
