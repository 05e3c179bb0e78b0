"""Local time: the zones whose clocks explain why stamps are irregular."""

from __future__ import annotations

import zoneinfo
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd

from nixtla_accessor.panel.aliases import NANOSECONDS
from nixtla_accessor.panel.arrays import Flags, Ticks
from nixtla_accessor.panel.candidates import Sample, candidate_frequencies
from nixtla_accessor.panel.frame_code import NamedColumn, spell
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.messages import SHOWN
from nixtla_accessor.panel.nearest import distance_from, nearest_frequency, without_duplicates
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.times import TimeForm

# One zone for each rule of summer time that many people live by, and the large zones without; tried before all others.
USUAL_ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "Europe/Athens", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland", "America/Halifax",
    "America/Anchorage", "America/Sao_Paulo", "America/Santiago", "America/Mexico_City", "Asia/Jerusalem",
    "Asia/Beirut", "Africa/Cairo", "Asia/Tehran", "Europe/Moscow", "Europe/Istanbul", "Asia/Kolkata", "Asia/Shanghai",
    "Asia/Tokyo", "Asia/Dubai", "Asia/Karachi", "Asia/Bangkok", "Africa/Lagos", "Africa/Johannesburg",
)  # fmt: skip
MIN_STAMPS = 4  # fewer do not tell a zone
MAX_CLOCK_CHANGE = 2  # hours


def explain_midnights(sample: Sample, form: TimeForm, name: NamedColumn) -> str | None:
    """Recognise days of a time zone that are stored in UTC, and return the sentence that tells the call for them.

    Where the zone has summer time, its midnights are at two times of day in UTC; where it has none, its business days
    begin on Sundays. None where the stamps are no midnights of any zone, or are as regular in UTC.
    """
    if form.kind not in {"stamp", "text"} or not _is_utc(form):
        return None
    sample = without_duplicates(sample)
    times_of_day = np.unique(sample.ticks % form.ticks_per_day)
    if len(sample.ticks) < MIN_STAMPS or not times_of_day.any() or not _may_be_midnights(times_of_day, form):
        return None
    zones = _find_zones_of_midnights(sample, form)
    if not zones:
        return None
    in_utc = f"{form.datetimes}.dt" if form.zone is not None else f"{form.datetimes}.dt.tz_localize('UTC').dt"
    others = f" (or of {' or '.join(map(repr, zones[1:]))})" if zones[1:] else ""
    return (
        f"They are midnights of {zones[0]!r}{others} in UTC, so the days are that zone's: "
        f"{name.convert(f'{in_utc}.tz_convert({zones[0]!r})')}."
    )


def _is_utc(form: TimeForm) -> bool:
    return form.zone is None or str(form.zone) in {"UTC", "UTC+00:00", "Etc/UTC", "tzutc()"}


def _may_be_midnights(times_of_day: Ticks, form: TimeForm) -> bool:
    """Return whether times of day in UTC, distinct and sorted, are whole quarters of an hour, and close together."""
    quarter = form.ticks_per_day // 96
    gaps = np.diff(times_of_day, append=times_of_day[0] + form.ticks_per_day)
    return not (times_of_day % quarter).any() and form.ticks_per_day - int(gaps.max()) <= MAX_CLOCK_CHANGE * 4 * quarter


def _find_zones_of_midnights(sample: Sample, form: TimeForm) -> list[str]:
    """Return the first zones in which all stamps are midnights, and more regular than in UTC.

    Where no usual zone fits, all others with a place in their name are tried.
    """
    utc = TimeForm("stamp", None, form.unit, _zone("UTC"))
    in_utc = nearest_frequency(sample, utc)
    broken = len(sample.ticks) if in_utc is None else distance_from(in_utc, sample, utc).broken
    probe = sample.ticks[np.linspace(0, len(sample.ticks) - 1, min(50, len(sample.ticks))).astype(int)]

    def is_zone(name: str) -> bool:
        local = TimeForm("stamp", None, form.unit, _zone(name))
        if not _are_midnights(probe, local) or not _are_midnights(sample.ticks, local):
            return False
        if any(fitting.all() for fitting in candidate_frequencies(sample, local).values()):
            return True
        nearest = nearest_frequency(sample, local)
        return nearest is not None and distance_from(nearest, sample, local).broken < broken

    usual = [name for name in USUAL_ZONES if is_zone(name)]
    if usual:
        return usual[:SHOWN]
    others = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
    return list(islice((name for name in others if name not in USUAL_ZONES and is_zone(name)), SHOWN))


def _are_midnights(ticks: Ticks, form: TimeForm) -> bool:
    return not (form.to_local(ticks) % form.ticks_per_day).any()


def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)


class ClockChange(NamedTuple):
    """Irregular stamps of times without a zone, which a change of clocks may explain.

    Attributes
    ----------
    repeated : ndarray of int64, shape (n,)
        Stamps that a series has twice.
    before, after : ndarray of int64, shape (m,)
        The stamps on either side of each gap.
    """

    repeated: Ticks
    before: Ticks
    after: Ticks


def explain_clock_change(change: ClockChange, frequency: Frequency, form: TimeForm, columns: Columns) -> str | None:
    """Recognise local times without their zone, and return the sentence that tells the code which gives it to them.

    Parameters
    ----------
    change : ClockChange
        The irregular stamps.
    frequency : Frequency
        The frequency apart from them.
    form : TimeForm
        How the caller writes stamps.
    columns : Columns
        The columns of the frame.
    """
    if frequency.family not in NANOSECONDS or form.zone is not None or form.is_integer:
        return None
    zones = [name for name in USUAL_ZONES if _explains(_zone(name), change, frequency, form)][:SHOWN]
    if not zones:
        return None
    others = f", or of {' or '.join(map(repr, zones[1:]))}" if zones[1:] else ""
    look = f"This looks like a change of clocks of {zones[0]!r}{others}"
    if columns.frame.library == "dd":  # which cannot tell the first of two rows
        if len(change.repeated):
            return f"{look}: give the times their zone in pandas, before they become a Dask frame."
        line = columns.column(columns.time).convert(f"{form.datetimes}.dt.tz_localize({zones[0]!r}, ambiguous='infer')")
        return f"{look}: give the times their zone, {line}."
    earlier = f"{{df}}.groupby({spell(columns.keys)}, observed=True).cumcount() == 0"
    zoned = f"pd.DatetimeIndex({{}}).tz_localize({zones[0]!r}, ambiguous={earlier})"
    return (
        f"{look}: give the times their zone, {columns.column(columns.time).convert(zoned)}. Of two rows with one time, "
        "the one that comes first in the frame is the earlier."
    )


def _explains(zone: zoneinfo.ZoneInfo, change: ClockChange, frequency: Frequency, form: TimeForm) -> bool:
    """Return whether the clocks of a zone show all repeated stamps twice, and skip at least half the gaps."""
    if len(change.repeated) and not _are_shown_twice(change.repeated, zone, form).all():
        return False
    if not len(change.before):
        return bool(len(change.repeated))
    elapsed = _elapsed(change.before, change.after, zone, form)
    n_explained = int(np.count_nonzero(elapsed == frequency.stride(form)))
    return 2 * n_explained >= len(elapsed) or bool(len(change.repeated))


def _are_shown_twice(ticks: Ticks, zone: zoneinfo.ZoneInfo, form: TimeForm) -> Flags:
    naive = pd.DatetimeIndex(ticks.view(f"M8[{form.unit}]"))
    first, second = (
        naive.tz_localize(zone, ambiguous=np.full(len(naive), is_first), nonexistent="NaT").asi8
        for is_first in (True, False)
    )
    return np.asarray(first != second)


def _elapsed(before: Ticks, after: Ticks, zone: zoneinfo.ZoneInfo, form: TimeForm) -> Ticks:
    """Return the time that really passed between stamps of a zone; 0 where there is no such time."""
    left, right = (
        pd.DatetimeIndex(ticks.view(f"M8[{form.unit}]")).tz_localize(
            zone, ambiguous=np.ones(len(ticks), dtype=bool), nonexistent="NaT"
        )
        for ticks in (before, after)
    )
    known = ~(np.asarray(left.isna()) | np.asarray(right.isna()))
    return np.where(known, right.asi8 - left.asi8, 0)
