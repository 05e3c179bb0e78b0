"""Closed times: hours, weekdays and seasons at which there are never stamps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.panel.aliases import NANOSECONDS
from nixtla_accessor.panel.arrays import Flags, Integers, Ticks, steps_within
from nixtla_accessor.panel.calendars import MONTHS, WEEKDAYS, days_of_month, weekdays
from nixtla_accessor.panel.candidates import Sample, fitting_series
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.grid import place_on_grid
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.panel import Columns, use_integer_time
from nixtla_accessor.panel.times import TimeForm

MIN_SHARE_MISSING = 1 / 20  # of the stamps; fewer missing ones are gaps
MIN_SHARE_CLOSED = 4 / 5  # of the missing stamps; the others are holidays, or gaps
MIN_DAYS, MIN_WEEKS, MIN_YEARS = 3, 3, 2  # how often a time was never open before it counts as closed
MAX_MISSING = 200_000  # stamps that are looked at
MIN_STAMPS = 9  # fewer are on some weekdays only by chance
MAX_HOLIDAYS = 10  # that a message lists


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Local times, taken apart; arrays of shape (n,).

    Parameters
    ----------
    ticks : ndarray of int64
        The stamps.
    series : ndarray of int64
        The series, counted from 0.
    days : ndarray of int64
        Days since 1970-01-01.
    times_of_day : ndarray of int64
        Ticks since midnight.
    """

    ticks: Ticks
    series: Integers
    days: Integers
    times_of_day: Integers

    @property
    def weekday(self) -> Integers:
        """The weekdays, from 0 for Monday."""
        return weekdays(self.days.view("M8[D]"))

    @property
    def week(self) -> Integers:
        """The weeks since 1970, each from Monday."""
        return np.asarray((self.days + 3) // 7)

    @property
    def month(self) -> Integers:
        """The months of the year, from 0 for January."""
        return np.asarray(self.days.view("M8[D]").astype("M8[M]").astype(np.int64) % 12)

    @property
    def year(self) -> Integers:
        """The years since 1970."""
        return np.asarray(self.days.view("M8[D]").astype("M8[Y]").astype(np.int64))

    @property
    def day_of_year(self) -> Integers:
        """The month and the day, one number for both."""
        return np.asarray(32 * self.month + days_of_month(self.days.view("M8[D]")))


def explain_closed_times(sample: Sample, columns: Columns, form: TimeForm, frequency: Frequency) -> str | None:
    """Recognise times at which there are never stamps, and return the sentences that tell what to do.

    Parameters
    ----------
    sample : Sample
        Series with gaps at the frequency.
    columns : Columns
        The columns of the frame.
    form : TimeForm
        How the caller writes stamps.
    frequency : Frequency
        The frequency of the stamps between the gaps.
    """
    present, missing = _present_and_missing(sample, form, frequency)
    if not len(missing.days) or len(missing.days) < MIN_SHARE_MISSING * len(present.days):
        return None
    hours, weekday, season = _closed_times(present, missing, frequency)
    closed = hours | weekday | season
    if closed.mean() < MIN_SHARE_CLOSED:
        return None
    if weekday.mean() >= MIN_SHARE_CLOSED and frequency.family in {"D", "B"} and frequency.multiple == 1:
        open_days = _give_open_days(present, missing, sample, form)
        if open_days:
            return f"They look like {_name_weekdays(present)} only. {open_days}"
    look = _name_hours(present, form) if hours.mean() > season.mean() else _name_season(present)
    if weekday.mean() > max(hours.mean(), season.mean()):
        look = f"{_name_weekdays(present)} only"
    return (
        f"They look like {look}: most of what is missing never exists, so that filling it in would invent it. "
        f"{_name_gaps(missing.ticks[~closed], form)}{use_integer_time(columns)}"
    )


def _name_gaps(ticks: Ticks, form: TimeForm) -> str:
    """Return the sentence about stamps that are missing at open times; empty if there are none."""
    if not len(ticks):
        return ""
    distinct = np.unique(ticks)
    shown = ", ".join(form.show(distinct[:SHOWN]))
    return (
        f"But stamps are missing at usual times too ({shown}{and_more(len(distinct))}): unless these were closed as "
        "well, add their rows first. "
    )


def series_with_closed_times(sample: Sample, form: TimeForm, frequency: Frequency) -> Flags:
    """Return of which series, each apart, `explain_closed_times` recognises the closed times; shape (n_series,)."""
    present, missing = _present_and_missing(sample, form, frequency, apart=True)
    if not len(missing.days):
        return np.zeros(len(sample.sizes), dtype=bool)
    hours, weekday, season = _closed_times(present, missing, frequency)
    n_present, n_missing, n_closed = (
        np.bincount(series, minlength=len(sample.sizes))
        for series in (present.series, missing.series, missing.series[hours | weekday | season])
    )
    enough = n_missing >= np.maximum(MIN_SHARE_MISSING * n_present, 1)
    return np.asarray(enough & (n_closed / np.maximum(n_missing, 1) >= MIN_SHARE_CLOSED))


def suggest_open_days(sample: Sample, form: TimeForm) -> str | None:
    """Return the sentences that name the weekdays of stamps, and the offset that has exactly these days."""
    local = form.to_local(sample.ticks)
    if (local % form.ticks_per_day != local[0] % form.ticks_per_day).any():
        return None
    present, missing = _present_and_missing(sample, form, Frequency(1, "D"))
    if len(np.unique(present.weekday)) in {1, 7} or len(sample.ticks) < MIN_STAMPS:
        return None
    open_days = _give_open_days(present, missing, sample, form)
    return open_days and f"They look like {_name_weekdays(present)} only. {open_days}"


def suggest_holidays(sample: Sample, form: TimeForm, frequency: Frequency) -> str | None:
    """Return the sentence that tells how to name missing business days as holidays, where these are few."""
    if (frequency.family, frequency.multiple) != ("B", 1) or not len(sample.ticks):
        return None
    present, missing = _present_and_missing(sample, form, frequency)
    given = _give_open_days(present, missing, sample, form)
    return given and f" If these are holidays, {given[0].lower()}{given[1:]}"


def _present_and_missing(
    sample: Sample, form: TimeForm, frequency: Frequency, *, apart: bool = False
) -> tuple[Moments, Moments]:
    """Return the stamps of a sample that are on the grid, and those that are missing between them.

    Unless they are to be told ``apart``, all series count as one.
    """
    codes = np.repeat(np.arange(len(sample.sizes)), sample.sizes)
    grid = place_on_grid(codes, sample.ticks, frequency, form)
    ticks, codes = sample.ticks[grid.order[grid.kept]], grid.codes[grid.kept]
    series = codes if apart else np.zeros_like(codes)
    gaps = np.flatnonzero(grid.missing > 0)
    so_far = np.cumsum(grid.missing[gaps])
    of_others = np.append(0, so_far)[np.searchsorted(series[gaps], series[gaps])]
    gaps = gaps[so_far - of_others <= MAX_MISSING]
    sizes = grid.missing[gaps]
    missing = frequency.advance(ticks[gaps].repeat(sizes), 1 + steps_within(sizes), form)
    return _take_apart(series, ticks, form), _take_apart(series[gaps].repeat(sizes), missing, form)


def _take_apart(series: Integers, ticks: Ticks, form: TimeForm) -> Moments:
    days, times_of_day = np.divmod(form.to_local(ticks), form.ticks_per_day)
    return Moments(ticks, series, days, times_of_day)


def _closed_times(present: Moments, missing: Moments, frequency: Frequency) -> tuple[Flags, Flags, Flags]:
    """Return which of the missing stamps are at hours, weekdays and days of the year at which there are never any."""
    moments = (missing, present)
    if frequency.family in NANOSECONDS:
        hours = _closed(moments, [one.times_of_day for one in moments], missing.days, MIN_DAYS)
        size = 1 + int(max(one.times_of_day.max() for one in moments))
        of_week = [one.weekday * size + one.times_of_day for one in moments]
        hours |= _closed(moments, of_week, missing.week, MIN_WEEKS)
    else:
        hours = np.zeros(len(missing.days), dtype=bool)
    weekday = _closed(moments, [one.weekday for one in moments], missing.week, MIN_WEEKS)
    is_long = frequency.family not in NANOSECONDS and frequency.family not in {"D", "B"}
    of_year = [one.month if is_long else one.day_of_year for one in moments]
    return hours, weekday, _closed(moments, of_year, missing.year, MIN_YEARS)


def _closed(moments: tuple[Moments, Moments], places: list[Integers], turns: Integers, least: int) -> Flags:
    """Return which missing stamps are at a place where their series has never any, in so many turns at least.

    Parameters
    ----------
    moments : tuple of Moments
        The missing and the present stamps.
    places : list of ndarray of int64
        The places of the missing and of the present stamps, such as weekdays.
    turns : ndarray of int64
        The turn that each missing stamp is in, such as its week.
    least : int
        In how many turns a place must be missing.
    """
    numbers, distinct = pd.factorize(np.concatenate(places))
    own = len(distinct) * np.concatenate([one.series for one in moments]) + numbers  # the places of each series
    missing, present = own[: len(turns)], own[len(turns) :]
    turn, distinct_turns = pd.factorize(turns)
    each_turn_once = pd.unique(len(distinct_turns) * missing + turn)
    absent, counts = np.unique(each_turn_once // len(distinct_turns), return_counts=True)
    never = absent[(counts >= least) & ~np.isin(absent, present)]
    return np.isin(missing, never)


def _give_open_days(present: Moments, missing: Moments, sample: Sample, form: TimeForm) -> str | None:
    """Return the sentence that names the offset of the days that are there, if all series are regular with it."""
    open_weekdays = np.unique(present.weekday)
    weekmask = " ".join(WEEKDAYS[day].capitalize() for day in open_weekdays)
    others = np.unique(missing.days[np.isin(missing.weekday, open_weekdays)])
    if len(others) > MAX_HOLIDAYS:
        return None
    holidays = np.datetime_as_string(others.view("M8[D]")).tolist()
    arguments: dict[str, Any] = {} if weekmask == "Mon Tue Wed Thu Fri" else {"weekmask": weekmask}
    if holidays:
        arguments["holidays"] = holidays
    offset = pd.offsets.CustomBusinessDay(**arguments)
    if not fitting_series(parse_frequency(offset), sample, form).all():
        return None
    spelled = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"Give these days as the frequency: freq=pd.offsets.CustomBusinessDay({spelled})."


def _name_weekdays(present: Moments) -> str:
    return ", ".join(WEEKDAYS[day].capitalize() for day in np.unique(present.weekday))


def _name_hours(present: Moments, form: TimeForm) -> str:
    """Return how messages name opening hours: by the first and the last time of day."""
    times = present.times_of_day // (form.ticks_per_day // 86_400)
    first, last = (f"{int(time) // 3600:02}:{int(time) % 3600 // 60:02}" for time in (times.min(), times.max()))
    weekdays_open = np.unique(present.weekday)
    on = "" if len(weekdays_open) == 7 else f" on {_name_weekdays(present)}"
    return f"opening hours, {first} to {last}{on}" if first != last else f"one stamp a day, at {first}{on}"


def _name_season(present: Moments) -> str:
    months = np.unique(present.month)
    if len(months) == 12:
        return "a season, with the same days left out each year"
    return f"a season, with stamps in {', '.join(MONTHS[month].capitalize() for month in months)} only"
