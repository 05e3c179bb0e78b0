"""Local time: the zones whose clocks explain why stamps are irregular."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd

from nixtla_accessor.panel.aliases import NANOSECONDS
from nixtla_accessor.panel.arrays import Flags, Integers, Ticks
from nixtla_accessor.panel.candidates import Sample, candidate_frequencies
from nixtla_accessor.panel.frame_code import NamedColumn, spell
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.messages import SHOWN
from nixtla_accessor.panel.nearest import distance_from, nearest_frequency, without_duplicates
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.times import MISSING_TICK, SECONDS_PER_DAY, TICKS_PER_SECOND, TimeForm

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
    all : ndarray of int64
        Every stamp of the frame; the clocks of its zone show them all.
    """

    repeated: Ticks
    before: Ticks
    after: Ticks
    all: Ticks


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
    if not _may_lack_zone(frequency, form):
        return None
    zones = [name for name in USUAL_ZONES if _explains(name, change, frequency, form)][:SHOWN]
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


def series_at_clock_changes(change: ClockChange, series: Integers, frequency: Frequency, form: TimeForm) -> Integers:
    """Return the series whose gaps, at least half of them, the clocks of one zone skip.

    Parameters
    ----------
    change : ClockChange
        The gaps, and all stamps.
    series : ndarray of int64, shape (m,)
        The series of each gap.
    frequency : Frequency
        The frequency apart from the gaps.
    form : TimeForm
        How the caller writes stamps.
    """
    if not len(series) or not _may_lack_zone(frequency, form):
        return np.empty(0, dtype=np.int64)
    n_gaps = np.bincount(series)
    years = _years(change.before, form)
    clocks = {name: Clocks.of(name, years, form) for name in USUAL_ZONES}
    changes = np.unique(np.concatenate([of_zone.at for of_zone in clocks.values()]))
    last_before, last_after = (np.searchsorted(changes, ticks, side="right") for ticks in (change.before, change.after))
    over_change = last_before < last_after
    before, after, series = change.before[over_change], change.after[over_change], series[over_change]
    explained = np.zeros(len(n_gaps), dtype=bool)
    for name, of_zone in clocks.items():
        skipped = of_zone.elapsed(before, after) == frequency.stride(form)
        n_skipped = np.bincount(series[skipped], minlength=len(n_gaps))
        found = (n_skipped > 0) & (2 * n_skipped >= n_gaps)
        if found.any() and _shows_all(name, change, form):
            explained |= found
    return np.flatnonzero(explained)


def _may_lack_zone(frequency: Frequency, form: TimeForm) -> bool:
    return frequency.family in NANOSECONDS and form.zone is None and not form.is_integer


def _explains(zone: str, change: ClockChange, frequency: Frequency, form: TimeForm) -> bool:
    """Return whether the clocks of a zone show all repeated stamps twice, or skip at least half the gaps."""
    if len(change.repeated):
        clocks = Clocks.of(zone, _years(change.repeated, form), form)
        return bool(clocks.show_twice(change.repeated).all()) and _shows_all(zone, change, form)
    elapsed = Clocks.of(zone, _years(change.before, form), form).elapsed(change.before, change.after)
    n_explained = int(np.count_nonzero(elapsed == frequency.stride(form)))
    return 0 < n_explained >= len(elapsed) / 2 and _shows_all(zone, change, form)


def _shows_all(zone: str, change: ClockChange, form: TimeForm) -> bool:
    return not Clocks.of(zone, _years(change.all, form), form).skip(change.all).any()


class Clocks(NamedTuple):
    """The changes of a zone's clocks in some years.

    Attributes
    ----------
    at : ndarray of int64, shape (n,)
        The time that the clocks showed, or were about to show, when they were changed; sorted.
    forward : ndarray of int64, shape (n,)
        By how much they went forward; less than 0 where they went back.
    """

    at: Ticks
    forward: Ticks

    @classmethod
    def of(cls, zone: str, years: Iterable[int], form: TimeForm) -> Clocks:
        """Return the changes of a zone in some years."""
        changes = sorted({change for year in years for change in _changes_around(zone, year)})
        at, forward = np.array(changes, dtype=np.int64).reshape(-1, 2).T * TICKS_PER_SECOND[form.unit]
        return cls(at, forward)

    def skip(self, ticks: Ticks) -> Flags:
        """Return which stamps the clocks never showed."""
        return np.asarray(ticks < self._last(ticks, self.at + self.forward, MISSING_TICK))

    def show_twice(self, ticks: Ticks) -> Flags:
        """Return which stamps the clocks showed twice."""
        following = np.searchsorted(self.at, ticks, side="right")
        at, forward = (np.append(values, 0)[following] for values in self)
        return np.asarray((following < len(self.at)) & (ticks >= at + forward))

    def elapsed(self, before: Ticks, after: Ticks) -> Ticks:
        """Return the time that really passed between stamps; 0 where the clocks never showed them."""
        total = np.cumsum(self.forward)
        passed = after - before - self._last(after, total, 0) + self._last(before, total, 0)
        return np.where(self.skip(before) | self.skip(after), 0, passed)

    def _last(self, ticks: Ticks, values: Ticks, otherwise: int) -> Ticks:
        """Return the value of the last change before each stamp, or at it; another one before all changes."""
        return np.asarray(np.insert(values, 0, otherwise)[np.searchsorted(self.at, ticks, side="right")])


def _years(ticks: Ticks, form: TimeForm) -> list[int]:
    """Return the years of stamps, as far as Python's calendar goes, which knows the zones."""
    years = pd.unique(ticks.view(f"M8[{form.unit}]").astype("M8[Y]").astype(np.int64)) + 1970
    return [int(year) for year in years if MINYEAR < year < MAXYEAR]


@lru_cache(maxsize=10_000)
def _changes_around(zone: str, year: int) -> list[tuple[int, int]]:
    """Return the changes of clocks in a year and beside it: when, in seconds of the clocks, and how many forward."""
    info, utc = _zone(zone), UTC
    origin = datetime(1970, 1, 1, tzinfo=utc)

    def offset(seconds: int) -> int:
        of_zone = (origin + timedelta(seconds=seconds)).astimezone(info).utcoffset()
        return 0 if of_zone is None else int(of_zone.total_seconds())

    week = 7 * SECONDS_PER_DAY  # no usual zone changes its clocks twice within a week
    first = int((datetime(year, 1, 1, tzinfo=utc) - origin).total_seconds()) - week
    changes = []
    for start in range(first, first + 55 * week, week):
        low, high, old, new = start, start + week, offset(start), offset(start + week)
        if old == new:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == old else (low, middle)
        changes.append((high + old, new - old))
    return changes
